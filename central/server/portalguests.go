package server

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"time"

	"turnstile/central/database"
	"turnstile/central/ecard"
	"turnstile/central/link"
	"turnstile/central/office"
	"turnstile/central/pass"
	"turnstile/central/portal"
	"turnstile/central/portal/guests"
	"turnstile/central/status"
)

// visits is the portal's guests.Visits.
type visits struct{ *central }

// listedVisits is how many visits a holder's list shows.
const listedVisits = 50

func (s visits) rules(ctx context.Context) (ecard.CodeRules, error) {
	v, err := ecardRules(s.central).Current(ctx)
	return v.Rules, err
}

func (s visits) Terms(ctx context.Context) (guests.Terms, error) {
	r, err := s.rules(ctx)
	if err != nil {
		return guests.Terms{}, err
	}
	lead, err := newGuestRules(s.central).Current(ctx)
	if err != nil {
		return guests.Terms{}, err
	}
	policy, err := approvals(s).Policy(ctx)
	if err != nil {
		return guests.Terms{}, err
	}
	today := s.feed.Today()
	t := guests.Terms{Approval: policy.Guests, First: today + pass.Day(lead.Rules.Notice), Last: today + pass.Day(min(lead.Rules.Ahead, status.MaxAhead)), Most: office.MaxGuests, Mail: s.holders.mailGuest != nil}
	for _, z := range s.feed.View().Rules.Zones {
		if r.GuestMask(s.knownZones())&(1<<z.ID) != 0 {
			t.Zones = append(t.Zones, guests.Zone{ID: int(z.ID), Name: z.Name})
		}
	}
	return t, nil
}

func (s visits) Ask(ctx context.Context, person string, a guests.Ask) (int64, error) {
	if a.Instead != 0 { // somebody else's is not told from one that there is not
		if _, err := s.own(ctx, person, a.Instead); err != nil {
			return 0, err
		}
	}
	r, err := s.rules(ctx)
	if err != nil {
		return 0, err
	}
	name, _, err := s.holders.describeHolder(ctx, person, portal.English)
	if err != nil {
		return 0, fmt.Errorf("describe holder: %w", err)
	}
	o := office.Order{Kind: pass.Guest, Day: a.Day, Purpose: a.Purpose, Zones: r.GuestMask(s.knownZones())}
	if o.Start, o.Length = r.Window(s.campusDay(a.Day)); r.GuestOnce {
		o.Entries = 1
	}
	if len(a.Zones) > 0 {
		o.Zones &= zoneMask(a.Zones)
	}
	handed, err := approvals{s.central}.HandIn(ctx, portal.By(person), office.Submission{Kind: office.ApplyGuests, Holder: person, Name: name, Guests: a.Names, Order: o,
		Facts: []office.Fact{}, Instead: a.Instead})
	return handed.Number, err
}

func zoneMask(ids []int) (m uint16) {
	for _, id := range ids {
		if id >= 0 && id < ecard.Zones {
			m |= 1 << id
		}
	}
	return m
}

func (s visits) List(ctx context.Context, person string) ([]guests.Visit, error) {
	if person == "" {
		return nil, nil // what the retention erased has no holder
	}
	all, err := approvals{s.central}.List(ctx, office.ApplicationFilter{Kind: office.ApplyGuests, Holder: person, Before: 1 << 62, Limit: listedVisits})
	if err != nil {
		return nil, err
	}
	out := make([]guests.Visit, 0, len(all))
	for i := range all {
		out = append(out, s.visitOf(&all[i]))
	}
	return out, nil
}

// own returns an application for guests of this very holder. Another one's is not
// told from one that there is not.
func (s visits) own(ctx context.Context, person string, number int64) (office.Application, error) {
	a, err := approvals{s.central}.Find(ctx, number)
	if errors.Is(err, office.ErrNotFound) || err == nil && (person == "" || a.Holder != person || a.Kind != office.ApplyGuests) {
		err = office.Refuse(office.ErrNotFound, "There is no such page.")
	}
	return a, err
}

func (s visits) visitOf(a *office.Application) guests.Visit {
	v := guests.Visit{Number: a.Number, Day: a.Order.Day, Purpose: a.Order.Purpose, Names: a.Guests, Reason: a.Reason, Over: a.Order.Day < s.feed.Today()}
	v.Begin, _ = s.campusDay(v.Day)
	switch {
	case a.DecidedBy == byRetention || a.State == office.ApplicationOpen && v.Over:
		v.Progress = guests.Expired
	case a.State == office.ApplicationOpen:
		v.Progress = guests.Waiting
	case a.State == office.ApplicationApproved:
		v.Progress = guests.Approved
	case a.DecidedBy == portal.By(a.Holder):
		v.Progress = guests.Recalled
	default:
		v.Progress = guests.Rejected
	}
	return v
}

func (s visits) Visit(ctx context.Context, person string, number int64) (guests.Visit, error) {
	a, err := s.own(ctx, person, number)
	if err != nil {
		return guests.Visit{}, err
	}
	v := s.visitOf(&a)
	for _, id := range a.Passes {
		p, err := s.db.Pass(ctx, id)
		if errors.Is(err, database.ErrNotFound) {
			continue // the retention erased it
		}
		if err != nil {
			return v, fmt.Errorf("find pass: %w", err)
		}
		g, err := s.guest(ctx, &p)
		if err != nil {
			return v, err
		}
		from, until := p.Window()
		v.Guests, v.Zones = append(v.Guests, g), s.zoneNames(p.Zones)
		v.Hours = portal.Hours(time.Unix(from, 0).In(s.location), time.Unix(until, 0).In(s.location))
	}
	slices.SortStableFunc(v.Guests, func(x, y guests.Guest) int { return slices.Index(v.Names, x.Name) - slices.Index(v.Names, y.Name) })
	return v, nil
}

func (s *central) zoneNames(mask uint16) (names []string) {
	for _, z := range s.feed.View().Rules.Zones {
		if mask&(1<<z.ID) != 0 {
			names = append(names, z.Name)
		}
	}
	return names
}

// guest says how far the guest of a pass has come, and makes the link.
func (s visits) guest(ctx context.Context, p *database.Pass) (g guests.Guest, err error) {
	g = guests.Guest{Name: p.GuestName, Pass: p.ID(), State: guests.Ready}
	if p.Status == link.Revoked {
		g.State, g.At = guests.Cancelled, time.UnixMilli(p.Changed)
		return g, nil
	}
	l, token, err := s.guestLink(ctx, p.ID())
	if err != nil {
		return g, err
	}
	g.Link = s.portalURL() + guests.LinkPath + "#" + token
	if l.Sent != 0 {
		g.State, g.At = guests.Sent, time.UnixMilli(l.Sent)
	}
	if l.Opened != 0 {
		g.State, g.At = guests.Opened, time.UnixMilli(l.Opened)
	}
	return g, s.atGate(ctx, &g)
}

// maxSeen bounds how many entries of one guest are looked at.
const maxSeen = 200

// atGate looks the guest up in the ledger.
func (s visits) atGate(ctx context.Context, g *guests.Guest) error {
	rows, err := records{s.central}.Passages(ctx, office.PassageFilter{Pass: &g.Pass, Limit: maxSeen})
	if err != nil {
		return err
	}
	for i := range rows {
		switch rows[i].Entry.Type {
		case link.EntryPassed:
			g.State, g.At = guests.Arrived, rows[i].At()
			return nil
		case link.EntryNotPassed, link.EntryDenied:
			g.State, g.At = guests.NotPassed, rows[i].At()
		}
	}
	return nil
}

// tokenSize is the size of a link's secret in bytes: nobody guesses 128 bits.
const tokenSize = 16

func tokenHash(token string) []byte {
	sum := sha256.Sum256([]byte(token))
	return sum[:]
}

// linkPurpose binds a sealed token to its pass.
func linkPurpose(id pass.ID) string { return "guest link of " + id.String() }

// guestLink returns the link of a guest's pass, which is made with the first call.
func (s visits) guestLink(ctx context.Context, id pass.ID) (l database.GuestLink, token string, err error) {
	box, err := s.box()
	if err != nil {
		return l, "", err
	}
	fresh := make([]byte, tokenSize)
	rand.Read(fresh)
	token = base64.RawURLEncoding.EncodeToString(fresh)
	l, err = s.db.KeepGuestLink(ctx, database.GuestLink{Pass: id, Token: tokenHash(token), Sealed: box.Seal(linkPurpose(id), []byte(token)), Made: s.config.Now().UnixMilli()})
	if err != nil {
		return l, "", fmt.Errorf("keep guest's link: %w", err)
	}
	kept, err := box.Open(linkPurpose(id), l.Sealed)
	if err != nil {
		return l, "", fmt.Errorf("open guest's link: %w", err)
	}
	return l, string(kept), nil
}

func (s visits) Change(ctx context.Context, person string, c guests.Change) error {
	a, err := s.own(ctx, person, c.Number)
	if err != nil {
		return err
	}
	if c.Pass != (pass.ID{}) && !slices.Contains(a.Passes, c.Pass) {
		return office.Refuse(office.ErrNotFound, "There is no such page.")
	}
	if !c.Cancel {
		return s.send(ctx, person, &a, c)
	}
	if a.State == office.ApplicationOpen {
		_, err := approvals{s.central}.Decide(ctx, portal.By(person), office.Decision{Number: a.Number, Reason: "taken back by the holder"})
		return err
	}
	for _, id := range a.Passes {
		if c.Pass != (pass.ID{}) && c.Pass != id {
			continue
		}
		if _, err := (passes{s.central}).SetStatus(ctx, portal.By(person), id, link.Revoked, "cancelled by the holder"); err != nil && !errors.Is(err, office.ErrNotFound) {
			return err
		}
	}
	return nil
}

// GuestMail is a guest's link on its way.
type GuestMail struct {
	By      string // the holder, for the audit
	Address string
	Lang    portal.Language
	Day     time.Time // its midnight
	Link    string
}

func (s visits) send(ctx context.Context, person string, a *office.Application, c guests.Change) error {
	if s.holders.mailGuest == nil {
		return office.Refuse(office.ErrInvalid, "Mail cannot be sent here. Share the link instead.")
	}
	p, err := s.db.Pass(ctx, c.Pass)
	if errors.Is(err, database.ErrNotFound) {
		return office.Refuse(office.ErrNotFound, "There is no such page.")
	}
	if err != nil {
		return fmt.Errorf("find pass: %w", err)
	}
	g, err := s.guest(ctx, &p)
	if err != nil {
		return err
	}
	begin, end := s.campusDay(a.Order.Day)
	if g.Link == "" || !s.config.Now().Before(end) {
		return office.Refuse(office.ErrInvalid, "This guest's code has ended; invite them anew.")
	}
	if err := s.holders.mailGuest(ctx, GuestMail{portal.By(person), c.Address, c.Lang, begin, g.Link}); err != nil {
		return err
	}
	return s.db.GuestLinkSent(ctx, c.Pass, s.config.Now().UnixMilli())
}

// guestLinks is the portal's guests.Links.
type guestLinks struct{ *central }

// maxToken bounds what is hashed of a token that somebody typed.
const maxToken = 64

func (s guestLinks) Open(ctx context.Context, token string) (c guests.Code, err error) {
	unknown := office.Refuse(office.ErrNotFound, "There is no such page.")
	if token == "" || len(token) > maxToken {
		return c, unknown
	}
	l, err := s.db.GuestByToken(ctx, tokenHash(token))
	if errors.Is(err, database.ErrNotFound) {
		return c, unknown
	}
	if err != nil {
		return c, fmt.Errorf("find guest's link: %w", err)
	}
	p, err := s.db.Pass(ctx, l.Pass)
	if errors.Is(err, database.ErrNotFound) {
		return c, unknown
	}
	if err != nil {
		return c, fmt.Errorf("find pass: %w", err)
	}
	now := s.config.Now()
	c.Begin, c.End = s.campusDay(p.Day)
	if !now.Before(c.End) {
		return guests.Code{}, unknown
	}
	if l.Opened == 0 {
		if err := s.db.GuestLinkOpened(ctx, l.Pass, now.UnixMilli()); err != nil {
			s.config.Log.Warn("note that a guest's link was opened", "cause", err) // the guest goes first
		}
	}
	from, until := p.Window()
	c.Name, c.Zones, c.From, c.To = p.GuestName, s.zoneNames(p.Zones), time.Unix(from, 0), time.Unix(until, 0)
	switch p.Status {
	case link.Revoked:
		c.Standing = guests.Ended
	case link.Held:
		c.Standing = guests.Stopped
	default:
		c.Standing, c.Text = guests.Good, p.Text(p.Signature)
	}
	return c, nil
}
