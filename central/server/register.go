package server

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"turnstile/central/database"
	"turnstile/central/office"
	"turnstile/central/register"
	"turnstile/central/sheet"
)

// Register says how the campus register is read.
type Register struct {
	// Institutions are the parts of the campus that give degrees, as files name them.
	// Default one, university, whose graduates of 2011 or later keep their NetID.
	Institutions []register.Institution `yaml:"institutions"`
}

// defaultInstitutions is what a campus has that names none.
func defaultInstitutions() []register.Institution {
	return []register.Institution{{ID: "university", Name: "University", NameZH: "大學", KeepsNetID: true}}
}

var institutionID = regexp.MustCompile(`^[a-z0-9-]{1,32}$`)

func (r *Register) problems(wrong func(bad bool, key, format string, args ...any)) {
	for n, i := range r.Institutions {
		wrong(!institutionID.MatchString(i.ID), "register.institutions", "want an id of 1 to 32 of a-z 0-9 -")
		wrong(i.Name == "", "register.institutions", "%s has no name", i.ID)
		wrong(slices.ContainsFunc(r.Institutions[:n], func(x register.Institution) bool { return x.ID == i.ID }), "register.institutions", "%s stands twice", i.ID)
	}
}

// openRegister makes what knows the people of the campus.
func (s *central) openRegister(context.Context) error {
	secrets, err := s.issuer.SecretsKey()
	if err != nil {
		return fmt.Errorf("open the key of the register: %w", err)
	}
	key, err := register.NewKey(secrets)
	if err != nil {
		return err
	}
	institutions := s.config.Register.Institutions
	if len(institutions) == 0 {
		institutions = defaultInstitutions()
	}
	s.campus = register.New(register.Config{Store: s.db, Key: key, Institutions: institutions, Location: s.location, Now: s.config.Now})
	return nil
}

// registry is the API's office.Register, with its syncs, their history and merges.
type registry struct{ *central }

// Bounds of the register's work: others wait for a transaction, and so it is short.
const (
	registerBatch = 500 // rows that are compared in one transaction
	applyBatch    = 100 // rows that are done in one
	maxText       = 800 // bytes of a reason
)

func noPerson() error {
	return office.Refuse(office.ErrNotFound, "There is nobody with this id in the register; search for the name.")
}

func (s registry) Search(ctx context.Context, text string, skip, limit int) ([]register.Person, bool, error) {
	list, more, err := s.db.SearchRegister(ctx, text, skip, limit)
	if errors.Is(err, database.ErrBroad) {
		return nil, false, office.Refuse(office.ErrInvalid, "Too many people fit, or none certainly: give more of the name, or the whole id or card number.")
	}
	if err != nil {
		return nil, false, fmt.Errorf("search the register: %w", err)
	}
	return list, more, nil
}

func (s registry) Person(ctx context.Context, id string) (register.Person, error) {
	p, err := s.campus.Person(ctx, id)
	if errors.Is(err, register.ErrNotFound) {
		return p, noPerson()
	}
	if err != nil {
		return p, fmt.Errorf("find person: %w", err)
	}
	return p, nil
}

func (s registry) About(ctx context.Context) (register.Size, []register.Institution, error) {
	size, err := s.db.RegisterSize(ctx)
	if err != nil {
		return size, nil, fmt.Errorf("count the register: %w", err)
	}
	return size, s.campus.Institutions(), nil
}

func (s registry) Put(ctx context.Context, by string, kind register.Kind, rows []map[string]string, preview bool) (n register.Counts, bad []register.Row, err error) {
	rules, seen := s.campus.Rules(), register.Seen{}
	records := make([]register.Record, 0, len(rows))
	for i, values := range rows {
		row := register.Row{Line: i + 1}
		row.Record, row.Faults = rules.Parse(kind, values)
		if seen.Check(&row); len(row.Faults) > 0 {
			bad = append(bad, row)
		}
		records = append(records, row.Record)
	}
	if len(bad) > 0 || len(records) == 0 {
		return n, bad, nil
	}
	n, faults, err := s.db.PutRegister(ctx, by, s.config.Now().UnixMilli(), records, preview)
	if err != nil {
		return n, nil, fmt.Errorf("store rows: %w", err)
	}
	for i := range records {
		if f, there := faults[i]; there {
			bad = append(bad, register.Row{Line: i + 1, Faults: []register.Fault{f}})
		}
	}
	return n, bad, nil
}

func (s registry) Remove(ctx context.Context, by, id string) error {
	err := s.db.RemoveRegistered(ctx, id, by, s.config.Now().UnixMilli())
	if errors.Is(err, register.ErrNotFound) {
		return noPerson()
	}
	if err != nil {
		return fmt.Errorf("remove person: %w", err)
	}
	return nil
}

func (s registry) Begin(ctx context.Context, by string, x register.Sync) (register.Sync, error) {
	if !slices.Contains(register.Kinds(), x.Kind) {
		return x, office.Refuse(office.ErrInvalid, "A file has persons, cards, degrees or netids.")
	}
	if x.Name != "" {
		x.Name = fileName(x.Name)
	}
	x.ID, x.By, x.At = rand.Text(), by, s.config.Now()
	if err := s.db.AddRegisterSync(ctx, x); err != nil {
		return x, fmt.Errorf("store sync: %w", err)
	}
	return s.Find(ctx, x.ID)
}

func (s registry) Add(ctx context.Context, id string, rows []office.RegisterRow) (register.Sync, error) {
	x, err := s.Find(ctx, id)
	if err != nil {
		return x, err
	}
	rules := s.campus.Rules()
	read := make([]register.Row, len(rows))
	for i, r := range rows {
		read[i] = r.Read(rules, x.Kind)
	}
	if err := s.store(ctx, id, read); err != nil {
		return x, err
	}
	return s.Find(ctx, id)
}

func (s registry) store(ctx context.Context, id string, rows []register.Row) error {
	for part := range slices.Chunk(rows, registerBatch) {
		err := s.db.AddRegisterRows(ctx, id, part)
		if errors.Is(err, database.ErrConflict) {
			return office.Refuse(office.ErrConflict, "This sync takes no more rows: it is compared already, or has %d. Begin another one.", register.MaxRows)
		}
		if err != nil {
			return fmt.Errorf("store rows: %w", err)
		}
	}
	return nil
}

func (s registry) Compare(ctx context.Context, id string) (register.Sync, error) {
	x, err := s.Find(ctx, id)
	if err != nil {
		return x, err
	}
	if x.State == register.SyncReading && x.Good+x.Bad == 0 {
		return x, office.Refuse(office.ErrInvalid, "The sync has no row; add some first.")
	}
	for more := x.State == register.SyncReading; more; { // done already: the same answer
		more, err = s.db.CompareRegister(ctx, id, registerBatch, s.config.Now().UnixMilli())
		if err != nil && !errors.Is(err, database.ErrConflict) {
			return x, fmt.Errorf("compare sync: %w", err)
		}
	}
	return s.Find(ctx, id)
}

func (s registry) Upload(ctx context.Context, by string, x register.Sync, file io.Reader) (register.Sync, error) {
	x, err := s.Begin(ctx, by, x)
	if err != nil {
		return x, err
	}
	var part []register.Row
	err = s.campus.Rules().Read(file, x.Kind, func(r register.Row) error {
		if part = append(part, r); len(part) < registerBatch {
			return nil
		}
		err := s.store(ctx, x.ID, part)
		part = part[:0]
		return err
	})
	if err == nil {
		err = s.store(ctx, x.ID, part)
	}
	if e, ok := errors.AsType[*sheet.Error](err); ok {
		return x, office.Refuse(office.ErrInvalid, e.Text, e.Args...)
	}
	if err != nil {
		return x, err // the rows that stand already go with the next tidying
	}
	return s.Compare(ctx, x.ID)
}

func (s registry) Settle(ctx context.Context, by, id string, confirm, removals bool) (register.Sync, error) {
	x, err := s.Find(ctx, id)
	if err != nil {
		return x, err
	}
	switch {
	case confirm && x.State == register.SyncPreview && x.Idle():
		return x, office.Refuse(office.ErrInvalid, "There is nothing to do: every good row stands in the register already. Mend the bad ones.")
	case confirm && x.State == register.SyncPreview && x.Heavy() && !removals:
		return x, office.Refuse(office.ErrInvalid, "This would remove %d of %d, more than %d %%: perhaps the file is not whole. Say so if it is meant.", x.Removes, x.Total, register.MaxShare)
	}
	err = s.db.SettleRegister(ctx, id, confirm, by, s.config.Now().UnixMilli())
	if errors.Is(err, database.ErrConflict) {
		return x, office.Refuse(office.ErrConflict, "Somebody decided about this file already, or it is not compared yet.")
	}
	if err != nil {
		return x, fmt.Errorf("settle sync: %w", err)
	}
	s.chores.wake()
	return s.Find(ctx, id)
}

func (s registry) Find(ctx context.Context, id string) (register.Sync, error) {
	x, err := s.db.RegisterSync(ctx, id)
	if errors.Is(err, database.ErrNotFound) {
		return x, office.Refuse(office.ErrNotFound, "There is no such file; it may have been erased. Upload it again.")
	}
	if err != nil {
		return x, fmt.Errorf("find sync: %w", err)
	}
	return x, nil
}

func (s registry) List(ctx context.Context, limit int) ([]register.Sync, error) {
	list, err := s.db.RegisterSyncs(ctx, "", limit)
	if err != nil {
		return nil, fmt.Errorf("list syncs: %w", err)
	}
	return list, nil
}

func (s registry) Rows(ctx context.Context, id string, which register.RowKind, after, limit int) ([]register.SyncRow, error) {
	rows, err := s.db.RegisterRows(ctx, id, which, after, limit)
	if err != nil {
		return nil, fmt.Errorf("read sync: %w", err)
	}
	return rows, nil
}

func (s registry) Suggestions(ctx context.Context, limit int) ([]register.Suggestion, error) {
	list, err := s.db.RegisterSuggestions(ctx, limit)
	if err != nil {
		return nil, fmt.Errorf("look for suggestions: %w", err)
	}
	return list, nil
}

func (s registry) Merge(ctx context.Context, by, kept, gone, reason string) (register.Merge, error) {
	m := register.Merge{ID: rand.Text(), Kept: strings.TrimSpace(kept), Gone: strings.TrimSpace(gone), Reason: strings.TrimSpace(reason), By: by, At: s.config.Now()}
	err := aboutTwo(m.Kept, m.Gone, m.Reason)
	if err == nil {
		err = twoPersons(s.db.MergeRegister(ctx, m), "merge persons")
	}
	return m, err
}

// aboutTwo refuses what cannot be said about two persons.
func aboutTwo(a, b, reason string) error {
	switch {
	case a == b:
		return office.Refuse(office.ErrInvalid, "Both ids are the same; name two.")
	case reason == "" || len(reason) > maxText || !utf8.ValidString(reason):
		return office.Refuse(office.ErrInvalid, "Give a reason of at most 200 characters: it is written down.")
	}
	return nil
}

// twoPersons says what stood in the way of a deed about two persons.
func twoPersons(err error, deed string) error {
	switch {
	case errors.Is(err, register.ErrNotFound):
		return noPerson()
	case errors.Is(err, database.ErrMerged):
		return office.Refuse(office.ErrConflict, "One of the two is an alias already; use the id that it leads to.")
	case err != nil:
		return fmt.Errorf("%s: %w", deed, err)
	}
	return nil
}

// Keep keeps two persons apart, as office.RegisterApart.
func (s registry) Keep(ctx context.Context, by, a, b, reason string) error {
	p := register.Apart{A: strings.TrimSpace(a), B: strings.TrimSpace(b), Reason: strings.TrimSpace(reason), At: s.config.Now(), By: by}
	if err := aboutTwo(p.A, p.B, p.Reason); err != nil {
		return err
	}
	return twoPersons(s.db.KeepApart(ctx, p), "keep persons apart")
}

func (s registry) Kept(ctx context.Context, limit int) ([]register.Apart, error) {
	list, err := s.db.KeptApart(ctx, limit)
	if err != nil {
		return nil, fmt.Errorf("list who is kept apart: %w", err)
	}
	return list, nil
}

func (s registry) Undo(ctx context.Context, by, id string) error {
	err := s.db.UndoRegisterMerge(ctx, id, by, s.config.Now().UnixMilli())
	switch {
	case errors.Is(err, database.ErrNotFound):
		return office.Refuse(office.ErrNotFound, "There is no such merge.")
	case errors.Is(err, database.ErrIssued):
		return office.Refuse(office.ErrConflict, "Something was issued to this person since: the merge stays.")
	case errors.Is(err, database.ErrConflict):
		return office.Refuse(office.ErrConflict, "This merge was undone already, or is part of a later one; undo that first.")
	case err != nil:
		return fmt.Errorf("undo merge: %w", err)
	}
	return nil
}

func (s registry) Merges(ctx context.Context, person string, limit int) ([]register.Merge, error) {
	list, err := s.db.RegisterMerges(ctx, person, limit)
	if err != nil {
		return nil, fmt.Errorf("list merges: %w", err)
	}
	return list, nil
}

// applySync does the rest of a running sync.
func (c *chores) applySync(ctx context.Context, id string) error {
	for more := true; more; {
		var err error
		if more, err = c.db.ApplyRegister(ctx, id, applyBatch, c.config.Now().UnixMilli()); err != nil {
			return fmt.Errorf("apply sync: %w", err)
		}
	}
	return nil
}

// applySyncs goes on with all running ones.
func (c *chores) applySyncs(ctx context.Context) error {
	list, err := c.db.RegisterSyncs(ctx, register.SyncRunning, maxUnsettled)
	for _, x := range slices.Backward(list) { // as they were confirmed: persons before their cards
		err = errors.Join(err, c.applySync(ctx, x.ID))
	}
	return err
}

// stillHere refuses what somebody asks for who is not in the register, once there
// is one.
func (s *central) stillHere(ctx context.Context, holder string) error {
	known, used, err := s.db.RegisterKnows(ctx, holder)
	if err != nil {
		return fmt.Errorf("look into the register: %w", err)
	}
	if used && !known {
		return office.Refuse(office.ErrInvalid, "This holder is not in the campus register, or is no longer; the registry knows.")
	}
	return s.notWithdrawn(ctx, holder)
}
