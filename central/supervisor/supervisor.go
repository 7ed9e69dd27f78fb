// Package supervisor issues supervisor codes on sheets and reconciles them with what the ledger says of their use.
//
// A sheet has codes for one lane, one action and one cause, and is given to one
// officer. What it was given for stays at central; a lane learns of a code when it
// is scanned.
package supervisor

import (
	"context"
	"crypto/rand"
	"encoding/base32"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"turnstile/central/database"
	"turnstile/central/pass"
)

// Limits of what is out at once. A lane needs a handful of openings in an outage
// of a day; a lost sheet must not be a way in for weeks.
const (
	MaxSheet = 20 // codes on one sheet
	MaxWeek  = 60 // codes issued for one lane in 7 days
	MaxDays  = 7  // validity
	week     = 7 * 24 * time.Hour
	listed   = 5000 // codes that List returns at most
)

// What a caller can branch on.
var (
	ErrOrder   = errors.New("the order cannot be fulfilled")
	ErrLane    = errors.New("no such lane is enrolled")
	ErrLimit   = fmt.Errorf("more than %d codes for one lane within 7 days", MaxWeek)
	ErrUnknown = errors.New("no such sheet or code was issued")
)

// Signer signs codes; central/issuer's Passes is one.
type Signer interface {
	Mint(p pass.Pass) (pass.Pass, []byte, error)
	Index(day pass.Day, number, capacity uint32) (uint32, error)
}

// Config of Codes.
type Config struct {
	Site     string
	Capacity uint32 // of a day's list, for days that have none yet
	Location *time.Location
	DB       *database.DB
	Signer   Signer
	// Enrolled reports whether there is such a lane, as far as its controller ever said.
	Enrolled func(controller string, lane uint8) bool
	// Revoke makes lanes refuse the codes of a sheet, or one; status.Feed does it.
	Revoke func(ctx context.Context, by, sheet string, id *pass.ID, reason string) ([]database.SupervisorCode, error)
	Now    func() time.Time
	Log    *slog.Logger
}

// Codes is safe for concurrent use.
type Codes struct{ config Config }

// New returns the codes of a site.
func New(c Config) *Codes { return &Codes{c} }

// Order asks for a sheet.
type Order struct {
	Lane    string // controller
	Number  uint8  // lane of it
	Action  pass.Action
	Cause   pass.Cause
	Count   int
	Days    int    // valid from now to the end of the Days-th campus day, today the first
	Officer string // to whom it is given
}

// Issue signs a sheet of codes and returns them; all or none. ErrOrder, ErrLane,
// ErrLimit, database.ErrDayFull.
func (c *Codes) Issue(ctx context.Context, by string, o Order) ([]database.SupervisorCode, error) {
	if err := c.check(o); err != nil {
		return nil, err
	}
	now := c.config.Now()
	first, err := c.blank(o, now)
	if err != nil {
		return nil, err
	}
	sheet := newSheet()
	var out []database.SupervisorCode
	err = c.config.DB.Supervisor(ctx, func(tx *database.SupervisorTx) error {
		n, err := tx.IssuedSince(o.Lane, o.Number, now.Add(-week).UnixMilli())
		if err != nil {
			return err
		}
		if n+o.Count > MaxWeek {
			return fmt.Errorf("%w: %d were issued for lane %s/%d", ErrLimit, n, o.Lane, o.Number)
		}
		for place := range o.Count {
			row, err := c.sign(tx, first)
			if err != nil {
				return err
			}
			row.Sheet, row.Place, row.Lane, row.Number = sheet, place+1, o.Lane, o.Number
			row.Officer, row.Issued, row.IssuedBy = o.Officer, now.UnixMilli(), by
			if err := tx.Insert(&row); err != nil {
				return err
			}
			out = append(out, row)
		}
		return tx.Audit(now.UnixMilli(), by, "issue_supervisor_codes", sheet,
			fmt.Sprintf("%d for lane %s/%d, %s, %s, to %s", o.Count, o.Lane, o.Number, o.Action, o.Cause, o.Officer))
	})
	if err != nil {
		return nil, fmt.Errorf("issue supervisor codes: %w", err)
	}
	return out, nil
}

func (c *Codes) check(o Order) error {
	_, action := pass.ParseAction(o.Action.String())
	_, cause := pass.ParseCause(o.Cause.String())
	switch {
	case !action || !cause:
		return fmt.Errorf("%w: action %s for cause %s", ErrOrder, o.Action, o.Cause)
	case o.Count < 1 || o.Count > MaxSheet:
		return fmt.Errorf("%w: %d codes; a sheet has 1 to %d", ErrOrder, o.Count, MaxSheet)
	case o.Days < 1 || o.Days > MaxDays:
		return fmt.Errorf("%w: %d days; a code is valid for 1 to %d", ErrOrder, o.Days, MaxDays)
	case o.Officer == "" || len(o.Officer) > 200:
		return fmt.Errorf("%w: a sheet is given to somebody; name the officer in up to 200 bytes", ErrOrder)
	case !c.config.Enrolled(o.Lane, o.Number):
		return fmt.Errorf("%w: %s/%d", ErrLane, o.Lane, o.Number)
	}
	return nil
}

// blank returns the code that all of the sheet share but for the index. It is
// valid from now, to the minute, to the end of its last campus day, to the hour.
func (c *Codes) blank(o Order, now time.Time) (pass.SupervisorCode, error) {
	local := now.In(c.config.Location)
	day := pass.DayOf(local)
	end := time.Date(local.Year(), local.Month(), local.Day()+o.Days, 0, 0, 0, 0, c.config.Location)
	start := (now.Unix() - day.UTC()) / 60
	if now.Unix() < day.UTC() {
		start = -((day.UTC() - now.Unix() + 59) / 60)
	}
	hours := (end.Unix() - day.UTC() - start*60 + 3599) / 3600
	s := pass.SupervisorCode{
		Day: day, Start: int16(start), Hours: uint8(min(hours, pass.MaxHours)), Action: o.Action, Cause: o.Cause,
		Lane: pass.LaneRefOf(c.config.Site, o.Lane, o.Number),
	}
	if r := s.Pass().Check(); r != pass.Granted {
		return s, fmt.Errorf("%w: lanes would refuse it as %s", ErrOrder, r)
	}
	return s, nil
}

// sign gives the code the day's next index and a signature.
func (c *Codes) sign(tx *database.SupervisorTx, s pass.SupervisorCode) (row database.SupervisorCode, err error) {
	number, capacity, err := tx.NextNumber(s.Day, c.config.Capacity)
	if err != nil {
		return row, err
	}
	if s.Index, err = c.config.Signer.Index(s.Day, number, capacity); err != nil {
		return row, err
	}
	p, signature, err := c.config.Signer.Mint(*s.Pass())
	if err != nil {
		return row, err
	}
	from, until := s.Window()
	return database.SupervisorCode{
		ID: s.ID(), Action: s.Action, Cause: s.Cause, From: from * 1000, Till: until * 1000, Code: p.Text(signature),
	}, nil
}

// newSheet names a sheet: 8 letters and digits that say nothing.
func newSheet() string {
	b := make([]byte, 5)
	rand.Read(b)
	return base32.StdEncoding.EncodeToString(b)
}

// Revoke makes lanes refuse a sheet (its name) or one code (its id, such as
// 2026-11-21/004711), and returns the codes that were still good. ErrUnknown.
func (c *Codes) Revoke(ctx context.Context, by, what, reason string) ([]database.SupervisorCode, error) {
	var id *pass.ID
	if parsed, err := pass.ParseID(what); err == nil {
		id = &parsed
	}
	done, err := c.config.Revoke(ctx, by, what, id, reason)
	if errors.Is(err, database.ErrNotFound) {
		return nil, fmt.Errorf("%w: %.40q", ErrUnknown, what)
	}
	return done, err
}
