package account

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"turnstile/central/database"
	"turnstile/central/letters"
	"turnstile/central/otp"
	"turnstile/central/register"
	"turnstile/central/throttle"
)

// Identified is somebody whom the register knows by what they stated.
type Identified struct {
	State string // to bring back, for ten minutes
	// Masked is the address on record, as a***@e***.org; "" for none. It is the one
	// of the account, else the NetID's, else the registry's.
	Masked  string
	Account bool // there is an account with that address
}

// identified is what State carries.
type identified struct {
	Person string `json:"person"`
	Record string `json:"record"` // the address on record
}

const sealedIdentified = kind + "identified"

// Identify finds out who somebody is by what they state. register.ErrNoMatch,
// *throttle.Wait: tries are counted by the name that is stated, in whatever spelling
// the register takes for it, and by network, right or wrong.
func (a *Accounts) Identify(r *http.Request, f register.Facts) (Identified, error) {
	ctx := r.Context()
	subjects := []string{throttle.Named(nameSubject, register.NameKey(f.Surname, f.Given, "")), throttle.Network(askerSubject, throttle.Address(r))}
	if err := a.throttle.Try(ctx, subjects...); err != nil {
		return Identified{}, err
	}
	p, err := a.config.Register.Identify(ctx, f)
	if errors.Is(err, register.ErrNoMatch) {
		a.config.Log.Info("identification refused", "from", network(r))
		return Identified{}, err
	}
	if err != nil {
		return Identified{}, fmt.Errorf("identify: %w", err)
	}
	if err := a.throttle.Succeeded(ctx, subjects...); err != nil {
		return Identified{}, err
	}
	return a.identified(ctx, p)
}

// IdentifiedBy returns what a form has to show again of somebody identified. ErrState.
func (a *Accounts) IdentifiedBy(ctx context.Context, state string) (Identified, error) {
	var who identified
	if _, err := a.states.Open(sealedIdentified, state, &who); err != nil {
		return Identified{}, err
	}
	registered, err := a.Address(ctx, who.Person)
	return Identified{State: state, Masked: mask(who.Record), Account: registered != ""}, err
}

func (a *Accounts) identified(ctx context.Context, p register.Person) (Identified, error) {
	p, err := a.person(ctx, p.ID) // with the account of an id that was merged away
	if err != nil {
		return Identified{}, fmt.Errorf("find person: %w", err)
	}
	registered, err := a.Address(ctx, p.ID)
	if err != nil {
		return Identified{}, err
	}
	out := Identified{Account: registered != ""}
	record := registered
	if record == "" {
		if record, err = a.stated(ctx, p); err != nil {
			return Identified{}, err
		}
	}
	out.Masked = mask(record)
	out.State, err = a.states.Seal(sealedIdentified, identified{p.ID, record})
	return out, err
}

// Asked says which codes are on their way.
type Asked struct {
	To     string // where the code to type went, masked
	Change bool   // it replaces an address on record
	Old    bool   // a second code went to that one
}

// RegisterAddress mails a code to the address that an identified person wants to
// register, "" for the one on record. Another one than that on record is a change:
// with old the one on record is asked to agree, else the office is. ErrState,
// ErrAddress, *throttle.Wait.
func (a *Accounts) RegisterAddress(w http.ResponseWriter, r *http.Request, state, typed string, old bool, lang string) (Asked, error) {
	var who identified
	if _, err := a.states.Open(sealedIdentified, state, &who); err != nil {
		return Asked{}, err
	}
	if strings.TrimSpace(typed) == "" {
		typed = who.Record
	}
	return a.ask(w, r, who, typed, old, lang)
}

// AskChange mails the codes for another address of who is signed in. ErrAddress,
// *throttle.Wait.
func (a *Accounts) AskChange(w http.ResponseWriter, r *http.Request, h Holder, typed string, old bool) (Asked, error) {
	registered, err := a.Address(r.Context(), h.Person)
	if err != nil {
		return Asked{}, err
	}
	return a.ask(w, r, identified{h.Person, registered}, typed, old, h.Lang)
}

func (a *Accounts) ask(w http.ResponseWriter, r *http.Request, who identified, typed string, old bool, lang string) (Asked, error) {
	address, folded, err := parseAddress(typed)
	if err != nil {
		return Asked{}, err
	}
	_, record, err := parseAddress(who.Record)
	if err != nil {
		record = ""
	}
	if err := a.throttle.Try(r.Context(), a.subjects(r, folded, who.Person)...); err != nil {
		return Asked{}, err
	}
	confirm := errand{purpose: forRegister, person: who.Person, address: address, detail: folded, lang: language(lang), words: letters.ConfirmAddress}
	out := Asked{To: mask(address), Change: record != "" && record != folded}
	if !out.Change {
		return out, a.send(r.Context(), a.browser(w, r), confirm)
	}
	confirm.purpose = forNew
	list := []errand{confirm}
	if out.Old = old; old {
		list = append(list, errand{purpose: forOld, person: who.Person, address: who.Record, detail: record, lang: language(lang), words: letters.ConfirmChange})
	}
	return out, a.send(r.Context(), a.browser(w, r), list...)
}

// ConfirmAddress registers the address that the typed code was sent to, and begins
// a session. *WrongCode, ErrNoCode, ErrTaken.
func (a *Accounts) ConfirmAddress(w http.ResponseWriter, r *http.Request, number, lang string) error {
	row, err := a.config.DB.RegisterAddress(r.Context(), a.typed(r, forRegister, number), a.fresh("", lang), a.now())
	if err != nil {
		return refusedCode(err)
	}
	return a.Begin(w, r, row.Person, ByMail)
}

// Change is the replacement of a registered address.
type Change struct {
	ID       string
	Person   string
	Old, New string // masked, but for the office
	State    string // waiting, due, done, refused, stopped
	Asked    time.Time
	Effect   time.Time // zero: not decided
	Decided  time.Time // zero: not yet
	By       string    // who decided
	Reason   string
}

// ConfirmChange replaces the registered address, if the codes to the new and to the
// old address are right; without one to the old ("") the office is asked. Nobody is
// signed in by it. *WrongCode, ErrNoCode, ErrTaken.
func (a *Accounts) ConfirmChange(r *http.Request, toNew, toOld string) (Change, error) {
	ctx := r.Context()
	waiting, err := a.config.DB.WaitingCode(ctx, a.known(r), forNew, a.now())
	if err != nil {
		return Change{}, refusedCode(err)
	}
	fresh, err := a.recorded(ctx, waiting.Person)
	if err != nil {
		return Change{}, err
	}
	c := database.AddressChange{ID: newID(), At: a.now()}
	typed := a.typed(r, forNew, toNew)
	if otp.Plain(toOld) == "" {
		c, err = a.config.DB.ProposeChange(ctx, typed, fresh, c)
		return masked(c), refusedCode(err)
	}
	c.Decided, c.DecidedBy = c.At, "both addresses"
	notice, err := a.letter(letters.AddressChanged(letters.Language(fresh.Lang), waiting.Address, a.config.Now().In(a.config.Location), a.config.Office), fresh.Address)
	if err != nil {
		return Change{}, err
	}
	c, err = a.config.DB.ChangeAddress(ctx, typed, a.typed(r, forOld, toOld), fresh, c, notice)
	if err == nil {
		a.config.Wake()
	}
	return masked(c), refusedCode(err)
}

// recorded is the account of a person as it is, or as it is made with the address
// that the registry has.
func (a *Accounts) recorded(ctx context.Context, person string) (database.Account, error) {
	row, err := a.config.DB.Account(ctx, person)
	if !errors.Is(err, database.ErrNotFound) && (err != nil || row.Address != "") {
		return row, err
	}
	p, err := a.config.Register.Person(ctx, person)
	if err != nil {
		return row, fmt.Errorf("find person: %w", err)
	}
	stated, err := a.stated(ctx, p)
	if err != nil {
		return row, err
	}
	fresh := a.fresh(person, "")
	if stated != "" {
		fresh.Address, fresh.Folded, err = parseAddress(stated)
	}
	return fresh, err
}

// stated is the address of a person without an account that others know of: the
// NetID's, which opens the portal too, else the registry's; "" for none.
func (a *Accounts) stated(ctx context.Context, p register.Person) (string, error) {
	list, err := a.config.DB.NetIDsOf(ctx, p.ID)
	if err != nil {
		return "", fmt.Errorf("look for NetIDs: %w", err)
	}
	candidates := []string{p.Email}
	for _, n := range list { // the oldest first
		if n.Ended == 0 {
			candidates = append(candidates, n.Email)
		}
	}
	for _, c := range slices.Backward(candidates) {
		if address, _, err := parseAddress(c); err == nil {
			return address, nil
		}
	}
	return "", nil // what the registry has is no address: as if it had none
}
