package netid

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"turnstile/central/otp"
)

// TestCodes: five tries, ten minutes, every code, and one flow of a person at a time.
func TestCodes(t *testing.T) {
	d := newDesk(t)
	p := d.add("a", "CHAN", "Tai Man", 2005)
	p.Email = "known@example.org"
	d.people["a"] = p
	begin := func() string {
		t.Helper()
		token, err := d.Begin(t.Context(), d.as(p, "a@example.org"))
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	token := begin()
	for i := range otp.Tries + 1 {
		want := WrongCode
		if i == otp.Tries {
			want = Over
		}
		if _, err := d.Confirm(t.Context(), token, "00000000", "", "x"); !errors.Is(err, want) {
			t.Errorf("try %d: %v", i, err)
		}
	}
	if _, err := d.Confirm(t.Context(), token, d.code("a@example.org"), d.code("known@example.org")); !errors.Is(err, Over) {
		t.Errorf("after five tries: %v", err)
	}
	token = begin()
	if _, err := d.Confirm(t.Context(), token, d.code("a@example.org")); !errors.Is(err, WrongCode) {
		t.Errorf("one of two: %v", err)
	}
	old := token
	token = begin()
	if _, err := d.Confirm(t.Context(), old, d.code("a@example.org"), d.code("known@example.org")); !errors.Is(err, Over) {
		t.Errorf("a newer one was asked for: %v", err)
	}
	spaced := d.code("known@example.org")
	if _, err := d.Confirm(t.Context(), token, spaced[:4]+" "+spaced[4:], wide(d.code("a@example.org"))); err != nil {
		t.Errorf("in the other order, with a space and with the digits of a Chinese keyboard: %v", err)
	}
	d.wait(stepLife)
	if _, err := d.Complete(t.Context(), token, "Tai Man CHAN", good); !errors.Is(err, Over) {
		t.Errorf("after half an hour: %v", err)
	}
	token = begin()
	d.wait(otp.Life)
	if _, err := d.Confirm(t.Context(), token, d.code("a@example.org"), d.code("known@example.org")); !errors.Is(err, Over) {
		t.Errorf("after ten minutes: %v", err)
	}
	for _, token := range []string{"", "x", strings.Repeat("x", 1000)} {
		if _, err := d.Confirm(t.Context(), token, "00000000"); !errors.Is(err, Over) {
			t.Errorf("no token: %v", err)
		}
	}
}

// TestFlowIsNoOthers: a row that was moved to another token opens nothing.
func TestFlowIsNoOthers(t *testing.T) {
	d := newDesk(t)
	p := d.add("a", "CHAN", "Tai Man", 2005)
	token, err := d.Begin(t.Context(), d.as(p, "a@example.org"))
	if err != nil {
		t.Fatal(err)
	}
	row, err := d.db.Flow(t.Context(), hashed(token), d.Directory.now())
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(row.Data, []byte("example.org")) {
		t.Error("the address stands in the open")
	}
	row.ID, row.Subject = hashed("thief"), "x"
	if err := d.db.BeginFlow(t.Context(), row); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Confirm(t.Context(), "thief", d.code("a@example.org")); !errors.Is(err, Over) {
		t.Errorf("with another's token: %v", err)
	}
}

// TestChangeEmail: both addresses have to agree, and the old one is told.
func TestChangeEmail(t *testing.T) {
	d := newDesk(t)
	e := d.enrolled(d.add("a", "CHAN", "Tai Man", 2005), "a@example.org", "Tai Man CHAN")
	for typed, want := range map[string]Reason{"A@example.org": SameAddress, "a@localhost": AddressForm, "no": AddressForm, "A <a@example.com>": AddressForm, "a@example.com\r\nBcc: x": AddressForm, strings.Repeat("a", 300) + "@example.org": AddressForm} {
		if _, err := d.ChangeEmail(t.Context(), e.NetID, typed); !errors.Is(err, want) {
			t.Errorf("%.30q: %v", typed, err)
		}
	}
	token, err := d.ChangeEmail(t.Context(), e.NetID, "b@Example.COM")
	if err != nil {
		t.Fatal(err)
	}
	both := []string{d.code("a@example.org"), d.code("b@example.com")}
	for _, codes := range [][]string{both[:1], both[1:], {both[0], both[0]}, nil} {
		if _, err := d.Confirm(t.Context(), token, codes...); !errors.Is(err, WrongCode) {
			t.Errorf("%d codes: %v", len(codes), err)
		}
	}
	if got, _ := d.Profile(t.Context(), e.NetID); got.Email != "a@example.org" {
		t.Errorf("%+v", got)
	}
	if step, err := d.Confirm(t.Context(), token, both...); err != nil || step.Kind != Email {
		t.Fatal(step, err)
	}
	if got, err := d.Profile(t.Context(), e.NetID); err != nil || got.Email != "b@example.com" {
		t.Errorf("%+v, %v", got, err)
	}
	if l := d.mails("a@example.org")[0]; l.Kind != "address_changed" || strings.Contains(l.Text, "b@example.com") {
		t.Errorf("%+v", l)
	}
	if _, err := d.Confirm(t.Context(), token, both...); !errors.Is(err, Over) {
		t.Errorf("twice: %v", err)
	}
}

// wide writes digits as a Chinese keyboard does.
func wide(digits string) string {
	return strings.Map(func(r rune) rune { return r - '0' + '０' }, digits)
}
