package office

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"turnstile/central/pass"
	"turnstile/central/rights"
)

// Retention keeps for how long things are kept.
type Retention interface {
	Keeper[Keep]
	// PreviewRetention counts what would be erased at once, and changes nothing.
	// ErrInvalid as Set.
	PreviewRetention(ctx context.Context, k Keep) (Erasure, error)
}

// MaxKeep bounds a time to keep, in days.
const MaxKeep = 3650

// Keep is for how many whole days after its own something is kept.
type Keep struct {
	Passages int `json:"passages" minimum:"1" maximum:"3650" doc:"Days from when central received them."`
	Passes   int `json:"passes" minimum:"1" maximum:"3650" doc:"Days from the day that they were for; names, purposes and codes with them."`
	Photos   int `json:"photos" minimum:"1" maximum:"3650" doc:"Days, of people with neither an eCard nor a pass; and what people asked for, from the decision. What nobody decided in this time is closed."`
}

// Shorter reports whether k keeps something for a shorter time than before.
func (k Keep) Shorter(before Keep) bool {
	return k.Passages < before.Passages || k.Passes < before.Passes || k.Photos < before.Photos
}

// AllowErasing refuses a shorter time without a yes: what it erases never comes
// back.
func AllowErasing(before, after Keep, yes bool) error {
	if after.Shorter(before) && !yes {
		return Refuse(ErrInvalid, "A shorter time erases for ever, within the hour. Look at the preview, and repeat the change with erase.")
	}
	return nil
}

// Erasure is what goes at once.
type Erasure struct {
	Passages, Passes, Photos, Requests int
	Commands                           int // whose reason and giver go, with the passages of their time
	// What was received, or was for a day, before these goes.
	PassagesBefore, PhotosBefore time.Time
	PassesBefore                 pass.Day
	FirstPassage                 time.Time // the oldest that goes; zero: none
	FirstPass                    pass.Day  // 0: none
}

// ErasureBody is what goes at once.
type ErasureBody struct {
	Passages       int        `json:"passages" doc:"Entries of the ledger."`
	FirstPassage   *time.Time `json:"first_passage,omitempty" doc:"When central received the oldest of these."`
	PassagesBefore time.Time  `json:"passages_before" doc:"What central received before goes."`
	Passes         int        `json:"passes" doc:"With holder's id, guest's name, purpose and code."`
	FirstPass      string     `json:"first_pass,omitempty" format:"date" doc:"The day of the oldest of these."`
	Commands       int        `json:"commands" doc:"Of these of the same time it goes who gave them, and why."`
	PassesBefore   string     `json:"passes_before" format:"date" doc:"Passes for earlier days go."`
	Photos         int        `json:"photos" doc:"Of people with neither an eCard nor a pass, and of eCard applications that nobody decided, which are closed."`
	Requests       int        `json:"requests" doc:"Decided applications, whose names and facts go."`
	PhotosBefore   time.Time  `json:"photos_before" doc:"What was taken in or decided before goes."`
}

func (a *api) retentionRoutes(h huma.API) {
	s := standing[Keep]{a, a.Retention, "retention", AllowErasing}
	s.routes(h, "how long things are kept")
	huma.Register(h, operation(rights.RulesRead, "preview-retention", http.MethodPost, "/retention/preview", "Count what would be erased at once"), a.previewRetention)
}

func (a *api) previewRetention(ctx context.Context, in *struct{ Body Keep }) (*struct{ Body ErasureBody }, error) {
	e, err := a.Retention.PreviewRetention(ctx, in.Body)
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	out := ErasureBody{
		Passages: e.Passages, FirstPassage: a.maybe(e.FirstPassage), PassagesBefore: a.at(e.PassagesBefore), Passes: e.Passes,
		PassesBefore: e.PassesBefore.String(), Photos: e.Photos, Requests: e.Requests, Commands: e.Commands, PhotosBefore: a.at(e.PhotosBefore),
	}
	if e.FirstPass != 0 {
		out.FirstPass = e.FirstPass.String()
	}
	return &struct{ Body ErasureBody }{out}, nil
}

func decimal(n int) string { return strconv.Itoa(n) }
