package supervisor

import (
	"context"
	"errors"
	"fmt"
	"time"

	"turnstile/central/database"
	"turnstile/central/link"
	"turnstile/central/pass"
)

// Status is what became of a code.
type Status string

// The statuses.
const (
	Unused   Status = "unused"
	Open     Status = "open"       // granted, and the lane has not told the result yet
	Used     Status = "used"       // by an opening that somebody went through, or a mode
	Unsure   Status = "unsure"     // used up: nobody knows whether anybody went through
	Returned Status = "given_back" // opened for nobody: as good as unused
	Expired  Status = "expired"    // and never used
	Revoked  Status = "revoked"    // and never used
)

// IsUsed reports whether the code is used up or about to be.
func (s Status) IsUsed() bool { return s == Used || s == Unsure || s == Open }

// State is a code with what the ledger says of it.
type State struct {
	database.SupervisorCode
	Status   Status
	UsedAt   time.Time // by the lane's clock, of the entry that Status rests on; zero if there is none
	UsedBy   string    // lane controller
	UsedLane uint8     // its lane
	Ledger   int64     // number of that entry
	Tried    int       // times that a lane refused it
}

// Filter selects codes.
type Filter struct {
	Lane  string // controller; "": all
	Sheet string // "": all
	Used  *bool  // only used ones, or only the others
	All   bool   // also codes that were over a week ago
}

// List returns codes with their states, the newest sheet first.
func (c *Codes) List(ctx context.Context, f Filter) ([]State, error) {
	if err := c.Reconcile(ctx); err != nil {
		return nil, err
	}
	q := database.SupervisorFilter{Lane: f.Lane, Sheet: f.Sheet, Limit: listed}
	if !f.All {
		q.Since = c.config.Now().Add(-week).UnixMilli()
	}
	rows, err := c.config.DB.SupervisorCodes(ctx, q)
	if err != nil {
		return nil, fmt.Errorf("list supervisor codes: %w", err)
	}
	out := []State{}
	for _, r := range rows {
		uses, err := c.config.DB.SupervisorUses(ctx, r.ID)
		if err != nil {
			return nil, fmt.Errorf("list supervisor codes: %w", err)
		}
		s := stateOf(r, uses, c.config.Now())
		if f.Used == nil || *f.Used == s.Status.IsUsed() {
			out = append(out, s)
		}
	}
	return out, nil
}

// stateOf puts a code together with its uses.
func stateOf(row database.SupervisorCode, uses []database.SupervisorUse, now time.Time) State {
	s := State{SupervisorCode: row, Status: Unused}
	switch {
	case row.Revoked != 0:
		s.Status = Revoked
	case row.Till <= now.UnixMilli():
		s.Status = Expired
	}
	for i := range uses {
		u := &uses[i]
		if u.Entry.Type == link.EntryDenied {
			s.Tried++
		}
		if status, ok := statusOf(u.Entry.Type); ok && (status != Returned || s.Status != Used && s.Status != Unsure) {
			if status == Returned && (row.Revoked != 0 || row.Till <= now.UnixMilli()) {
				status = s.ended(now)
			}
			s.Status, s.UsedAt, s.UsedBy, s.UsedLane, s.Ledger = status, time.UnixMilli(u.Entry.Wall), u.Lane, u.Entry.Lane, u.Ledger
		}
	}
	return s
}

// ended is the status of a code that was not used and cannot be any more.
func (s *State) ended(now time.Time) Status {
	if s.Revoked != 0 {
		return Revoked
	}
	return Expired
}

func statusOf(t link.EntryType) (Status, bool) {
	switch t {
	case link.EntryGranted:
		return Open, true
	case link.EntryPassed, link.EntryMode:
		return Used, true
	case link.EntryUnknown:
		return Unsure, true
	case link.EntryNotPassed:
		return Returned, true
	}
	return "", false
}

// The alarms that reconciliation raises.
const (
	CodeUsed     = "supervisor_used"     // every use is told
	CodeUnissued = "supervisor_unissued" // used, and central issued no such code
	CodeTwice    = "supervisor_twice"
	CodeLane     = "supervisor_lane"    // used at another lane than it was issued for
	CodeRevoked  = "supervisor_revoked" // used by a lane that had not heard of its revocation
)

var nextSteps = map[string]string{
	CodeUsed:     "Ask the officer for the sheet and note why it was used.",
	CodeUnissued: "Was central restored from a backup that is older than the sheet? Else a key that signs supervisor codes may be stolen: withdraw it (central keys withdraw) and look at the lane's camera.",
	CodeTwice:    "The lane lost what it knew of used codes (disk replaced, or set back): look at its alarms, and revoke what is left of the sheet.",
	CodeLane:     "The lane does not check for which lane a code is: take it out of service and look at its program.",
	CodeRevoked:  "The lane was cut off from central: mend its connection, and look at its camera.",
}

// Reconcile takes what is new in the ledger and raises alarms about it, each once,
// also over restarts.
func (c *Codes) Reconcile(ctx context.Context) error {
	for more := true; more; {
		var err error
		if more, err = c.config.DB.ReadSupervisorUses(ctx, c.look); err != nil {
			return fmt.Errorf("reconcile supervisor codes: %w", err)
		}
	}
	return nil
}

// usesUp reports whether an entry uses a code up.
func usesUp(t link.EntryType) bool {
	return t == link.EntryPassed || t == link.EntryUnknown || t == link.EntryMode
}

// look raises what there is to say of one entry.
func (c *Codes) look(tx *database.SupervisorTx, u *database.SupervisorUse) error {
	e := &u.Entry
	if e.Type != link.EntryGranted && !usesUp(e.Type) {
		return nil // refused or given back: nothing happened
	}
	where := fmt.Sprintf("code %s at lane %s/%d for %s at %s, ledger %d", e.Pass, u.Lane, e.Lane, pass.Cause(e.Gen),
		time.UnixMilli(e.Wall).In(c.config.Location).Format(time.DateTime), u.Ledger)
	row, err := tx.Find(e.Pass)
	switch {
	case errors.Is(err, database.ErrNotFound):
		return c.raise(tx, CodeUnissued, u, where)
	case err != nil:
		return err
	case row.Lane != u.Lane || row.Number != e.Lane:
		return c.raise(tx, CodeLane, u, where+fmt.Sprintf("; issued for %s/%d", row.Lane, row.Number))
	case !usesUp(e.Type):
		return nil // the result is still to come
	}
	return c.used(tx, u, &row, where)
}

// used raises what there is to say of a code that was used up.
func (c *Codes) used(tx *database.SupervisorTx, u *database.SupervisorUse, row *database.SupervisorCode, where string) error {
	all, err := tx.Uses(row.ID)
	if err != nil {
		return err
	}
	times := 0
	for i := range all {
		if usesUp(all[i].Entry.Type) {
			times++
		}
	}
	if times > 1 {
		if err := c.raise(tx, CodeTwice, u, fmt.Sprintf("%s; use number %d", where, times)); err != nil {
			return err
		}
	}
	if row.Revoked != 0 && u.Entry.Wall > row.Revoked {
		if err := c.raise(tx, CodeRevoked, u, where); err != nil {
			return err
		}
	}
	return c.raise(tx, CodeUsed, u, where+", "+row.Action.String())
}

func (c *Codes) raise(tx *database.SupervisorTx, code string, u *database.SupervisorUse, detail string) error {
	return tx.Raise(database.Alarm{
		Code: code, Lane: u.Lane, Subject: fmt.Sprintf("%s #%d", u.Entry.Pass, u.Ledger), Latest: c.config.Now().UnixMilli(),
		Detail: detail, Next: nextSteps[code],
	})
}

// reconcileEvery is how soon after its entry is in the ledger a use is alarmed.
const reconcileEvery = 10 * time.Second

// Run reconciles until ctx ends. What fails is tried again; the alarms name only
// what the ledger says, so nothing is lost.
func (c *Codes) Run(ctx context.Context) error {
	tick := time.NewTicker(reconcileEvery)
	defer tick.Stop()
	for {
		if err := c.Reconcile(ctx); err != nil && ctx.Err() == nil {
			c.config.Log.Error("supervisor codes", "error", err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// Counts counts the codes whose window is not over for longer than a week.
func (c *Codes) Counts(ctx context.Context) (map[Status]int, error) {
	list, err := c.List(ctx, Filter{})
	if err != nil {
		return nil, err
	}
	n := map[Status]int{}
	for _, s := range []Status{Unused, Open, Used, Unsure, Returned, Expired, Revoked} {
		n[s] = 0
	}
	for _, s := range list {
		n[s.Status]++
	}
	return n, nil
}
