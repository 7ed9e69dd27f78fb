package office

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"turnstile/central/rights"
)

// Cards are the holders' eCards. A person is named by the register's id or an alias.
type Cards interface {
	// Find returns a person's eCard, or ErrNotFound.
	Find(ctx context.Context, person string) (Card, error)
	// Withdraw takes it back: in one transaction the card's state changes, and the
	// holder's passes of today and later are revoked, which lanes are told at once. From
	// then on the card has no codes, and nothing that the holder hands in is taken. ErrNotFound; ErrInvalid: no reason; ErrConflict: it is withdrawn already.
	Withdraw(ctx context.Context, by string, w CardWithdrawal) (Card, error)
	// Return gives it back, with the passes that were revoked with it and are not over.
	// ErrNotFound; ErrConflict: it is not withdrawn.
	Return(ctx context.Context, by, person string) (Card, error)
}

// Card is an eCard as the office sees it.
type Card struct {
	Holder      string
	Name        string
	Since       time.Time
	By          string    // who approved it
	Withdrawn   time.Time // zero: it is active
	WithdrawnBy string
	Reason      string // of a withdrawal, for the holder to read
	Passes      int    // that a withdrawal revoked, or a return released; 0 from Find
}

// CardWithdrawal takes an eCard back.
type CardWithdrawal struct {
	Person string
	Reason string // the holder reads it
	Guests bool   // the passes of the holder's guests are revoked too
}

// CardState is an eCard on the API.
type CardState struct {
	Holder      string     `json:"holder"`
	Name        string     `json:"name"`
	State       string     `json:"state" enum:"active,withdrawn"`
	Since       time.Time  `json:"since"`
	By          string     `json:"by" doc:"Who approved it."`
	Withdrawn   *time.Time `json:"withdrawn,omitempty"`
	WithdrawnBy string     `json:"withdrawn_by,omitempty"`
	Reason      string     `json:"reason,omitempty" doc:"Of the withdrawal; the holder reads it."`
	Passes      int        `json:"passes,omitempty" doc:"How many passes this revoked, or released."`
}

type cardAnswer struct{ Body CardState }

func (a *api) cardRoutes(h huma.API) {
	const path = "/ecards/{person}"
	huma.Register(h, operation(rights.ApplicationsRead, "get-ecard", http.MethodGet, path, "Show a person's eCard", http.StatusNotFound), a.findCard)
	huma.Register(h, operation(rights.ApplicationsJudge, "withdraw-ecard", http.MethodPost, path+"/withdraw", "Withdraw an eCard, and revoke the holder's passes from today on", http.StatusNotFound, http.StatusConflict), a.withdrawCard)
	huma.Register(h, operation(rights.ApplicationsJudge, "return-ecard", http.MethodPost, path+"/return", "Give an eCard back, with the passes that were revoked with it", http.StatusNotFound, http.StatusConflict), a.returnCard)
}

func (a *api) cardAnswer(ctx context.Context, c Card, err error) (*cardAnswer, error) {
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	b := CardState{Holder: c.Holder, Name: c.Name, State: "active", Since: a.at(c.Since), By: c.By, Withdrawn: a.maybe(c.Withdrawn), WithdrawnBy: c.WithdrawnBy, Reason: c.Reason, Passes: c.Passes}
	if b.Withdrawn != nil {
		b.State = "withdrawn"
	}
	return &cardAnswer{b}, nil
}

func (a *api) findCard(ctx context.Context, in *RegisteredPath) (*cardAnswer, error) {
	c, err := a.Cards.Find(ctx, in.Person)
	return a.cardAnswer(ctx, c, err)
}

type withdrawCardInput struct {
	RegisteredPath
	Body struct {
		Reason string `json:"reason" minLength:"1" maxLength:"200" doc:"Why; the holder reads it."`
		Guests bool   `json:"guests,omitempty" doc:"Revoke the passes of the holder's guests too."`
	}
}

func (a *api) withdrawCard(ctx context.Context, in *withdrawCardInput) (*cardAnswer, error) {
	if !printable(in.Body.Reason) {
		return nil, wrong("body.reason", "has control characters", nil)
	}
	c, err := a.Cards.Withdraw(ctx, caller(ctx), CardWithdrawal{Person: in.Person, Reason: in.Body.Reason, Guests: in.Body.Guests})
	return a.cardAnswer(ctx, c, err)
}

func (a *api) returnCard(ctx context.Context, in *RegisteredPath) (*cardAnswer, error) {
	c, err := a.Cards.Return(ctx, caller(ctx), in.Person)
	return a.cardAnswer(ctx, c, err)
}
