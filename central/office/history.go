package office

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"turnstile/central/link"
	"turnstile/central/preview"
	"turnstile/central/rights"
)

// History keeps every version of the rules and shows what others would have
// decided.
type History interface {
	// Versions returns versions below before, the newest first; 0: from the newest on.
	Versions(ctx context.Context, before uint64, limit int) ([]RulesVersion, error)
	// Version returns one, or ErrNotFound.
	Version(ctx context.Context, number uint64) (RulesVersion, error)
	// Preview decides the scans since a time again with the rules proposed. progress
	// gets how much is done, 0..1, now and then; it may be nil. ErrInvalid: the rules
	// contradict themselves. Of more than MaxPreview scans the oldest are looked at.
	Preview(ctx context.Context, proposed link.Rules, since time.Time, progress func(float64)) (preview.Report, error)
	// RollBack puts the rules of an earlier version in force as a new version, with
	// the modes of zones as they are now. ErrNotFound; ErrConflict as SetRules.
	RollBack(ctx context.Context, by string, number uint64) (link.Rules, error)
}

// MaxPreview bounds the decisions of one preview: 0.2 ms each.
const MaxPreview = 300_000

// RulesVersion is one version of the rules.
type RulesVersion struct {
	link.Rules
	At time.Time
	By string
}

// RulesVersionBody is one version in a list.
type RulesVersionBody struct {
	Version uint64    `json:"version"`
	At      time.Time `json:"at"`
	By      string    `json:"by" doc:"Who put it into force; central for what it made by itself."`
}

// PreviewBody asks what rules would have decided.
type PreviewBody struct {
	Rules RulesBody `json:"rules"`
	Days  int       `json:"days,omitempty" minimum:"1" maximum:"31" default:"7" doc:"How many days back."`
}

// PreviewReport is the answer.
type PreviewReport struct {
	Scans      int            `json:"scans" doc:"Decisions about passes that were looked at."`
	Reproduced int            `json:"reproduced" doc:"Of these the rules in force decide as many as it was decided then. The others were decided by other rules, or by what only the lane knew."`
	Erased     int            `json:"erased" doc:"Not looked at: the pass is no longer known."`
	Opened     int            `json:"opened" doc:"Refused by the rules in force, let in by those proposed."`
	Shut       int            `json:"shut" doc:"Let in by the rules in force, refused by those proposed."`
	Reworded   int            `json:"reworded" doc:"Refused by both, for another reason."`
	Groups     []PreviewGroup `json:"groups" doc:"Changes that are alike, the most frequent first."`
}

// PreviewGroup counts changes that are alike.
type PreviewGroup struct {
	Zone  int    `json:"zone"`
	Kind  string `json:"kind"`
	From  string `json:"from" doc:"Reason by the rules in force." example:"GRANTED"`
	To    string `json:"to" doc:"Reason by those proposed." example:"CLOSED"`
	Count int    `json:"count"`
}

func (a *api) historyRoutes(h huma.API) {
	huma.Register(h, operation(rights.RulesRead, "list-rules-versions", http.MethodGet, "/rules/versions", "List the versions of the rules, the newest first"), a.listVersions)
	huma.Register(h, operation(rights.RulesRead, "get-rules-version", http.MethodGet, "/rules/versions/{version}", "Show one version of the rules", http.StatusNotFound), a.getVersion)
	huma.Register(h, operation(rights.RulesWrite, "roll-back-rules", http.MethodPost, "/rules/versions/{version}/restore", "Put an earlier version into force again, with the modes of zones as they are", http.StatusNotFound, http.StatusConflict), a.rollBack)
	ask := operation(rights.RulesRead, "preview-rules", http.MethodPost, "/rules/preview", "Show what other rules would have decided")
	huma.Register(h, ask, a.preview)
}

// VersionPath names a version in a path; exported for huma.
type VersionPath struct {
	Version uint64 `path:"version" minimum:"1" maximum:"9007199254740991" example:"3"`
}

// RulesVersionList is one page of versions.
type RulesVersionList struct {
	Versions []RulesVersionBody `json:"versions"`
	Next     string             `json:"next,omitempty" doc:"The cursor of the next page; missing on the last one."`
}

func (a *api) listVersions(ctx context.Context, in *struct {
	Before int64  `query:"before" minimum:"0" maximum:"9007199254740991" doc:"Only versions below this one."`
	Limit  int    `query:"limit" minimum:"1" maximum:"500" default:"50"`
	Cursor string `query:"cursor" maxLength:"400" doc:"The next of the page before."`
}) (*paged[RulesVersionList], error) {
	before, err := numberAfter(ctx, "rules versions", in.Cursor, in.Before)
	if err != nil {
		return nil, err
	}
	list, err := a.History.Versions(ctx, uint64(before), in.Limit+1)
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	list, next := pageByNumber(ctx, "rules versions", in.Limit, list, func(v RulesVersion) int64 { return int64(v.Version) })
	out := RulesVersionList{Versions: make([]RulesVersionBody, 0, len(list)), Next: next}
	for _, v := range list {
		out.Versions = append(out.Versions, RulesVersionBody{v.Version, v.At.In(a.zone), v.By})
	}
	return answerPage(ctx, out, next), nil
}

func (a *api) getVersion(ctx context.Context, in *VersionPath) (*rulesAnswer, error) {
	v, err := a.History.Version(ctx, in.Version)
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	return &rulesAnswer{a.rulesBody(v.Rules)}, nil
}

func (a *api) rollBack(ctx context.Context, in *VersionPath) (*rulesAnswer, error) {
	r, err := a.History.RollBack(ctx, caller(ctx), in.Version)
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	return &rulesAnswer{a.rulesBody(r)}, nil
}

type previewAnswer struct{ Body PreviewReport }

func (a *api) preview(ctx context.Context, in *struct{ Body PreviewBody }) (*previewAnswer, error) {
	r, err := in.Body.Rules.rules()
	if err != nil {
		return nil, err
	}
	found, err := a.History.Preview(ctx, r, a.now().AddDate(0, 0, -in.Body.Days), nil)
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	out := PreviewReport{found.Scans, found.Reproduced, found.Erased, found.Opened, found.Shut, found.Reworded, []PreviewGroup{}}
	for _, g := range found.Groups {
		out.Groups = append(out.Groups, PreviewGroup{int(g.Zone), g.Kind.String(), g.From.String(), g.To.String(), g.Count})
	}
	return &previewAnswer{out}, nil
}
