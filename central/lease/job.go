package lease

import (
	"context"
	"time"

	"turnstile/central/database"
	"turnstile/central/link"
)

// Job is something that one central does for all.
type Job struct {
	keeper *Keeper
	name   string
}

// Job returns the job of that name, which Config.Jobs must have.
func (k *Keeper) Job(name string) *Job { return &Job{k, name} }

// lease returns what is held of a name at this moment.
func (k *Keeper) lease(name string) (held, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	h, ok := k.held[name]
	return h, ok && k.config.Elapsed() < k.until
}

// Held reports whether this central does the job now. It is false as soon as
// another could have it, also when the database does not answer.
func (j *Job) Held() bool {
	_, ok := j.Lease()
	return ok
}

// Lease returns the lease that a transaction of this job stands on.
func (j *Job) Lease() (database.Lease, bool) {
	h, ok := j.keeper.lease(j.name)
	return h.Lease, ok && (!j.keeper.shared || h.until != 0)
}

// Confirm returns nil if the job is held, and a signature of the time at (Unix ms)
// is older than any of the next owner. It asks the database: what was decided
// before it and is done after it was decided while the job was held, however long
// this process was stopped meanwhile.
func (j *Job) Confirm(ctx context.Context, at int64) error {
	h, ok := j.keeper.lease(j.name)
	switch {
	case !j.keeper.shared && ok:
		return nil
	case !ok || at > h.until:
		return errLost
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return j.keeper.config.DB.Confirm(ctx, h.Lease)
}

// lookEvery is how soon While notices that a job was gained or lost.
const lookEvery = 250 * time.Millisecond

// While runs work whenever this central has the job, until ctx ends or work ends
// by itself; work's context ends when the job is lost. It returns work's error.
func (j *Job) While(ctx context.Context, work func(context.Context) error) error {
	for j.await(ctx, true) {
		if lost, err := j.once(ctx, work); !lost {
			return err
		}
	}
	return nil
}

// once runs work until it ends, and ends it when the job is lost.
func (j *Job) once(ctx context.Context, work func(context.Context) error) (lost bool, err error) {
	working, cancel := context.WithCancel(ctx)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		lost = j.await(working, false)
		cancel()
	}()
	err = work(working)
	cancel()
	<-watched
	return lost, err
}

// await returns true when the job is held, or not held, as wanted; false if ctx
// ended before.
func (j *Job) await(ctx context.Context, wanted bool) bool {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		if ctx.Err() != nil {
			return false
		}
		if j.Held() == wanted {
			return true
		}
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
}

// Mine reports whether this central serves a lane controller: its partition is
// held here, and nowhere else.
func (k *Keeper) Mine(lane string) bool {
	_, ok := k.lease(partitionName(link.Partition(lane)))
	return ok
}

// Listens returns the partitions whose journals this central is to take in: those
// that it holds, and those that it will. Where that overlaps with another's, the
// ledger stores each entry once.
func (k *Keeper) Listens() (list [link.Partitions]bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	list = k.wanted
	for name := range k.held {
		if p := partitionOf(name); p >= 0 {
			list[p] = true
		}
	}
	return list
}

// Members returns the living centrals by name, as of the last round.
func (k *Keeper) Members() []Member {
	k.mu.Lock()
	defer k.mu.Unlock()
	return append([]Member(nil), k.members...)
}

// Partitions returns how many partitions are held here.
func (k *Keeper) Partitions() (n int) {
	for p := range link.Partitions {
		if _, ok := k.lease(partitionName(p)); ok {
			n++
		}
	}
	return n
}
