package netid

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"turnstile/central/database"
	"turnstile/central/letters"
	"turnstile/central/otp"
	"turnstile/central/register"
	"turnstile/central/seal"
)

// Times and bounds of a flow.
const (
	stepLife = 30 * time.Minute // after the codes: to think of a name and a password
	maxToken = 100              // bytes
)

// Kind is what a flow is for.
type Kind string

// The kinds of flows.
const (
	Registration Kind = "register"
	Reset        Kind = "reset"
	Email        Kind = "email"
)

// flow is what is remembered between the steps.
type flow struct {
	Kind      Kind             `json:"kind"`
	Person    string           `json:"person"`
	Card      *register.Card   `json:"card,omitempty"` // of a registration; nil: as a graduate
	NetID     string           `json:"netid,omitempty"`
	Email     string           `json:"email"` // that was typed in
	Lang      letters.Language `json:"lang"`
	Codes     [][]byte         `json:"codes"` // hashes; each has to come back
	Confirmed bool             `json:"confirmed"`

	id      []byte
	subject string
}

// Step is what comes after the codes.
type Step struct {
	Kind  Kind
	NetID string // of a reset or of another address
	// Names are display names that are free, the one of the register first.
	Names []Name
}

const sealedFlow = "netid flow"

// place binds sealed data to its row.
func place(id []byte) string { return sealedFlow + " " + base64.RawURLEncoding.EncodeToString(id) }

func hashed(text string) []byte {
	sum := sha256.Sum256([]byte(text))
	return sum[:]
}

// posting is a code's way: to whom, and in which letter.
type posting struct {
	address string
	letter  func(lang letters.Language, code string, until time.Time) letters.Letter
}

// begin stores a flow and mails a code to each address; the token goes to the
// browser that asked.
func (d *Directory) begin(ctx context.Context, f flow, to ...posting) (token string, err error) {
	token = rand.Text()
	f.id = hashed(token)
	until := d.config.Now().Add(otp.Life)
	var mails []database.Letter
	for _, p := range to {
		code, err := otp.New()
		if err != nil {
			return "", err
		}
		f.Codes = append(f.Codes, hashed(code))
		l, err := d.letter(p.letter(f.Lang, code, until.In(d.config.Location)), p.address)
		if err != nil {
			return "", err
		}
		mails = append(mails, l)
	}
	row, err := d.row(f, until)
	if err != nil {
		return "", err
	}
	if err := d.config.DB.BeginFlow(ctx, row, mails...); err != nil {
		return "", fmt.Errorf("begin %s: %w", f.Kind, err)
	}
	d.posted()
	return token, nil
}

func (d *Directory) row(f flow, until time.Time) (database.Flow, error) {
	data, err := json.Marshal(f)
	if err != nil {
		return database.Flow{}, fmt.Errorf("encode flow: %w", err)
	}
	return database.Flow{ID: f.id, Subject: f.subject, Data: d.config.Box.Seal(place(f.id), data), Expires: until.UnixMilli()}, nil
}

// opened reads a flow. Over if there is none, or the row is another's.
func (d *Directory) opened(row database.Flow, err error) (f flow, _ error) {
	if errors.Is(err, database.ErrNotFound) {
		return f, &Refusal{Reason: Over}
	}
	if err != nil {
		return f, fmt.Errorf("read flow: %w", err)
	}
	data, err := d.config.Box.Open(place(row.ID), row.Data)
	if errors.Is(err, seal.ErrSealed) || err == nil && json.Unmarshal(data, &f) != nil {
		return f, &Refusal{Reason: Over}
	}
	f.id, f.subject = row.ID, row.Subject
	return f, err
}

// Confirm takes the codes that came by mail, all that were sent, in any order.
// WrongCode; Over after five tries or ten minutes. Only now a person who has a
// NetID is told so: Already, KeepsStudent, NotGraduate. Of a change of the address
// this is the last step.
func (d *Directory) Confirm(ctx context.Context, token string, codes ...string) (Step, error) {
	if len(token) > maxToken {
		return Step{}, &Refusal{Reason: Over}
	}
	f, err := d.opened(d.config.DB.TryFlow(ctx, hashed(token), d.now(), otp.Tries))
	if err != nil {
		return Step{}, err
	}
	if !f.Confirmed && !f.fits(codes) {
		return Step{}, &Refusal{Reason: WrongCode}
	}
	f.Confirmed = true
	step := Step{Kind: f.Kind, NetID: f.NetID}
	switch f.Kind {
	case Registration:
		if step.Names, err = d.judge(ctx, f); err != nil {
			return Step{}, err
		}
	case Email:
		return step, d.applyEmail(ctx, f)
	}
	row, err := d.row(f, d.config.Now().Add(stepLife))
	if err != nil {
		return Step{}, err
	}
	if err := d.config.DB.AdvanceFlow(ctx, row); err != nil {
		_, err = d.opened(row, err)
		return Step{}, err
	}
	return step, nil
}

// fits reports whether the codes are those that were sent.
func (f *flow) fits(codes []string) bool {
	var typed [][]byte
	for _, c := range codes {
		if c = otp.Plain(c); len(c) == otp.Digits {
			typed = append(typed, hashed(c))
		}
	}
	all := len(f.Codes) > 0
	for _, want := range f.Codes {
		found := slices.ContainsFunc(typed, func(c []byte) bool { return subtle.ConstantTimeCompare(c, want) == 1 })
		all = all && found
	}
	return all
}

// confirmed returns a flow of a kind whose codes were typed. Over.
func (d *Directory) confirmed(ctx context.Context, token string, kind Kind) (flow, error) {
	if len(token) > maxToken {
		return flow{}, &Refusal{Reason: Over}
	}
	f, err := d.opened(d.config.DB.Flow(ctx, hashed(token), d.now()))
	if err == nil && (!f.Confirmed || f.Kind != kind) {
		err = &Refusal{Reason: Over}
	}
	return f, err
}

// finished names the end of a flow that a transaction found to have ended.
func finished(what string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, database.ErrNotFound):
		return &Refusal{Reason: Over}
	}
	return fmt.Errorf("%s: %w", what, err)
}

// address returns an address in the form that is kept. AddressForm.
func address(typed string) (string, error) {
	out, ok := register.ParseAddress(typed)
	if !ok {
		return "", &Refusal{Reason: AddressForm}
	}
	return out, nil
}
