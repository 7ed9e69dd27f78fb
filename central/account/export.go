package account

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"turnstile/central/database"
	"turnstile/central/register"
)

// Export is all that is kept of a holder for the portal, as the holder takes it
// away. Passages are not in it: they are asked for at the office.
type Export struct {
	At       time.Time       `json:"at"`
	Site     string          `json:"site"`
	Person   string          `json:"person"`
	Name     string          `json:"name"`
	NameZH   string          `json:"name_zh,omitempty"`
	Born     string          `json:"born,omitempty"`
	Registry exportContact   `json:"registry"`
	Cards    []exportCard    `json:"cards"`
	Degrees  []exportAward   `json:"degrees"`
	NetIDs   []exportNetID   `json:"netids"`
	Address  string          `json:"registered_address"`
	Language string          `json:"language"`
	Since    time.Time       `json:"account_since"`
	Profile  Profile         `json:"profile"`
	Links    []Link          `json:"linked_accounts"`
	Passkeys []Passkey       `json:"passkeys"`
	Sessions []Session       `json:"sessions"`
	Changes  []Change        `json:"address_changes"`
	ECard    *exportECard    `json:"ecard,omitempty"`
	Photo    []byte          `json:"photo_jpeg,omitempty"` // base64
	Requests []exportRequest `json:"requests"`
	Codes    []exportPass    `json:"codes"`
	Mails    []exportMail    `json:"mails"`
}

type exportContact struct {
	Email  string   `json:"email,omitempty"`
	Phone  string   `json:"phone,omitempty"`
	NetIDs []string `json:"netids,omitempty"`
}

type exportCard struct {
	Kind   string `json:"kind"`
	Number string `json:"number"`
	From   string `json:"from,omitempty"`
	Until  string `json:"until,omitempty"`
}

type exportAward struct {
	Award       string `json:"award"`
	Programme   string `json:"programme,omitempty"`
	Institution string `json:"institution"`
	Graduated   string `json:"graduated,omitempty"`
}

type exportECard struct {
	Name      string     `json:"name"`
	Since     time.Time  `json:"since"`
	Withdrawn *time.Time `json:"withdrawn,omitempty"`
	Reason    string     `json:"reason,omitempty"` // of the withdrawal
}

// Export returns what is kept of the holder as JSON, with the photo in it. The audit
// has that it was taken.
func (a *Accounts) Export(ctx context.Context, h Holder) ([]byte, error) {
	e := Export{At: a.config.Now(), Site: a.config.Site, Person: h.Person}
	for _, step := range []func(context.Context, Holder, *Export) error{a.exportPerson, a.exportNetIDs, a.exportAccount, a.exportWays, a.exportECard, a.exportAsked, a.exportMails} {
		if err := step(ctx, h, &e); err != nil {
			return nil, fmt.Errorf("export: %w", err)
		}
	}
	out, err := json.MarshalIndent(e, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encode export: %w", err)
	}
	if err := a.config.DB.HolderAudit(ctx, a.now(), h.Person, "account_export", ""); err != nil {
		return nil, fmt.Errorf("note an export: %w", err)
	}
	return out, nil
}

func (a *Accounts) exportPerson(ctx context.Context, h Holder, e *Export) error {
	p, err := a.config.Register.Person(ctx, h.Person)
	if errors.Is(err, register.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	e.Name, e.NameZH, e.Born = p.Name("en"), p.NameZH, p.Born
	e.Registry = exportContact{p.Email, p.Phone, p.NetIDs}
	for _, c := range p.Cards {
		e.Cards = append(e.Cards, exportCard{string(c.Kind), c.Number, c.From, c.Until})
	}
	for _, d := range p.Degrees {
		e.Degrees = append(e.Degrees, exportAward{d.Award, d.Programme, d.Institution, d.Graduated})
	}
	return nil
}

func (a *Accounts) exportAccount(ctx context.Context, h Holder, e *Export) (err error) {
	row, err := a.config.DB.Account(ctx, h.Person)
	if err != nil {
		return err
	}
	e.Address, e.Language, e.Since = row.Address, row.Lang, time.UnixMilli(row.Created)
	if e.Profile, err = a.Profile(ctx, h.Person); err != nil {
		return err
	}
	changes, err := a.config.DB.AddressChangesOf(ctx, h.Person, maxChanges)
	for _, c := range changes {
		e.Changes = append(e.Changes, whole(c))
	}
	return err
}

func (a *Accounts) exportWays(ctx context.Context, h Holder, e *Export) (err error) {
	if e.Links, err = a.Links(ctx, h); err != nil {
		return err
	}
	if e.Passkeys, err = a.Passkeys(ctx, h); err != nil {
		return err
	}
	e.Sessions, err = a.Sessions(ctx, h)
	for i := range e.Sessions {
		e.Sessions[i].ID = "" // a name of ours
	}
	return err
}

func (a *Accounts) exportECard(ctx context.Context, h Holder, e *Export) error {
	card, err := a.config.DB.ECard(ctx, h.Person)
	if err == nil {
		e.ECard = &exportECard{Name: card.Name, Since: time.UnixMilli(card.Since), Withdrawn: moment(card.Withdrawn), Reason: card.Reason}
	}
	if err != nil && !errors.Is(err, database.ErrNotFound) {
		return err
	}
	photo, err := a.config.DB.Photo(ctx, h.Person)
	if err != nil && !errors.Is(err, database.ErrNotFound) {
		return err
	}
	e.Photo = photo.JPEG
	return nil
}

// Erase deletes account, ways to sign in, sessions, profile, photo, eCard and what
// the holder asked the office for, and ends the codes of the holder and the guests.
// What stays: the register, which is the registry's; the NetIDs, which other systems
// know the person by; passes and passages until the retention takes them; that the
// office withdrew an eCard; and the audit. The holder may begin anew.
func (a *Accounts) Erase(w http.ResponseWriter, r *http.Request, h Holder) error {
	if err := a.config.Erase(r.Context(), h.Person); err != nil {
		return owned(err)
	}
	a.browsers.Forget(w)
	return a.SignOut(r)
}
