package officetest

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"turnstile/central/link"
	"turnstile/central/office"
	"turnstile/central/pass"
)

// looked is what somebody said of an alarm.
type looked struct {
	at   time.Time
	by   string
	note string
}

// Exports returns what was taken away, by whom.
func (f *Fake) Exports() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.exports)
}

type ledger struct{ f *Fake }

func (s ledger) Search(_ context.Context, q office.Search) (office.SearchPage, error) {
	s.f.mu.Lock()
	defer s.f.mu.Unlock()
	from := 0
	list := s.found(q)
	if q.Cursor != "" {
		n, err := strconv.Atoi(q.Cursor)
		if err != nil || n < 0 || n > len(list) {
			return office.SearchPage{}, office.Refuse(office.ErrInvalid, "The cursor is none of this list's; begin without one.")
		}
		from = n
	}
	page := office.SearchPage{Passages: list[from:]}
	if len(page.Passages) >= q.Limit {
		page.Passages, page.Next = page.Passages[:q.Limit], strconv.Itoa(from+q.Limit)
	}
	return page, nil
}

func (s ledger) found(q office.Search) (list []office.Passage) {
	for _, p := range s.f.passages {
		if fits(&p, &q) {
			list = append(list, p)
		}
	}
	slices.SortFunc(list, func(a, b office.Passage) int {
		return cmp.Or(cmp.Compare(b.Entry.Wall, a.Entry.Wall), cmp.Compare(b.Number, a.Number))
	})
	return list
}

func fits(p *office.Passage, q *office.Search) bool {
	e := &p.Entry
	lane := slices.ContainsFunc(q.Lanes, func(l office.LaneRef) bool {
		return l.Controller == p.Lane && (l.Number == 0 || l.Number == e.Lane)
	})
	return (q.From.IsZero() || !p.At().Before(q.From)) && (q.Until.IsZero() || p.At().Before(q.Until)) && (lane || len(q.Lanes) == 0) &&
		among(q.Zones, e.Zone) && among(q.Types, e.Type) && among(q.Reasons, e.Reason) && among(q.Kinds, e.Kind) &&
		(q.Direction == 0 || q.Direction == e.Direction) && (q.Pass == nil || *q.Pass == e.Pass) &&
		strings.Contains(strings.ToLower(p.HolderName+" "+p.GuestName), strings.ToLower(q.Words))
}

func among[T comparable](list []T, v T) bool { return len(list) == 0 || slices.Contains(list, v) }

func (s ledger) Export(ctx context.Context, by string, q office.Search, each func(*office.Passage) error) error {
	s.f.mu.Lock()
	s.f.exports = append(s.f.exports, by+": "+q.String())
	list := s.found(q)
	s.f.mu.Unlock()
	for i := range list {
		if err := each(&list[i]); err != nil {
			return err
		}
	}
	return ctx.Err()
}

func (s ledger) Find(_ context.Context, number int64) (office.Passage, error) {
	s.f.mu.Lock()
	defer s.f.mu.Unlock()
	for _, p := range s.f.passages {
		if p.Number == number {
			return p, nil
		}
	}
	return office.Passage{}, office.Refuse(office.ErrNotFound, "There is no passage %d.", number)
}

// Explain knows the pass and its other passages, and nothing of feed and rules.
func (s ledger) Explain(ctx context.Context, number int64) (office.Explanation, error) {
	p, err := s.Find(ctx, number)
	if err != nil {
		return office.Explanation{}, err
	}
	e := office.Explanation{Passage: p, Knew: office.Knew{FeedSeq: p.Entry.FeedSeq}}
	if p.Entry.Pass == (pass.ID{}) {
		return e, nil
	}
	if found, err := (passes{s.f}).Find(ctx, p.Entry.Pass); err == nil {
		e.Pass = &found
	}
	page, err := s.Search(ctx, office.Search{Pass: &p.Entry.Pass, Limit: office.MaxScans})
	e.Scans = page.Passages
	return e, err
}

func (s ledger) Hours(_ context.Context, q office.Search) ([]office.HourCount, error) {
	if q.Pass != nil || q.Words != "" || len(q.Lanes) > 0 {
		return nil, office.Refuse(office.ErrInvalid, "Counts are kept for zones, reasons and kinds alone.")
	}
	s.f.mu.Lock()
	defer s.f.mu.Unlock()
	counts := map[office.HourCount]int{}
	for _, p := range s.found(q) {
		e := &p.Entry
		counts[office.HourCount{Hour: p.At().UTC().Truncate(time.Hour), Type: e.Type, Reason: e.Reason, Kind: e.Kind, Zone: e.Zone, Direction: e.Direction}]++
	}
	var out []office.HourCount
	for c, n := range counts {
		c.Count = n
		out = append(out, c)
	}
	slices.SortFunc(out, func(a, b office.HourCount) int {
		return cmp.Or(a.Hour.Compare(b.Hour), cmp.Compare(a.Type, b.Type), cmp.Compare(a.Reason, b.Reason))
	})
	return out, nil
}

func (s ledger) Lanes(_ context.Context, from, until time.Time) (out []office.LaneCount, err error) {
	s.f.mu.Lock()
	defer s.f.mu.Unlock()
	for _, p := range s.found(office.Search{From: from, Until: until}) {
		i := slices.IndexFunc(out, func(c office.LaneCount) bool { return c.Lane == p.LaneRef() })
		if i < 0 {
			i, out = len(out), append(out, office.LaneCount{Lane: p.LaneRef()})
		}
		switch p.Entry.Type {
		case link.EntryPassed:
			out[i].In++
		case link.EntryDenied:
			out[i].Refused++
		}
	}
	return out, nil
}

type presence struct{ f *Fake }

func (s presence) Occupancy(context.Context) (out []office.ZoneCount, err error) {
	s.f.mu.Lock()
	defer s.f.mu.Unlock()
	for _, z := range s.f.rules.Zones {
		c := office.ZoneCount{Zone: z.ID, Name: z.Name, NameZH: z.NameZH, Inside: len(s.inside(int(z.ID)))}
		for _, p := range s.f.passages {
			switch e := &p.Entry; {
			case e.Zone != z.ID || e.Type != link.EntryPassed:
			case e.Direction == 1:
				c.In++
			case e.Direction == 2:
				c.Out++
			}
		}
		out = append(out, c)
	}
	return out, nil
}

// inside finds each pass whose last passage led in.
func (s presence) inside(zone int) (list []office.Insider) {
	last := map[pass.ID]office.Passage{}
	for _, p := range s.f.passages {
		if p.Entry.Type == link.EntryPassed && int(p.Entry.Zone) == zone {
			last[p.Entry.Pass] = p
		}
	}
	for id, p := range last {
		if p.Entry.Direction == 1 {
			list = append(list, office.Insider{Pass: id, Kind: p.Entry.Kind, Zone: p.Entry.Zone, HolderName: p.HolderName, GuestName: p.GuestName, Since: p.At(), Lane: p.LaneRef()})
		}
	}
	slices.SortFunc(list, func(a, b office.Insider) int { return strings.Compare(a.Person(), b.Person()) })
	return list
}

func (s presence) Muster(ctx context.Context, by string, zone int) (office.Muster, error) {
	zones, err := s.Occupancy(ctx)
	if err != nil {
		return office.Muster{}, err
	}
	s.f.mu.Lock()
	defer s.f.mu.Unlock()
	m := office.Muster{At: s.f.Now()}
	for _, z := range zones {
		if zone < 0 || zone == int(z.Zone) {
			m.Zones = append(m.Zones, z)
			m.Inside = append(m.Inside, s.inside(int(z.Zone))...)
		}
	}
	if len(m.Zones) == 0 {
		return m, office.Refuse(office.ErrNotFound, "There is no zone %d.", zone)
	}
	for _, l := range s.f.lanes {
		if !l.Alive && !l.Enrolled.IsZero() {
			m.Silent = append(m.Silent, l.ID)
		}
	}
	s.f.exports = append(s.f.exports, by+": muster")
	return m, nil
}

type attention struct{ f *Fake }

func (s attention) Alarms(_ context.Context, q office.AlarmFilter) (page office.AlarmPage, err error) {
	s.f.mu.Lock()
	defer s.f.mu.Unlock()
	if q.Cursor != "" {
		return page, office.Refuse(office.ErrInvalid, "The cursor is none of this list's; begin without one.")
	}
	for _, a := range slices.Backward(s.f.alarms) {
		x, done := s.f.looked[a.Number]
		if q.Open && done || q.Code != "" && q.Code != a.Code || q.Lane != "" && q.Lane != a.Lane || len(page.Alarms) == q.Limit {
			continue
		}
		page.Alarms = append(page.Alarms, office.AlarmState{Alarm: a, Latest: a.At, Count: 1, Acknowledged: x.at, By: x.by, Note: x.note})
	}
	return page, nil
}

func (s attention) Open(context.Context) (int, error) {
	s.f.mu.Lock()
	defer s.f.mu.Unlock()
	return len(s.f.alarms) - len(s.f.looked), nil
}

func (s attention) Acknowledge(_ context.Context, by string, number, count int64, note string) error {
	s.f.mu.Lock()
	defer s.f.mu.Unlock()
	if number < 1 || number > int64(len(s.f.alarms)) {
		return office.Refuse(office.ErrNotFound, "There is no alarm %d.", number)
	}
	if _, done := s.f.looked[number]; done || count != 1 {
		return office.Refuse(office.ErrConflict, "Somebody acknowledged it already, or it was raised again.")
	}
	if s.f.looked == nil {
		s.f.looked = map[int64]looked{}
	}
	s.f.looked[number] = looked{s.f.Now(), by, note}
	return nil
}
