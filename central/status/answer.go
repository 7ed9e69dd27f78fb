package status

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"turnstile/central/link"
)

// What one lane controller may ask: once in two seconds on the long run. Its
// answers are up to half a megabyte.
const (
	asksPerSecond = 0.5
	askBurst      = 6
)

// maxRange is the longest range that is sent as events; beyond it snapshots are
// the shorter answer.
const maxRange = 8 * deltaEvents

// ErrTooOften tells that a lane controller asks more often than it should.
var ErrTooOften = errors.New("asks too often")

// limits are the lanes' rate limits.
type limits struct {
	mu    sync.Mutex
	lanes map[string]*rate.Limiter // of enrolled lanes alone, so bounded
}

func (l *limits) allow(lane string, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.lanes == nil {
		l.lanes = map[string]*rate.Limiter{}
	}
	r, ok := l.lanes[lane]
	if !ok {
		r = rate.NewLimiter(asksPerSecond, askBurst)
		l.lanes[lane] = r
	}
	return r.AllowN(now, 1)
}

// Ask answers what came on a lane controller's ask topic. A message that is not
// that lane's own is alarmed and changes nothing.
func (f *Feed) Ask(ctx context.Context, lane string, message []byte) error {
	keys := f.config.Keys(lane)
	if keys == nil {
		return fmt.Errorf("%w: lane %.40q is not enrolled", link.ErrUnknown, lane)
	}
	a, err := link.Open[link.Ask](message, link.TypeAsk, f.config.Site, keys, link.MaxState)
	if err == nil && a.Lane != lane {
		err = fmt.Errorf("%w: lane %.40q asks for %.40q", link.ErrMalformed, lane, a.Lane)
	}
	if err != nil {
		f.config.Alarm(ctx, "forged_ask", lane, "", err.Error())
		return err
	}
	if !f.limits.allow(lane, f.config.Now()) {
		return ErrTooOften
	}
	return f.call(ctx, func(ctx context.Context) { f.answer(ctx, a) })
}

func (f *Feed) answer(ctx context.Context, a *link.Ask) {
	topic := f.topics.Repeat(a.Lane)
	switch a.Want {
	case link.WantKeys:
		f.answerKeys(ctx, a.Lane, topic)
	case link.WantRange:
		if err := f.answerRange(ctx, a, topic); err == nil {
			return
		} else if !errors.Is(err, errNoRange) {
			f.config.Log.Error("read feed log", "error", err)
			return
		}
		f.answerSnapshots(ctx, topic)
	default:
		f.answerSnapshots(ctx, topic)
	}
}

var errNoRange = errors.New("not a range of this feed")

func (f *Feed) answerRange(ctx context.Context, a *link.Ask, topic string) error {
	to := min(a.To, f.state.Seq)
	if a.Epoch != f.state.Epoch || a.From >= to || to-a.From > maxRange {
		return errNoRange
	}
	before, err := f.config.DB.Chain(ctx, a.Epoch, a.From)
	if err != nil {
		return err
	}
	events, err := f.config.DB.Events(ctx, a.Epoch, a.From, to)
	if err != nil {
		return err
	}
	from := a.From
	for chunk := range slices.Chunk(events, deltaEvents) {
		d := link.Delta{Epoch: a.Epoch, From: from, To: from + uint64(len(chunk)), Before: before, Data: link.EncodeEvents(chunk)}
		d.After = d.Before
		for i, e := range chunk {
			d.After = link.Chain(d.After, from+uint64(i)+1, e)
		}
		f.sealAndSend(ctx, link.TypeDelta, topic, d, false)
		from, before = d.To, d.After
	}
	return nil
}

// answerSnapshots sends the snapshots that the head names, and the head.
func (f *Feed) answerSnapshots(ctx context.Context, topic string) {
	for _, h := range f.snaps.hashes {
		f.send(ctx, topic, f.snaps.sealed[h.Day], false)
	}
	f.sealAndSend(ctx, link.TypeHead, topic, f.head(), false)
}

func (f *Feed) answerKeys(ctx context.Context, lane, topic string) {
	f.send(ctx, topic, f.keys, false)
	f.sealAndSend(ctx, link.TypeRules, topic, f.rules, false)
	for _, l := range f.config.Lanes() {
		if l.ID == lane {
			f.publishGateKeys(ctx, l, topic, false)
		}
	}
}
