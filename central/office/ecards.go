package office

import (
	"github.com/danielgtaylor/huma/v2"

	"turnstile/central/ecard"
)

// ECards keeps what the day's codes of holders and their guests are like. Codes that
// are issued already stay as they are.
type ECards = Keeper[ecard.CodeRules]

func (a *api) ecardRoutes(h huma.API) {
	s := standing[ecard.CodeRules]{a, a.ECards, "ecard-rules", func(ecard.CodeRules, ecard.CodeRules, bool) error { return nil }}
	s.routes(h, "eCards")
}
