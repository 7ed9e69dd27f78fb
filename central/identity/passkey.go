package identity

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"

	"turnstile/central/database"
)

// What can be wrong with a passkey.
var (
	ErrNoPasskeys = errors.New("passkeys need the console's address to be https://, or http://localhost")
	ErrPasskey    = errors.New("the passkey was not accepted")
)

// maxAnswer bounds what an authenticator says, in bytes.
const maxAnswer = 32 << 10

// newWebAuthn returns nil where browsers do not offer passkeys: without HTTPS,
// and for an address that is no name.
func newWebAuthn(origin *url.URL, site string) (*webauthn.WebAuthn, error) {
	host := origin.Hostname()
	if net.ParseIP(host) != nil || origin.Scheme != "https" && host != "localhost" {
		return nil, nil
	}
	w, err := webauthn.New(&webauthn.Config{
		RPID: host, RPDisplayName: "Turnstile " + site, RPOrigins: []string{origin.Scheme + "://" + origin.Host},
		AttestationPreference: protocol.PreferNoAttestation,
		AuthenticatorSelection: protocol.AuthenticatorSelection{
			ResidentKey: protocol.ResidentKeyRequirementRequired, RequireResidentKey: protocol.ResidentKeyRequired(),
			UserVerification: protocol.VerificationRequired,
		},
	})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrConfig, err)
	}
	return w, nil
}

// HasPasskeys reports whether passkeys can be used at this address.
func (i *Identity) HasPasskeys() bool { return i.webauthn != nil }

// holder is a person as go-webauthn wants one. The handle is the person's id,
// which is random and tells nothing.
type holder struct {
	person database.Person
	keys   []webauthn.Credential
}

func (h holder) WebAuthnID() []byte                         { return []byte(h.person.ID) }
func (h holder) WebAuthnName() string                       { return h.person.Name }
func (h holder) WebAuthnDisplayName() string                { return h.person.Name }
func (h holder) WebAuthnCredentials() []webauthn.Credential { return h.keys }

func (i *Identity) holder(ctx context.Context, p database.Person) (holder, error) {
	rows, err := i.config.DB.Passkeys(ctx, p.ID)
	if err != nil {
		return holder{}, fmt.Errorf("find passkeys: %w", err)
	}
	h := holder{person: p}
	for _, row := range rows {
		var c webauthn.Credential
		if err := json.Unmarshal(row.Record, &c); err != nil {
			return h, fmt.Errorf("decode passkey: %w", err)
		}
		h.keys = append(h.keys, c)
	}
	return h, nil
}

const (
	sealedGet    = "passkey sign-in"
	sealedCreate = "new passkey of " // and the applicant
)

// BeginPasskey returns the options for navigator.credentials.get(), of whichever
// person, and the state to bring back.
func (i *Identity) BeginPasskey() (options any, state string, err error) {
	if i.webauthn == nil {
		return nil, "", ErrNoPasskeys
	}
	get, session, err := i.webauthn.BeginDiscoverableLogin(webauthn.WithUserVerification(protocol.VerificationRequired))
	if err != nil {
		return nil, "", fmt.Errorf("begin sign-in: %w", err)
	}
	state, err = i.sealState(sealedGet, session)
	return get.Response, state, err
}

// SignInPasskey begins a session for whose passkey answered. ErrPasskey,
// ErrState, ErrNoPasskeys. It is not throttled: nobody guesses a signature, and
// nobody is to be locked out.
func (i *Identity) SignInPasskey(r *http.Request, state string, answer []byte) error {
	if i.webauthn == nil {
		return ErrNoPasskeys
	}
	var session webauthn.SessionData
	spend, err := i.openState(sealedGet, state, &session)
	if err != nil {
		return err
	}
	row, used, person, err := i.verifyPasskey(r.Context(), session, answer)
	if err != nil {
		i.counts.refused.Add(1)
		return err
	}
	if err := spend(r.Context()); err != nil {
		return err
	}
	record, err := json.Marshal(used)
	if err != nil {
		return fmt.Errorf("encode passkey: %w", err)
	}
	if err := i.config.DB.PasskeyUsed(r.Context(), row, record, i.now()); errors.Is(err, database.ErrConflict) {
		return ErrState
	} else if err != nil {
		return fmt.Errorf("store passkey: %w", err)
	}
	return i.begin(r, person, ByPasskey)
}

// verifyPasskey returns the passkey that answered, as stored and as it is now.
func (i *Identity) verifyPasskey(ctx context.Context, session webauthn.SessionData, answer []byte) (row database.Passkey, used *webauthn.Credential, person string, err error) {
	if len(answer) > maxAnswer {
		return row, nil, "", ErrPasskey
	}
	parsed, err := protocol.ParseCredentialRequestResponseBytes(answer)
	if err != nil {
		return row, nil, "", fmt.Errorf("%w: %w", ErrPasskey, err)
	}
	var broken error // of the database: not the person's fault
	find := func(id, handle []byte) (webauthn.User, error) {
		var h holder
		h, row, broken = i.keyHolder(ctx, id, string(handle))
		return h, broken
	}
	_, used, err = i.webauthn.ValidatePasskeyLogin(find, session, parsed)
	switch {
	case broken != nil && !errors.Is(broken, ErrPasskey):
		return row, nil, "", broken
	case err != nil:
		i.config.Log.Warn("passkey refused", "cause", err)
		return row, nil, "", ErrPasskey
	case used.Authenticator.CloneWarning:
		i.config.Log.Warn("passkey refused: its counter went back, so it may be a copy", "person", row.Person)
		return row, nil, "", ErrPasskey
	}
	return row, used, row.Person, nil
}

// keyHolder returns who a passkey is of. ErrPasskey if it is unknown, another
// person's than it says, or of one whose access ended.
func (i *Identity) keyHolder(ctx context.Context, id []byte, handle string) (holder, database.Passkey, error) {
	row, err := i.config.DB.Passkey(ctx, id)
	if errors.Is(err, database.ErrNotFound) || err == nil && row.Person != handle {
		return holder{}, row, fmt.Errorf("%w: unknown", ErrPasskey)
	}
	if err != nil {
		return holder{}, row, fmt.Errorf("find passkey: %w", err)
	}
	p, err := i.config.DB.Person(ctx, row.Person)
	if err != nil {
		return holder{}, row, fmt.Errorf("find the person of a passkey: %w", err)
	}
	if p.Ended != 0 {
		return holder{}, row, fmt.Errorf("%w: access ended", ErrPasskey)
	}
	h, err := i.holder(ctx, p)
	return h, row, err
}

// BeginNewPasskey returns the options for navigator.credentials.create() and the
// state to bring back.
func (i *Identity) BeginNewPasskey(ctx context.Context, a Applicant) (options any, state string, err error) {
	if i.webauthn == nil {
		return nil, "", ErrNoPasskeys
	}
	if err := a.own(); err != nil {
		return nil, "", err
	}
	h, err := i.holder(ctx, a.person)
	if err != nil {
		return nil, "", err
	}
	var known []protocol.CredentialDescriptor
	for _, k := range h.keys {
		known = append(known, k.Descriptor())
	}
	create, session, err := i.webauthn.BeginRegistration(h, webauthn.WithExclusions(known))
	if err != nil {
		return nil, "", fmt.Errorf("begin registration: %w", err)
	}
	state, err = i.sealState(sealedCreate+a.key(), session)
	return create.Response, state, err
}

// maxLabel bounds the name of a passkey in characters.
const maxLabel = 40

// AddPasskey stores the passkey that was made. An invited person is registered
// and signed in with that. ErrPasskey, ErrState, ErrInvitation.
func (i *Identity) AddPasskey(r *http.Request, a Applicant, state, label string, answer []byte) error {
	if i.webauthn == nil {
		return ErrNoPasskeys
	}
	var session webauthn.SessionData
	spend, err := i.openState(sealedCreate+a.key(), state, &session)
	if err != nil {
		return err
	}
	c, err := i.newCredential(r.Context(), a, session, answer)
	if err != nil {
		return err
	}
	if err := spend(r.Context()); err != nil {
		return err
	}
	record, err := json.Marshal(c)
	if err != nil {
		return fmt.Errorf("encode passkey: %w", err)
	}
	key := database.Passkey{ID: c.ID, Person: a.person.ID, Label: passkeyLabel(label), Record: record, Created: i.now()}
	if a.invitation != "" {
		return i.register(r, a, database.Registration{Passkey: &key}, ByPasskey)
	}
	if err := i.config.DB.AddPasskey(r.Context(), key); errors.Is(err, database.ErrConflict) {
		return ErrPasskey
	} else if err != nil {
		return fmt.Errorf("store passkey: %w", err)
	}
	return nil
}

func (i *Identity) newCredential(ctx context.Context, a Applicant, session webauthn.SessionData, answer []byte) (*webauthn.Credential, error) {
	if len(answer) > maxAnswer {
		return nil, ErrPasskey
	}
	parsed, err := protocol.ParseCredentialCreationResponseBytes(answer)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrPasskey, err)
	}
	h, err := i.holder(ctx, a.person)
	if err != nil {
		return nil, err
	}
	c, err := i.webauthn.CreateCredential(h, session, parsed)
	if err != nil {
		i.config.Log.Warn("new passkey refused", "cause", err)
		return nil, ErrPasskey
	}
	return c, nil
}

func passkeyLabel(text string) string {
	text = strings.TrimSpace(agent(text))
	if runes := []rune(text); len(runes) > maxLabel {
		text = string(runes[:maxLabel])
	}
	if text == "" {
		return "Passkey"
	}
	return text
}
