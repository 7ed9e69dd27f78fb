package server

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"turnstile/central/database"
	"turnstile/central/link"
	"turnstile/central/office"
)

// passageLedger is the office's office.Ledger and office.Tally.
type passageLedger struct{ *central }

func (s passageLedger) Search(ctx context.Context, q office.Search) (office.SearchPage, error) {
	var page office.SearchPage
	rows, err := s.search(ctx, q)
	if err != nil {
		return page, err
	}
	if len(rows) == q.Limit && q.Limit > 0 {
		c := rows[len(rows)-1].Cursor()
		page.Next = fmt.Sprintf("%d.%d", c.At, c.Number)
	}
	for _, r := range rows {
		p, err := officePassage(r.Stored)
		if err != nil {
			return page, err
		}
		page.Passages = append(page.Passages, p)
	}
	return page, nil
}

// search merges the lanes that a search names: the database finds one at a time.
func (s passageLedger) search(ctx context.Context, q office.Search) ([]database.Passage, error) {
	f := database.PassageFilter{
		Zones: q.Zones, Types: q.Types, Reasons: q.Reasons, Kinds: q.Kinds, Direction: q.Direction, Pass: q.Pass, Words: q.Words, Limit: q.Limit,
	}
	if !q.From.IsZero() {
		f.From = q.From.UnixMilli()
	}
	if !q.Until.IsZero() {
		f.Until = q.Until.UnixMilli()
	}
	if q.Cursor != "" {
		var c database.PassageCursor
		if n, err := fmt.Sscanf(q.Cursor, "%d.%d", &c.At, &c.Number); err != nil || n != 2 || q.Cursor != fmt.Sprintf("%d.%d", c.At, c.Number) {
			return nil, office.Refuse(office.ErrInvalid, "The cursor is none of this list's; begin without one.")
		}
		f.Before = &c
	}
	lanes := q.Lanes
	if len(lanes) == 0 {
		lanes = []office.LaneRef{{}}
	}
	var found []database.Passage
	for _, l := range lanes {
		f.Lane, f.Number = l.Controller, l.Number
		rows, err := s.db.Search(ctx, f)
		if errors.Is(err, database.ErrBroad) {
			return nil, office.Refuse(office.ErrInvalid, "Too many people fit: give more of the name, or fewer days.")
		}
		if err != nil {
			return nil, fmt.Errorf("search ledger: %w", err)
		}
		found = append(found, rows...)
	}
	if len(lanes) > 1 {
		slices.SortFunc(found, func(a, b database.Passage) int { return -compareCursors(*a.Cursor(), *b.Cursor()) })
	}
	return found[:min(len(found), q.Limit)], nil
}

func compareCursors(a, b database.PassageCursor) int {
	if a.At != b.At {
		return int(max(-1, min(1, a.At-b.At)))
	}
	return int(max(-1, min(1, a.Number-b.Number)))
}

func officePassage(r database.Stored) (office.Passage, error) {
	e, rest, err := link.ParseEntry(r.Entry)
	if err != nil || len(rest) > 0 {
		return office.Passage{}, fmt.Errorf("read ledger row %d: %w: %w", r.Number, database.ErrDamaged, err)
	}
	return office.Passage{Number: r.Number, Lane: r.Lane, Journal: r.Journal, Received: time.UnixMilli(r.Received),
		Entry: e, HolderName: r.Holder, GuestName: r.GuestName}, nil
}

// exportPage is how many rows an export reads at once: what it holds in memory.
const exportPage = 1000

func (s passageLedger) Export(ctx context.Context, by string, q office.Search, each func(*office.Passage) error) error {
	if err := s.db.Audit(ctx, s.config.Now().UnixMilli(), by, "export_passages", "ledger", q.String()); err != nil {
		return fmt.Errorf("export passages: %w", err)
	}
	// Each page is a query of its own: a slow reader holds no transaction open. What
	// comes in behind the first page is not in the file.
	for q.Limit = exportPage; ; {
		page, err := s.Search(ctx, q)
		if err != nil {
			return err
		}
		for i := range page.Passages {
			if err := each(&page.Passages[i]); err != nil {
				return err
			}
		}
		if page.Next == "" {
			return nil
		}
		q.Cursor = page.Next
	}
}

func (s passageLedger) Find(ctx context.Context, number int64) (office.Passage, error) {
	rows, err := s.db.Entries(ctx, database.EntryFilter{After: number - 1, Limit: 1})
	if err != nil {
		return office.Passage{}, fmt.Errorf("read ledger: %w", err)
	}
	if len(rows) == 0 || rows[0].Number != number {
		return office.Passage{}, office.Refuse(office.ErrNotFound, "There is no passage %d.", number)
	}
	return officePassage(rows[0])
}

func (s passageLedger) Hours(ctx context.Context, q office.Search) ([]office.HourCount, error) {
	if len(q.Lanes) > 0 || q.Pass != nil || q.Words != "" {
		return nil, office.Refuse(office.ErrInvalid, "Counts by hour are kept for zones, reasons and kinds of passes; a lane, a pass or a person has none.")
	}
	rows, err := s.db.HourCounts(ctx, q.From.UnixMilli(), q.Until.UnixMilli())
	if err != nil {
		return nil, fmt.Errorf("count passages: %w", err)
	}
	var out []office.HourCount
	for _, r := range rows {
		if (len(q.Zones) > 0 && !slices.Contains(q.Zones, r.Zone)) || (len(q.Types) > 0 && !slices.Contains(q.Types, r.Type)) ||
			(len(q.Reasons) > 0 && !slices.Contains(q.Reasons, r.Reason)) || (len(q.Kinds) > 0 && !slices.Contains(q.Kinds, r.Kind)) ||
			(q.Direction != 0 && q.Direction != r.Direction) {
			continue
		}
		out = append(out, office.HourCount{Hour: time.UnixMilli(r.Hour), Type: r.Type, Reason: r.Reason, Kind: r.Kind, Zone: r.Zone, Direction: r.Direction, Count: int(r.Count)})
	}
	return out, nil
}

// laneCounted are the types that are counted by lane.
var laneCounted = []link.EntryType{link.EntryPassed, link.EntryDenied, link.EntryNotPassed, link.EntryUnknown, link.EntryForced, link.EntryTailgated}

func (s passageLedger) Lanes(ctx context.Context, from, until time.Time) ([]office.LaneCount, error) {
	rows, err := s.db.LaneCounts(ctx, from.UnixMilli(), until.UnixMilli(), laneCounted)
	if err != nil {
		return nil, fmt.Errorf("count passages by lane: %w", err)
	}
	var out []office.LaneCount
	for _, r := range rows {
		ref := office.LaneRef{Controller: r.Lane, Number: r.Number}
		i := slices.IndexFunc(out, func(c office.LaneCount) bool { return c.Lane == ref })
		if i < 0 {
			i, out = len(out), append(out, office.LaneCount{Lane: ref})
		}
		switch c := &out[i]; {
		case r.Type == link.EntryPassed && r.Direction == 2:
			c.Out += int(r.Count)
		case r.Type == link.EntryPassed:
			c.In += int(r.Count)
		case r.Type == link.EntryDenied:
			c.Refused += int(r.Count)
		default:
			c.Other += int(r.Count)
		}
	}
	return out, nil
}

// presence is the office's office.Presence.
type presence struct{ *central }

// today returns when the campus day began.
func (s presence) today() time.Time {
	from, _ := office.DayBounds(s.feed.Today(), s.location)
	return from
}

// since is from when on somebody who came in may be inside: passes run past
// midnight, but not longer than to the end of the next day.
func (s presence) since() time.Time { return s.today().AddDate(0, 0, -1) }

func (s presence) Occupancy(ctx context.Context) ([]office.ZoneCount, error) {
	now := s.config.Now()
	rules := s.feed.View().Rules
	zones := make([]office.ZoneCount, len(rules.Zones))
	at := func(zone uint8) *office.ZoneCount {
		for i := range zones {
			if zones[i].Zone == zone {
				return &zones[i]
			}
		}
		return &office.ZoneCount{} // a zone that the rules no longer have
	}
	for i, z := range rules.Zones {
		zones[i] = office.ZoneCount{Zone: z.ID, Name: z.Name, NameZH: z.NameZH}
	}
	inside, err := s.db.Occupancies(ctx, s.since().UnixMilli())
	if err != nil {
		return nil, fmt.Errorf("count who is inside: %w", err)
	}
	for _, o := range inside {
		at(o.Zone).Inside += int(o.Inside)
	}
	hours, err := s.db.HourCounts(ctx, s.today().UnixMilli(), now.Add(time.Hour).UnixMilli())
	if err != nil {
		return nil, fmt.Errorf("count passages: %w", err)
	}
	for _, h := range hours {
		z := at(h.Zone)
		switch {
		case h.Type == link.EntryPassed && h.Direction == 1:
			z.In += int(h.Count)
		case h.Type == link.EntryPassed && h.Direction == 2:
			z.Out += int(h.Count)
		case h.Type == link.EntryTailgated || h.Type == link.EntryForced || h.Type == link.EntryUnknown:
			z.Uncounted += int(h.Count)
		}
	}
	return zones, nil
}

// musterPage is how many people are read at once, musterLimit how many are listed.
const (
	musterPage  = 1000
	musterLimit = 100_000
)

func (s presence) Muster(ctx context.Context, by string, zone int) (office.Muster, error) {
	m := office.Muster{At: s.config.Now()}
	all, err := s.Occupancy(ctx)
	if err != nil {
		return m, err
	}
	for _, z := range all {
		if zone < 0 || int(z.Zone) == zone {
			m.Zones = append(m.Zones, z)
		}
	}
	if len(m.Zones) == 0 {
		return m, office.Refuse(office.ErrNotFound, "There is no zone %d; the rules have those that there are.", zone)
	}
	subject := "all zones"
	if zone >= 0 {
		subject = fmt.Sprintf("zone %d", zone)
	}
	if err := s.db.Audit(ctx, m.At.UnixMilli(), by, "list_inside", subject, ""); err != nil {
		// In an evacuation the list matters more than the note.
		s.config.Log.Error("write down who asked for the muster list", "by", by, "cause", err)
	}
	for _, z := range m.Zones {
		if m.Inside, err = s.insiders(ctx, z.Zone, m.Inside); err != nil {
			return m, err
		}
	}
	slices.SortFunc(m.Inside, func(a, b office.Insider) int {
		return strings.Compare(strings.ToLower(a.Person())+"\x00"+a.Pass.String(), strings.ToLower(b.Person())+"\x00"+b.Pass.String())
	})
	for _, l := range s.fleet.Lanes() {
		if !l.Enrolled.IsZero() && !l.Alive {
			m.Silent = append(m.Silent, l.ID)
		}
	}
	return m, nil
}

// insiders appends who is inside a zone.
func (s presence) insiders(ctx context.Context, zone uint8, list []office.Insider) ([]office.Insider, error) {
	var after *database.Inside
	for len(list) < musterLimit {
		rows, err := s.db.Muster(ctx, zone, s.since().UnixMilli(), after, musterPage)
		if err != nil {
			return nil, fmt.Errorf("list who is inside: %w", err)
		}
		for _, r := range rows {
			list = append(list, office.Insider{Pass: r.ID, Kind: r.Kind, Zone: zone, HolderName: r.Holder, GuestName: r.GuestName,
				Since: time.UnixMilli(r.At), Lane: office.LaneRef{Controller: r.Lane, Number: r.Number}})
		}
		if len(rows) < musterPage {
			break
		}
		after = &rows[len(rows)-1]
	}
	return list, nil
}

// attention is the office's office.Attention.
type attention struct{ *central }

func (s attention) Alarms(ctx context.Context, f office.AlarmFilter) (office.AlarmPage, error) {
	var page office.AlarmPage
	q := database.AttentionFilter{Open: f.Open, Code: f.Code, Lane: f.Lane, Limit: f.Limit}
	if f.Cursor != "" {
		var c database.AlarmCursor
		if n, err := fmt.Sscanf(f.Cursor, "%d.%d", &c.Latest, &c.Number); err != nil || n != 2 || f.Cursor != fmt.Sprintf("%d.%d", c.Latest, c.Number) {
			return page, office.Refuse(office.ErrInvalid, "The cursor is none of this list's; begin without one.")
		}
		q.Before = &c
	}
	rows, err := s.db.Attention(ctx, q)
	if err != nil {
		return page, fmt.Errorf("read alarms: %w", err)
	}
	for _, r := range rows {
		a, err := s.state(ctx, r)
		if err != nil {
			return page, err
		}
		page.Alarms = append(page.Alarms, a)
	}
	if n := len(rows); n == f.Limit && n > 0 {
		page.Next = fmt.Sprintf("%d.%d", rows[n-1].Latest, rows[n-1].Number)
	}
	return page, nil
}

func (s attention) state(ctx context.Context, r database.Attention) (office.AlarmState, error) {
	a := office.AlarmState{
		Alarm:   office.Alarm{Number: r.Number, At: time.UnixMilli(r.First), Lane: r.Lane, Code: r.Code, Detail: r.Detail, Next: r.Next},
		Subject: r.Subject, Latest: time.UnixMilli(r.Latest), Count: r.Count, By: r.By, Note: r.Note,
		Again: r.Acknowledged != 0 && r.Count > r.Seen,
	}
	if r.Acknowledged != 0 {
		a.Acknowledged = time.UnixMilli(r.Acknowledged)
	}
	number, err := s.entryOf(ctx, r)
	if err != nil && !errors.Is(err, database.ErrNotFound) {
		return a, fmt.Errorf("find the entry of an alarm: %w", err)
	}
	a.Entry = number
	return a, nil
}

// entryOf returns the ledger number that an alarm's subject names: of the ledger's
// own alarms a journal and an entry, of supervisor codes the number itself.
func (s attention) entryOf(ctx context.Context, r database.Attention) (int64, error) {
	var journal []byte
	var seq uint64
	if n, err := fmt.Sscanf(r.Subject, "%x/%d", &journal, &seq); err == nil && n == 2 && len(journal) == 4 {
		return s.db.EntryNumber(ctx, r.Lane, [4]byte(journal), seq)
	}
	var day string
	var number int64
	if n, err := fmt.Sscanf(r.Subject, "%s #%d", &day, &number); err == nil && n == 2 {
		return number, nil
	}
	return 0, database.ErrNotFound
}

func (s attention) Open(ctx context.Context) (int, error) {
	open, _, _, err := s.db.OpenAlarms(ctx)
	return int(open), err
}

// version changes whenever the list of alarms does.
func (s attention) version(ctx context.Context) (string, error) {
	open, latest, acknowledged, err := s.db.OpenAlarms(ctx)
	return fmt.Sprintf("%d.%d.%d", open, latest, acknowledged), err
}

func (s attention) Acknowledge(ctx context.Context, by string, number, count int64, note string) error {
	err := s.db.Acknowledge(ctx, s.config.Now().UnixMilli(), by, number, count, note)
	switch {
	case errors.Is(err, database.ErrNotFound):
		return office.Refuse(office.ErrNotFound, "There is no alarm %d.", number)
	case errors.Is(err, database.ErrConflict):
		return office.Refuse(office.ErrConflict, "Somebody acknowledged this alarm already, or it was raised again meanwhile; look at it anew.")
	case err != nil:
		return fmt.Errorf("acknowledge alarm: %w", err)
	}
	return nil
}
