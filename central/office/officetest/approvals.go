package officetest

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"turnstile/central/ecard"
	"turnstile/central/guests"
	"turnstile/central/link"
	"turnstile/central/office"
	"turnstile/central/pass"
	"turnstile/central/roster"
)

// desk is what the fake keeps of approvals, bulk changes, files and mail.
type desk struct {
	policy       office.Policy
	guests       keeper[guests.Rules]
	keep         keeper[office.Keep]
	ecards       keeper[ecard.CodeRules]
	applications []office.Application
	bulks        []office.BulkChange
	imports      []office.Import
	rows         map[string][]office.ImportRow // by import
	mails        map[pass.ID][]office.Mail
	withdrawn    map[string]office.Card // by holder
	revoked      map[pass.ID]bool       // with a card
}

func newDesk() desk {
	return desk{policy: office.Policy{ECards: true, Guests: true}, guests: keeper[guests.Rules]{first: guests.Default()}, ecards: keeper[ecard.CodeRules]{first: ecard.Default()}, keep: keeper[office.Keep]{first: office.Keep{Passages: 31, Passes: 31, Photos: 31}}, rows: map[string][]office.ImportRow{}, mails: map[pass.ID][]office.Mail{}, withdrawn: map[string]office.Card{}, revoked: map[pass.ID]bool{}}
}

// SetLane replaces a lane controller that was added.
func (f *Fake) SetLane(l office.Lane) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range f.lanes {
		if f.lanes[i].ID == l.ID {
			f.lanes[i] = l
		}
	}
}

// TwoPersonsAbove is how many passes one person may change at once in the fake.
const TwoPersonsAbove = 3

type approvals struct{ f *Fake }

func (s approvals) Policy(context.Context) (office.Policy, error) {
	s.f.mu.Lock()
	defer s.f.mu.Unlock()
	return s.f.desk.policy, nil
}

func (s approvals) SetPolicy(_ context.Context, _ string, p office.Policy) error {
	s.f.mu.Lock()
	defer s.f.mu.Unlock()
	if p.Version != s.f.desk.policy.Version {
		return office.Refuse(office.ErrConflict, "Somebody changed these rules meanwhile; look at them again and repeat the change.")
	}
	p.Version++
	s.f.desk.policy = p
	return nil
}

func (s approvals) HandIn(ctx context.Context, by string, x office.Submission) (office.Application, error) {
	s.f.mu.Lock()
	if _, gone := s.f.desk.withdrawn[x.Holder]; gone {
		s.f.mu.Unlock()
		return office.Application{}, office.Refuse(office.ErrInvalid, "The eCard of this holder is withdrawn. The office can give it back.")
	}
	for _, a := range s.f.desk.applications {
		if a.State == office.ApplicationOpen && a.Kind == office.ApplyECard && x.Kind == office.ApplyECard && a.Holder == x.Holder {
			s.f.mu.Unlock()
			return a, office.Refuse(office.ErrConflict, "This holder has an open eCard application; it has to be decided first.")
		}
	}
	if x.Kind == office.ApplyGuests {
		if err := s.f.room(x.Holder, guests.Ask{Day: x.Order.Day, Guests: len(x.Guests), Request: true}, x.Instead); err != nil {
			s.f.mu.Unlock()
			return office.Application{}, err
		}
	}
	a := office.Application{Number: int64(len(s.f.desk.applications) + 1), State: office.ApplicationOpen, Submission: x, HasPhoto: len(x.Photo) > 0, HandedIn: s.f.Now(), HandedInBy: by}
	s.f.desk.applications = append(s.f.desk.applications, a)
	s.end(by, x.Instead)
	p := s.f.desk.policy
	s.f.mu.Unlock()
	if x.Kind == office.ApplyECard && p.ECards || x.Kind == office.ApplyGuests && p.Guests {
		return a, nil
	}
	return s.Decide(ctx, "policy", office.Decision{Number: a.Number, Approve: true})
}

// end ends the request that another one takes the place of, with mu held.
func (s approvals) end(by string, number int64) {
	const why = "changed by the holder"
	old, err := s.find(number)
	switch {
	case err != nil:
	case old.State == office.ApplicationOpen:
		old.State, old.Decided, old.DecidedBy, old.Reason = office.ApplicationRejected, s.f.Now(), by, why
	default:
		for _, p := range s.f.passes {
			if slices.Contains(old.Passes, p.ID()) {
				p.Status, p.Changed, p.ChangedBy, p.Reason = link.Revoked, s.f.Now(), by, why
			}
		}
	}
}

func (s approvals) find(number int64) (*office.Application, error) {
	if number < 1 || number > int64(len(s.f.desk.applications)) {
		return nil, office.Refuse(office.ErrNotFound, "There is no application %d.", number)
	}
	return &s.f.desk.applications[number-1], nil
}

func (s approvals) Find(_ context.Context, number int64) (office.Application, error) {
	s.f.mu.Lock()
	defer s.f.mu.Unlock()
	a, err := s.find(number)
	if err != nil {
		return office.Application{}, err
	}
	return *a, nil
}

func (s approvals) List(_ context.Context, q office.ApplicationFilter) (out []office.Application, err error) {
	s.f.mu.Lock()
	defer s.f.mu.Unlock()
	for _, a := range s.f.desk.applications {
		if (q.Kind == "" || q.Kind == a.Kind) && (q.State == "" || q.State == a.State) && (q.Holder == "" || q.Holder == a.Holder) &&
			a.Number > q.After && (q.Before == 0 || a.Number < q.Before) {
			out = append(out, a)
		}
	}
	if q.Before > 0 {
		slices.Reverse(out)
	}
	return out[:min(len(out), q.Limit)], nil
}

func (s approvals) Photo(_ context.Context, number int64) ([]byte, error) {
	s.f.mu.Lock()
	defer s.f.mu.Unlock()
	a, err := s.find(number)
	if err == nil && !a.HasPhoto {
		err = office.Refuse(office.ErrNotFound, "Application %d has no photo any more.", number)
	}
	if err != nil {
		return nil, err
	}
	return a.Photo, nil
}

func (s approvals) Decide(ctx context.Context, by string, d office.Decision) (office.Application, error) {
	if d.Reason == "" && !d.Approve {
		return office.Application{}, office.Refuse(office.ErrInvalid, "Give a reason: the holder is told.")
	}
	a, err := s.Find(ctx, d.Number)
	if err == nil && a.State != office.ApplicationOpen {
		err = office.Refuse(office.ErrConflict, "Application %d was %s by %s.", d.Number, a.State, a.DecidedBy)
	}
	if err != nil {
		return a, err
	}
	if a.State = office.ApplicationRejected; d.Approve {
		a.State = office.ApplicationApproved
		for _, g := range a.Guests {
			o := a.Order
			o.Kind, o.Holder, o.GuestName = pass.Guest, a.Holder, g
			o.Exception = "counted when it was handed in"
			p, err := passes(s).Issue(ctx, by, o)
			if err != nil {
				return a, err
			}
			a.Passes = append(a.Passes, p.ID())
		}
	}
	a.HasPhoto, a.Photo, a.Decided, a.DecidedBy, a.Reason = false, nil, s.f.Now(), by, d.Reason
	s.f.mu.Lock()
	defer s.f.mu.Unlock()
	s.f.desk.applications[d.Number-1] = a
	return a, nil
}

type holders struct{ f *Fake }

func (s holders) Look(ctx context.Context, _ string, number int64, reason string) (p office.Face, err error) {
	if reason == "" {
		return p, office.Refuse(office.ErrInvalid, "Give a reason.")
	}
	rows, err := records(s).Passages(ctx, office.PassageFilter{After: number - 1, Limit: 1})
	if err != nil || len(rows) == 0 || rows[0].Entry.Kind == 0 {
		return p, office.Refuse(office.ErrNotFound, "Passage %d is not of a pass.", number)
	}
	found, err := passes(s).Find(ctx, rows[0].Entry.Pass)
	return office.Face{Passage: rows[0], Pass: found, Guest: found.GuestName}, err
}

type bulk struct{ f *Fake }

func (s bulk) selected(d office.StatusChange) (ids []pass.ID) {
	s.f.mu.Lock()
	defer s.f.mu.Unlock()
	for _, p := range s.f.passes {
		named := slices.Contains(d.IDs, p.ID())
		byField := len(d.IDs) == 0 && (d.Holder == "" || d.Holder == p.HolderName) && (d.Day == nil || *d.Day == p.Day) && (d.Zone == nil || p.Zones&(1<<*d.Zone) != 0)
		fits := p.Status == link.Good && d.Status != link.Good || p.Status == link.Held && d.Status != link.Held
		if (named || byField) && fits {
			ids = append(ids, p.ID())
		}
	}
	return ids
}

func (s bulk) Count(_ context.Context, d office.StatusChange) (int, int, error) {
	return len(s.selected(d)), TwoPersonsAbove, nil
}

func (s bulk) Propose(ctx context.Context, by string, d office.StatusChange, due int) (office.BulkChange, error) {
	ids := s.selected(d)
	switch {
	case d.Reason == "":
		return office.BulkChange{}, office.Refuse(office.ErrInvalid, "Give a reason of at most 200 characters.")
	case len(ids) == 0:
		return office.BulkChange{}, office.Refuse(office.ErrInvalid, "That selects no pass whose status would change.")
	case due > 0 && due != len(ids):
		return office.BulkChange{}, office.Refuse(office.ErrConflict, "It would be %d passes now, and not %d; look at them again.", len(ids), due)
	}
	s.f.mu.Lock()
	b := office.BulkChange{ID: fmt.Sprintf("%026d", len(s.f.desk.bulks)), StatusChange: d, State: office.BulkProposed, By: by, At: s.f.Now(), Expires: s.f.Now().Add(24 * time.Hour), Passes: len(ids)}
	b.ID = "A" + replaceDigits(b.ID[1:])
	b.IDs = ids
	s.f.desk.bulks = append(s.f.desk.bulks, b)
	s.f.mu.Unlock()
	if len(ids) > TwoPersonsAbove {
		return b, nil
	}
	return s.do(ctx, b)
}

// replaceDigits makes a number look like an id.
func replaceDigits(text string) string {
	out := []byte(text)
	for i := range out {
		out[i] += 'A' - '0'
	}
	return string(out)
}

func (s bulk) do(ctx context.Context, b office.BulkChange) (office.BulkChange, error) {
	for _, id := range b.IDs {
		if _, err := passes(s).SetStatus(ctx, b.By, id, b.Status, b.Reason); err != nil {
			return b, err
		}
	}
	s.f.mu.Lock()
	defer s.f.mu.Unlock()
	b.State, b.Changed, b.RefusedBy = office.BulkDone, len(b.IDs), s.f.refusedBy()
	s.f.save(b)
	return b, nil
}

func (f *Fake) save(b office.BulkChange) {
	for i := range f.desk.bulks {
		if f.desk.bulks[i].ID == b.ID {
			f.desk.bulks[i] = b
		}
	}
}

func (s bulk) Find(_ context.Context, id string) (office.BulkChange, error) {
	s.f.mu.Lock()
	defer s.f.mu.Unlock()
	for _, b := range s.f.desk.bulks {
		if b.ID == id {
			if b.State == office.BulkDone {
				b.RefusedBy = s.f.refusedBy()
			}
			return b, nil
		}
	}
	return office.BulkChange{}, office.Refuse(office.ErrNotFound, "There is no such change; it may have been erased.")
}

func (s bulk) Settle(ctx context.Context, by, id string, confirm bool) (office.BulkChange, error) {
	b, err := s.Find(ctx, id)
	switch {
	case err != nil:
		return b, err
	case confirm && b.By == by:
		return b, office.Refuse(office.ErrConflict, "Somebody else has to confirm what you proposed.")
	case b.State != office.BulkProposed:
		return b, office.Refuse(office.ErrConflict, "Nobody can decide this any more: it is %s.", b.State)
	}
	b.Settled, b.SettledBy = s.f.Now(), by
	if confirm {
		return s.do(ctx, b)
	}
	b.State = office.BulkWithdrawn
	s.f.mu.Lock()
	defer s.f.mu.Unlock()
	s.f.save(b)
	return b, nil
}

func (s bulk) List(_ context.Context, open bool, limit int) (out []office.BulkChange, err error) {
	s.f.mu.Lock()
	defer s.f.mu.Unlock()
	for _, b := range slices.Backward(s.f.desk.bulks) {
		if (!open || b.State == office.BulkProposed) && len(out) < limit {
			out = append(out, b)
		}
	}
	return out, nil
}

type imports struct{ f *Fake }

func (s imports) Preview(_ context.Context, by, name string, file io.Reader) (office.Import, error) {
	s.f.mu.Lock()
	defer s.f.mu.Unlock()
	i := office.Import{ID: fmt.Sprint("file", len(s.f.desk.imports)), Name: name, State: office.ImportPreview, By: by, At: s.f.Now()}
	err := roster.Read(file, roster.Rules{Zones: s.f.rules.Zones, Check: func(office.Order) *office.RowFault { return nil }}, func(r roster.Row) error {
		if len(r.Faults) > 0 {
			i.Bad++
		} else {
			i.Good++
		}
		s.f.desk.rows[i.ID] = append(s.f.desk.rows[i.ID], office.ImportRow{Line: r.Line, Order: r.Order, Email: r.Email, Faults: r.Faults})
		return nil
	})
	if err != nil {
		return office.Import{}, err
	}
	s.f.desk.imports = append(s.f.desk.imports, i)
	return i, nil
}

func (s imports) find(id string) (*office.Import, error) {
	for i := range s.f.desk.imports {
		if s.f.desk.imports[i].ID == id {
			return &s.f.desk.imports[i], nil
		}
	}
	return nil, office.Refuse(office.ErrNotFound, "There is no such file; it may have been erased. Upload it again.")
}

func (s imports) Settle(ctx context.Context, by, id string, confirm bool) (office.Import, error) {
	s.f.mu.Lock()
	i, err := s.find(id)
	if err == nil && i.State != office.ImportPreview {
		err = office.Refuse(office.ErrConflict, "Somebody decided about this file already.")
	}
	if err != nil {
		s.f.mu.Unlock()
		return office.Import{}, err
	}
	i.State = office.ImportDiscarded
	rows := s.f.desk.rows[id]
	s.f.mu.Unlock()
	if !confirm {
		return *i, nil
	}
	for n, r := range rows {
		if len(r.Faults) > 0 {
			continue
		}
		p, err := passes(s).Issue(ctx, by, r.Order)
		if err != nil {
			return *i, err
		}
		rows[n].Pass = &p
		i.Issued++
	}
	i.State, i.Confirmed, i.ConfirmedBy, i.Ended = office.ImportDone, s.f.Now(), by, s.f.Now()
	return *i, nil
}

func (s imports) Find(_ context.Context, id string) (office.Import, error) {
	s.f.mu.Lock()
	defer s.f.mu.Unlock()
	i, err := s.find(id)
	if err != nil {
		return office.Import{}, err
	}
	return *i, nil
}

func (s imports) List(_ context.Context, limit int) ([]office.Import, error) {
	s.f.mu.Lock()
	defer s.f.mu.Unlock()
	out := slices.Clone(s.f.desk.imports)
	slices.Reverse(out)
	return out[:min(len(out), limit)], nil
}

func (s imports) Rows(_ context.Context, id string, which office.RowKind, after, limit int) (out []office.ImportRow, err error) {
	s.f.mu.Lock()
	defer s.f.mu.Unlock()
	for _, r := range s.f.desk.rows[id] {
		fits := which == office.RowsGood && len(r.Faults) == 0 || which == office.RowsFaulty && len(r.Faults) > 0 && r.Line > after || which == office.RowsIssued && r.Pass != nil && r.Line > after
		if fits && len(out) < limit {
			out = append(out, r)
		}
	}
	return out, nil
}

type mails struct{ f *Fake }

func (s mails) Ready() error { return nil }

func (s mails) Send(ctx context.Context, by string, id pass.ID, address string) error {
	if !office.ValidAddress(address) {
		return office.Refuse(office.ErrInvalid, "Want an address such as name@example.org.")
	}
	p, err := passes(s).Find(ctx, id)
	if err != nil {
		return err
	}
	if p.Status != link.Good || p.Flags&pass.LiveRequired != 0 {
		return office.Refuse(office.ErrConflict, "This code cannot be mailed.")
	}
	s.f.mu.Lock()
	defer s.f.mu.Unlock()
	s.f.desk.mails[id] = append([]office.Mail{{Address: address, State: office.MailWaiting, By: by, At: s.f.Now(), Next: s.f.Now()}}, s.f.desk.mails[id]...)
	return nil
}

func (s mails) Of(_ context.Context, id pass.ID) ([]office.Mail, error) {
	s.f.mu.Lock()
	defer s.f.mu.Unlock()
	return slices.Clone(s.f.desk.mails[id]), nil
}
