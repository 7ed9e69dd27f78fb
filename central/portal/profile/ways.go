package profile

import (
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"turnstile/central/account"
	"turnstile/central/office"
	"turnstile/central/portal"
	"turnstile/central/portal/signin"
)

// waysData is how a holder signs in.
type waysData struct {
	Address    string
	Change     *account.Change // that is open
	Passkeys   []account.Passkey
	OnPasskeys bool // browsers offer them at this address
	Links      []account.Link
	Buttons    []account.Button
	Sessions   []account.Session
	Wish       string // language of the account
}

// Way names how a session began.
func (d waysData) Way(method string) string {
	switch method {
	case account.ByMail:
		return "Email"
	case account.ByPasskey:
		return "Passkey"
	}
	for _, b := range d.Buttons {
		if b.ID == method {
			return b.Name
		}
	}
	return method
}

// Device names a session's browser.
func (waysData) Device(agent string) string { return Device(agent) }

func (d *desk) ways(r *portal.Request) (err error) {
	ctx, h := r.Context(), d.holder(r)
	data := waysData{OnPasskeys: d.Accounts.HasPasskeys(), Buttons: d.Accounts.Buttons(), Wish: h.Lang}
	if data.Address, err = d.Accounts.Address(ctx, h.Person); err != nil {
		return err
	}
	change, open, err := d.Accounts.OpenChange(ctx, h.Person)
	if err != nil {
		return err
	}
	if open {
		data.Change = &change
	}
	if data.Passkeys, err = d.Accounts.Passkeys(ctx, h); err != nil {
		return err
	}
	if data.Links, err = d.Accounts.Links(ctx, h); err != nil {
		return err
	}
	if data.Sessions, err = d.Accounts.Sessions(ctx, h); err != nil {
		return err
	}
	return r.Page(pages, "ways.html", "Signing in", data)
}

// refusals are what is told of a refused change of the own account.
var refusals = []struct {
	err  error
	kind error
	text string
}{
	{account.ErrNotYours, office.ErrNotFound, "There is none of these in your account. Open the page again."},
	{account.ErrPasskey, office.ErrInvalid, "This passkey was not accepted. Try again, or with another device."},
	{account.ErrNoPasskeys, office.ErrInvalid, "Passkeys do not work at this address. Use another way to sign in."},
	{account.ErrState, office.ErrConflict, "This took too long, or was done already. Begin again."},
}

func told(r *portal.Request, err error) error {
	for _, e := range refusals {
		if errors.Is(err, e.err) {
			return office.Refuse(e.kind, "%s", r.Say(pages, e.text))
		}
	}
	return err
}

// done shows the ways again after a change of them.
func done(r *portal.Request, err error, said string) error {
	if err != nil {
		return told(r, err)
	}
	r.Flash("%s", said)
	return r.Redirect(ways)
}

func (d *desk) language(r *portal.Request) error {
	return done(r, d.Accounts.SetLang(r.Context(), d.holder(r), field(r, "lang")), r.Say(pages, "Saved."))
}

func (d *desk) keep(r *portal.Request) error {
	return done(r, d.Accounts.KeepAddress(r.Context(), d.holder(r)), r.Say(pages, "The address stays. All other browsers were signed out."))
}

func (d *desk) removePasskey(r *portal.Request) error {
	return done(r, d.Accounts.RemovePasskey(r.Context(), d.holder(r), field(r, "id")), r.Say(pages, "Taken away. All other browsers were signed out."))
}

func (d *desk) unlink(r *portal.Request) error {
	return done(r, d.Accounts.Unlink(r.Context(), d.holder(r), field(r, "issuer"), field(r, "subject")), r.Say(pages, "Taken away. All other browsers were signed out."))
}

func (d *desk) endSession(r *portal.Request) error {
	return done(r, d.Accounts.EndSession(r.Context(), d.holder(r), field(r, "id")), r.Say(pages, "That browser was signed out."))
}

func (d *desk) everywhere(r *portal.Request) error {
	if err := d.Accounts.SignOutEverywhere(r.Request, d.holder(r)); err != nil {
		return err
	}
	r.Forget()
	return r.Redirect("/sign-in")
}

// addressData is the form of another address.
type addressData struct {
	Present, Address, Problem string
}

func (d *desk) addressPage(r *portal.Request, status int, typed, problem string) error {
	present, err := d.Accounts.Address(r.Context(), r.Who.Person)
	if err != nil {
		return err
	}
	return r.PageStatus(status, pages, "address.html", "Email address", addressData{present, typed, problem})
}

func (d *desk) addressForm(r *portal.Request) error {
	return d.addressPage(r, http.StatusOK, "", "")
}

func (d *desk) address(r *portal.Request) error {
	typed := field(r, "address")
	asked, err := d.Accounts.AskChange(r.Writer, r.Request, d.holder(r), typed, r.PostFormValue("old") != "")
	wait, slow := errors.AsType[*account.Wait](err)
	switch {
	case err == nil && asked.Change:
		return r.Redirect(signin.CodesPath(asked))
	case err == nil:
		return r.Redirect(account.RegisterPath + "/code")
	case errors.Is(err, account.ErrAddress):
		return d.addressPage(r, http.StatusUnprocessableEntity, typed, r.Say(pages, "Type an email address such as name@example.org."))
	case slow:
		return d.addressPage(r, http.StatusTooManyRequests, typed, r.Say(pages, "There were too many tries. Wait until %s, then try again.", wait.Until.Add(time.Second).In(r.Zone()).Format("15:04:05")))
	}
	return err
}

func (d *desk) beginPasskey(r *portal.Request) error {
	options, state, err := d.Accounts.BeginNewPasskey(r.Context(), d.holder(r))
	if err != nil {
		return told(r, err)
	}
	return r.JSON(http.StatusOK, map[string]any{"options": options, "state": state})
}

// made is what the passkey's script brings back.
type made struct {
	State  string          `json:"state"`
	Label  string          `json:"label"`
	Answer json.RawMessage `json:"answer"`
}

func (d *desk) addPasskey(r *portal.Request) error {
	var m made
	read := json.NewDecoder(r.Body)
	read.DisallowUnknownFields()
	if err := read.Decode(&m); err != nil {
		if large := (*http.MaxBytesError)(nil); errors.As(err, &large) {
			return err
		}
		return told(r, account.ErrPasskey)
	}
	if err := d.Accounts.AddPasskey(r.Context(), d.holder(r), m.State, m.Label, m.Answer); err != nil {
		return told(r, err)
	}
	return r.JSON(http.StatusOK, map[string]string{"to": ways})
}

func (d *desk) exportForm(r *portal.Request) error {
	return r.Page(pages, "data.html", "My data", nil)
}

func (d *desk) export(r *portal.Request) error {
	data, err := d.Accounts.Export(r.Context(), d.holder(r))
	if err != nil {
		return err
	}
	h := r.Writer.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Disposition", `attachment; filename="my-data.json"`)
	r.Writer.Write(data) // a browser that went away is no fault of ours
	return nil
}

// eraseData is the question before everything goes.
type eraseData struct{ Problem string }

func (d *desk) eraseForm(r *portal.Request) error {
	return r.Page(pages, "erase.html", "Erase my data", eraseData{})
}

func (d *desk) erase(r *portal.Request) error {
	if r.PostFormValue("sure") != "1" {
		return r.PageStatus(http.StatusUnprocessableEntity, pages, "erase.html", "Erase my data", eraseData{r.Say(pages, "Tick the box first: this cannot be undone.")})
	}
	if err := d.Accounts.Erase(r.Writer, r.Request, d.holder(r)); err != nil {
		return told(r, err)
	}
	r.Forget()
	r.Flash("%s", r.Say(pages, "Your data were erased."))
	return r.Redirect("/sign-in")
}
