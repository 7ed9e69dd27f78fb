package account

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"turnstile/central/database"
	"turnstile/central/letters"
	"turnstile/central/openid"
)

// Provider is a place where holders may sign in. Its redirect URI ends in
// /sign-in/with/ID.
type Provider struct {
	openid.Provider `yaml:",inline"`
	// PersonClaim names the claim that holds the register's id of the person: of the
	// campus's own provider of NetIDs alone, whose word is taken for it. Without it an
	// account there is linked once, with a one-time password to the registered address.
	PersonClaim string `yaml:"person_claim"`
}

// Check returns what is wrong with the setting, or "".
func (p *Provider) Check() string {
	if text := p.Provider.Check(); text != "" {
		return text
	}
	if p.PersonClaim != "" && p.Kind != "" && p.Kind != openid.Standard {
		return "person_claim: want it for a provider of the campus alone: elsewhere people can set what they like"
	}
	return ""
}

// ReturnPath and a provider's id are where it sends people back to.
const ReturnPath = "/sign-in/with"

// recent is how long ago a provider may have asked a person who has to prove anew.
const recent = 5 * time.Minute

func (a *Accounts) openProviders(secure bool) (*openid.Client, error) {
	var list []openid.Provider
	for n := range a.config.Providers {
		p := &a.config.Providers[n]
		if text := p.Check(); text != "" {
			return nil, errors.New(text)
		}
		list = append(list, p.Provider)
	}
	return openid.New(openid.Config{Providers: list, Redirect: func(id string) string { return a.Origin() + ReturnPath + "/" + id },
		Kind: kind, Secure: secure, Recent: recent, States: a.states, Now: a.config.Now, Log: a.config.Log})
}

// Button is a button of the sign-in page.
type Button struct {
	ID, Name string
	Kind     openid.Kind
}

// Buttons lists the providers.
func (a *Accounts) Buttons() (list []Button) {
	for _, p := range a.openid.Providers() {
		list = append(list, Button{p.ID, p.Name, p.Kind})
	}
	return list
}

// Leave returns the provider's URL to go to. openid.ErrProvider.
func (a *Accounts) Leave(w http.ResponseWriter, r *http.Request, provider, next string, again bool) (to string, err error) {
	return a.openid.Begin(w, r, openid.Journey{Provider: provider, Next: next, Again: again})
}

// Relay returns what a provider's POST from its own site carries, if a page of ours
// has to send it again: browsers withhold our cookies from the first.
// What comes for a provider that is not configured is not sent again.
func (a *Accounts) Relay(r *http.Request, provider string) (fields map[string]string, needed bool) {
	if !slices.ContainsFunc(a.config.Providers, func(p Provider) bool { return p.ID == provider }) {
		return nil, false
	}
	return a.openid.Relay(r)
}

// Arrived is how somebody came back from a provider.
type Arrived struct {
	Next string
	// Link is to bring back, for ten minutes, if the account there is linked to nobody
	// yet; "" if somebody is signed in with it.
	Link     string
	Provider string // its name
}

// arrival is what Link carries.
type arrival struct {
	Provider string `json:"provider"`
	Issuer   string `json:"issuer"`
	Subject  string `json:"subject"`
}

const sealedArrival = kind + "link"

// Arrive begins a session for whom the provider confirmed. openid.ErrProvider,
// ErrState, ErrUnknown.
func (a *Accounts) Arrive(w http.ResponseWriter, r *http.Request, provider string) (Arrived, error) {
	back, err := a.openid.Finish(w, r, provider)
	if err != nil {
		return Arrived{}, err
	}
	p := a.setting(provider)
	out := Arrived{Next: back.Next, Provider: p.Filled().Name}
	if p.PersonClaim != "" {
		return out, a.claimed(w, r, p, &back)
	}
	link, err := a.config.DB.UseLink(r.Context(), database.OpenID{Issuer: back.Issuer, Subject: back.Subject}, a.now())
	if errors.Is(err, database.ErrNotFound) {
		out.Link, err = a.states.Seal(sealedArrival, arrival{p.ID, back.Issuer, back.Subject})
		return out, err
	}
	if err != nil {
		return out, fmt.Errorf("find link: %w", err)
	}
	return out, a.Begin(w, r, link.Person, p.ID)
}

// setting returns the setting of a provider that openid knows.
func (a *Accounts) setting(id string) *Provider {
	n := slices.IndexFunc(a.config.Providers, func(p Provider) bool { return p.ID == id })
	return &a.config.Providers[n]
}

// claimed begins a session for the person whom the campus's provider names.
func (a *Accounts) claimed(w http.ResponseWriter, r *http.Request, p *Provider, back *openid.Arrival) error {
	claims := map[string]any{}
	if err := back.Claims(&claims); err != nil {
		return err
	}
	person, _ := claims[p.PersonClaim].(string)
	if person == "" {
		a.config.Log.Warn("sign-in refused: the provider names no person", "provider", p.ID, "claim", p.PersonClaim)
		return ErrUnknown
	}
	return a.Begin(w, r, person, p.ID)
}

// RequestLink mails the one-time password that confirms a link to the registered
// address. Whether an account has it is told to the address alone. ErrState,
// ErrAddress, *throttle.Wait.
func (a *Accounts) RequestLink(w http.ResponseWriter, r *http.Request, link, typed, lang string) error {
	var to arrival
	if _, err := a.states.Open(sealedArrival, link, &to); err != nil {
		return err
	}
	address, folded, err := parseAddress(typed)
	if err != nil {
		return err
	}
	row, err := a.config.DB.AccountOf(r.Context(), folded)
	if err != nil && !errors.Is(err, database.ErrNotFound) {
		return fmt.Errorf("find account: %w", err)
	}
	if err := a.throttle.Try(r.Context(), a.subjects(r, folded, row.Person)...); err != nil {
		return err
	}
	detail, err := json.Marshal(to)
	if err != nil {
		return fmt.Errorf("encode link: %w", err)
	}
	return a.send(r.Context(), a.browser(w, r), a.invitation(row, forLink, string(detail), address, lang))
}

// ConfirmLink links the account elsewhere to the one whose address the code was sent
// to, and begins a session. *WrongCode, ErrNoCode, ErrTaken.
func (a *Accounts) ConfirmLink(w http.ResponseWriter, r *http.Request, number string) error {
	ctx := r.Context()
	waiting, err := a.config.DB.WaitingCode(ctx, a.known(r), forLink, a.now())
	if err != nil {
		return refusedCode(err)
	}
	var to arrival
	if err := json.Unmarshal([]byte(waiting.Detail), &to); err != nil {
		return fmt.Errorf("decode link: %w", err)
	}
	name := a.nameOf(to.Provider)
	row, err := a.config.DB.Account(ctx, waiting.Person)
	if err != nil && !errors.Is(err, database.ErrNotFound) {
		return fmt.Errorf("find account: %w", err)
	}
	notice, err := a.added(row, name, name)
	if err != nil {
		return err
	}
	l, err := a.config.DB.LinkAccount(ctx, a.typed(r, forLink, number), database.AccountLink{OpenID: database.OpenID{Issuer: to.Issuer, Subject: to.Subject}, Provider: to.Provider, Linked: a.now()}, notice)
	if err != nil {
		return refusedCode(err)
	}
	a.config.Wake()
	return a.Begin(w, r, l.Person, to.Provider)
}

// added is the notice of a new way to sign in.
func (a *Accounts) added(row database.Account, way, wayZH string) (database.Letter, error) {
	return a.letter(letters.MethodAdded(letters.Language(row.Lang), way, wayZH, a.config.Now().In(a.config.Location), a.Origin()+WaysPath), row.Address)
}

// nameOf is what a provider is called, also one that is not configured any more.
func (a *Accounts) nameOf(id string) string {
	for _, p := range a.openid.Providers() {
		if p.ID == id {
			return p.Name
		}
	}
	return id
}

// Link is an account elsewhere that the holder signs in with.
type Link struct {
	Issuer, Subject string // what names it
	Provider        string // its name
	Linked          time.Time
	Used            time.Time
}

// Links lists the holder's links.
func (a *Accounts) Links(ctx context.Context, h Holder) (list []Link, err error) {
	rows, err := a.config.DB.AccountLinks(ctx, h.Person)
	if err != nil {
		return nil, fmt.Errorf("list links: %w", err)
	}
	for _, l := range rows {
		list = append(list, Link{l.Issuer, l.Subject, a.nameOf(l.Provider), time.UnixMilli(l.Linked), time.UnixMilli(l.Used)})
	}
	return list, nil
}

// Unlink takes a link away; other sessions end. ErrNotYours.
func (a *Accounts) Unlink(ctx context.Context, h Holder, issuer, subject string) error {
	return owned(a.config.DB.Unlink(ctx, h.Person, database.OpenID{Issuer: issuer, Subject: subject}, h.Session, a.now()))
}
