// Package passkey registers passkeys and verifies whose passkey answered.
//
// Challenges go through the browser sealed and count once; where the public keys
// are kept is the caller's affair. Signing in is not throttled: nobody guesses a
// signature, and nobody is to be locked out.
package passkey

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"strings"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"

	"turnstile/central/seal"
	"turnstile/central/session"
)

// Script talks to authenticators in the browser: a form with data-passkey "get" or
// "create", with data-begin and data-finish, where it asks and answers in JSON.
//
//go:embed passkey.js
var Script []byte

// What can be wrong with a passkey.
var (
	ErrNone    = errors.New("passkeys need an address that begins with https://, or http://localhost")
	ErrRefused = errors.New("the passkey was not accepted")
)

// maxAnswer bounds what an authenticator says, in bytes.
const maxAnswer = 32 << 10

// Config of Passkeys.
type Config struct {
	Origin *url.URL // https://host, as browsers show it: passkeys are bound to the host
	Name   string   // of the site, as phones show it
	// Kind tells sealed challenges of one site from those of another; "" is the
	// office.
	Kind   string
	States seal.States
	Log    *slog.Logger
}

// Passkeys are those of one site. A nil *Passkeys answers ErrNone. Safe for
// concurrent use.
type Passkeys struct {
	config Config
	site   *webauthn.WebAuthn
}

// Open returns nil where browsers do not offer passkeys: without HTTPS, and for
// an address that is no name.
func Open(c Config) (*Passkeys, error) {
	host := c.Origin.Hostname()
	if net.ParseIP(host) != nil || c.Origin.Scheme != "https" && host != "localhost" {
		return nil, nil
	}
	w, err := webauthn.New(&webauthn.Config{
		RPID: host, RPDisplayName: c.Name, RPOrigins: []string{c.Origin.Scheme + "://" + c.Origin.Host},
		AttestationPreference: protocol.PreferNoAttestation,
		AuthenticatorSelection: protocol.AuthenticatorSelection{
			ResidentKey: protocol.ResidentKeyRequirementRequired, RequireResidentKey: protocol.ResidentKeyRequired(),
			UserVerification: protocol.VerificationRequired,
		},
	})
	if err != nil {
		return nil, fmt.Errorf("set up passkeys: %w", err)
	}
	return &Passkeys{c, w}, nil
}

// User is whom passkeys are of.
type User struct {
	Handle  string // random, tells nothing; 1 to 64 bytes
	Name    string
	Records [][]byte // of the passkeys that stand
}

// owner is a User as go-webauthn wants one.
type owner struct {
	User
	keys []webauthn.Credential
}

func (o owner) WebAuthnID() []byte                         { return []byte(o.Handle) }
func (o owner) WebAuthnName() string                       { return o.Name }
func (o owner) WebAuthnDisplayName() string                { return o.Name }
func (o owner) WebAuthnCredentials() []webauthn.Credential { return o.keys }

func ownerOf(u User) (owner, error) {
	o := owner{User: u}
	for _, record := range u.Records {
		var c webauthn.Credential
		if err := json.Unmarshal(record, &c); err != nil {
			return o, fmt.Errorf("decode passkey: %w", err)
		}
		o.keys = append(o.keys, c)
	}
	return o, nil
}

const (
	sealedGet    = "passkey sign-in"
	sealedCreate = "new passkey of " // and for whom
)

// BeginGet returns the options for navigator.credentials.get(), of whichever
// person, and the state to bring back.
func (p *Passkeys) BeginGet() (options any, state string, err error) {
	if p == nil {
		return nil, "", ErrNone
	}
	get, begun, err := p.site.BeginDiscoverableLogin(webauthn.WithUserVerification(protocol.VerificationRequired))
	if err != nil {
		return nil, "", fmt.Errorf("begin sign-in: %w", err)
	}
	state, err = p.config.States.Seal(p.config.Kind+sealedGet, begun)
	return get.Response, state, err
}

// Find returns whom a passkey is of. An error that is an ErrRefused tells that it
// is nobody's, or another's than the handle says.
type Find func(ctx context.Context, id []byte, handle string) (User, error)

// Get returns the record of the passkey that answered, with its counter as it is
// now; find was asked whose it is. ErrRefused, seal.ErrState, ErrNone.
func (p *Passkeys) Get(ctx context.Context, state string, answer []byte, find Find) (record []byte, err error) {
	if p == nil {
		return nil, ErrNone
	}
	var begun webauthn.SessionData
	spend, err := p.config.States.Open(p.config.Kind+sealedGet, state, &begun)
	if err != nil {
		return nil, err
	}
	used, err := p.verify(ctx, begun, answer, find)
	if err != nil {
		return nil, err
	}
	if err := spend(ctx); err != nil {
		return nil, err
	}
	return encode(used)
}

func (p *Passkeys) verify(ctx context.Context, begun webauthn.SessionData, answer []byte, find Find) (*webauthn.Credential, error) {
	if len(answer) > maxAnswer {
		return nil, ErrRefused
	}
	parsed, err := protocol.ParseCredentialRequestResponseBytes(answer)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRefused, err)
	}
	var broken error // of the database: not the person's fault
	of := func(id, handle []byte) (webauthn.User, error) {
		u, err := find(ctx, id, string(handle))
		if err != nil {
			broken = err
			return nil, err
		}
		o, err := ownerOf(u)
		broken = err
		return o, err
	}
	_, used, err := p.site.ValidatePasskeyLogin(of, begun, parsed)
	switch {
	case broken != nil && !errors.Is(broken, ErrRefused):
		return nil, broken
	case err != nil:
		p.config.Log.Warn("passkey refused", "cause", err)
		return nil, ErrRefused
	case used.Authenticator.CloneWarning:
		p.config.Log.Warn("passkey refused: its counter went back, so it may be a copy")
		return nil, ErrRefused
	}
	return used, nil
}

// BeginNew returns the options for navigator.credentials.create() and the state
// to bring back, which is bound to whom it is for.
func (p *Passkeys) BeginNew(u User, who string) (options any, state string, err error) {
	if p == nil {
		return nil, "", ErrNone
	}
	o, err := ownerOf(u)
	if err != nil {
		return nil, "", err
	}
	var known []protocol.CredentialDescriptor
	for _, k := range o.keys {
		known = append(known, k.Descriptor())
	}
	create, begun, err := p.site.BeginRegistration(o, webauthn.WithExclusions(known))
	if err != nil {
		return nil, "", fmt.Errorf("begin registration: %w", err)
	}
	state, err = p.config.States.Seal(p.config.Kind+sealedCreate+who, begun)
	return create.Response, state, err
}

// New returns id and record of the passkey that was made. ErrRefused,
// seal.ErrState, ErrNone.
func (p *Passkeys) New(ctx context.Context, u User, who, state string, answer []byte) (id, record []byte, err error) {
	if p == nil {
		return nil, nil, ErrNone
	}
	var begun webauthn.SessionData
	spend, err := p.config.States.Open(p.config.Kind+sealedCreate+who, state, &begun)
	if err != nil {
		return nil, nil, err
	}
	c, err := p.create(u, begun, answer)
	if err != nil {
		return nil, nil, err
	}
	if err := spend(ctx); err != nil {
		return nil, nil, err
	}
	record, err = encode(c)
	return c.ID, record, err
}

func (p *Passkeys) create(u User, begun webauthn.SessionData, answer []byte) (*webauthn.Credential, error) {
	if len(answer) > maxAnswer {
		return nil, ErrRefused
	}
	parsed, err := protocol.ParseCredentialCreationResponseBytes(answer)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRefused, err)
	}
	o, err := ownerOf(u)
	if err != nil {
		return nil, err
	}
	c, err := p.site.CreateCredential(o, begun, parsed)
	if err != nil {
		p.config.Log.Warn("new passkey refused", "cause", err)
		return nil, ErrRefused
	}
	return c, nil
}

func encode(c *webauthn.Credential) ([]byte, error) {
	record, err := json.Marshal(c)
	if err != nil {
		return nil, fmt.Errorf("encode passkey: %w", err)
	}
	return record, nil
}

// maxLabel bounds the name of a passkey in characters.
const maxLabel = 40

// Label is the name of a passkey as it is stored: printable, 40 characters.
func Label(text string) string {
	text = strings.TrimSpace(session.Agent(text))
	if runes := []rune(text); len(runes) > maxLabel {
		text = string(runes[:maxLabel])
	}
	if text == "" {
		return "Passkey"
	}
	return text
}
