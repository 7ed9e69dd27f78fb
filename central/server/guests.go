package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"turnstile/central/database"
	"turnstile/central/guests"
	"turnstile/central/office"
	"turnstile/central/pass"
)

// guestRules is the API's office.GuestRules.
type guestRules struct{ standing[guests.Rules] }

func newGuestRules(c *central) guestRules {
	return guestRules{standing[guests.Rules]{c, database.GuestDocument, guests.Default(), checkGuests}}
}

func checkGuests(r guests.Rules) error {
	if err := r.Check(); err != nil {
		return office.Refuse(office.ErrInvalid, "Nobody can keep these rules: %s.", err)
	}
	return nil
}

// guestUse is what a host has and the rules that stand, as one transaction sees
// them.
func guestUse(u database.GuestUse, day, today pass.Day) (rules guests.Rules, use guests.Use, err error) {
	rules, use = guests.Default(), guests.Use{OnDay: u.OnDay, Upcoming: u.Upcoming}
	if u.Rules != "" {
		err = json.Unmarshal([]byte(u.Rules), &rules)
	}
	for _, text := range u.Requests {
		var r guestRequest
		err = errors.Join(err, json.Unmarshal([]byte(text), &r))
		if r.Order.Day < today {
			continue // nobody can approve it any more
		}
		use.Waiting++
		use.Upcoming += len(r.Guests)
		if r.Order.Day == day {
			use.OnDay += len(r.Guests)
		}
	}
	if err != nil {
		err = fmt.Errorf("read what a host has: %w: %w", database.ErrDamaged, err)
	}
	return rules, use, err
}

// claim asks the rules for guests within the transaction that takes the places.
// With the order's exception they are passed over, and that is written down.
func (s passes) claim(o office.Order, ask guests.Ask) *database.GuestClaim {
	today := s.feed.Today()
	return &database.GuestClaim{Holder: o.Holder, Day: ask.Day, Today: today, Allow: func(u database.GuestUse) (string, error) {
		rules, use, err := guestUse(u, ask.Day, today)
		if err != nil {
			return "", err
		}
		v := rules.Decide(s.config.Now().In(s.location), ask, use)
		if v.Rule != 0 && o.Exception != "" {
			return v.Rule.String() + ": " + o.Exception, nil
		}
		return "", office.RefuseGuest(v, ask.Day.String())
	}}
}

// claims are the claims of an order.
func (s passes) claims(o office.Order) []*database.GuestClaim {
	if o.Kind != pass.Guest {
		return nil
	}
	return []*database.GuestClaim{s.claim(o, guests.Ask{Day: o.Day, Guests: 1})}
}

// rowClaims are the claims of an order in a file: a row that there is no room for
// fails alone, and there is no exception.
func (s passes) rowClaims(o office.Order) []*database.GuestClaim {
	o.Exception = ""
	claims := s.claims(o)
	for _, c := range claims {
		c.Allow = func(u database.GuestUse) (string, error) {
			rules, use, err := guestUse(u, o.Day, c.Today)
			if err != nil {
				return "", err
			}
			v := rules.Decide(s.config.Now().In(s.location), guests.Ask{Day: o.Day, Guests: 1}, use)
			if v.Rule == 0 {
				return "", nil
			}
			faults, err := faultsText(office.GuestFault(v))
			if err != nil {
				return "", err
			}
			return "", &database.ErrRow{Faults: faults}
		}
	}
	return claims
}

// hostDay names whose guests of which day are counted.
type hostDay struct {
	host string
	day  pass.Day
}

// guestRows asks the rules about the rows of a file, which take places from each
// other. It is a look ahead: what counts is asked again when a row is issued.
type guestRows struct {
	passes
	today pass.Day
	has   map[hostDay]database.GuestUse
	took  map[hostDay]int
	all   map[string]int // by host
}

func (s passes) guestRows() *guestRows {
	return &guestRows{s, s.feed.Today(), map[hostDay]database.GuestUse{}, map[hostDay]int{}, map[string]int{}}
}

// fault returns why a row's guest cannot be issued, nil if nothing is against it.
func (g *guestRows) fault(ctx context.Context, o office.Order) (*office.RowFault, error) {
	if o.Kind != pass.Guest {
		return nil, nil
	}
	at := hostDay{o.Holder, o.Day}
	stands, known := g.has[at]
	if !known {
		var err error
		if stands, err = g.db.GuestUse(ctx, o.Holder, o.Day, g.today); err != nil {
			return nil, fmt.Errorf("count guests: %w", err)
		}
		g.has[at] = stands
	}
	rules, use, err := guestUse(stands, o.Day, g.today)
	if err != nil {
		return nil, err
	}
	use.OnDay += g.took[at]
	use.Upcoming += g.all[o.Holder]
	if v := rules.Decide(g.config.Now().In(g.location), guests.Ask{Day: o.Day, Guests: 1}, use); v.Rule != 0 {
		f := office.GuestFault(v)
		return &f, nil
	}
	g.took[at]++
	g.all[o.Holder]++
	return nil, nil
}

// previewPageGuests is how many a preview reads at a time.
const previewPageGuests = 1000

func (s guestRules) PreviewGuests(ctx context.Context, proposed guests.Rules, since time.Time, progress func(float64)) (guests.Report, error) {
	if err := checkGuests(proposed); err != nil {
		return guests.Report{}, err
	}
	now, err := s.Current(ctx)
	if err != nil {
		return guests.Report{}, err
	}
	w := &guestReplay{central: s.central, replay: guests.NewReplay(now.Rules, proposed, since, s.location), progress: progress,
		since: since.UnixMilli(), until: s.config.Now().UnixMilli()}
	// What was asked for earlier takes no place any more.
	w.from = since.AddDate(0, 0, -guests.MaxDays-1).UnixMilli()
	return w.run(ctx)
}

// guestReplay feeds a replay from the database.
type guestReplay struct {
	*central
	replay             *guests.Replay
	progress           func(float64)
	from, since, until int64
	taken              int
	after              int64 // number of the last request that was read
	requests           []database.Application
	drained            bool // there is no request behind these
}

// run takes requests and passes in the order of their time.
func (w *guestReplay) run(ctx context.Context) (guests.Report, error) {
	at := database.PassCursor{Issued: w.from}
	for {
		page, err := w.db.GuestPasses(ctx, at, previewPageGuests)
		if err != nil {
			return guests.Report{}, fmt.Errorf("read guests' passes: %w", err)
		}
		for _, p := range page {
			if err := w.before(ctx, p.Issued); err != nil {
				return guests.Report{}, err
			}
			w.take(guests.Asked{At: p.Issued, Host: p.Holder, Day: p.ID.Day, Count: 1, Ended: p.Ended, Application: p.Application, Pass: p.ID})
			at = database.PassCursor{Issued: p.Issued, ID: p.ID}
		}
		w.say(at.Issued)
		if w.taken >= office.MaxGuestPreview {
			w.replay.Cut()
			return w.replay.Report(), nil
		}
		if len(page) < previewPageGuests {
			err := w.before(ctx, w.until+1)
			return w.replay.Report(), err
		}
	}
}

func (w *guestReplay) say(at int64) {
	if w.progress != nil {
		w.progress(min(1, float64(at-w.from)/float64(max(1, w.until-w.from))))
	}
}

func (w *guestReplay) take(a guests.Asked) {
	w.taken++
	w.replay.Take(a)
}

// before takes the requests that were handed in up to a time.
func (w *guestReplay) before(ctx context.Context, at int64) error {
	for {
		if len(w.requests) == 0 && !w.drained {
			var err error
			if w.requests, err = w.db.GuestRequests(ctx, w.from, w.after, previewPageGuests); err != nil {
				return fmt.Errorf("read requests: %w", err)
			}
			w.drained = len(w.requests) < previewPageGuests
		}
		if len(w.requests) == 0 || w.requests[0].At > at {
			return nil
		}
		a := w.requests[0]
		w.requests, w.after = w.requests[1:], a.Number
		if err := w.request(&a); err != nil {
			return err
		}
	}
}

func (w *guestReplay) request(a *database.Application) error {
	var r *guestRequest // null: erased
	if err := json.Unmarshal([]byte(a.Request), &r); err != nil {
		return fmt.Errorf("read application %d: %w: %w", a.Number, database.ErrDamaged, err)
	}
	switch {
	case r != nil:
		w.take(guests.Asked{At: a.At, Host: a.Holder, Day: r.Order.Day, Count: len(r.Guests), Ended: a.Decided, Application: a.Number})
	case a.At >= w.since:
		w.replay.Erased()
	}
	return nil
}
