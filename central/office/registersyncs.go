package office

import (
	"context"
	"maps"
	"strconv"

	"turnstile/central/register"
)

func (a *api) syncBody(s register.Sync) SyncBody {
	return SyncBody{ID: s.ID, Kind: string(s.Kind), Name: s.Name, Full: s.Full, State: string(s.State), By: s.By, At: a.at(s.At), Good: s.Good, Bad: s.Bad,
		Adds: s.Adds, Changes: s.Alters, Same: s.Same, Removes: s.Removes, Total: s.Total, Held: s.Held, Heavy: s.Heavy(),
		Added: s.Added, Changed: s.Changed, Removed: s.Taken, Failed: s.Failed, Confirmed: a.maybe(s.Confirmed), ConfirmedBy: s.ConfirmedBy, Ended: a.maybe(s.Ended)}
}

// syncAnswer is what every call about a sync answers.
type syncAnswer struct{ Body SyncBody }

func (a *api) answerSync(ctx context.Context, s register.Sync, err error) (*syncAnswer, error) {
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	return &syncAnswer{a.syncBody(s)}, nil
}

type beginSyncInput struct {
	Body struct {
		Kind string `json:"kind" enum:"persons,cards,degrees,netids"`
		Name string `json:"name,omitempty" maxLength:"80" doc:"Of the file, for people."`
		Full bool   `json:"full,omitempty" doc:"It has all rows of the kind: what it does not have is removed."`
	}
}

func (a *api) beginSync(ctx context.Context, in *beginSyncInput) (*syncAnswer, error) {
	if err := printableFields("name", in.Body.Name); err != nil {
		return nil, err
	}
	s, err := a.Syncs.Begin(ctx, caller(ctx), register.Sync{Kind: register.Kind(in.Body.Kind), Name: in.Body.Name, Full: in.Body.Full})
	return a.answerSync(ctx, s, err)
}

type listSyncsInput struct {
	Limit int `query:"limit" minimum:"1" maximum:"200" default:"20"`
}

func (a *api) listSyncs(ctx context.Context, in *listSyncsInput) (*struct{ Body SyncList }, error) {
	list, err := a.SyncHistory.List(ctx, in.Limit)
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	b := SyncList{Syncs: []SyncBody{}}
	for _, s := range list {
		b.Syncs = append(b.Syncs, a.syncBody(s))
	}
	return &struct{ Body SyncList }{b}, nil
}

// SyncPath names a sync in a path.
type SyncPath struct {
	ID string `path:"id" maxLength:"64"`
}

func (a *api) getSync(ctx context.Context, in *SyncPath) (*syncAnswer, error) {
	s, err := a.SyncHistory.Find(ctx, in.ID)
	return a.answerSync(ctx, s, err)
}

type syncRowsInput struct {
	SyncPath
	Which string `query:"which" enum:"added,changed,removed,faulty" default:"faulty"`
	After int    `query:"after" doc:"The next of the page before."`
	Limit int    `query:"limit" minimum:"1" maximum:"500" default:"100"`
}

func (a *api) syncRows(ctx context.Context, in *syncRowsInput) (*struct{ Body SyncRowList }, error) {
	if _, err := a.SyncHistory.Find(ctx, in.ID); err != nil {
		return nil, a.problem(ctx, err)
	}
	rows, err := a.SyncHistory.Rows(ctx, in.ID, register.RowKind(in.Which), in.After, in.Limit+1)
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	b := SyncRowList{Rows: []SyncRowBody{}}
	if len(rows) > in.Limit {
		rows = rows[:in.Limit]
		b.Next = rows[in.Limit-1].Line
	}
	for _, r := range rows {
		x := SyncRowBody{Line: r.Line, Effect: string(r.Effect), Columns: r.Columns, Values: maps.Clone(r.Record.Values)}
		delete(x.Values, "personal_id")
		for _, f := range r.Faults {
			x.Faults = append(x.Faults, RowFault(f))
		}
		b.Rows = append(b.Rows, x)
	}
	return &struct{ Body SyncRowList }{b}, nil
}

type addSyncRowsInput struct {
	SyncPath
	Body struct {
		Rows []RegisterRow `json:"rows" minItems:"1" maxItems:"1000"`
	}
}

func (a *api) addSyncRows(ctx context.Context, in *addSyncRowsInput) (*syncAnswer, error) {
	for i, r := range in.Body.Rows {
		if !printable(r.Unreadable) {
			return nil, wrong("body.rows["+strconv.Itoa(i)+"].unreadable", "has control characters", nil)
		}
	}
	s, err := a.Syncs.Add(ctx, in.ID, in.Body.Rows)
	return a.answerSync(ctx, s, err)
}

func (a *api) compareSync(ctx context.Context, in *SyncPath) (*syncAnswer, error) {
	s, err := a.Syncs.Compare(ctx, in.ID)
	return a.answerSync(ctx, s, err)
}

type confirmSyncInput struct {
	SyncPath
	Body struct {
		Removals bool `json:"removals,omitempty" doc:"Yes, remove more than 5 % of what there is."`
	}
}

func (a *api) confirmSync(ctx context.Context, in *confirmSyncInput) (*syncAnswer, error) {
	s, err := a.Syncs.Settle(ctx, caller(ctx), in.ID, true, in.Body.Removals)
	return a.answerSync(ctx, s, err)
}

func (a *api) discardSync(ctx context.Context, in *SyncPath) (*syncAnswer, error) {
	s, err := a.Syncs.Settle(ctx, caller(ctx), in.ID, false, false)
	return a.answerSync(ctx, s, err)
}

type suggestInput struct {
	Limit int `query:"limit" minimum:"1" maximum:"200" default:"50"`
}

func (a *api) suggestMerges(ctx context.Context, in *suggestInput) (*struct{ Body SuggestionList }, error) {
	list, err := a.Merges.Suggestions(ctx, in.Limit)
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	b := SuggestionList{Suggestions: []SuggestionBody{}}
	for _, s := range list {
		b.Suggestions = append(b.Suggestions, SuggestionBody{a.personBody(s.A), a.personBody(s.B), s.PersonalID})
	}
	return &struct{ Body SuggestionList }{b}, nil
}

func (a *api) mergeBody(m register.Merge) MergeBody {
	return MergeBody{m.ID, m.Kept, m.Gone, m.Reason, a.at(m.At), m.By, a.maybe(m.Undone), m.UndoneBy, m.Final}
}

type listMergesInput struct {
	Person string `query:"person" maxLength:"64"`
	Limit  int    `query:"limit" minimum:"1" maximum:"200" default:"50"`
}

func (a *api) listMerges(ctx context.Context, in *listMergesInput) (*struct{ Body MergeList }, error) {
	list, err := a.Merges.Merges(ctx, in.Person, in.Limit)
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	b := MergeList{Merges: []MergeBody{}}
	for _, m := range list {
		b.Merges = append(b.Merges, a.mergeBody(m))
	}
	return &struct{ Body MergeList }{b}, nil
}

type mergeInput struct {
	Body struct {
		Kept   string `json:"kept" minLength:"1" maxLength:"64" doc:"The id that stays the holder id."`
		Gone   string `json:"gone" minLength:"1" maxLength:"64" doc:"The id that becomes an alias."`
		Reason string `json:"reason" minLength:"1" maxLength:"200"`
	}
}

func (a *api) mergeRegistered(ctx context.Context, in *mergeInput) (*struct{ Body MergeBody }, error) {
	if err := printableFields("kept", in.Body.Kept, "gone", in.Body.Gone, "reason", in.Body.Reason); err != nil {
		return nil, err
	}
	m, err := a.Merges.Merge(ctx, caller(ctx), in.Body.Kept, in.Body.Gone, in.Body.Reason)
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	return &struct{ Body MergeBody }{a.mergeBody(m)}, nil
}

func (a *api) undoMerge(ctx context.Context, in *SyncPath) (*struct{}, error) {
	if err := a.Merges.Undo(ctx, caller(ctx), in.ID); err != nil {
		return nil, a.problem(ctx, err)
	}
	return nil, nil
}
