package provider

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/luikyv/go-oidc/pkg/goidc"

	"turnstile/central/database"
	"turnstile/central/seal"
)

// hashed is under what a secret stands in the database.
func hashed(secret string) []byte {
	sum := sha256.Sum256([]byte(secret))
	return sum[:]
}

// sealed writes and reads what the library remembers.
type sealed struct{ seal.Box }

func (b sealed) pack(place string, v any) ([]byte, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", place, err)
	}
	return b.Seal(place, text), nil
}

func (b sealed) unpack(place string, data []byte, v any) error {
	text, err := b.Open(place, data)
	if err != nil {
		return goidc.ErrNotFound // ours it is not
	}
	if err := json.Unmarshal(text, v); err != nil {
		return goidc.ErrNotFound
	}
	return nil
}

// missing turns the database's word into the library's.
func missing(err error) error {
	if errors.Is(err, database.ErrNotFound) {
		return goidc.ErrNotFound
	}
	return err
}

// unix is a time of the library, in seconds, as the database has it; 0, which is
// for ever there, is as long as a token.
func (p *Provider) unix(seconds int) int64 {
	if seconds == 0 {
		return p.config.Now().Add(tokenLife).UnixMilli()
	}
	return time.Unix(int64(seconds), 0).UnixMilli()
}

// Where things are sealed for.
const (
	requestPlace = "openid request"
	logoutPlace  = "openid logout"
	codePlace    = "openid code"
	grantPlace   = "openid grant"
	tokenPlace   = "openid token"
)

// requests are the library's sessions of a request. Until there is a code they are
// in the browser alone: the address of the form is the request, sealed.
type requests struct{ p *Provider }

// state is the request as it goes through the browser.
func (p *Provider) state(place string, v any) (string, error) {
	data, err := p.box.pack(place, v)
	return base64.RawURLEncoding.EncodeToString(data), err
}

func (p *Provider) unstate(place, text string, v any) error {
	if len(text) > maxQuery {
		return goidc.ErrNotFound
	}
	data, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil {
		return goidc.ErrNotFound
	}
	return p.box.unpack(place, data, v)
}

// Save stores a request that was granted, under its code.
func (r requests) Save(ctx context.Context, s *goidc.AuthnSession) error {
	if s.AuthCode == "" {
		return nil
	}
	id := hashed(s.AuthCode)
	data, err := r.p.box.pack(codePlace, s)
	if err != nil {
		return err
	}
	return r.p.config.DB.AddOpenIDCode(ctx, database.Sealed{ID: id, NetID: s.Subject, Data: data, Expires: r.p.unix(s.ExpiresAtTimestamp)})
}

// SessionByCallbackID opens the request that the browser brings back.
func (r requests) SessionByCallbackID(_ context.Context, state string) (*goidc.AuthnSession, error) {
	s := &goidc.AuthnSession{}
	return s, r.p.unstate(requestPlace, state, s)
}

// SessionByAuthCode takes the code: of two that come with it at once, one gets it.
func (r requests) SessionByAuthCode(ctx context.Context, code string) (*goidc.AuthnSession, error) {
	row, err := r.p.config.DB.TakeOpenIDCode(ctx, hashed(code), r.p.config.Now().UnixMilli())
	if err != nil {
		return nil, missing(err)
	}
	s := &goidc.AuthnSession{}
	return s, r.p.box.unpack(codePlace, row.Data, s)
}

// SessionByPushedAuthReqID finds nothing: requests are not pushed here.
func (requests) SessionByPushedAuthReqID(context.Context, string) (*goidc.AuthnSession, error) {
	return nil, goidc.ErrNotFound
}

// SessionByCIBAAuthID finds nothing: there is no back channel here.
func (requests) SessionByCIBAAuthID(context.Context, string) (*goidc.AuthnSession, error) {
	return nil, goidc.ErrNotFound
}

// Delete has nothing to do: a code was taken when it was read.
func (requests) Delete(context.Context, string) error { return nil }

// grants are what a client was given for a code.
type grants struct{ p *Provider }

// Save implements goidc.GrantManager. What another use of the code has ended
// meanwhile is refused as a code that was used.
func (g grants) Save(ctx context.Context, v *goidc.Grant) error {
	data, err := g.p.box.pack(grantPlace, v)
	if err != nil {
		return err
	}
	return ended(g.p.config.DB.PutOpenIDGrant(ctx, database.Sealed{ID: hashed(v.ID), Of: hashed(v.AuthCode), NetID: v.Subject, Data: data, Expires: g.p.unix(v.ExpiresAtTimestamp)}))
}

// ended tells a client whose grant has gone under its hands as much.
func ended(err error) error {
	if errors.Is(err, database.ErrNotFound) {
		return goidc.WrapError(goidc.ErrorCodeInvalidGrant, "invalid authorization code", err)
	}
	return err
}

// Grant implements goidc.GrantManager.
func (g grants) Grant(ctx context.Context, id string) (*goidc.Grant, error) {
	row, err := g.p.config.DB.OpenIDGrant(ctx, hashed(id), g.p.config.Now().UnixMilli())
	if err != nil {
		return nil, missing(err)
	}
	v := &goidc.Grant{}
	return v, g.p.box.unpack(grantPlace, row.Data, v)
}

// GrantByRefreshToken finds nothing: there are no refresh tokens here.
func (grants) GrantByRefreshToken(context.Context, string) (*goidc.Grant, error) {
	return nil, goidc.ErrNotFound
}

// Delete implements goidc.GrantManager.
func (g grants) Delete(ctx context.Context, id string) error {
	return g.p.config.DB.EndOpenIDGrants(ctx, hashed(id), []byte{})
}

// DeleteByAuthCode ends what a code was given for that came a second time.
func (g grants) DeleteByAuthCode(ctx context.Context, code string) error {
	return g.p.config.DB.EndOpenIDGrants(ctx, []byte{}, hashed(code))
}

// tokens are access tokens.
type tokens struct{ p *Provider }

// Save implements goidc.TokenManager.
func (t tokens) Save(ctx context.Context, v *goidc.Token) error {
	id := v.ID
	v.ID = "" // the token itself: it is in the client's hands alone
	data, err := t.p.box.pack(tokenPlace, v)
	v.ID = id
	if err != nil {
		return err
	}
	return ended(t.p.config.DB.PutOpenIDToken(ctx, database.Sealed{ID: hashed(id), Of: hashed(v.GrantID), Data: data, Expires: t.p.unix(v.ExpiresAtTimestamp)}))
}

// Token implements goidc.TokenManager.
func (t tokens) Token(ctx context.Context, id string) (*goidc.Token, error) {
	row, err := t.p.config.DB.OpenIDToken(ctx, hashed(id), t.p.config.Now().UnixMilli())
	if err != nil {
		return nil, missing(err)
	}
	v := &goidc.Token{}
	err = t.p.box.unpack(tokenPlace, row.Data, v)
	v.ID = id
	return v, err
}

// Delete implements goidc.TokenManager.
func (t tokens) Delete(ctx context.Context, id string) error {
	return t.p.config.DB.EndOpenIDTokens(ctx, hashed(id), []byte{})
}

// DeleteByGrantID implements goidc.TokenManager.
func (t tokens) DeleteByGrantID(ctx context.Context, grant string) error {
	return t.p.config.DB.EndOpenIDTokens(ctx, []byte{}, hashed(grant))
}

// logouts are in the browser alone, as requests are.
type logouts struct{ p *Provider }

// Save has nothing to do.
func (logouts) Save(context.Context, *goidc.LogoutSession) error { return nil }

// SessionByCallbackID opens what the browser brings back.
func (l logouts) SessionByCallbackID(_ context.Context, state string) (*goidc.LogoutSession, error) {
	s := &goidc.LogoutSession{}
	return s, l.p.unstate(logoutPlace, state, s)
}

// Delete has nothing to do.
func (logouts) Delete(context.Context, string) error { return nil }
