package database

import (
	"context"
	"database/sql"
	"fmt"

	"turnstile/central/pass"
)

// The kinds and states of applications.
const (
	ApplicationECard    = "ecard"
	ApplicationGuests   = "guests"
	ApplicationOpen     = "open"
	ApplicationApproved = "approved"
	ApplicationRejected = "rejected"
)

// Application is what the portal handed in for the office to decide.
type Application struct {
	Number    int64 // 1, 2, 3 ... as handed in
	Kind      string
	State     string
	Holder    string
	Name      string
	Facts     string // JSON, not read here
	Request   string // JSON, not read here
	Photo     []byte // of an open one; Applications leaves it out
	HasPhoto  bool
	At        int64 // Unix ms
	By        string
	Decided   int64 // Unix ms, 0: open
	DecidedBy string
	Reason    string
}

const applicationColumns = `number, kind, state, holder, name, facts, request, LENGTH(photo), at, by, decided, decided_by, reason`

func scanApplication(r rowScanner) (a Application, err error) {
	var photo int64
	err = r.Scan(&a.Number, &a.Kind, &a.State, &a.Holder, &a.Name, &a.Facts, &a.Request, &photo, &a.At, &a.By, &a.Decided, &a.DecidedBy, &a.Reason)
	a.HasPhoto = photo > 0
	return a, err
}

// AddApplication stores an open application, if the claims allow it, and returns
// its number. ErrConflict: the holder has an open eCard application already.
func (d *DB) AddApplication(ctx context.Context, a Application, claims ...*GuestClaim) (number int64, err error) {
	err = d.Feed(ctx, func(t *FeedTx) error { number, err = t.AddApplication(a, claims...); return err })
	return number, err
}

// AddApplication is DB.AddApplication in the transaction.
func (t *FeedTx) AddApplication(a Application, claims ...*GuestClaim) (number int64, err error) {
	if _, err := allowed(t.ctx, t.tx, claims); err != nil {
		return 0, err
	}
	if err := t.tx.QueryRowContext(t.ctx, `SELECT COALESCE(MAX(number), 0) + 1 FROM applications`).Scan(&number); err != nil {
		return 0, named(err)
	}
	if a.Photo == nil {
		a.Photo = []byte{}
	}
	_, err = t.tx.ExecContext(t.ctx, `INSERT INTO applications (number, kind, state, holder, name, facts, request, photo, at, by, decided, decided_by, reason)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 0, '', '')`,
		number, a.Kind, ApplicationOpen, a.Holder, a.Name, a.Facts, a.Request, a.Photo, a.At, a.By)
	if err != nil {
		return 0, named(err)
	}
	return number, t.Audit(a.At, a.By, "application_hand_in", fmt.Sprint(number), a.Kind)
}

// Application returns one without its photo, as the transaction sees it, or ErrNotFound.
func (t *FeedTx) Application(number int64) (Application, error) {
	a, err := scanApplication(t.tx.QueryRowContext(t.ctx, `SELECT `+applicationColumns+` FROM applications WHERE number = $1`, number))
	return a, named(err)
}

// ApplicationPasses returns the passes that an approval issued, as the transaction
// sees them.
func (t *FeedTx) ApplicationPasses(number int64) ([]Pass, error) {
	return all(t.ctx, t.tx, scanPass, `SELECT `+passColumns+` FROM passes WHERE (day, idx) IN (SELECT day, idx FROM application_passes WHERE application = $1) ORDER BY day, idx`, number)
}

// Application returns one with its photo, or ErrNotFound.
func (d *DB) Application(ctx context.Context, number int64) (Application, error) {
	a, err := scanApplication(d.sql.QueryRowContext(ctx, `SELECT `+applicationColumns+` FROM applications WHERE number = $1`, number))
	if err == nil {
		err = d.sql.QueryRowContext(ctx, `SELECT photo FROM applications WHERE number = $1`, number).Scan(&a.Photo)
	}
	return a, named(err)
}

// ApplicationFilter selects applications; zero fields select all.
type ApplicationFilter struct {
	Kind, State, Holder string
	After               int64 // only higher numbers, ascending
	Before              int64 // only lower numbers, and the newest first
	Limit               int
}

// Applications returns some without their photos: the oldest first, or with
// Before the newest first.
func (d *DB) Applications(ctx context.Context, f ApplicationFilter) ([]Application, error) {
	var c conditions
	for column, v := range map[string]string{"kind": f.Kind, "state": f.State, "holder": f.Holder} {
		if v != "" {
			c.add(column+" = ?", v)
		}
	}
	order := "number"
	if f.Before > 0 {
		c.add("number < ?", f.Before)
		order = "number DESC"
	} else {
		c.add("number > ?", f.After)
	}
	where := c.where()
	return all(ctx, d.sql, scanApplication, `SELECT `+applicationColumns+` FROM applications `+where+` ORDER BY `+order+` LIMIT `+c.parameter(f.Limit), c.args...)
}

// OpenApplications returns how many are open, and the newest number of all: what
// changes when something is handed in or decided.
func (d *DB) OpenApplications(ctx context.Context) (open, newest int64, err error) {
	err = d.sql.QueryRowContext(ctx, `SELECT (SELECT COUNT(*) FROM applications WHERE state = $1), (SELECT COALESCE(MAX(number), 0) FROM applications)`,
		ApplicationOpen).Scan(&open, &newest)
	return open, newest, named(err)
}

// ApplicationPasses returns the passes that an approval issued.
func (d *DB) ApplicationPasses(ctx context.Context, number int64) ([]pass.ID, error) {
	return all(ctx, d.sql, func(r rowScanner) (id pass.ID, err error) { return id, r.Scan(&id.Day, &id.Index) },
		`SELECT day, idx FROM application_passes WHERE application = $1 ORDER BY day, idx`, number)
}

// Decision is what somebody decided about an application.
type Decision struct {
	Number   int64
	Approve  bool
	By       string
	At       int64 // Unix ms
	Reason   string
	Capacity uint32 // of a day that has none yet
	// Issue are the passes to issue with an approval.
	Issue []Draft
	// Letters tell the holder, once it is decided.
	Letters []Letter
}

// Draft is a pass to be issued.
type Draft struct {
	Day pass.Day
	// Mint is given the day's next issue number and its capacity.
	Mint func(number, capacity uint32) (Pass, error)
	// Claims are what has to allow it in the same transaction: of a guest's pass one.
	Claims []*GuestClaim
	// ECard is whose eCard the pass is a code of: ErrWithdrawn if it is withdrawn; "": of none.
	ECard string
}

// Decide decides an open application, and does what it asks for in the same
// transaction: an approved eCard becomes active with its photo, guests' passes
// are issued. The photo leaves the application. ErrNotFound; ErrConflict: it is
// decided already; ErrDayFull.
func (d *DB) Decide(ctx context.Context, x Decision) (ids []pass.ID, err error) {
	err = d.Feed(ctx, func(t *FeedTx) error { ids, err = t.Decide(x); return err })
	return ids, err
}

// Decide is DB.Decide in the transaction.
func (t *FeedTx) Decide(x Decision) (ids []pass.ID, err error) {
	a, err := t.Application(x.Number)
	if err != nil {
		return nil, err
	}
	if a.State != ApplicationOpen {
		return nil, ErrConflict
	}
	if x.Approve {
		if ids, err = fulfil(t.ctx, t.tx, &a, &x); err != nil {
			return nil, err
		}
	}
	return ids, settleApplication(t.ctx, t.tx, &x)
}

func fulfil(ctx context.Context, tx *sql.Tx, a *Application, x *Decision) (ids []pass.ID, err error) {
	if a.Kind == ApplicationECard {
		if err := saveECard(ctx, tx, ECard{Holder: a.Holder, Name: a.Name, Since: x.At, By: x.By}); err != nil {
			return nil, err
		}
		p := Photo{Holder: a.Holder, At: x.At}
		if err := tx.QueryRowContext(ctx, `SELECT photo FROM applications WHERE number = $1`, a.Number).Scan(&p.JPEG); err != nil {
			return nil, err
		}
		return nil, savePhoto(ctx, tx, p)
	}
	for _, draft := range x.Issue {
		p, err := issueDraft(ctx, tx, draft, x.Capacity)
		if err != nil {
			return nil, err
		}
		ids = append(ids, p.ID())
		if _, err := tx.ExecContext(ctx, `INSERT INTO application_passes (application, day, idx) VALUES ($1, $2, $3)`, a.Number, p.Day, p.Index); err != nil {
			return nil, err
		}
	}
	return ids, nil
}

// issueDraft issues a pass within a transaction.
func issueDraft(ctx context.Context, tx *sql.Tx, draft Draft, capacity uint32) (Pass, error) {
	notes, err := allowed(ctx, tx, draft.Claims)
	if err != nil {
		return Pass{}, err
	}
	if draft.ECard != "" {
		if err := notWithdrawn(ctx, tx, draft.ECard); err != nil {
			return Pass{}, err
		}
	}
	number, stands, err := nextNumber(ctx, tx, draft.Day, capacity)
	if err != nil {
		return Pass{}, err
	}
	p, err := draft.Mint(number, stands)
	if err != nil {
		return p, err
	}
	if err := insertPass(ctx, tx, &p); err != nil {
		return p, err
	}
	for _, note := range notes {
		if err := audit(ctx, tx, p.Issued, p.IssuedBy, "guest_exception", p.ID().String(), note); err != nil {
			return p, err
		}
	}
	return p, nil
}

func settleApplication(ctx context.Context, tx *sql.Tx, x *Decision) error {
	state, action := ApplicationRejected, "application_reject"
	if x.Approve {
		state, action = ApplicationApproved, "application_approve"
	}
	if _, err := tx.ExecContext(ctx, `UPDATE applications SET state = $1, decided = $2, decided_by = $3, reason = $4, photo = $5 WHERE number = $6`,
		state, x.At, x.By, x.Reason, []byte{}, x.Number); err != nil {
		return err
	}
	if err := addLetters(ctx, tx, x.Letters); err != nil {
		return err
	}
	return audit(ctx, tx, x.At, x.By, action, fmt.Sprint(x.Number), x.Reason)
}
