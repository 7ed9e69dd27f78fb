package fleet

import (
	"context"
	"fmt"
	"slices"
	"time"

	"turnstile/central/link"
	"turnstile/central/office"
	"turnstile/central/pass"
	"turnstile/simulator/site"
)

// revoke measures revocations: until each lane refuses the pass, and until central
// knows that the last one does.
func (r *run) revoke(ctx context.Context) error {
	m := r.meter()
	var refused, known, last []time.Duration
	for round := range r.Rounds {
		a, b, err := r.revocation(ctx, round)
		if err != nil {
			return err
		}
		refused, known, last = append(refused, a...), append(known, b...), append(last, slices.Max(b))
	}
	m.end(Step{Name: "revoke", Title: fmt.Sprintf("Revocations, %d rounds", r.Rounds), Last: latencyOf(last), Curves: []Curve{
		{"refused", "from durable at central until a lane refuses the pass", latencyOf(refused)},
		{"known", "from durable at central until central has a lane's word for it", latencyOf(known)},
	}})
	return r.check(ctx, "revoke")
}

// revocation is one round. Central's own times are Unix ms of the same clock.
func (r *run) revocation(ctx context.Context, round int) (refused, known []time.Duration, err error) {
	p, err := r.site.API.Issue(ctx, office.OrderBody{Kind: "ecard", Holder: "fleet", Day: site.Today(time.Now()), Zones: []int{0}, Start: "00:00", Length: "25h"})
	if err != nil {
		return nil, nil, err
	}
	if p, err = r.site.API.Set(ctx, p.ID, "revoke", "fleet"); err != nil {
		return nil, nil, err
	}
	id, err := pass.ParseID(p.ID)
	if err != nil {
		return nil, nil, err
	}
	r.revoked = append(r.revoked, id)
	epoch, seq, _, err := r.head(ctx)
	if err != nil {
		return nil, nil, err
	}
	r.events.add("pass %s revoked: event %d", p.ID, seq)
	what := fmt.Sprintf("revocation %d of %d: lanes that said so", round+1, r.Rounds)
	if err := r.until(ctx, what, len(r.lanes.list), func() (int, error) {
		list, err := r.db.AppliedBy(ctx, epoch, seq)
		return len(list), err
	}); err != nil {
		return nil, nil, err
	}
	list, err := r.db.AppliedBy(ctx, epoch, seq)
	for _, a := range list {
		known = append(known, time.UnixMilli(a.At).Sub(*p.Changed))
	}
	for _, l := range r.lanes.list {
		at := l.reached(seq)
		if at.IsZero() {
			return nil, nil, r.broken("revoke", fmt.Sprintf("central has the word of %s that it refuses %s, and it does not", l.id, p.ID))
		}
		refused = append(refused, at.Sub(*p.Changed))
	}
	return refused, known, err
}

// head is where central's log of the feed ends.
func (r *run) head(ctx context.Context) (epoch uint32, seq uint64, chain link.Hash, err error) {
	if epoch, err = r.db.Epoch(ctx); err != nil {
		return 0, 0, chain, err
	}
	if seq, err = r.db.LastSeq(ctx, epoch); err != nil {
		return 0, 0, chain, err
	}
	chain, err = r.db.Chain(ctx, epoch, seq)
	return epoch, seq, chain, err
}
