package office

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"turnstile/central/rights"
)

// Standing is one version of rules that central alone goes by. Lanes know nothing
// of them, and so they are in no feed; that a version was set, by whom, and what
// it says stands in the hash-chained audit.
type Standing[T any] struct {
	Version uint64 // 0: nobody changed what central begins with
	Rules   T
	At      time.Time // zero of version 0
	By      string
	Reason  string
}

// Change is what somebody puts in the place of a version.
type Change[T any] struct {
	Version uint64 // that it was made from
	Rules   T
	By      string
	Reason  string // 1 to MaxReason characters in one line
}

// Keeper keeps every version of such rules.
type Keeper[T any] interface {
	// Current returns the version in force.
	Current(ctx context.Context) (Standing[T], error)
	// Versions returns versions below before, the newest first; 0: from the newest on.
	// Version 0 is not among them.
	Versions(ctx context.Context, before uint64, limit int) ([]Standing[T], error)
	// Set puts a change into force at once. ErrInvalid: nobody can keep such rules, or
	// it has no reason; ErrConflict: another version is in force than it was made from.
	Set(ctx context.Context, c Change[T]) (Standing[T], error)
}

// FindVersion returns one version, or ErrNotFound.
func FindVersion[T any](ctx context.Context, k Keeper[T], number uint64) (Standing[T], error) {
	list, err := k.Versions(ctx, number+1, 1)
	if err != nil {
		return Standing[T]{}, err
	}
	if len(list) == 0 || list[0].Version != number {
		return Standing[T]{}, Refuse(ErrNotFound, "There is no version %d of these rules.", number)
	}
	return list[0], nil
}

// VersionBody is one version.
type VersionBody[T any] struct {
	Version uint64     `json:"version" doc:"0: nobody changed what central begins with."`
	Rules   T          `json:"rules"`
	Since   *time.Time `json:"since,omitempty"`
	By      string     `json:"by,omitempty"`
	Reason  string     `json:"reason,omitempty"`
}

// VersionList is one page of versions.
type VersionList[T any] struct {
	Versions []VersionBody[T] `json:"versions"`
	Next     string           `json:"next,omitempty" doc:"The cursor of the next page; missing on the last one."`
}

// SetBody puts rules into force.
type SetBody[T any] struct {
	Version uint64 `json:"version" maximum:"9007199254740991" doc:"The version that this was made from; another one in force meanwhile is a conflict."`
	Rules   T      `json:"rules"`
	Reason  string `json:"reason" minLength:"1" maxLength:"200" doc:"Why. It stays with the version, and stands in the audit."`
	Erase   bool   `json:"erase,omitempty" doc:"Of times to keep: yes, erase for ever what a shorter one keeps no longer. The preview says how much that is."`
}

// RestoreBody puts an earlier version into force again.
type RestoreBody struct {
	Reason string `json:"reason" minLength:"1" maxLength:"200" doc:"Why. It stays with the version, and stands in the audit."`
	Erase  bool   `json:"erase,omitempty" doc:"Of times to keep: yes, erase for ever what a shorter one keeps no longer."`
}

type (
	versionAnswer[T any] struct{ Body VersionBody[T] }
	versionsInput        struct {
		Before int64  `query:"before" minimum:"0" maximum:"9007199254740991" doc:"Only versions below this one."`
		Limit  int    `query:"limit" minimum:"1" maximum:"500" default:"50"`
		Cursor string `query:"cursor" maxLength:"400" doc:"The next of the page before."`
	}
)

// standing serves the versions of one Keeper.
type standing[T any] struct {
	*api
	keeper Keeper[T]
	area   string // of the path, such as guest-rules
	// allow refuses a change that has to be asked for in so many words.
	allow func(before, after T, erase bool) error
}

// routes registers what is the same for all; of is what the rules are about.
func (s *standing[T]) routes(h huma.API, of string) {
	path := "/" + s.area
	huma.Register(h, operation(rights.RulesRead, "get-"+s.area, http.MethodGet, path, "Show the rules for "+of), s.get)
	huma.Register(h, operation(rights.RulesWrite, "set-"+s.area, http.MethodPut, path, "Put rules for "+of+" into force", http.StatusConflict), s.set)
	huma.Register(h, operation(rights.RulesRead, "list-"+s.area+"-versions", http.MethodGet, path+"/versions", "List their versions, the newest first"), s.list)
	huma.Register(h, operation(rights.RulesWrite, "roll-back-"+s.area, http.MethodPost, path+"/versions/{version}/restore",
		"Put an earlier version into force again", http.StatusNotFound, http.StatusConflict), s.restore)
}

func (s *standing[T]) body(v Standing[T]) VersionBody[T] {
	return VersionBody[T]{v.Version, v.Rules, s.maybe(v.At), v.By, v.Reason}
}

func (s *standing[T]) get(ctx context.Context, _ *struct{}) (*versionAnswer[T], error) {
	v, err := s.keeper.Current(ctx)
	if err != nil {
		return nil, s.problem(ctx, err)
	}
	return &versionAnswer[T]{s.body(v)}, nil
}

func (s *standing[T]) set(ctx context.Context, in *struct{ Body SetBody[T] }) (*versionAnswer[T], error) {
	return s.change(ctx, Change[T]{in.Body.Version, in.Body.Rules, caller(ctx), in.Body.Reason}, in.Body.Erase)
}

func (s *standing[T]) change(ctx context.Context, c Change[T], erase bool) (*versionAnswer[T], error) {
	if err := printableFields("reason", c.Reason); err != nil {
		return nil, err
	}
	now, err := s.keeper.Current(ctx)
	if err == nil {
		err = s.allow(now.Rules, c.Rules, erase)
	}
	if err != nil {
		return nil, s.problem(ctx, err)
	}
	v, err := s.keeper.Set(ctx, c)
	if err != nil {
		return nil, s.problem(ctx, err)
	}
	return &versionAnswer[T]{s.body(v)}, nil
}

func (s *standing[T]) restore(ctx context.Context, in *struct {
	VersionPath
	Body RestoreBody
}) (*versionAnswer[T], error) {
	if err := printableFields("reason", in.Body.Reason); err != nil {
		return nil, err
	}
	old, err := FindVersion(ctx, s.keeper, in.Version)
	if err != nil {
		return nil, s.problem(ctx, err)
	}
	now, err := s.keeper.Current(ctx)
	if err != nil {
		return nil, s.problem(ctx, err)
	}
	return s.change(ctx, Change[T]{now.Version, old.Rules, caller(ctx), in.Body.Reason}, in.Body.Erase)
}

func (s *standing[T]) list(ctx context.Context, in *versionsInput) (*paged[VersionList[T]], error) {
	what := strings.ReplaceAll(s.area, "-", " ") + " versions"
	before, err := numberAfter(ctx, what, in.Cursor, in.Before)
	if err != nil {
		return nil, err
	}
	rows, err := s.keeper.Versions(ctx, uint64(before), in.Limit+1)
	if err != nil {
		return nil, s.problem(ctx, err)
	}
	rows, next := pageByNumber(ctx, what, in.Limit, rows, func(v Standing[T]) int64 { return int64(v.Version) })
	out := VersionList[T]{Versions: make([]VersionBody[T], 0, len(rows)), Next: next}
	for _, v := range rows {
		out.Versions = append(out.Versions, s.body(v))
	}
	return answerPage(ctx, out, next), nil
}
