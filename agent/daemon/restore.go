package daemon

import (
	"fmt"
	"log/slog"
	"time"

	"turnstile/agent/cache"
	"turnstile/agent/journal"
	"turnstile/agent/presence"
	"turnstile/central/link"
)

// checkpointEvery is after how many entries a checkpoint is written: a restart
// reads that many entries at most, some milliseconds' worth.
const checkpointEvery = 5000

// restore makes the presence again: from the last checkpoint and the entries
// behind it, or from the whole journal. gaps counts damaged stretches that were
// passed over.
func restore(c *cache.Cache, j *journal.Journal, log *slog.Logger) (p *presence.Presence, from uint64, gaps int, err error) {
	p, from = fromCheckpoint(c, j, log)
	p.Own(j.ID())
	next := max(from+1, j.First())
	for {
		last := next
		err = j.Replay(next, func(e link.Entry) error {
			p.Apply(e)
			last = e.Seq + 1
			return nil
		})
		to, ok := journal.Missing(err)
		if !ok || to < last {
			break
		}
		log.Error("journal entries cannot be read; who is inside may be wrong for them", "err", err)
		next, gaps = to+1, gaps+1
	}
	if err != nil {
		return nil, 0, gaps, fmt.Errorf("replay journal: %w", err)
	}
	return p, from, gaps, nil
}

// fromCheckpoint returns the presence at the last checkpoint, and the number of
// the entry that it includes. A checkpoint of another journal (this one replaced
// a damaged one) is still the best that is known of the time before; its grants
// ended who knows how, and all of this journal comes on top.
func fromCheckpoint(c *cache.Cache, j *journal.Journal, log *slog.Logger) (*presence.Presence, uint64) {
	data, id, seq, err := c.LoadCheckpoint()
	if err != nil {
		log.Warn("checkpoint cannot be read; the whole journal is", "err", err)
		return presence.New(), 0
	}
	if data == nil {
		return presence.New(), 0
	}
	p, err := presence.Decode(data)
	if err != nil {
		log.Warn("checkpoint cannot be used; the whole journal is read", "err", err)
		return presence.New(), 0
	}
	if id == j.ID() {
		return p, min(seq, j.Last())
	}
	return p, 0
}

// cursor is how far other controllers' uses came from central; with a checkpoint
// they are known for good, and central need not tell them again.
type cursor interface {
	Cursor() uint64
	Keep(cursor uint64) error
}

// checkpointLater is how old a checkpoint gets while less happens: what other
// controllers told is nowhere else on this machine.
const checkpointLater = 10 * time.Minute

// keeper writes checkpoints.
type keeper struct {
	cache    *cache.Cache
	journal  *journal.Journal
	presence *presence.Presence
	others   cursor
	at       uint64    // entry of the last checkpoint
	written  time.Time // when that was; zero: before this start
}

// due writes a checkpoint if enough has happened since the last one, or something
// has and it is old.
func (k *keeper) due(now time.Time) error {
	since := k.journal.Last() - k.at
	if since < checkpointEvery && now.Sub(k.written) < checkpointLater {
		return nil
	}
	return k.write(now)
}

func (k *keeper) write(now time.Time) error {
	told := k.others.Cursor() // before the checkpoint, which so has all that it covers
	data, seq := k.presence.Checkpoint(k.journal.Last)
	if err := k.cache.Checkpoint(data, k.journal.ID(), seq); err != nil {
		return err
	}
	k.at, k.written = seq, now
	return k.others.Keep(told)
}
