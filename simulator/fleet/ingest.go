package fleet

import (
	"context"
	"fmt"
	"slices"
	"time"

	"turnstile/central/pass"
	"turnstile/simulator/site"
)

// perLane is how many people come to a lane in a minute of the rush hour: sixty an
// hour at each of ten thousand lanes are more than any campus has.
const perLane = 1.0

// rush plays a piece of a rush hour: people come by the seed.
func (r *run) rush(ctx context.Context) error {
	if err := r.quiet(ctx); err != nil {
		return err
	}
	r.acked.take()
	m := r.meter()
	people := max(len(r.lanes.list), int(perLane*r.For.Minutes()*float64(len(r.lanes.list))))
	times := make([]time.Duration, people)
	for i := range times {
		times[i] = time.Duration(r.random.Int64N(int64(r.For)))
	}
	slices.Sort(times)
	r.bar.begin("people of the rush hour", people)
	began := time.Now()
	for i, at := range times {
		if ahead := at - time.Since(began); ahead > 0 {
			wait(ctx, ahead)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		r.lanes.list[r.random.IntN(len(r.lanes.list))].walk(r.somebody(), time.Now())
		r.bar.set(i + 1)
	}
	if err := r.quiet(ctx); err != nil {
		return err
	}
	list, last := r.acked.take()
	m.end(Step{Name: "rush", Title: fmt.Sprintf("Rush hour: %d people within %v", people, r.For), Rate: float64(len(list)) / last.Sub(began).Seconds(),
		Curves: []Curve{{"acked", "from written by a lane until acknowledged as durable", latencyOf(list)}}})
	return r.check(ctx, "rush")
}

// backlog has each lane send at once what an hour without central left behind.
func (r *run) backlog(ctx context.Context) error {
	m := r.meter()
	began := time.Now()
	for _, l := range r.lanes.list {
		for range (r.Entries + 1) / 2 {
			l.walk(r.somebody(), began)
		}
	}
	if err := r.quiet(ctx); err != nil {
		return err
	}
	list, last := r.acked.take()
	m.end(Step{Name: "backlog", Title: fmt.Sprintf("Backlog: %d entries of all lanes at once", len(list)), Rate: float64(len(list)) / last.Sub(began).Seconds(),
		Curves: []Curve{{"acked", "from written by a lane until acknowledged as durable", latencyOf(list)}}})
	return r.check(ctx, "backlog")
}

// quiet waits until all entries are acknowledged, and forgets how long that took
// unless somebody takes it.
func (r *run) quiet(ctx context.Context) error {
	left := r.lanes.waiting()
	return r.until(ctx, "entries acknowledged", left, func() (int, error) { return left - r.lanes.waiting(), nil })
}

func (r *run) today() pass.Day {
	at, _ := time.Parse(time.DateOnly, site.Today(time.Now())) // a date of its own making
	return pass.DayOf(at)
}
