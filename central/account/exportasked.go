package account

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"turnstile/central/database"
	"turnstile/central/link"
	"turnstile/central/register"
)

type exportNetID struct {
	NetID       string       `json:"netid"`
	Card        string       `json:"registered_with"`
	DisplayName string       `json:"display_name"`
	Alias       string       `json:"email_alias"`
	Email       string       `json:"personal_address"`
	Language    string       `json:"language,omitempty"`
	Created     time.Time    `json:"created"`
	Changed     *time.Time   `json:"netpassword_changed,omitempty"`
	Ended       *time.Time   `json:"ended,omitempty"`
	SignIns     []exportSpan `json:"sign_ins"` // that stand, at other systems
}

type exportSpan struct {
	From  time.Time `json:"from"`
	Until time.Time `json:"until"`
}

// moment is a time of the database in Unix ms; nil for 0.
func moment(ms int64) *time.Time {
	if ms == 0 {
		return nil
	}
	t := time.UnixMilli(ms)
	return &t
}

func (a *Accounts) exportNetIDs(ctx context.Context, h Holder, e *Export) error {
	rows, err := a.config.DB.NetIDsOf(ctx, h.Person)
	if err != nil {
		return err
	}
	for _, n := range rows {
		out := exportNetID{NetID: n.ID, Card: n.Card, DisplayName: n.Name, Alias: n.Alias, Email: n.Email, Language: n.Lang, Created: time.UnixMilli(n.Created), Ended: moment(n.Ended)}
		if n.Password != "" {
			out.Changed = moment(n.Changed)
		}
		spans, err := a.config.DB.OpenIDSessions(ctx, n.ID, a.now())
		if err != nil {
			return err
		}
		for _, s := range spans {
			out.SignIns = append(out.SignIns, exportSpan{time.UnixMilli(s.Signed), time.UnixMilli(s.Expires)})
		}
		e.NetIDs = append(e.NetIDs, out)
	}
	return nil
}

// exportRequest is what the holder asked the office for: a card, or codes for guests.
type exportRequest struct {
	Number  int64           `json:"number"`
	Kind    string          `json:"kind"`
	State   string          `json:"state"`
	At      time.Time       `json:"at"`
	Facts   json.RawMessage `json:"facts"`
	Request json.RawMessage `json:"request"`
	Photo   []byte          `json:"photo_jpeg,omitempty"` // base64
	Decided *time.Time      `json:"decided,omitempty"`
	Reason  string          `json:"reason,omitempty"`
}

// exportPass is a code of the holder or of a guest.
type exportPass struct {
	Number  string    `json:"number"`
	Kind    string    `json:"kind"`
	Issued  time.Time `json:"issued"`
	Status  string    `json:"status"`
	Guest   string    `json:"guest,omitempty"`
	Purpose string    `json:"purpose,omitempty"`
	Reason  string    `json:"reason,omitempty"` // of the status
}

var standings = map[link.Status]string{link.Good: "good", link.Revoked: "revoked", link.Held: "held"}

// maxAsked bounds each list of what a holder asked for: the retention keeps it short.
const maxAsked = 10_000

// exportAsked takes along what is under the holder's id and those merged into it.
func (a *Accounts) exportAsked(ctx context.Context, h Holder, e *Export) error {
	p, err := a.config.Register.Person(ctx, h.Person)
	if err != nil && !errors.Is(err, register.ErrNotFound) {
		return err
	}
	for _, id := range append(slices.Clone(p.Aliases), h.Person) {
		if err := a.exportRequests(ctx, id, e); err != nil {
			return err
		}
		passes, err := a.config.DB.Passes(ctx, database.PassFilter{Holder: id, Limit: maxAsked})
		if err != nil {
			return err
		}
		for _, p := range passes {
			e.Codes = append(e.Codes, exportPass{p.ID().String(), p.Kind.String(), time.UnixMilli(p.Issued), standings[p.Status], p.GuestName, p.Purpose, p.Reason})
		}
	}
	return nil
}

func (a *Accounts) exportRequests(ctx context.Context, holder string, e *Export) error {
	rows, err := a.config.DB.Applications(ctx, database.ApplicationFilter{Holder: holder, Limit: maxAsked})
	if err != nil {
		return err
	}
	for _, r := range rows {
		out := exportRequest{Number: r.Number, Kind: r.Kind, State: r.State, At: time.UnixMilli(r.At), Facts: json.RawMessage(r.Facts), Request: json.RawMessage(r.Request), Decided: moment(r.Decided), Reason: r.Reason}
		if r.HasPhoto {
			whole, err := a.config.DB.Application(ctx, r.Number)
			if err != nil {
				return err
			}
			out.Photo = whole.Photo
		}
		e.Requests = append(e.Requests, out)
	}
	return nil
}

// exportMail is a mail that waits, or of which it is kept that it was sent. What it
// says is sealed, and erased with the sending.
type exportMail struct {
	Kind    string    `json:"kind"`
	Address string    `json:"address"`
	At      time.Time `json:"at"`
	State   string    `json:"state"`
}

func (a *Accounts) exportMails(ctx context.Context, _ Holder, e *Export) error {
	addresses := []string{e.Address, e.Registry.Email}
	for _, c := range e.Changes {
		addresses = append(addresses, c.Old, c.New)
	}
	for _, n := range e.NetIDs {
		addresses = append(addresses, n.Email)
	}
	slices.Sort(addresses)
	for _, to := range slices.Compact(addresses) {
		if strings.TrimSpace(to) == "" {
			continue
		}
		rows, err := a.config.DB.LettersTo(ctx, to, maxAsked)
		if err != nil {
			return err
		}
		for _, m := range rows {
			e.Mails = append(e.Mails, exportMail{m.Kind, m.Address, time.UnixMilli(m.At), m.State})
		}
	}
	return nil
}
