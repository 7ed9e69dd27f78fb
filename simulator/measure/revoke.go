package measure

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"time"

	"turnstile/central/office"
	"turnstile/simulator/fleet"
	"turnstile/simulator/site"
)

// revoke measures a revocation, from durable at central to acknowledged by the
// last lane controller. The limit is the sum of what cannot be left out: the
// same broker's bare fan-out of a message of that size, the lanes' flushes on this
// one disk, and as many bare acknowledgements back.
func (r *rig) revoke(ctx context.Context) error {
	b, err := newBare(ctx, filepath.Join(r.folder, "bare"), r.Lanes)
	if err != nil {
		return err
	}
	defer b.close()
	s, err := site.Start(ctx, site.Config{Programs: r.programs, Data: filepath.Join(r.folder, "revoke")})
	if err != nil {
		return err
	}
	f, err := fleet.Start(ctx, s, filepath.Join(r.folder, "fleet"), r.Lanes)
	if err != nil {
		return errors.Join(err, s.Close())
	}
	return errors.Join(r.revocations(ctx, s, b), f.Close(), s.Close())
}

func (r *rig) revocations(ctx context.Context, s *site.Site, b *bare) error {
	if err := allUp(ctx, s, r.Lanes); err != nil {
		return err
	}
	var ps, ls, ratios []float64
	for range r.Rounds {
		p, err := revocation(ctx, s, r.Lanes)
		if err != nil {
			return err
		}
		l, err := b.round(ctx)
		if err != nil {
			return err
		}
		ps, ls, ratios = append(ps, p), append(ls, l), append(ratios, p/l)
	}
	r.rows = append(r.rows, Row{
		fmt.Sprintf("revoke to the last of %d lane controllers, acknowledged", r.Lanes), "bare fan-out + flushes + acknowledgements",
		median(ps), median(ls), "ns", median(ratios), 1.5,
	})
	return nil
}

// allUp waits until all controllers have applied everything.
func allUp(ctx context.Context, s *site.Site, n int) error {
	return poll(ctx, "all lane controllers up to date", func() (bool, error) {
		lanes, err := s.API.Lanes(ctx)
		up := 0
		for _, l := range lanes {
			if l.Alive && l.UpToDate {
				up++
			}
		}
		return up == n, err
	})
}

// revocation issues and revokes a pass and returns the nanoseconds between
// central's two time stamps: revoked, and acknowledged by the last controller.
func revocation(ctx context.Context, s *site.Site, n int) (float64, error) {
	p, err := s.API.Issue(ctx, office.OrderBody{Kind: "ecard", Holder: "bench", Day: site.Today(time.Now()), Zones: []int{0}, Start: "00:00", Length: "25h"})
	if err != nil {
		return 0, err
	}
	if p, err = s.API.Set(ctx, p.ID, "revoke", "bench"); err != nil {
		return 0, err
	}
	id, asked := p.ID, time.Time{}
	err = poll(ctx, "all lane controllers refuse "+id, func() (bool, error) {
		if time.Since(asked) < askEvery {
			return false, nil
		}
		defer func() { asked = time.Now() }()
		p, err = s.API.Find(ctx, id)
		var late net.Error
		if errors.As(err, &late) && late.Timeout() { // a thousand lanes on the same disk
			return false, nil
		}
		return err == nil && p.RefusedBy != nil && p.RefusedBy.Lanes == n, err
	})
	if err != nil {
		return 0, err
	}
	return float64(p.RefusedBy.Since.Sub(*p.Changed)), nil
}

// askEvery is how often central is asked how far a revocation is: each answer names
// all that are missing, and the figure is by its own time stamps.
const askEvery = 500 * time.Millisecond

// poll asks every 50 ms for at most a minute.
func poll(ctx context.Context, what string, done func() (bool, error)) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for range 1200 {
		ok, err := done()
		if ok || err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return fmt.Errorf("waited a minute in vain: %s", what)
}
