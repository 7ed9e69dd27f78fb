// Package officetest has an office.Services in memory, for tests of what stands
// on the API, and the suite that every implementation passes.
package officetest

import (
	"context"
	"crypto/ed25519"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"turnstile/central/audit"
	"turnstile/central/ecard"
	"turnstile/central/guests"
	"turnstile/central/link"
	"turnstile/central/office"
	"turnstile/central/pass"
	"turnstile/central/rights"
)

// Capacity is the number of passes that a day of the fake holds.
const Capacity = 1024

// HongKong is the fake's campus clock: eight hours east, all the year.
var HongKong = time.FixedZone("HKT", 8*3600)

// Fake is an office.Services in memory. Its codes are truly signed. Safe for
// concurrent use; the exported fields are set before the first use.
type Fake struct {
	Now  func() time.Time
	Sick error // what Healthy returns

	mu         sync.Mutex // guards the following
	key        ed25519.PrivateKey
	passes     []*office.Pass // as issued
	lanes      []office.Lane
	entrances  []office.Entrance
	places     []office.Place
	retired    []office.RetiredLane
	passages   []office.Passage
	alarms     []office.Alarm
	looked     map[int64]looked // alarms that somebody acknowledged
	exports    []string
	rules      link.Rules
	versions   []office.RulesVersion // each that was in force
	seq        uint64
	withdrawn  map[uint16]time.Time // pass keys
	codes      []office.SupervisorCode
	sheets     int
	commands   []office.Command
	tokens     []token
	accounts   []office.Account
	deeds      []audit.Entry
	requests   map[officeKey]*office.Request
	webhooks   []office.Webhook
	deliveries []office.Delivery
	desk       desk
	registry   registry
}

type token struct {
	office.Token
	secret string
}

// New returns a fake with one zone and one token for each role: the secrets are
// "viewer-secret", "issuer-secret" and so on.
func New(now func() time.Time) *Fake {
	f := &Fake{Now: now, key: ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize)), desk: newDesk()}
	f.rules = link.Rules{Version: 1, Offsets: []link.Offset{{Minutes: 480}}, Zones: []link.Zone{{ID: 0, Name: "Main", NameZH: "正門"}}, Policies: link.DefaultPolicies(), EscortSec: 30, RepeatMS: 3000}
	f.keep("central")
	for _, r := range rights.Roles() {
		f.tokens = append(f.tokens, token{office.Token{ID: string(r), Name: string(r), Role: r, Created: now()}, string(r) + "-secret"})
	}
	return f
}

// Services returns the fake's services.
func (f *Fake) Services() office.Services {
	return office.Services{Passes: passes{f}, Records: records{f}, Lanes: lanes{f}, Places: places{f}, Fleet: laneFleet{f}, Rules: rules{f}, History: history{f}, Feed: feed{f}, Tokens: tokens{f}, Keys: keys{f}, Supervisor: supervisor{f}, Commands: commands{f}, Modes: rules{f},
		Requests: requests{f}, People: people{f}, Audit: log{f}, Webhooks: webhooks{f}, Deliveries: deliveries{f}, Approvals: approvals{f}, Policies: approvals{f}, Guests: guestRules{keeping(f, &f.desk.guests, checkGuests)}, ECards: keeping(f, &f.desk.ecards, func(r ecard.CodeRules) error { return r.Check(1<<16 - 1) }), Retention: retention{keeping(f, &f.desk.keep, checkKeep)}, Holders: holders{f}, Bulk: bulk{f}, Imports: imports{f}, Mails: mails{f},
		Ledger: ledger{f}, Tally: ledger{f}, Presence: presence{f}, Attention: attention{f},
		Register: campus{f}, Syncs: campus{f}, SyncHistory: campus{f}, Merges: campus{f}, Apart: campus{f}, Cards: cards{f}}
}

// AddLane adds a lane controller as it is.
func (f *Fake) AddLane(l office.Lane) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lanes = append(f.lanes, l)
}

// AddPassage stores a row and numbers it.
func (f *Fake) AddPassage(p office.Passage) {
	f.mu.Lock()
	defer f.mu.Unlock()
	p.Number = int64(len(f.passages) + 1)
	f.passages = append(f.passages, p)
}

// AddAlarm stores an alarm and numbers it.
func (f *Fake) AddAlarm(a office.Alarm) {
	f.mu.Lock()
	defer f.mu.Unlock()
	a.Number = int64(len(f.alarms) + 1)
	f.alarms = append(f.alarms, a)
}

type passes struct{ f *Fake }

func (s passes) Issue(ctx context.Context, by string, o office.Order) (office.Pass, error) {
	f := s.f
	f.mu.Lock()
	defer f.mu.Unlock()
	if z := o.Zones &^ f.zones(); z != 0 {
		return office.Pass{}, office.Refuse(office.ErrInvalid, "There is no zone in %016b here; see the rules for those that exist.", z)
	}
	if d := pass.DayOf(f.Now().In(HongKong)); o.Day < d {
		return office.Pass{}, office.Refuse(office.ErrInvalid, "%s is over; the first day to issue for is %s.", o.Day, d)
	}
	if c, gone := f.desk.withdrawn[o.Holder]; gone && o.Kind == pass.ECard {
		return office.Pass{}, office.Refuse(office.ErrConflict, "The eCard of this holder is withdrawn (%s): give it back first.", c.Reason)
	}
	if o.Kind == pass.Guest && o.Exception == "" && by != "policy" {
		if err := f.room(o.Holder, guests.Ask{Day: o.Day, Guests: 1}, 0); err != nil {
			return office.Pass{}, err
		}
	}
	n := f.issued(o.Day)
	if n >= Capacity {
		return office.Pass{}, office.Refuse(office.ErrConflict, "All %d passes of %s are issued.", Capacity, o.Day)
	}
	note, err := f.claim(ctx)
	if err != nil {
		return office.Pass{}, err
	}
	p := &office.Pass{
		Pass: pass.Pass{
			Kind: o.Kind, Flags: o.Flags, KeyID: uint16(len(f.withdrawn)) + 1, Day: o.Day, Index: uint32(n*389+211) % Capacity, Start: int16(o.Start/time.Minute) - 480,
			Length: uint8(o.Length / (10 * time.Minute)), Zones: o.Zones, Entries: o.Entries,
		},
		HolderName: o.Holder, GuestName: o.GuestName, Purpose: o.Purpose, Issued: f.Now(), IssuedBy: by,
	}
	f.passes = append(f.passes, p)
	note(p.ID().String())
	return *p, nil
}

func (f *Fake) zones() (mask uint16) {
	for _, z := range f.rules.Zones {
		mask |= 1 << z.ID
	}
	return mask
}

func (f *Fake) issued(d pass.Day) (n int) {
	for _, p := range f.passes {
		if p.Day == d {
			n++
		}
	}
	return n
}

func (f *Fake) find(id pass.ID) (*office.Pass, error) {
	for _, p := range f.passes {
		if p.ID() == id {
			return p, nil
		}
	}
	return nil, office.Refuse(office.ErrNotFound, "No pass %s was issued.", id)
}

func (s passes) Find(_ context.Context, id pass.ID) (office.Pass, error) {
	s.f.mu.Lock()
	defer s.f.mu.Unlock()
	p, err := s.f.find(id)
	if err != nil {
		return office.Pass{}, err
	}
	out := *p
	if p.Status != link.Good {
		out.RefusedBy = s.f.refusedBy()
	}
	return out, nil
}

func (f *Fake) refusedBy() *office.RefusedBy {
	r := &office.RefusedBy{Seq: f.seq}
	for _, l := range f.lanes {
		if l.Enrolled.IsZero() {
			continue
		}
		r.Of++
		if l.UpToDate {
			r.Lanes, r.Since = r.Lanes+1, f.Now()
			continue
		}
		r.Missing = append(r.Missing, office.MissingLane{ID: l.ID, Alive: l.Alive, Since: l.Since})
	}
	return r
}

func (s passes) List(_ context.Context, q office.PassFilter) (office.PassPage, error) {
	s.f.mu.Lock()
	defer s.f.mu.Unlock()
	from := len(s.f.passes)
	if q.Cursor != "" {
		n, err := strconv.Atoi(q.Cursor)
		if err != nil || n < 0 || n > from {
			return office.PassPage{}, office.Refuse(office.ErrInvalid, "The cursor is none of this list's; begin without one.")
		}
		from = n
	}
	var page office.PassPage
	for i := from - 1; i >= 0; i-- {
		p := s.f.passes[i]
		if !matches(p, q) {
			continue
		}
		if len(page.Passes) == q.Limit {
			page.Next = strconv.Itoa(i + 1)
			break
		}
		page.Passes = append(page.Passes, *p)
	}
	return page, nil
}

func matches(p *office.Pass, q office.PassFilter) bool {
	return (q.Day == nil || *q.Day == p.Day) && (q.Status == nil || *q.Status == p.Status) &&
		(q.Kind == 0 || q.Kind == p.Kind) && (q.Holder == "" || q.Holder == p.HolderName) &&
		(q.Zone == nil || p.Zones&(1<<*q.Zone) != 0) && strings.Contains(strings.ToLower(p.HolderName+" "+p.GuestName), strings.ToLower(q.Words))
}

func (s passes) Code(_ context.Context, id pass.ID) (office.Code, error) {
	s.f.mu.Lock()
	defer s.f.mu.Unlock()
	p, err := s.f.find(id)
	if err != nil {
		return office.Code{}, err
	}
	if p.Status == link.Revoked {
		return office.Code{}, office.Refuse(office.ErrConflict, "Pass %s is revoked; issue a new one.", id)
	}
	signature := ed25519.Sign(s.f.key, p.Message())
	if p.Flags&pass.LiveRequired == 0 {
		c := office.Code{Text: p.Text(signature)}
		if c.NoShort = office.NoShort(&p.Pass, &s.f.rules); c.NoShort == "" {
			c.Short = pass.GateKey{1}.Short(p.Kind, p.ID(), p.Generation).String()
		}
		return c, nil
	}
	slot := pass.SlotAt(s.f.Now().Unix())
	text := p.LiveText(signature, pass.GateKey{1}.LiveKey(p.Body()), slot)
	return office.Code{Text: text, Until: time.Unix(int64(slot+1)*pass.SlotSeconds, 0), NoShort: office.NoShort(&p.Pass, &s.f.rules)}, nil
}

func (s passes) SetStatus(_ context.Context, by string, id pass.ID, status link.Status, reason string) (office.Pass, error) {
	s.f.mu.Lock()
	defer s.f.mu.Unlock()
	p, err := s.f.find(id)
	if err != nil {
		return office.Pass{}, err
	}
	if c, gone := s.f.desk.withdrawn[p.HolderName]; gone && p.Kind == pass.ECard && status == link.Good && p.Status != status {
		return office.Pass{}, office.Refuse(office.ErrConflict, "The eCard of this holder is withdrawn (%s): give it back first.", c.Reason)
	}
	if p.Status != status {
		p.Status, p.Changed, p.ChangedBy, p.Reason = status, s.f.Now(), by, reason
		s.f.seq++
	}
	return *p, nil
}

type records struct{ f *Fake }

func (s records) Passages(_ context.Context, q office.PassageFilter) (out []office.Passage, err error) {
	s.f.mu.Lock()
	defer s.f.mu.Unlock()
	for _, p := range s.f.passages {
		day := pass.DayOf(time.UnixMilli(p.Entry.Wall).In(HongKong))
		if p.Number > q.After && len(out) < q.Limit && (q.Lane == "" || q.Lane == p.Lane) &&
			(q.Day == nil || *q.Day == day) && (q.Pass == nil || *q.Pass == p.Entry.Pass) {
			out = append(out, p)
		}
	}
	return out, nil
}

func (s records) Alarms(_ context.Context, after int64, limit int) (out []office.Alarm, err error) {
	s.f.mu.Lock()
	defer s.f.mu.Unlock()
	for _, a := range s.f.alarms {
		if a.Number > after && len(out) < limit {
			out = append(out, a)
		}
	}
	return out, nil
}

type lanes struct{ f *Fake }

func (s lanes) List(context.Context) ([]office.Lane, error) {
	s.f.mu.Lock()
	defer s.f.mu.Unlock()
	list := slices.Clone(s.f.lanes)
	slices.SortFunc(list, func(a, b office.Lane) int { return strings.Compare(a.ID, b.ID) })
	return list, nil
}

func (s lanes) Invite(_ context.Context, _, id string) (office.Invitation, error) {
	s.f.mu.Lock()
	defer s.f.mu.Unlock()
	if !link.ValidID(id) {
		return office.Invitation{}, office.Refuse(office.ErrInvalid, "An id is 1 to 32 of A-Z a-z 0-9 _ -.")
	}
	if !slices.ContainsFunc(s.f.lanes, func(l office.Lane) bool { return l.ID == id }) {
		s.f.lanes = append(s.f.lanes, office.Lane{ID: id})
	}
	return office.Invitation{Token: link.NewEnrolToken(link.Hash{1}).Text(), Expires: s.f.Now().Add(time.Hour)}, nil
}

func (s lanes) Remove(_ context.Context, _, id string) error {
	s.f.mu.Lock()
	defer s.f.mu.Unlock()
	n := len(s.f.lanes)
	s.f.lanes = slices.DeleteFunc(s.f.lanes, func(l office.Lane) bool { return l.ID == id })
	if len(s.f.lanes) == n {
		return office.Refuse(office.ErrNotFound, "There is no lane controller %s.", id)
	}
	return nil
}

type rules struct{ f *Fake }

func (s rules) Rules(context.Context) (link.Rules, error) {
	s.f.mu.Lock()
	defer s.f.mu.Unlock()
	r := s.f.rules
	r.Zones = slices.Clone(r.Zones)
	return r, nil
}

func (s rules) SetRules(_ context.Context, by string, r link.Rules) (link.Rules, error) {
	s.f.mu.Lock()
	defer s.f.mu.Unlock()
	if r.Version != s.f.rules.Version {
		return r, office.Refuse(office.ErrConflict, "Version %d is in force, not %d; read the rules again.", s.f.rules.Version, r.Version)
	}
	r.Version++
	r.Issued = s.f.Now().UnixMilli()
	s.f.rules = r
	s.f.keep(by)
	return r, nil
}

type feed struct{ f *Fake }

func (s feed) State(context.Context) (office.FeedState, error) {
	f := s.f
	f.mu.Lock()
	defer f.mu.Unlock()
	d := pass.DayOf(f.Now().In(HongKong))
	kinds := uint16(1<<pass.ECard | 1<<pass.Guest | 1<<pass.Staff | 1<<pass.Test)
	out := office.FeedState{
		Site: "campus", Timezone: "Asia/Hong_Kong",
		Head: link.Head{Epoch: 1, Seq: f.seq, Keyset: 1, Rules: f.rules.Version, Issued: f.Now().UnixMilli()},
		Days: []office.DayState{{Day: d, Capacity: Capacity, Issued: uint32(f.issued(d))}},
		Keys: []link.PassKey{{ID: 1, Public: f.key.Public().(ed25519.PublicKey), Kinds: kinds, From: d - 1, To: d + 7}},
	}
	for _, p := range f.passes {
		if p.Status != link.Good {
			out.Head.Revoked++
			out.Days[0].Refused++
		}
	}
	return out, nil
}

func (s feed) Healthy(context.Context) error { return s.f.Sick }
