package officetest

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"slices"
	"testing"
	"time"

	"turnstile/central/office"
	"turnstile/central/pass"
)

// supervisor is the fake's office.Supervisor. Its codes are for the lanes that
// controllers of the fake reported.
type supervisor struct{ f *Fake }

func (s supervisor) Issue(_ context.Context, by string, o office.SupervisorOrder) (out []office.SupervisorCode, err error) {
	s.f.mu.Lock()
	defer s.f.mu.Unlock()
	known := slices.ContainsFunc(s.f.lanes, func(l office.Lane) bool { return l.ID == o.Controller && !l.Enrolled.IsZero() })
	if !known {
		return nil, office.Refuse(office.ErrNotFound, "There is no lane %s/%d; central lanes lists those that there are.", o.Controller, o.Lane)
	}
	now := s.f.Now()
	s.f.sheets++
	for place := range o.Count {
		c := pass.SupervisorCode{KeyID: 1, Day: pass.DayOf(now.In(HongKong)), Index: uint32(500 + len(s.f.codes)), Start: -480, Hours: uint8(24 * o.Days),
			Action: o.Action, Cause: o.Cause, Lane: pass.LaneRefOf("fake", o.Controller, o.Lane)}
		from, until := c.Window()
		p := c.Pass()
		out = append(out, office.SupervisorCode{
			ID: c.ID(), Sheet: fmt.Sprintf("SHEET%03d", s.f.sheets), Place: place + 1, Controller: o.Controller, Lane: o.Lane, Action: o.Action, Cause: o.Cause,
			From: time.Unix(from, 0), Till: time.Unix(until, 0), Text: p.Text(ed25519.Sign(s.f.key, p.Message())),
			Officer: o.Officer, Issued: now, IssuedBy: by, Status: "unused",
		})
		kept := out[place]
		kept.Text = ""
		s.f.codes = append(s.f.codes, kept)
	}
	return out, nil
}

func (s supervisor) List(_ context.Context, f office.SupervisorFilter) (out []office.SupervisorCode, err error) {
	s.f.mu.Lock()
	defer s.f.mu.Unlock()
	for _, c := range s.f.codes {
		if (f.Sheet == "" || f.Sheet == c.Sheet) && (f.Controller == "" || f.Controller == c.Controller) && (f.Used == nil || !*f.Used) {
			out = append(out, c)
		}
	}
	return out, nil
}

func (s supervisor) Revoke(_ context.Context, by, what, reason string) (out []office.SupervisorCode, err error) {
	s.f.mu.Lock()
	defer s.f.mu.Unlock()
	found := false
	for i := range s.f.codes {
		c := &s.f.codes[i]
		if c.Sheet != what && c.ID.String() != what {
			continue
		}
		if found = true; c.Status != "revoked" {
			c.Status, c.Revoked, c.RevokedBy, c.Reason = "revoked", s.f.Now(), by, reason
			out = append(out, *c)
		}
	}
	if !found {
		return nil, office.Refuse(office.ErrNotFound, "There is no sheet and no supervisor code %s; central supervisor list shows those that there are.", what)
	}
	return out, nil
}

// suiteSupervisor asks for what is not there: services of the suite need no lane.
func suiteSupervisor(t *testing.T, s office.Services) {
	ctx := context.Background()
	_, err := s.Supervisor.Issue(ctx, "suite", office.SupervisorOrder{
		Controller: "nobody", Lane: 1, Action: pass.ActOpenIn, Cause: pass.CauseDrill, Count: 1, Days: 1, Officer: "a guard",
	})
	wants(t, "codes for a lane that is not enrolled", err, office.ErrNotFound)
	if list := must[[]office.SupervisorCode](t)(s.Supervisor.List(ctx, office.SupervisorFilter{All: true})); len(list) != 0 {
		t.Errorf("codes %+v", list)
	}
	for _, what := range []string{"NOSHEET1", "2026-11-21/000815"} {
		_, err := s.Supervisor.Revoke(ctx, "suite", what, "lost")
		wants(t, "revoke "+what, err, office.ErrNotFound)
	}
}
