package officetest

import (
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"turnstile/central/office"
	"turnstile/central/register"
	"turnstile/central/register/registertest"
	"turnstile/central/sheet"
)

// registry is the fake's campus register.
type registry struct {
	records map[register.Kind]map[string]register.Record // by key
	syncs   []*campusSync
	merges  []register.Merge
	apart   []register.Apart
}

// campusSync is a sync with its rows.
type campusSync struct {
	register.Sync
	rows []register.SyncRow
}

// campus is the fake's office.Register with its syncs and merges. What a sync
// confirms is done at once.
type campus struct{ *Fake }

func (s campus) rules() register.Rules {
	return register.Rules{Institutions: registertest.Institutions(), Today: s.Now().In(HongKong).Format(time.DateOnly)}
}

// of returns what stands of a kind. Called with mu held.
func (s campus) of(k register.Kind) map[string]register.Record {
	if s.registry.records == nil {
		s.registry.records = map[register.Kind]map[string]register.Record{}
	}
	if s.registry.records[k] == nil {
		s.registry.records[k] = map[string]register.Record{}
	}
	return s.registry.records[k]
}

func nobody() error {
	return office.Refuse(office.ErrNotFound, "There is nobody with this id in the register; search for the name.")
}

// head returns the id that an id leads to.
func (s campus) head(id string) string {
	for _, m := range s.registry.merges {
		if m.Gone == id && m.Undone.IsZero() {
			return s.head(m.Kept)
		}
	}
	return id
}

// row returns a person's own row.
func (s campus) row(id string) register.Person {
	v := s.of(register.Persons)[id].Values
	p := register.Person{ID: id, Surname: v["surname"], Given: v["given"], NameZH: v["name_zh"], Born: v["born"], Email: v["email"], Phone: v["phone"], Since: s.Now(), Changed: s.Now()}
	p.PersonalID, _ = hex.DecodeString(v["personal_id"]) // made by Parse
	return p
}

func (s campus) Person(_ context.Context, id string) (register.Person, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.of(register.Persons)[id]; !ok {
		return register.Person{}, nobody()
	}
	p := s.row(s.head(id))
	for other := range s.of(register.Persons) {
		if other != p.ID && s.head(other) == p.ID {
			p.Aliases = append(p.Aliases, other)
		}
	}
	slices.Sort(p.Aliases)
	for _, k := range []register.Kind{register.Cards, register.Degrees, register.NetIDs} {
		for _, key := range slices.Sorted(maps.Keys(s.of(k))) {
			r := s.of(k)[key]
			if v := r.Values; s.head(r.Person) == p.ID {
				switch k {
				case register.Cards:
					p.Cards = append(p.Cards, register.Card{Kind: register.CardKind(v["kind"]), Number: v["number"], From: v["from"], Until: v["until"]})
				case register.Degrees:
					p.Degrees = append(p.Degrees, register.Degree{Award: v["award"], Programme: v["programme"], Institution: v["institution"], Graduated: v["graduated"], KeepsNetID: v["institution"] == registertest.Institutions()[0].ID})
				default:
					p.NetIDs = append(p.NetIDs, v["netid"])
				}
			}
		}
	}
	return p, nil
}

func (s campus) Search(_ context.Context, text string, skip, limit int) (list []register.Person, more bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len([]rune(text)) < 2 && text < "\u0080" {
		return nil, false, office.Refuse(office.ErrInvalid, "Too many people fit, or none certainly: give more of the name, or the whole id or card number.")
	}
	for _, id := range slices.Sorted(maps.Keys(s.of(register.Persons))) {
		p := s.row(id)
		all := strings.ToLower(strings.Join([]string{p.ID, p.Surname, p.Given, p.NameZH}, " "))
		if !slices.ContainsFunc(strings.Fields(strings.ToLower(text)), func(w string) bool { return !strings.Contains(all, w) }) {
			list = append(list, p)
		}
	}
	list = list[min(skip, len(list)):]
	more = len(list) > limit
	return list[:min(len(list), limit)], more, nil
}

func (s campus) About(context.Context) (register.Size, []register.Institution, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return register.Size{Persons: len(s.of(register.Persons)), Cards: len(s.of(register.Cards)), Degrees: len(s.of(register.Degrees)), NetIDs: len(s.of(register.NetIDs))}, registertest.Institutions(), nil
}

// judge says what a record would do. Called with mu held.
func (s campus) judge(r register.Record) (register.Effect, []string, *register.Fault) {
	if _, ok := s.of(register.Persons)[r.Person]; !ok && r.Kind != register.Persons {
		return "", nil, &register.Fault{Column: "person", Text: "there is no person %s in the register: import persons first", Arg: r.Person}
	}
	return register.Compare(s.of(r.Kind)[r.Key].Values, r)
}

// put does it.
func (s campus) put(r register.Record) {
	stands := s.of(r.Kind)[r.Key]
	values := maps.Clone(stands.Values)
	if values == nil {
		values = map[string]string{}
		for _, c := range r.Kind.Columns() {
			values[c] = ""
		}
	}
	maps.Copy(values, r.Values)
	r.Values = values
	s.registry.apart = slices.DeleteFunc(s.registry.apart, func(p register.Apart) bool {
		other := slices.ContainsFunc([]string{"surname", "given", "name_zh", "born", "personal_id"}, func(c string) bool { return values[c] != stands.Values[c] })
		return other && r.Kind == register.Persons && (p.A == r.Key || p.B == r.Key)
	})
	s.of(r.Kind)[r.Key] = r
}

func (s campus) Put(_ context.Context, by string, kind register.Kind, rows []map[string]string, preview bool) (n register.Counts, bad []register.Row, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var records []register.Record
	seen := register.Seen{}
	for i, values := range rows {
		row := register.Row{Line: i + 1}
		row.Record, row.Faults = s.rules().Parse(kind, values)
		if seen.Check(&row); len(row.Faults) == 0 {
			e, _, fault := s.judge(row.Record)
			if n.Add(e); fault != nil {
				row.Faults = []register.Fault{*fault}
			}
		}
		if len(row.Faults) > 0 {
			bad = append(bad, row)
		}
		records = append(records, row.Record)
	}
	if preview || len(bad) > 0 {
		return n, bad, nil
	}
	for _, r := range records {
		s.put(r)
	}
	return n, nil, nil
}

func (s campus) Remove(_ context.Context, by, id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.of(register.Persons)[id]; !ok {
		return nobody()
	}
	s.take(register.Persons, id)
	return nil
}

func (s campus) take(k register.Kind, key string) {
	delete(s.of(k), key)
	for _, other := range register.Kinds()[1:] {
		maps.DeleteFunc(s.of(other), func(_ string, r register.Record) bool { return k == register.Persons && r.Person == key })
	}
}

func (s campus) find(id string) (*campusSync, error) {
	if i := slices.IndexFunc(s.registry.syncs, func(x *campusSync) bool { return x.ID == id }); i >= 0 {
		return s.registry.syncs[i], nil
	}
	return nil, office.Refuse(office.ErrNotFound, "There is no such file; it may have been erased. Upload it again.")
}

func (s campus) Begin(_ context.Context, by string, x register.Sync) (register.Sync, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	x.ID, x.By, x.At, x.State = fmt.Sprint("sync", len(s.registry.syncs)+1), by, s.Now(), register.SyncReading
	s.registry.syncs = append(s.registry.syncs, &campusSync{Sync: x})
	return x, nil
}

func (s campus) Add(_ context.Context, id string, rows []office.RegisterRow) (register.Sync, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	x, err := s.find(id)
	if err != nil {
		return register.Sync{}, err
	}
	if x.State != register.SyncReading {
		return x.Sync, office.Refuse(office.ErrConflict, "This sync takes no more rows: it is compared already, or has %d. Begin another one.", register.MaxRows)
	}
	for _, r := range rows {
		s.note(x, r.Read(s.rules(), x.Kind))
	}
	return x.Sync, nil
}

// note adds a row to a sync, once.
func (s campus) note(x *campusSync, row register.Row) {
	if slices.ContainsFunc(x.rows, func(r register.SyncRow) bool { return r.Line == row.Line }) {
		return
	}
	r := register.SyncRow{Line: row.Line, Record: row.Record, Faults: row.Faults}
	if i := slices.IndexFunc(x.rows, func(o register.SyncRow) bool { return len(row.Faults) == 0 && o.Record.Key == row.Record.Key }); i >= 0 {
		r.Faults = []register.Fault{register.Twice(x.rows[i].Line)}
	}
	if len(r.Faults) == 0 {
		var fault *register.Fault
		if r.Effect, r.Columns, fault = s.judge(r.Record); fault != nil {
			r.Faults = []register.Fault{*fault}
		}
	}
	switch {
	case len(r.Faults) > 0:
		x.Bad++
	case r.Effect == register.Adds:
		x.Good, x.Adds = x.Good+1, x.Adds+1
	case r.Effect == register.Changes:
		x.Good, x.Alters = x.Good+1, x.Alters+1
	default:
		x.Good, x.Same = x.Good+1, x.Same+1
	}
	x.rows = append(x.rows, r)
}

func (s campus) Compare(_ context.Context, id string) (register.Sync, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	x, err := s.find(id)
	if err != nil || x.State != register.SyncReading {
		return syncOf(x), err
	}
	x.Total, x.State = len(s.of(x.Kind)), register.SyncPreview
	if x.Held = x.Full && x.Bad > 0; x.Full && !x.Held {
		for _, key := range slices.Sorted(maps.Keys(s.of(x.Kind))) {
			if !slices.ContainsFunc(x.rows, func(r register.SyncRow) bool { return r.Record.Key == key }) {
				x.Removes++
				x.rows = append(x.rows, register.SyncRow{Line: -x.Removes, Record: s.of(x.Kind)[key], Effect: register.Removes})
			}
		}
	}
	if x.Idle() && x.Bad == 0 {
		x.State, x.Ended = register.SyncDone, s.Now()
	}
	return x.Sync, nil
}

func syncOf(x *campusSync) register.Sync {
	if x == nil {
		return register.Sync{}
	}
	return x.Sync
}

func (s campus) Upload(ctx context.Context, by string, x register.Sync, file io.Reader) (register.Sync, error) {
	x, err := s.Begin(ctx, by, x)
	if err != nil {
		return x, err
	}
	err = s.rules().Read(file, x.Kind, func(r register.Row) error {
		s.mu.Lock()
		defer s.mu.Unlock()
		found, err := s.find(x.ID)
		if err == nil {
			s.note(found, r)
		}
		return err
	})
	if e, ok := errors.AsType[*sheet.Error](err); ok {
		return x, office.Refuse(office.ErrInvalid, e.Text, e.Args...)
	}
	if err != nil {
		return x, err
	}
	return s.Compare(ctx, x.ID)
}

func (s campus) Settle(_ context.Context, by, id string, confirm, removals bool) (register.Sync, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	x, err := s.find(id)
	switch {
	case err != nil:
		return register.Sync{}, err
	case x.State != register.SyncPreview:
		return x.Sync, office.Refuse(office.ErrConflict, "Somebody decided about this file already, or it is not compared yet.")
	case !confirm:
		x.State = register.SyncDiscarded
		return x.Sync, nil
	case x.Idle():
		return x.Sync, office.Refuse(office.ErrInvalid, "There is nothing to do: every good row stands in the register already. Mend the bad ones.")
	case x.Heavy() && !removals:
		return x.Sync, office.Refuse(office.ErrInvalid, "This would remove %d of %d, more than %d %%: perhaps the file is not whole. Say so if it is meant.", x.Removes, x.Total, register.MaxShare)
	}
	for _, r := range x.rows {
		switch r.Effect {
		case register.Adds, register.Changes:
			s.put(r.Record)
		case register.Removes:
			s.take(x.Kind, r.Record.Key)
		}
	}
	x.Added, x.Changed, x.Taken = x.Adds, x.Alters, x.Removes
	x.State, x.Confirmed, x.ConfirmedBy, x.Ended = register.SyncDone, s.Now(), by, s.Now()
	return x.Sync, nil
}

func (s campus) Find(_ context.Context, id string) (register.Sync, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	x, err := s.find(id)
	return syncOf(x), err
}

func (s campus) List(_ context.Context, limit int) (list []register.Sync, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, x := range slices.Backward(s.registry.syncs) {
		if len(list) < limit {
			list = append(list, x.Sync)
		}
	}
	return list, nil
}

func (s campus) Rows(_ context.Context, id string, which register.RowKind, after, limit int) (list []register.SyncRow, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	x, err := s.find(id)
	if err != nil {
		return nil, err
	}
	effect := map[register.RowKind]register.Effect{register.RowsAdded: register.Adds, register.RowsChanged: register.Changes, register.RowsRemoved: register.Removes}[which]
	for _, r := range x.rows {
		fits := r.Effect == effect && len(r.Faults) == 0
		if which == register.RowsFaulty {
			fits = len(r.Faults) > 0
		}
		behind := r.Line > after
		if which == register.RowsRemoved {
			behind = r.Line < after
		}
		if fits && behind && len(list) < limit {
			list = append(list, r)
		}
	}
	return list, nil
}

func (s campus) Suggestions(_ context.Context, limit int) (list []register.Suggestion, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ids := slices.Sorted(maps.Keys(s.of(register.Persons)))
	for i, one := range ids {
		for _, other := range ids[i+1:] {
			a, b := s.row(one), s.row(other)
			personal := len(a.PersonalID) > 0 && string(a.PersonalID) == string(b.PersonalID)
			named := a.Born != "" && a.Born == b.Born && register.NameKey(a.Surname, a.Given, a.NameZH) == register.NameKey(b.Surname, b.Given, b.NameZH)
			kept := slices.ContainsFunc(s.registry.apart, func(p register.Apart) bool { return p.A == one && p.B == other })
			if (personal || named) && !kept && s.head(one) == one && s.head(other) == other && len(list) < limit {
				list = append(list, register.Suggestion{A: a, B: b, PersonalID: personal})
			}
		}
	}
	slices.SortStableFunc(list, func(a, b register.Suggestion) int {
		return cmp.Compare(map[bool]int{true: 0, false: 1}[a.PersonalID], map[bool]int{true: 0, false: 1}[b.PersonalID])
	})
	return list, nil
}

func (s campus) Merge(_ context.Context, by, kept, gone, reason string) (register.Merge, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := register.Merge{ID: fmt.Sprint("merge", len(s.registry.merges)+1), Kept: kept, Gone: gone, Reason: reason, At: s.Now(), By: by}
	if err := s.two(kept, gone); err != nil {
		return m, err
	}
	s.registry.merges = append(s.registry.merges, m)
	return m, nil
}

// two refuses what are not two persons. Called with mu held.
func (s campus) two(a, b string) error {
	for _, id := range []string{a, b} {
		if _, ok := s.of(register.Persons)[id]; !ok {
			return nobody()
		}
		if s.head(id) != id {
			return office.Refuse(office.ErrConflict, "One of the two is an alias already; use the id that it leads to.")
		}
	}
	if a == b {
		return office.Refuse(office.ErrInvalid, "Both ids are the same; name two.")
	}
	return nil
}

func (s campus) Keep(_ context.Context, by, a, b, reason string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.two(a, b); err != nil {
		return err
	}
	if reason == "" {
		return office.Refuse(office.ErrInvalid, "Give a reason of at most 200 characters: it is written down.")
	}
	s.registry.apart = append(s.registry.apart, register.Apart{A: min(a, b), B: max(a, b), Reason: reason, At: s.Now(), By: by})
	return nil
}

func (s campus) Kept(_ context.Context, limit int) (list []register.Apart, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range slices.Backward(s.registry.apart) {
		if len(list) < limit {
			list = append(list, p)
		}
	}
	return list, nil
}

func (s campus) Undo(_ context.Context, by, id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(s.registry.merges, func(m register.Merge) bool { return m.ID == id })
	if i < 0 {
		return office.Refuse(office.ErrNotFound, "There is no such merge.")
	}
	m := &s.registry.merges[i]
	if !m.Undone.IsZero() || s.head(m.Kept) != m.Kept {
		return office.Refuse(office.ErrConflict, "This merge was undone already, or is part of a later one; undo that first.")
	}
	m.Undone, m.UndoneBy = s.Now(), by
	return nil
}

func (s campus) Merges(_ context.Context, person string, limit int) (list []register.Merge, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range slices.Backward(s.registry.merges) {
		if (person == "" || m.Kept == person || m.Gone == person) && len(list) < limit {
			list = append(list, m)
		}
	}
	return list, nil
}
