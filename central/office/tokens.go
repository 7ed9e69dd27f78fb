package office

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"turnstile/central/link"
	"turnstile/central/rights"
)

// Tokens keeps API tokens; only a hash of each is stored. The argument by is who
// does it, for the audit.
type Tokens interface {
	// Create returns the token's secret text, which cannot be had again. ErrConflict:
	// a token of that name stands (revoked ones do not count). ErrInvalid: NewToken.Check.
	Create(ctx context.Context, by string, n NewToken) (secret string, err error)
	// List returns all that are not revoked, by name.
	List(ctx context.Context) ([]Token, error)
	// Revoke ends a token at once, also for a server that runs; or ErrNotFound.
	Revoke(ctx context.Context, by, name string) error
	// Rotate ends a token and returns the secret of one of the same name, rights and
	// expiry that takes its place; or ErrNotFound.
	Rotate(ctx context.Context, by, name string) (secret string, err error)
	// Check returns the token that a secret belongs to. ErrNotFound: unknown,
	// revoked or expired.
	Check(ctx context.Context, secret string) (Token, error)
}

// Token is an API token without its secret.
type Token struct {
	ID        string // names it in tables; not secret
	Name      string
	Role      rights.Role // "" with Scopes
	Scopes    rights.Set  // what it may do, instead of a role
	Lanes     []string    // lane controllers that it is limited to; none: all
	Created   time.Time
	CreatedBy string
	Expires   time.Time // zero: never
	Used      time.Time // last use, to the minute; zero: never
}

// Permissions returns what the token may do.
func (t Token) Permissions() rights.Set {
	if t.Role != "" {
		return t.Role.Permissions()
	}
	return t.Scopes
}

// mayDo says it in words.
func (t Token) mayDo() string {
	if t.Role != "" {
		return "has the role " + string(t.Role)
	}
	return "has the scopes " + t.Scopes.String()
}

// MaxTokenLanes is how many lane controllers a token can be limited to.
const MaxTokenLanes = 50

// NewToken asks for a token: a role, or scopes.
type NewToken struct {
	Name    string
	Role    rights.Role
	Scopes  rights.Set
	Lanes   []string
	Expires time.Time // zero: never
}

// Check returns an ErrInvalid that says what is wrong.
func (n NewToken) Check() error {
	roles := make([]string, 0, len(rights.Roles()))
	for _, r := range rights.Roles() {
		roles = append(roles, string(r))
	}
	switch {
	case !link.ValidID(n.Name):
		return Refuse(ErrInvalid, "A token's name is 1 to 32 of A-Z a-z 0-9 _ -.")
	case (n.Role == "") == (len(n.Scopes) == 0):
		return Refuse(ErrInvalid, "A token has either a role (%s) or scopes, such as %s.", strings.Join(roles, ", "), rights.PassesRead)
	case n.Role != "" && n.Role.Permissions() == nil:
		return Refuse(ErrInvalid, "There is no role %.40q; there are %s.", n.Role, strings.Join(roles, ", "))
	case len(n.Lanes) > MaxTokenLanes:
		return Refuse(ErrInvalid, "A token can be limited to %d lane controllers at most.", MaxTokenLanes)
	}
	for _, p := range n.Scopes {
		if !slices.Contains(rights.All(), p) {
			return Refuse(ErrInvalid, "There is no permission %.40q; the OpenAPI document names them all.", p)
		}
	}
	for _, l := range n.Lanes {
		if !link.ValidID(l) {
			return Refuse(ErrInvalid, "%.40q is no lane controller's id.", l)
		}
	}
	return nil
}

// TokenBody is an API token.
type TokenBody struct {
	Name      string     `json:"name" example:"gate-display"`
	Role      string     `json:"role,omitempty" enum:"viewer,issuer,approver,security,auditor,admin"`
	Scopes    []string   `json:"scopes,omitempty" doc:"What it may do, instead of a role."`
	Lanes     []string   `json:"lanes,omitempty" doc:"Lane controllers that it is limited to; missing: all."`
	Created   time.Time  `json:"created"`
	CreatedBy string     `json:"created_by,omitempty"`
	Expires   *time.Time `json:"expires,omitempty" doc:"Missing: never."`
	Used      *time.Time `json:"used,omitempty" doc:"Last use, to the minute; missing: never."`
}

// NewTokenBody asks for a token.
type NewTokenBody struct {
	Name    string     `json:"name" pattern:"^[A-Za-z0-9_-]{1,32}$" patternDescription:"1 to 32 of A-Z a-z 0-9 _ -" example:"gate-display"`
	Role    string     `json:"role,omitempty" enum:"viewer,issuer,approver,security,auditor,admin" doc:"Either a role or scopes."`
	Scopes  []string   `json:"scopes,omitempty" maxItems:"40" uniqueItems:"true" maxLength:"40" doc:"What it may do: permissions, none that the caller does not have."`
	Lanes   []string   `json:"lanes,omitempty" maxItems:"50" uniqueItems:"true" pattern:"^[A-Za-z0-9_-]{1,32}$" doc:"Limits it to calls about these lane controllers."`
	Expires *time.Time `json:"expires,omitempty" doc:"Missing: never, or when the caller's own token does."`
}

// TokenSecretBody is a new token with its secret.
type TokenSecretBody struct {
	TokenBody
	Secret string `json:"secret" doc:"The token itself. It is shown here and never again."`
}

// TokenList is one page of tokens.
type TokenList struct {
	Tokens []TokenBody `json:"tokens"`
	Next   string      `json:"next,omitempty" doc:"The cursor of the next page; missing on the last one."`
}

func (a *api) tokenRoutes(h huma.API) {
	huma.Register(h, operation(rights.PeopleManage, "list-tokens", http.MethodGet, "/tokens", "List the API tokens"), a.listTokens)
	create := operation(rights.PeopleManage, "create-token", http.MethodPost, "/tokens", "Make an API token", http.StatusConflict)
	create.DefaultStatus = http.StatusCreated
	huma.Register(h, create, a.createToken)
	huma.Register(h, operation(rights.PeopleManage, "revoke-token", http.MethodDelete, "/tokens/{name}", "End an API token at once", http.StatusNotFound), a.revokeToken)
	rotate := operation(rights.PeopleManage, "rotate-token", http.MethodPost, "/tokens/{name}/rotate", "Give an API token another secret; the old one ends at once", http.StatusNotFound)
	huma.Register(h, rotate, a.rotateToken)
}

func (a *api) tokenBody(t Token) TokenBody {
	out := TokenBody{Name: t.Name, Role: string(t.Role), Lanes: t.Lanes, Created: a.at(t.Created), CreatedBy: t.CreatedBy, Expires: a.maybe(t.Expires), Used: a.maybe(t.Used)}
	for _, p := range t.Scopes {
		out.Scopes = append(out.Scopes, string(p))
	}
	return out
}

type tokensInput struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"500" default:"100"`
	Cursor string `query:"cursor" maxLength:"400" doc:"The next of the page before."`
}

func (a *api) listTokens(ctx context.Context, in *tokensInput) (*paged[TokenList], error) {
	all, err := a.Tokens.List(ctx)
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	page, next, err := pageByKey(ctx, "tokens", in.Cursor, in.Limit, all, func(t Token) string { return t.Name })
	if err != nil {
		return nil, err
	}
	out := TokenList{Tokens: make([]TokenBody, 0, len(page)), Next: next}
	for _, t := range page {
		out.Tokens = append(out.Tokens, a.tokenBody(t))
	}
	return answerPage(ctx, out, next), nil
}

func (a *api) createToken(ctx context.Context, in *struct{ Body NewTokenBody }) (*struct{ Body TokenSecretBody }, error) {
	b, me := in.Body, callOf(ctx).token
	n := NewToken{Name: b.Name, Role: rights.Role(b.Role), Lanes: b.Lanes, Expires: me.Expires}
	for _, p := range b.Scopes {
		n.Scopes = append(n.Scopes, rights.Permission(p))
	}
	if b.Expires != nil {
		n.Expires = *b.Expires
	}
	if err := n.Check(); err != nil {
		return nil, a.problem(ctx, err)
	}
	switch now := a.now(); {
	case !n.Expires.IsZero() && !n.Expires.After(now):
		return nil, wrong("body.expires", "lies in the past", nil)
	case !me.Expires.IsZero() && n.Expires.After(me.Expires):
		return nil, wrong("body.expires", "is later than the end of the caller's own token, "+a.at(me.Expires).Format(time.RFC3339), nil)
	}
	t := Token{Name: n.Name, Role: n.Role, Scopes: n.Scopes, Lanes: n.Lanes, Created: a.now(), CreatedBy: me.Name, Expires: n.Expires}
	if err := within(me, t); err != nil {
		return nil, err
	}
	secret, err := a.Tokens.Create(ctx, me.Name, n)
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	return &struct{ Body TokenSecretBody }{TokenSecretBody{a.tokenBody(t), secret}}, nil
}

// within refuses what would give its caller a token that may do more than its own.
func within(me, t Token) error {
	for _, p := range t.Permissions() {
		if !me.Permissions().Has(p) {
			return problemForbidden.say("The token would have the permission " + string(p) + ", which yours (" + me.Name + ") lacks.")
		}
	}
	return nil
}

type tokenInput struct {
	Name string `path:"name" pattern:"^[A-Za-z0-9_-]{1,32}$" example:"gate-display"`
}

func (a *api) revokeToken(ctx context.Context, in *tokenInput) (*struct{}, error) {
	if err := a.Tokens.Revoke(ctx, caller(ctx), in.Name); err != nil {
		return nil, a.problem(ctx, err)
	}
	return nil, nil
}

func (a *api) rotateToken(ctx context.Context, in *tokenInput) (*struct{ Body TokenSecretBody }, error) {
	all, err := a.Tokens.List(ctx)
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	i := slices.IndexFunc(all, func(t Token) bool { return t.Name == in.Name })
	if i < 0 {
		return nil, a.problem(ctx, Refuse(ErrNotFound, "There is no token %s.", in.Name))
	}
	me, t := callOf(ctx).token, all[i]
	if err := within(me, t); err != nil {
		return nil, err
	}
	secret, err := a.Tokens.Rotate(ctx, me.Name, in.Name)
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	t.Created, t.CreatedBy, t.Used = a.now(), me.Name, time.Time{}
	return &struct{ Body TokenSecretBody }{TokenSecretBody{a.tokenBody(t), secret}}, nil
}
