package office

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"turnstile/central/pass"
	"turnstile/central/rights"
)

// Keys keeps the pass keys and what the root delegated.
type Keys interface {
	// List returns the pass keys ascending by id, and the delegation.
	List(ctx context.Context) ([]Key, Delegation, error)
	// Withdraw ends a pass key at once: lanes refuse what it signed, and passes of
	// today and later are re-issued with another one. Repeating it finishes what
	// was interrupted and changes nothing else. ErrNotFound.
	Withdraw(ctx context.Context, by string, id uint16, reason string) (Withdrawal, error)
}

// Key is a pass key without its private half.
type Key struct {
	ID        uint16
	Use       string // week, spare, supervisor, test
	From, To  pass.Day
	Made      time.Time // zero: before this was written down
	Published bool      // lanes are told of it
	Withdrawn time.Time // zero: in force
}

// Delegation is what the root says of the keys that sign for it.
type Delegation struct {
	Version   uint64
	Expires   time.Time
	Threshold int
	Keys      int
	Offline   bool
	Request   string // path of what the root is asked to sign, "" if nothing
}

// Withdrawal tells what a withdrawal did.
type Withdrawal struct {
	Key      uint16
	Reissued int // passes that have a new code
	Stuck    int // passes that cannot be issued once more; they need new ones
}

// KeyBody is a pass key.
type KeyBody struct {
	ID        int        `json:"id"`
	Use       string     `json:"use" enum:"week,spare,supervisor,test"`
	From      string     `json:"from" format:"date" doc:"First campus day."`
	To        string     `json:"to" format:"date" doc:"Last campus day."`
	Made      *time.Time `json:"made,omitempty"`
	Published bool       `json:"published" doc:"Lanes are told of it."`
	Withdrawn *time.Time `json:"withdrawn,omitempty"`
}

// DelegationBody is what the root says of the keys that sign for it.
type DelegationBody struct {
	Version   uint64    `json:"version"`
	Expires   time.Time `json:"expires"`
	Threshold int       `json:"threshold" doc:"Root keys that must sign."`
	Keys      int       `json:"keys" doc:"Root keys."`
	Offline   bool      `json:"offline" doc:"The root's keys are not at central."`
	Request   string    `json:"request,omitempty" doc:"File on central's machine that the root has to sign."`
}

// KeyList is one page of the pass keys, and the delegation.
type KeyList struct {
	Keys       []KeyBody      `json:"keys"`
	Next       string         `json:"next,omitempty" doc:"The cursor of the next page; missing on the last one."`
	Delegation DelegationBody `json:"delegation"`
}

// WithdrawalBody tells what a withdrawal did.
type WithdrawalBody struct {
	Key      int `json:"key"`
	Reissued int `json:"reissued" doc:"Passes of today and later that have a new code now; holders have to fetch it."`
	Stuck    int `json:"stuck" doc:"Passes that were re-issued 255 times: issue new ones."`
}

func (a *api) keyRoutes(h huma.API) {
	huma.Register(h, operation(rights.KeysRead, "list-keys", http.MethodGet, "/keys", "Show the pass keys and the root's delegation"), a.listKeys)
	withdraw := operation(rights.KeysManage, "withdraw-key", http.MethodPost, "/keys/{key}/withdraw", "Make all lanes refuse what a key signed, and re-issue it", http.StatusNotFound)
	huma.Register(h, repeatable(withdraw), a.withdrawKey)
}

type keysInput struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"500" default:"200"`
	Cursor string `query:"cursor" maxLength:"400" doc:"The next of the page before."`
}

func (a *api) listKeys(ctx context.Context, in *keysInput) (*paged[KeyList], error) {
	keys, d, err := a.Keys.List(ctx)
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	keys, next, err := pageByKey(ctx, "keys", in.Cursor, in.Limit, keys, func(k Key) string { return fmt.Sprintf("%05d", k.ID) })
	if err != nil {
		return nil, err
	}
	out := KeyList{Keys: make([]KeyBody, 0, len(keys)), Next: next, Delegation: DelegationBody{d.Version, d.Expires.In(a.zone), d.Threshold, d.Keys, d.Offline, d.Request}}
	for _, k := range keys {
		out.Keys = append(out.Keys, KeyBody{int(k.ID), k.Use, k.From.String(), k.To.String(), a.maybe(k.Made), k.Published, a.maybe(k.Withdrawn)})
	}
	return answerPage(ctx, out, next), nil
}

type withdrawRequest struct {
	Key  uint16 `path:"key" minimum:"1" example:"3"`
	Body struct {
		Reason string `json:"reason" minLength:"1" maxLength:"200" doc:"Why; stands in the audit."`
	}
}

func (a *api) withdrawKey(ctx context.Context, in *withdrawRequest) (*struct{ Body WithdrawalBody }, error) {
	if !printable(in.Body.Reason) {
		return nil, wrong("body.reason", "has control characters", nil)
	}
	w, err := a.Keys.Withdraw(ctx, caller(ctx), in.Key, in.Body.Reason)
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	return &struct{ Body WithdrawalBody }{WithdrawalBody{int(w.Key), w.Reissued, w.Stuck}}, nil
}
