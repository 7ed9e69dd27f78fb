package identity

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"time"

	"turnstile/central/database"
	"turnstile/central/password"
	"turnstile/central/seal"
	"turnstile/central/symbol"
)

// Applicant is who may add something to sign in with: an invited person, or one
// who is signed in.
type Applicant struct {
	person     database.Person
	invitation string // id; "" for one who is signed in
	session    string // id of the session that stays
}

// ErrManaged refuses a change of an account that an OpenID provider decides on.
var ErrManaged = errors.New("an OpenID provider keeps this account")

// own returns ErrManaged for who signs in at a provider alone: a passkey here
// would outlive what that says.
func (a Applicant) own() error {
	if a.person.Managed != "" && a.invitation == "" {
		return ErrManaged
	}
	return nil
}

// Name is the account's.
func (a Applicant) Name() string { return a.person.Name }

// Roles is what the account may do, as words.
func (a Applicant) Roles() string { return a.person.Roles }

// key binds a sealed state to the applicant.
func (a Applicant) key() string { return a.person.ID + " " + a.invitation }

// Invited returns the applicant of an invitation's token. ErrInvitation.
func (i *Identity) Invited(ctx context.Context, token string) (Applicant, error) {
	row, p, err := i.Invitation(ctx, token)
	if err != nil {
		return Applicant{}, err
	}
	return Applicant{person: p, invitation: row.ID}, nil
}

// Self returns who is signed in as an applicant. ErrSignIn.
func (i *Identity) Self(r *http.Request) (Applicant, error) {
	v := i.visit(r.Context())
	if !v.known {
		return Applicant{}, ErrSignIn
	}
	return Applicant{person: v.person, session: v.session.ID}, nil
}

// register uses the invitation up and begins a session.
func (i *Identity) register(r *http.Request, a Applicant, what database.Registration, method string) error {
	err := i.config.DB.Register(r.Context(), a.invitation, a.person.ID, what, i.now())
	if errors.Is(err, database.ErrConflict) {
		return ErrInvitation
	}
	if err != nil {
		return fmt.Errorf("register: %w", err)
	}
	return i.begin(r, a.person.ID, method)
}

// SetUp is what a person needs to set an authenticator app up.
type SetUp struct {
	Secret string // to be typed where there is no camera
	QR     string // data: URL of a PNG, black on white
	State  string // to bring back
}

const sealedSetUp = "new one-time codes of " // and the applicant

// SetUpOneTime makes a secret for one-time codes. Nothing is stored before a code
// has shown that the app has it.
func (i *Identity) SetUpOneTime(a Applicant) (SetUp, error) {
	secret := seal.Secret(secretSize)
	state, err := i.states.Seal(sealedSetUp+a.key(), secret)
	if err != nil {
		return SetUp{}, err
	}
	return i.setUp(a, secret, state)
}

// SetUpAgain returns the SetUp of a form that has to be shown again. ErrState.
func (i *Identity) SetUpAgain(a Applicant, state string) (SetUp, error) {
	var secret []byte
	if _, err := i.states.Open(sealedSetUp+a.key(), state, &secret); err != nil {
		return SetUp{}, err
	}
	return i.setUp(a, secret, state)
}

func (i *Identity) setUp(a Applicant, secret []byte, state string) (SetUp, error) {
	drawn, err := symbol.Draw(keyURL(i.config.Site, a.person.Name, secret))
	if err != nil {
		return SetUp{}, fmt.Errorf("draw set-up: %w", err)
	}
	png, err := drawn.PNG(4)
	if err != nil {
		return SetUp{}, fmt.Errorf("draw set-up: %w", err)
	}
	return SetUp{encoding().EncodeToString(secret), "data:image/png;base64," + base64.StdEncoding.EncodeToString(png), state}, nil
}

// ErrCode refuses a code that does not show that the app is set up.
var ErrCode = errors.New("this code is not the one that the app should show now")

// AddPassword stores a password with one-time codes, in place of earlier ones,
// and returns new recovery codes, which are shown once. An invited person is
// registered and signed in with that. ErrShort, ErrLong, ErrCommon, ErrCode,
// ErrState, ErrInvitation.
func (i *Identity) AddPassword(w http.ResponseWriter, r *http.Request, a Applicant, state, word, code string) (recovery []string, err error) {
	if err := a.own(); err != nil {
		return nil, err
	}
	var secret []byte
	spend, err := i.states.Open(sealedSetUp+a.key(), state, &secret)
	if err != nil {
		return nil, err
	}
	if err := password.Check(word, a.person.Name); err != nil {
		return nil, err
	}
	step, fits, err := stepOf(secret, plainCode(code), i.config.Now())
	if err != nil {
		return nil, err
	}
	if !fits {
		return nil, ErrCode
	}
	if err := spend(r.Context()); err != nil {
		return nil, err
	}
	hash, err := i.passwords.Hash(r.Context(), word)
	if err != nil {
		return nil, err
	}
	recovery, hashes := newRecovery()
	set := database.Password{Hash: hash, TOTP: i.config.Box.Seal(sealedTOTP+a.person.ID, secret), Step: step, Recovery: hashes}
	if err := i.storePassword(r, a, set); err != nil {
		return nil, err
	}
	return recovery, i.browsers.Remember(w, a.person.ID)
}

func (i *Identity) storePassword(r *http.Request, a Applicant, set database.Password) error {
	if a.invitation != "" {
		return i.register(r, a, database.Registration{Password: &set}, ByPassword)
	}
	if err := i.config.DB.SetPassword(r.Context(), a.person.ID, set, a.session, i.now()); err != nil {
		return fmt.Errorf("store password: %w", err)
	}
	return nil
}

// Account is what a person sees of the own account.
type Account struct {
	Name        string
	Roles       string
	Managed     string // issuer whose claims decide on Roles, or ""
	HasPassword bool
	Recovery    int // codes left
	Passkeys    []PasskeyInfo
	OpenIDs     []string // issuers
	Sessions    []SessionInfo
}

// PasskeyInfo is a passkey without its key.
type PasskeyInfo struct {
	ID            string // base64url
	Label         string
	Created, Used time.Time // Used is zero for never
}

// SessionInfo is one browser that is signed in.
type SessionInfo struct {
	ID             string
	Here           bool
	Method         string
	Begun, Seen    time.Time
	Address, Agent string
}

// Account returns the account of who is signed in. ErrSignIn.
func (i *Identity) Account(r *http.Request) (Account, error) {
	a, err := i.Self(r)
	if err != nil {
		return Account{}, err
	}
	ctx, p := r.Context(), a.person
	out := Account{Name: p.Name, Roles: p.Roles, Managed: p.Managed, HasPassword: p.Password != ""}
	keys, err := i.config.DB.Passkeys(ctx, p.ID)
	if err != nil {
		return out, fmt.Errorf("list passkeys: %w", err)
	}
	for _, k := range keys {
		info := PasskeyInfo{ID: base64.RawURLEncoding.EncodeToString(k.ID), Label: k.Label, Created: time.UnixMilli(k.Created)}
		if k.Used != 0 {
			info.Used = time.UnixMilli(k.Used)
		}
		out.Passkeys = append(out.Passkeys, info)
	}
	if out.OpenIDs, err = i.config.DB.OpenIDs(ctx, p.ID); err != nil {
		return out, fmt.Errorf("list links: %w", err)
	}
	if out.Recovery, err = i.config.DB.RecoveryLeft(ctx, p.ID); err != nil {
		return out, fmt.Errorf("count recovery codes: %w", err)
	}
	out.Sessions, err = i.sessionList(ctx, a)
	return out, err
}

func (i *Identity) sessionList(ctx context.Context, a Applicant) (list []SessionInfo, err error) {
	now := i.config.Now()
	rows, err := i.config.DB.Sessions(ctx, a.person.ID, now.Add(-Lifetime).UnixMilli(), now.Add(-Idle).UnixMilli())
	if err != nil {
		return nil, fmt.Errorf("list sessions: %w", err)
	}
	for _, s := range rows {
		list = append(list, SessionInfo{s.ID, s.ID == a.session, s.Method, time.UnixMilli(s.Created), time.UnixMilli(s.Seen), s.Address, s.Agent})
	}
	return list, nil
}

// What a change of the own account can be refused for.
var (
	ErrNotYours = errors.New("there is none of this account")
	ErrLastWay  = errors.New("it is the only way to sign in that is left")
)

func refusedChange(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, database.ErrNotFound):
		return ErrNotYours
	case errors.Is(err, database.ErrLastCredential):
		return ErrLastWay
	}
	return fmt.Errorf("change account: %w", err)
}

// RemovePasskey takes a passkey away; other sessions end. ErrNotYours, ErrLastWay.
func (i *Identity) RemovePasskey(ctx context.Context, a Applicant, id string) error {
	raw, err := base64.RawURLEncoding.DecodeString(id)
	if err != nil || len(raw) > 1024 {
		return ErrNotYours
	}
	return refusedChange(i.config.DB.RemovePasskey(ctx, a.person.ID, raw, a.session, i.now()))
}

// RemovePassword takes password and one-time codes away; other sessions end.
// ErrLastWay.
func (i *Identity) RemovePassword(ctx context.Context, a Applicant) error {
	return refusedChange(i.config.DB.RemovePassword(ctx, a.person.ID, a.session, i.now()))
}

// EndSession ends one of the person's sessions. ErrNotYours.
func (i *Identity) EndSession(ctx context.Context, a Applicant, id string) error {
	return refusedChange(i.config.DB.EndPersonSession(ctx, a.person.ID, id))
}

// SignOutEverywhere ends all sessions of the person, this one too.
func (i *Identity) SignOutEverywhere(r *http.Request, a Applicant) error {
	if err := i.config.DB.EndSessions(r.Context(), a.person.ID, "", "user:"+a.person.Name, i.now()); err != nil {
		return fmt.Errorf("end sessions: %w", err)
	}
	return i.SignOut(r)
}

// SetLang remembers the language of the account; "" for the browser's wish.
func (i *Identity) SetLang(ctx context.Context, a Applicant, lang string) error {
	if lang != "" && lang != "en" && lang != "zh-Hant" {
		return ErrNotYours
	}
	if err := i.config.DB.SetPersonLang(ctx, a.person.ID, lang); err != nil {
		return fmt.Errorf("store language: %w", err)
	}
	return nil
}
