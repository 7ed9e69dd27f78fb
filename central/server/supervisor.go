package server

import (
	"context"
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"turnstile/central/database"
	"turnstile/central/link"
	"turnstile/central/office"
	"turnstile/central/status"
	"turnstile/central/supervisor"
)

// openSupervisor builds the supervisor codes, which stand on feed and fleet.
func (s *central) openSupervisor(context.Context) error {
	s.codes = supervisor.New(supervisor.Config{
		Site: s.config.Site, Capacity: s.config.Capacity, Location: s.location, DB: s.db, Signer: s.issuer, Enrolled: s.hasLane,
		Revoke: s.feed.RevokeSupervisor, Now: s.config.Now, Log: s.config.Log,
	})
	return nil
}

// hasLane reports whether a controller is enrolled and, once it reported, has the
// lane.
func (s *central) hasLane(controller string, lane uint8) bool {
	for _, l := range s.fleet.Lanes() {
		if l.ID == controller && !l.Enrolled.IsZero() {
			return l.State == nil || hasNumber(l.State.Lanes, lane)
		}
	}
	return false
}

func hasNumber(lanes []link.LaneInfo, number uint8) bool {
	for _, l := range lanes {
		if l.Number == number {
			return true
		}
	}
	return false
}

// supervisorCodes is the API's office.Supervisor.
type supervisorCodes struct{ *central }

func (s supervisorCodes) Issue(ctx context.Context, by string, o office.SupervisorOrder) ([]office.SupervisorCode, error) {
	rows, err := s.codes.Issue(ctx, by, supervisor.Order{
		Lane: o.Controller, Number: o.Lane, Action: o.Action, Cause: o.Cause, Count: o.Count, Days: o.Days, Officer: o.Officer,
	})
	switch {
	case errors.Is(err, supervisor.ErrOrder):
		return nil, office.Refuse(office.ErrInvalid, "Such a sheet cannot be made: %s.", err)
	case errors.Is(err, supervisor.ErrLane):
		return nil, office.Refuse(office.ErrNotFound, "There is no lane %s/%d; central lanes lists those that there are.", o.Controller, o.Lane)
	case errors.Is(err, supervisor.ErrLimit):
		return nil, office.Refuse(office.ErrConflict, "Lane %s/%d has had its %d codes of 7 days; revoking does not give them back. Use what is out, or wait.", o.Controller, o.Lane, supervisor.MaxWeek)
	case errors.Is(err, database.ErrDayFull):
		return nil, office.Refuse(office.ErrConflict, "All numbers of today are used; raise capacity for days to come.")
	case err != nil:
		return nil, err
	}
	return officeCodes(rows, supervisor.Unused), nil
}

func (s supervisorCodes) List(ctx context.Context, f office.SupervisorFilter) ([]office.SupervisorCode, error) {
	states, err := s.codes.List(ctx, supervisor.Filter{Lane: f.Controller, Sheet: f.Sheet, Used: f.Used, All: f.All})
	if err != nil {
		return nil, err
	}
	out := make([]office.SupervisorCode, 0, len(states))
	for _, x := range states {
		c := officeCode(x.SupervisorCode, x.Status)
		c.UsedAt, c.UsedBy, c.UsedLane, c.Ledger, c.Tried = x.UsedAt, x.UsedBy, x.UsedLane, x.Ledger, x.Tried
		out = append(out, c)
	}
	return out, nil
}

func (s supervisorCodes) Revoke(ctx context.Context, by, what, reason string) ([]office.SupervisorCode, error) {
	rows, err := s.codes.Revoke(ctx, by, what, reason)
	switch {
	case errors.Is(err, supervisor.ErrUnknown):
		return nil, office.Refuse(office.ErrNotFound, "There is no sheet and no supervisor code %s; central supervisor list shows those that there are.", what)
	case errors.Is(err, status.ErrBlocked):
		return nil, office.Refuse(office.ErrConflict, "The day's list takes no more revoked codes. Withdraw the key for supervisor codes (central keys list, central keys withdraw) and issue new sheets.")
	case err != nil:
		return nil, err
	}
	return officeCodes(rows, supervisor.Revoked), nil
}

func officeCodes(rows []database.SupervisorCode, now supervisor.Status) []office.SupervisorCode {
	out := make([]office.SupervisorCode, 0, len(rows))
	for _, r := range rows {
		out = append(out, officeCode(r, now))
	}
	return out
}

func officeCode(r database.SupervisorCode, now supervisor.Status) office.SupervisorCode {
	c := office.SupervisorCode{
		ID: r.ID, Sheet: r.Sheet, Place: r.Place, Controller: r.Lane, Lane: r.Number, Action: r.Action, Cause: r.Cause,
		From: time.UnixMilli(r.From), Till: time.UnixMilli(r.Till), Text: r.Code, Officer: r.Officer,
		Issued: time.UnixMilli(r.Issued), IssuedBy: r.IssuedBy, Status: string(now), RevokedBy: r.RevokedBy, Reason: r.Reason,
	}
	if r.Revoked != 0 {
		c.Revoked = time.UnixMilli(r.Revoked)
	}
	return c
}

// codeGauge is turnstile_supervisor_codes, by what became of them.
type codeGauge struct {
	codes *supervisor.Codes
	desc  *prometheus.Desc
}

func newCodeGauge(c *supervisor.Codes) codeGauge {
	return codeGauge{c, prometheus.NewDesc("turnstile_supervisor_codes", "Supervisor codes that are not over for more than a week, by what became of them.", []string{"status"}, nil)}
}

func (g codeGauge) Describe(out chan<- *prometheus.Desc) { out <- g.desc }

// countLimit bounds how long a scrape waits for the database.
const countLimit = 2 * time.Second

func (g codeGauge) Collect(out chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), countLimit)
	defer cancel()
	counts, err := g.codes.Counts(ctx)
	if err != nil {
		out <- prometheus.NewInvalidMetric(g.desc, err)
		return
	}
	for s, n := range counts {
		out <- prometheus.MustNewConstMetric(g.desc, prometheus.GaugeValue, float64(n), string(s))
	}
}
