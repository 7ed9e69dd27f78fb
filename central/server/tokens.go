package server

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"turnstile/central/database"
	"turnstile/central/office"
	"turnstile/central/rights"
)

// tokens is the API's office.Tokens.
type tokens struct {
	db  *database.DB
	now func() time.Time
}

// OpenTokens opens the API tokens of central's database, also beside a server
// that runs on it. The closer closes the database.
func OpenTokens(ctx context.Context, c Config) (office.Tokens, io.Closer, error) {
	db, err := c.OpenDatabase(ctx)
	if err != nil {
		return nil, nil, err
	}
	return tokens{db, time.Now}, db, nil
}

// tokenPrefix begins each API token, so that scanners for leaked secrets find it.
const tokenPrefix = "turnstile-api-1."

// tokenID is how many characters of a token name its row; the rest is secret.
const tokenID = 12

func (s tokens) Create(ctx context.Context, by string, n office.NewToken) (string, error) {
	if err := n.Check(); err != nil {
		return "", err
	}
	id, key := rand.Text()[:tokenID], rand.Text()
	t := database.Token{
		ID: id, Name: n.Name, Role: string(n.Role), Scopes: n.Scopes.String(), Lanes: strings.Join(n.Lanes, " "),
		Secret: sha256.Sum256([]byte(key)), Created: s.now().UnixMilli(), CreatedBy: by,
	}
	if !n.Expires.IsZero() {
		t.Expires = n.Expires.UnixMilli()
	}
	err := s.db.AddToken(ctx, t)
	if errors.Is(err, database.ErrConflict) {
		return "", office.Refuse(office.ErrConflict, "There is a token %s; revoke it first or take another name.", n.Name)
	}
	if err != nil {
		return "", fmt.Errorf("store token: %w", err)
	}
	return tokenPrefix + id + "." + key, nil
}

func officeToken(t database.Token) (office.Token, error) {
	out := office.Token{ID: t.ID, Name: t.Name, Role: rights.Role(t.Role), Lanes: strings.Fields(t.Lanes), Created: time.UnixMilli(t.Created), CreatedBy: t.CreatedBy}
	var err error
	if out.Scopes, err = rights.Parse(t.Scopes); err != nil {
		return out, fmt.Errorf("read token %s: %w", t.Name, err)
	}
	if t.Expires != 0 {
		out.Expires = time.UnixMilli(t.Expires)
	}
	if t.Used != 0 {
		out.Used = time.UnixMilli(t.Used)
	}
	return out, nil
}

func (s tokens) List(ctx context.Context) ([]office.Token, error) {
	rows, err := s.db.Tokens(ctx)
	if err != nil {
		return nil, fmt.Errorf("list tokens: %w", err)
	}
	out := make([]office.Token, 0, len(rows))
	for _, row := range rows {
		t, err := officeToken(row)
		if err != nil {
			return nil, err
		}
		out = append(out, t)
	}
	return out, nil
}

func (s tokens) Revoke(ctx context.Context, by, name string) error {
	return noToken(s.db.RevokeToken(ctx, name, by, s.now().UnixMilli()), name)
}

func (s tokens) Rotate(ctx context.Context, by, name string) (string, error) {
	id, key := rand.Text()[:tokenID], rand.Text()
	if _, err := s.db.RotateToken(ctx, name, by, s.now().UnixMilli(), id, sha256.Sum256([]byte(key))); err != nil {
		return "", noToken(err, name)
	}
	return tokenPrefix + id + "." + key, nil
}

// noToken says that there is none of the name, if that is what err means.
func noToken(err error, name string) error {
	if errors.Is(err, database.ErrNotFound) {
		return office.Refuse(office.ErrNotFound, "There is no token %.40q.", name)
	}
	return err
}

func (s tokens) Check(ctx context.Context, secret string) (office.Token, error) {
	rest, ok := strings.CutPrefix(secret, tokenPrefix)
	id, key, cut := strings.Cut(rest, ".")
	if !ok || !cut || len(id) != tokenID || len(key) > 64 {
		return office.Token{}, office.ErrNotFound
	}
	t, err := s.db.Token(ctx, id)
	if errors.Is(err, database.ErrNotFound) {
		return office.Token{}, office.ErrNotFound
	}
	if err != nil {
		return office.Token{}, fmt.Errorf("find token: %w", err)
	}
	now, hash := s.now(), sha256.Sum256([]byte(key))
	if subtle.ConstantTimeCompare(hash[:], t.Secret[:]) != 1 || t.Expires != 0 && now.UnixMilli() >= t.Expires {
		return office.Token{}, office.ErrNotFound
	}
	if minute := now.Truncate(time.Minute).UnixMilli(); t.Used < minute {
		t.Used = minute
		s.db.TokenUsed(ctx, id, minute) // what fails is a note: on a full disk the office must still see its lanes
	}
	return officeToken(t)
}

// requests is the API's office.Requests.
type requests struct{ db *database.DB }

func (s requests) Begin(ctx context.Context, k office.RequestKey, terms office.RequestTerms) (office.Request, error) {
	row, err := s.db.BeginRequest(ctx, database.RequestKey(k), database.RequestTerms{
		At: terms.Now.UnixMilli(), Forget: terms.Forget.UnixMilli(), Stale: terms.Stale.UnixMilli(), Limit: terms.Limit,
	})
	if errors.Is(err, database.ErrKeysFull) {
		return office.Request{}, office.ErrKeysFull
	}
	if err != nil {
		return office.Request{}, fmt.Errorf("take idempotency key: %w", err)
	}
	return office.Request{
		RequestKey: office.RequestKey(row.RequestKey), State: office.RequestState(row.State), Begun: time.UnixMilli(row.Begun), Made: row.Made, Answer: row.Answer,
	}, nil
}

func (s requests) Note(ctx context.Context, k office.RequestKey) context.Context {
	return database.WithRequest(ctx, database.RequestKey(k))
}

func (s requests) End(ctx context.Context, k office.RequestKey, state office.RequestState, answer []byte) error {
	if state == office.RequestFree {
		return s.db.FreeRequest(ctx, database.RequestKey(k))
	}
	return s.db.EndRequest(ctx, database.RequestKey(k), database.RequestState(state), answer)
}

// Both packages number the states alike; the compiler refuses other numbers.
var _ = [1]struct{}{}[office.RequestUnknown-office.RequestState(database.RequestUnknown)]
