package officetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"turnstile/central/office"
	"turnstile/central/pass"
	"turnstile/central/rights"
)

type tokens struct{ f *Fake }

func (s tokens) Create(_ context.Context, by string, n office.NewToken) (string, error) {
	s.f.mu.Lock()
	defer s.f.mu.Unlock()
	if err := n.Check(); err != nil {
		return "", err
	}
	if s.f.token(n.Name) >= 0 {
		return "", office.Refuse(office.ErrConflict, "There is a token %s; revoke it first or take another name.", n.Name)
	}
	t := office.Token{ID: n.Name, Name: n.Name, Role: n.Role, Scopes: n.Scopes, Lanes: n.Lanes, Created: s.f.Now(), CreatedBy: by, Expires: n.Expires}
	secret := s.f.secret(n.Name)
	s.f.tokens = append(s.f.tokens, token{t, secret})
	return secret, nil
}

// secret makes the next secret: as good as random for a test, and always the same.
func (f *Fake) secret(name string) string {
	return fmt.Sprintf("fake-token-%d-%s", len(f.tokens), name)
}

// token returns where a token is, -1 if there is none.
func (f *Fake) token(name string) int {
	return slices.IndexFunc(f.tokens, func(t token) bool { return t.Name == name })
}

func (s tokens) List(context.Context) (out []office.Token, err error) {
	s.f.mu.Lock()
	defer s.f.mu.Unlock()
	for _, t := range s.f.tokens {
		out = append(out, t.Token)
	}
	slices.SortFunc(out, func(a, b office.Token) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}

func (s tokens) Revoke(_ context.Context, _, name string) error {
	s.f.mu.Lock()
	defer s.f.mu.Unlock()
	i := s.f.token(name)
	if i < 0 {
		return office.Refuse(office.ErrNotFound, "There is no token %s.", name)
	}
	s.f.tokens = slices.Delete(s.f.tokens, i, i+1)
	return nil
}

func (s tokens) Rotate(_ context.Context, by, name string) (string, error) {
	s.f.mu.Lock()
	defer s.f.mu.Unlock()
	i := s.f.token(name)
	if i < 0 {
		return "", office.Refuse(office.ErrNotFound, "There is no token %s.", name)
	}
	t := &s.f.tokens[i]
	t.secret = "rotated-" + t.secret
	t.Created, t.CreatedBy, t.Used = s.f.Now(), by, time.Time{}
	return t.secret, nil
}

func (s tokens) Check(_ context.Context, secret string) (office.Token, error) {
	s.f.mu.Lock()
	defer s.f.mu.Unlock()
	for i, t := range s.f.tokens {
		if t.secret == secret && (t.Expires.IsZero() || s.f.Now().Before(t.Expires)) {
			s.f.tokens[i].Used = s.f.Now().Truncate(time.Minute)
			return s.f.tokens[i].Token, nil
		}
	}
	return office.Token{}, office.ErrNotFound
}

func suiteTokens(t *testing.T, s office.Services, now time.Time) {
	ctx := context.Background()
	create := func(n office.NewToken) (string, error) { return s.Tokens.Create(ctx, "suite", n) }
	secret := must[string](t)(create(office.NewToken{Name: "desk-1", Role: rights.Issuer}))
	if got := must[office.Token](t)(s.Tokens.Check(ctx, secret)); got.Name != "desk-1" || got.Role != rights.Issuer || got.ID == "" || got.CreatedBy != "suite" {
		t.Errorf("token %+v", got)
	}
	for name, c := range map[string]struct {
		token office.NewToken
		want  error
	}{
		"a name twice":       {office.NewToken{Name: "desk-1", Role: rights.Issuer}, office.ErrConflict},
		"an unknown role":    {office.NewToken{Name: "desk-2", Role: "king"}, office.ErrInvalid},
		"a bad name":         {office.NewToken{Name: "desk 2", Role: rights.Viewer}, office.ErrInvalid},
		"no right at all":    {office.NewToken{Name: "desk-2"}, office.ErrInvalid},
		"a role and a scope": {office.NewToken{Name: "desk-2", Role: rights.Viewer, Scopes: rights.Set{rights.LanesRead}}, office.ErrInvalid},
		"an unknown scope":   {office.NewToken{Name: "desk-2", Scopes: rights.Set{"passes.*"}}, office.ErrInvalid},
		"a bad lane":         {office.NewToken{Name: "desk-2", Role: rights.Viewer, Lanes: []string{"north south"}}, office.ErrInvalid},
	} {
		_, err := create(c.token)
		wants(t, name, err, c.want)
	}
	_, err := s.Tokens.Check(ctx, secret+"x")
	wants(t, "an unknown secret", err, office.ErrNotFound)
	old := must[string](t)(create(office.NewToken{Name: "desk-3", Role: rights.Viewer, Expires: now.Add(-time.Minute)}))
	_, err = s.Tokens.Check(ctx, old)
	wants(t, "an expired token", err, office.ErrNotFound)
	suiteScopes(t, s)
	if err := s.Tokens.Revoke(ctx, "suite", "desk-1"); err != nil {
		t.Fatal(err)
	}
	_, err = s.Tokens.Check(ctx, secret)
	wants(t, "a revoked token", err, office.ErrNotFound)
	wants(t, "revoke it again", s.Tokens.Revoke(ctx, "suite", "desk-1"), office.ErrNotFound)
	_, err = s.Tokens.Rotate(ctx, "suite", "desk-1")
	wants(t, "rotate it", err, office.ErrNotFound)
	must[string](t)(create(office.NewToken{Name: "desk-1", Role: rights.Viewer}))
}

// suiteScopes keeps a scoped token, limited to lanes, and rotates it.
func suiteScopes(t *testing.T, s office.Services) {
	ctx := context.Background()
	n := office.NewToken{Name: "desk-4", Scopes: rights.Set{rights.PassagesRead, rights.LanesRead}, Lanes: []string{"north", "south"}}
	first := must[string](t)(s.Tokens.Create(ctx, "suite", n))
	second := must[string](t)(s.Tokens.Rotate(ctx, "boss", "desk-4"))
	_, err := s.Tokens.Check(ctx, first)
	wants(t, "the secret before a rotation", err, office.ErrNotFound)
	got := must[office.Token](t)(s.Tokens.Check(ctx, second))
	if !slices.Equal(got.Permissions(), n.Scopes) || !slices.Equal(got.Lanes, n.Lanes) || got.Role != "" || got.CreatedBy != "boss" {
		t.Errorf("rotated %+v", got)
	}
	list := must[[]office.Token](t)(s.Tokens.List(ctx))
	if !slices.ContainsFunc(list, func(t office.Token) bool { return t.Name == "desk-4" && len(t.Scopes) == 2 && !t.Used.IsZero() }) {
		t.Errorf("listed %+v", list)
	}
}

// officeKey names a request.
type officeKey struct {
	token string
	key   [32]byte
}

// requests is the fake's office.Requests.
type requests struct{ f *Fake }

func (s requests) Begin(_ context.Context, k office.RequestKey, terms office.RequestTerms) (office.Request, error) {
	s.f.mu.Lock()
	defer s.f.mu.Unlock()
	if s.f.requests == nil {
		s.f.requests = map[officeKey]*office.Request{}
	}
	for key, r := range s.f.requests {
		if r.Begun.Before(terms.Forget) {
			delete(s.f.requests, key)
		}
	}
	key := officeKey{k.Token, k.Key}
	r := s.f.requests[key]
	switch {
	case r == nil && len(s.f.requests) >= terms.Limit:
		return office.Request{}, office.ErrKeysFull
	case r == nil, r.State == office.RequestRunning && r.Request == k.Request && r.Begun.Before(terms.Stale):
		r = &office.Request{RequestKey: k, Begun: terms.Now}
		s.f.requests[key] = r
	}
	return *r, nil
}

type noted struct{}

func (s requests) Note(ctx context.Context, k office.RequestKey) context.Context {
	return context.WithValue(ctx, noted{}, k)
}

var errClaimLost = errors.New("another attempt has taken over this request")

// claim returns what notes the thing that a request makes, if it still has its key.
func (f *Fake) claim(ctx context.Context) (note func(id string), err error) {
	k, ok := ctx.Value(noted{}).(office.RequestKey)
	if !ok {
		return func(string) {}, nil
	}
	r := f.requests[officeKey{k.Token, k.Key}]
	if r == nil || r.Claim != k.Claim || r.State != office.RequestRunning {
		return nil, errClaimLost
	}
	return func(id string) { r.State, r.Made = office.RequestMade, id }, nil
}

func (s requests) End(_ context.Context, k office.RequestKey, state office.RequestState, answer []byte) error {
	s.f.mu.Lock()
	defer s.f.mu.Unlock()
	key := officeKey{k.Token, k.Key}
	r := s.f.requests[key]
	switch {
	case r == nil || r.Claim != k.Claim || r.State != office.RequestRunning:
	case state == office.RequestFree:
		delete(s.f.requests, key)
	default:
		r.State, r.Answer = state, answer
	}
	return nil
}

// suiteRequests: a pass notes the request that it was made for, and an attempt
// that lost its key makes none.
func suiteRequests(t *testing.T, s office.Services, d pass.Day, now time.Time) {
	ctx := context.Background()
	terms := office.RequestTerms{Now: now, Forget: now.Add(-time.Hour), Limit: 10}
	k := office.RequestKey{Token: "suite", Key: [32]byte{1}, Request: [32]byte{2}, Claim: "first"}
	again := k
	again.Claim = "second"
	if r := must[office.Request](t)(s.Requests.Begin(ctx, k, terms)); r.Claim != "first" || r.State != office.RequestRunning {
		t.Errorf("begun %+v", r)
	}
	if r := must[office.Request](t)(s.Requests.Begin(ctx, again, terms)); r.Claim != "first" {
		t.Errorf("begun again %+v", r)
	}
	if _, err := s.Passes.Issue(s.Requests.Note(ctx, again), "suite", order(d, "K1")); err == nil {
		t.Error("issued for an attempt that has no key")
	}
	p := must[office.Pass](t)(s.Passes.Issue(s.Requests.Note(ctx, k), "suite", order(d, "K1")))
	if err := s.Requests.End(ctx, k, office.RequestAnswered, []byte("answer")); err != nil {
		t.Fatal(err)
	}
	if r := must[office.Request](t)(s.Requests.Begin(ctx, again, terms)); r.State != office.RequestMade || r.Made != p.ID().String() {
		t.Errorf("made %+v, want %s", r, p.ID())
	}
	page := must[office.PassPage](t)(s.Passes.List(ctx, office.PassFilter{Holder: "K1", Limit: 10}))
	if len(page.Passes) != 1 {
		t.Errorf("%d passes for one request", len(page.Passes))
	}
	plain := office.RequestKey{Token: "suite", Key: [32]byte{3}, Request: [32]byte{2}, Claim: "first"}
	must[office.Request](t)(s.Requests.Begin(ctx, plain, terms))
	if err := s.Requests.End(ctx, plain, office.RequestAnswered, []byte("answer")); err != nil {
		t.Fatal(err)
	}
	if r := must[office.Request](t)(s.Requests.Begin(ctx, plain, terms)); r.State != office.RequestAnswered || string(r.Answer) != "answer" {
		t.Errorf("answered %+v", r)
	}
}
