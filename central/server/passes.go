package server

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"turnstile/central/database"
	"turnstile/central/fleet"
	"turnstile/central/link"
	"turnstile/central/office"
	"turnstile/central/pass"
	"turnstile/central/status"
)

// services returns what the API stands on.
func (s *central) services() office.Services {
	return office.Services{
		Passes: passes{s}, Records: records{s}, Lanes: lanes{s}, Rules: rules{s}, History: history{s}, Feed: feed{s},
		Tokens: tokens{s.db, s.config.Now}, Keys: keys{s}, Supervisor: supervisorCodes{s},
		Places: places{s}, Fleet: laneFleet{s},
		Commands: commands{s}, Modes: rules{s},
		Requests: requests{s.db}, People: People{s.db, s.config.Now, s.consoleURL()}, Audit: auditLog{s}, Webhooks: s.webhooks, Deliveries: deliveries{s.webhooks},
		Approvals: approvals{s}, Policies: approvals{s}, Guests: newGuestRules(s), ECards: ecardRules(s), Retention: newKeeping(s), Holders: holders{s}, Bulk: bulk{s}, Imports: imports{s}, Mails: mails{s},
		Ledger: passageLedger{s}, Tally: passageLedger{s}, Presence: presence{s}, Attention: attention{s},
		Register: registry{s}, Syncs: registry{s}, SyncHistory: registry{s}, Merges: registry{s}, Apart: registry{s}, Cards: ecards{s},
	}
}

// passes is the API's office.Passes.
type passes struct{ *central }

func (s passes) Issue(ctx context.Context, by string, o office.Order) (office.Pass, error) {
	d, err := s.prepare(by, o)
	if err != nil {
		return office.Pass{}, err
	}
	d.Claims = s.claims(o)
	row, err := s.db.IssuePass(ctx, d, s.config.Capacity)
	switch {
	case errors.Is(err, database.ErrDayFull):
		return office.Pass{}, office.Refuse(office.ErrConflict, "All passes of %s are issued; take another day.", o.Day)
	case errors.Is(err, database.ErrWithdrawn):
		return office.Pass{}, s.refuseWithdrawn(ctx, o.Holder)
	case err != nil:
		return office.Pass{}, signerAway(fmt.Errorf("issue pass: %w", err))
	}
	return officePass(row), nil
}

// prepare checks an order and returns what issues it in a transaction.
func (s passes) prepare(by string, o office.Order) (database.Draft, error) {
	p, err := s.draft(o)
	if err != nil {
		return database.Draft{}, signerAway(err)
	}
	d := database.Draft{Day: o.Day, Mint: func(number, capacity uint32) (database.Pass, error) {
		var err error
		if p.Index, err = s.issuer.Index(o.Day, number, capacity); err != nil {
			return database.Pass{}, err
		}
		signed, signature, err := s.issuer.Mint(p)
		return database.Pass{Pass: signed, Signature: signature, Holder: o.Holder, GuestName: o.GuestName, Purpose: o.Purpose,
			Issued: s.config.Now().UnixMilli(), IssuedBy: by, Status: link.Good}, err
	}}
	if o.Kind == pass.ECard {
		d.ECard = o.Holder
	}
	return d, nil
}

// draft checks an order and returns the pass without index and signature.
func (s passes) draft(o office.Order) (p pass.Pass, err error) {
	if p, err = s.check(o); err != nil {
		return p, err
	}
	p.Holder, err = s.issuer.Holder(o.Day, person(o))
	return p, err
}

// check returns the pass of an order without holder, index and signature, or why
// there can be no such pass.
func (s passes) check(o office.Order) (p pass.Pass, err error) {
	today, r := s.feed.Today(), s.feed.View().Rules
	var known uint16
	for _, z := range r.Zones {
		known |= 1 << z.ID
	}
	switch {
	case o.Day < today || o.Day > today+status.MaxAhead:
		return p, office.Refuse(office.ErrInvalid, "Passes are issued for %s to %s; %s is not among these days.", today, today+status.MaxAhead, o.Day)
	case o.Zones&^known != 0 || o.Zones == 0:
		return p, office.Refuse(office.ErrInvalid, "A zone of this order does not exist; see the rules for those that do.")
	case o.Kind == pass.Test && !r.TestPass:
		return p, office.Refuse(office.ErrInvalid, "Test passes are off here; they are for commissioning, see test_pass in the rules.")
	case o.Length <= 0 || o.Length%(10*time.Minute) != 0 || o.Start < 0 || o.Start > 24*time.Hour || o.Start%time.Minute != 0:
		return p, office.Refuse(office.ErrInvalid, "A pass begins at a whole minute of its day and lasts whole steps of 10 minutes.")
	}
	p = pass.Pass{
		Kind: o.Kind, Flags: o.Flags, Day: o.Day, Start: s.start(o.Day, o.Start), Length: uint8(min(o.Length/(10*time.Minute), 255)),
		Zones: o.Zones, Entries: o.Entries,
	}
	if reason := p.Check(); reason != pass.Granted {
		return p, office.Refuse(office.ErrInvalid, "Lanes would refuse such a pass as %s; check start, length and entries.", reason)
	}
	_, until := p.Window()
	if last, _ := r.Campus(until - 1); last > o.Day+1 {
		return p, office.Refuse(office.ErrInvalid, "A pass ends with the day behind its own: lanes know no longer what it used; shorten it, or issue one for the next day.")
	}
	return p, nil
}

// person names whose pseudonym the pass bears; a guest is not the holder.
func person(o office.Order) string {
	if o.Kind == pass.Guest {
		return o.Holder + "\x00guest\x00" + o.GuestName
	}
	return o.Holder
}

// start returns a campus wall clock time of a day as minutes from its 00:00 UTC.
func (s passes) start(d pass.Day, wall time.Duration) int16 {
	year, month, day := time.Unix(d.UTC(), 0).UTC().Date()
	at := time.Date(year, month, day, 0, int(wall/time.Minute), 0, 0, s.location)
	return int16((at.Unix() - d.UTC()) / 60)
}

func officePass(p database.Pass) office.Pass {
	out := office.Pass{
		Pass: p.Pass, HolderName: p.Holder, GuestName: p.GuestName, Purpose: p.Purpose, Issued: time.UnixMilli(p.Issued),
		IssuedBy: p.IssuedBy, Status: p.Status, ChangedBy: p.ChangedBy, Reason: p.Reason,
	}
	if p.Changed != 0 {
		out.Changed = time.UnixMilli(p.Changed)
	}
	return out
}

func (s passes) row(ctx context.Context, id pass.ID) (database.Pass, error) {
	p, err := s.db.Pass(ctx, id)
	if errors.Is(err, database.ErrNotFound) {
		return p, office.Refuse(office.ErrNotFound, "No pass %s was issued.", id)
	}
	return p, err
}

func (s passes) Find(ctx context.Context, id pass.ID) (office.Pass, error) {
	row, err := s.row(ctx, id)
	if err != nil {
		return office.Pass{}, err
	}
	out := officePass(row)
	if row.Status != link.Good {
		out.RefusedBy, err = s.refusedBy(ctx, row.StatusSeq)
	}
	return out, err
}

// refusedBy tells who applied an event. Number 0 went out to nobody yet: the
// day's list is not open.
func (s passes) refusedBy(ctx context.Context, seq uint64) (*office.RefusedBy, error) {
	epoch := s.feed.View().State.Epoch
	if seq == 0 {
		epoch = 0 // no lane reports this epoch
	}
	r, err := s.fleet.RefusedBy(ctx, epoch, seq)
	if err != nil {
		return nil, err
	}
	out := &office.RefusedBy{Seq: seq, Lanes: r.Lanes, Of: r.Of, Since: r.Since}
	for _, l := range r.Missing {
		out.Missing = append(out.Missing, office.MissingLane{ID: l.ID, Alive: l.Alive, Since: l.Since})
	}
	return out, nil
}

func (s passes) List(ctx context.Context, f office.PassFilter) (office.PassPage, error) {
	q := database.PassFilter{Day: f.Day, Status: f.Status, Kind: f.Kind, Holder: f.Holder, Limit: f.Limit + 1}
	if f.Cursor != "" {
		before, ok := parseCursor(f.Cursor)
		if !ok {
			return office.PassPage{}, office.Refuse(office.ErrInvalid, "The cursor is none of this list's; begin without one.")
		}
		q.Before = &before
	}
	if q.Words = f.Words; f.Zone != nil {
		q.Zones = 1 << (*f.Zone & 15)
	}
	rows, err := s.db.Passes(ctx, q)
	if errors.Is(err, database.ErrBroad) {
		return office.PassPage{}, office.Refuse(office.ErrInvalid, "Too many passes fit that name; give more of it, or a day.")
	}
	if err != nil {
		return office.PassPage{}, fmt.Errorf("list passes: %w", err)
	}
	var page office.PassPage
	if len(rows) > f.Limit {
		rows = rows[:f.Limit]
		last := rows[f.Limit-1]
		page.Next = fmt.Sprintf("%d.%d.%d", last.Issued, last.Day, last.Index)
	}
	for _, r := range rows {
		page.Passes = append(page.Passes, officePass(r))
	}
	return page, nil
}

func parseCursor(text string) (c database.PassCursor, ok bool) {
	n, err := fmt.Sscanf(text, "%d.%d.%d", &c.Issued, &c.ID.Day, &c.ID.Index)
	return c, err == nil && n == 3 && text == fmt.Sprintf("%d.%d.%d", c.Issued, c.ID.Day, c.ID.Index)
}

func (s passes) Code(ctx context.Context, id pass.ID) (office.Code, error) {
	p, err := s.row(ctx, id)
	if err != nil {
		return office.Code{}, err
	}
	if p.Status == link.Revoked {
		return office.Code{}, office.Refuse(office.ErrConflict, "Pass %s is revoked; issue a new one.", id)
	}
	if p.Flags&pass.LiveRequired == 0 {
		return s.plainCode(&p)
	}
	key, err := s.issuer.LiveKey(&p.Pass)
	if err != nil {
		return office.Code{}, signerAway(err)
	}
	slot := pass.SlotAt(s.config.Now().Unix())
	return office.Code{
		Text:  p.LiveText(p.Signature, key, slot),
		Until: time.Unix(int64(slot+1)*pass.SlotSeconds, 0),

		NoShort: office.NoShort(&p.Pass, &s.feed.View().Rules),
	}, nil
}

// plainCode returns the code of a pass that is no live one. Lanes reckon a short
// code with the generation that the day's list asks for at least, so a pass that
// was re-issued for its key alone keeps its short code.
func (s passes) plainCode(p *database.Pass) (office.Code, error) {
	v := s.feed.View()
	c := office.Code{Text: p.Text(p.Signature)}
	if c.NoShort = office.NoShort(&p.Pass, &v.Rules); c.NoShort != "" {
		return c, nil
	}
	var least uint8
	if l := v.State.Day(p.Day); l != nil {
		least = l.Min(p.Index)
	}
	short, err := s.issuer.Short(&p.Pass, least)
	c.Short = short.String()
	return c, signerAway(err)
}

func (s passes) SetStatus(ctx context.Context, by string, id pass.ID, to link.Status, reason string) (office.Pass, error) {
	row, err := s.feed.SetStatus(ctx, status.Change{ID: id, Status: to, By: by, Reason: reason})
	switch {
	case errors.Is(err, database.ErrNotFound):
		return office.Pass{}, office.Refuse(office.ErrNotFound, "No pass %s was issued.", id)
	case errors.Is(err, status.ErrClosed):
		return office.Pass{}, office.Refuse(office.ErrConflict, "The day of pass %s is over; lanes no longer have its list.", id)
	case errors.Is(err, database.ErrWithdrawn):
		return office.Pass{}, s.refuseWithdrawn(ctx, row.Holder)
	case err != nil:
		return office.Pass{}, err
	}
	return officePass(row), nil
}

// records is the API's office.Records.
type records struct{ *central }

func (s records) Passages(ctx context.Context, f office.PassageFilter) ([]office.Passage, error) {
	rows, err := s.db.Entries(ctx, database.EntryFilter{After: f.After, Limit: f.Limit, Lane: f.Lane, Day: f.Day, Pass: f.Pass})
	if err != nil {
		return nil, fmt.Errorf("read ledger: %w", err)
	}
	out := make([]office.Passage, 0, len(rows))
	for _, r := range rows {
		e, rest, err := link.ParseEntry(r.Entry)
		if err != nil || len(rest) > 0 {
			return nil, fmt.Errorf("read ledger row %d: %w: %w", r.Number, database.ErrDamaged, err)
		}
		out = append(out, office.Passage{Number: r.Number, Lane: r.Lane, Journal: r.Journal, Received: time.UnixMilli(r.Received),
			Entry: e, HolderName: r.Holder, GuestName: r.GuestName})
	}
	return out, nil
}

func (s records) Alarms(ctx context.Context, after int64, limit int) ([]office.Alarm, error) {
	rows, err := s.db.Alarms(ctx, after, limit)
	if err != nil {
		return nil, fmt.Errorf("read alarms: %w", err)
	}
	out := make([]office.Alarm, 0, len(rows))
	for _, r := range rows {
		detail := r.Detail
		if r.Count > 1 {
			detail = fmt.Sprintf("%s (%d times, last at %s)", detail, r.Count, time.UnixMilli(r.Latest).In(s.location).Format(time.DateTime))
		}
		out = append(out, office.Alarm{Number: r.Number, At: time.UnixMilli(r.First), Lane: r.Lane, Code: r.Code, Detail: strings.TrimSpace(r.Subject + " " + detail), Next: r.Next})
	}
	return out, nil
}

// lanes is the API's office.Lanes.
type lanes struct{ *central }

func (s lanes) List(ctx context.Context) ([]office.Lane, error) {
	journals, err := s.db.Journals(ctx)
	if err != nil {
		return nil, fmt.Errorf("read journals: %w", err)
	}
	durable := map[string]database.Journal{} // the lane's own one, or the last begun
	state := s.feed.View().State
	var out []office.Lane
	all := s.fleet.Lanes()
	for _, l := range all {
		for _, j := range journals {
			if j.Lane == l.ID && (l.State == nil || l.State.Journal == j.ID || durable[l.ID].Key == 0) {
				durable[l.ID] = j
			}
		}
		out = append(out, office.Lane{
			ID: l.ID, Enrolled: l.Enrolled, Expires: l.Expires, Alive: l.Alive, Since: l.Since, Durable: durable[l.ID].Last,
			UpToDate: l.State != nil && l.State.Epoch == state.Epoch && l.State.Seq >= state.Seq, State: l.State,
		})
	}
	return out, nil
}

func (s lanes) Invite(ctx context.Context, by, id string) (office.Invitation, error) {
	token, expires, err := s.fleet.Invite(ctx, by, id)
	if errors.Is(err, fleet.ErrID) {
		return office.Invitation{}, office.Refuse(office.ErrInvalid, "An id is 1 to 32 of A-Z a-z 0-9 _ -, and not %q.", fleet.ReservedID)
	}
	if err != nil {
		return office.Invitation{}, err
	}
	return office.Invitation{Token: token.Text(), Expires: expires}, nil
}

func (s lanes) Remove(ctx context.Context, by, id string) error {
	err := s.fleet.Remove(ctx, by, id)
	if errors.Is(err, fleet.ErrUnknown) {
		return office.Refuse(office.ErrNotFound, "There is no lane controller %.40q.", id)
	}
	return err
}
