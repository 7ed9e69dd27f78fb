package database

import (
	"context"
	"errors"

	"turnstile/central/pass"
)

// GuestDocument is the name of the document with the rules for guests.
const GuestDocument = "guests"

// GuestClaim is what a host asks for. Whether there is room is decided in the
// transaction that takes it: two at once cannot take the same place.
type GuestClaim struct {
	Holder string   // the host
	Day    pass.Day // of the guests
	Today  pass.Day // on the campus clock
	// Instead is the number of an application of the host that ends in the same
	// transaction: what it has is not counted. 0: none.
	Instead int64
	// Allow is given what the host has and returns why there is no room. A note that
	// it returns without an error is written down as an exception.
	Allow func(GuestUse) (note string, err error)
}

// GuestUse is what a host has. Where no rules for guests were ever set nothing is
// counted: there is no limit then.
type GuestUse struct {
	Rules    string   // body of GuestDocument, "" for none; not read here
	OnDay    int      // guests of the day with a pass that is not revoked
	Upcoming int      // the same of today and all days behind it
	Requests []string // what open requests ask for; Application.Request
}

// GuestUse returns what stands at this moment, for showing it: another transaction
// may change it at once.
func (d *DB) GuestUse(ctx context.Context, holder string, day, today pass.Day) (GuestUse, error) {
	u, err := guestUse(ctx, d.sql, &GuestClaim{Holder: holder, Day: day, Today: today})
	return u, named(err)
}

// allowed asks the claims, and returns the notes of exceptions.
func allowed(ctx context.Context, tx querier, claims []*GuestClaim) (notes []string, err error) {
	for _, c := range claims {
		use, err := guestUse(ctx, tx, c)
		if err != nil {
			return nil, err
		}
		note, err := c.Allow(use)
		if err != nil {
			return nil, err
		}
		if note != "" {
			notes = append(notes, note)
		}
	}
	return notes, nil
}

func guestUse(ctx context.Context, q querier, c *GuestClaim) (u GuestUse, err error) {
	err = named(q.QueryRowContext(ctx, `SELECT body FROM documents WHERE name = $1 ORDER BY version DESC LIMIT 1`, GuestDocument).Scan(&u.Rules))
	if errors.Is(err, ErrNotFound) {
		return GuestUse{}, nil
	}
	if err != nil {
		return u, err
	}
	const guests = `SELECT COUNT(*) FROM passes p WHERE kind = 2 AND holder = $1 AND status <> 1
		AND NOT EXISTS (SELECT 1 FROM application_passes a WHERE a.application = $4 AND a.day = p.day AND a.idx = p.idx) AND day `
	err = q.QueryRowContext(ctx, `SELECT (`+guests+`= $2), (`+guests+`>= $3)`, c.Holder, c.Day, c.Today, c.Instead).Scan(&u.OnDay, &u.Upcoming)
	if err != nil {
		return u, err
	}
	u.Requests, err = all(ctx, q, func(r rowScanner) (text string, err error) { return text, r.Scan(&text) },
		`SELECT request FROM applications WHERE holder = $1 AND kind = $2 AND state = $3 AND number <> $4 ORDER BY number`, c.Holder, ApplicationGuests, ApplicationOpen, c.Instead)
	return u, err
}

// GuestPass is a guest's pass, as far as it takes a place among the host's.
type GuestPass struct {
	ID          pass.ID
	Holder      string
	Issued      int64 // Unix ms
	Ended       int64 // Unix ms of its revocation, 0: it stands
	Application int64 // whose approval issued it, 0: none
}

// GuestPasses returns guests' passes in the order of their issue: those issued at
// a time (Unix ms) or later, and behind the given one of that time.
func (d *DB) GuestPasses(ctx context.Context, from PassCursor, limit int) ([]GuestPass, error) {
	return all(ctx, d.sql, func(r rowScanner) (p GuestPass, err error) {
		return p, r.Scan(&p.ID.Day, &p.ID.Index, &p.Holder, &p.Issued, &p.Ended, &p.Application)
	}, `SELECT p.day, p.idx, p.holder, p.issued, CASE WHEN p.status = 1 THEN p.changed ELSE 0 END, COALESCE(a.application, 0)
		FROM passes p LEFT JOIN application_passes a ON a.day = p.day AND a.idx = p.idx
		WHERE p.kind = 2 AND (p.issued, p.day, p.idx) > ($1, $2, $3) ORDER BY p.issued, p.day, p.idx LIMIT $4`, from.Issued, from.ID.Day, from.ID.Index, limit)
}

// GuestRequests returns requests for guests behind a number that were handed in at
// a time (Unix ms) or later, the oldest first; what the retention erased is empty.
func (d *DB) GuestRequests(ctx context.Context, since, after int64, limit int) ([]Application, error) {
	return all(ctx, d.sql, scanApplication, `SELECT `+applicationColumns+` FROM applications WHERE kind = $1 AND at >= $2 AND number > $3 ORDER BY number LIMIT $4`,
		ApplicationGuests, since, after, limit)
}
