package account

import (
	"net/http"
	"testing"

	"turnstile/central/passkey/passkeytest"
)

// TestPasskey: made by who is signed in, told to the registered address, good for
// the next sign-in until it is taken away; another's is as good as not there.
func TestPasskey(t *testing.T) {
	ctx := t.Context()
	d := newDesk(t)
	d.registered("p-chan", "chan@example.org")
	d.registered("p-lee", "lee@example.org")
	b, lee := d.signedIn("p-chan", "192.0.2.1"), d.signedIn("p-lee", "192.0.2.2")
	phone := passkeytest.New(t, "https", "ecard.example.edu")
	options, state, err := d.BeginNewPasskey(ctx, b.me())
	if err != nil {
		t.Fatal(err)
	}
	answer := phone.Create(options)
	wants(t, "another's challenge", d.AddPasskey(ctx, lee.me(), state, "x", answer), ErrState)
	wants(t, "add", d.AddPasskey(ctx, b.me(), state, " My phone\x00 ", answer), nil)
	wants(t, "twice", d.AddPasskey(ctx, b.me(), state, "x", answer), ErrState)
	if string(phone.Handle) == "p-chan" || len(phone.Handle) < 16 {
		t.Errorf("the phone knows the person as %q", phone.Handle)
	}
	if l := d.letter("chan@example.org"); l.Kind != "method_added" {
		t.Errorf("told %s", l.Kind)
	}
	sign := func(b *tab) (err error) {
		t.Helper()
		options, state, err := d.BeginPasskey()
		if err != nil {
			t.Fatal(err)
		}
		answer := phone.Get(options)
		b.do(func(w http.ResponseWriter, r *http.Request) { err = d.SignInPasskey(w, r, state, answer) })
		return err
	}
	other := d.tab("192.0.2.3")
	wants(t, "sign in", sign(other), nil)
	if h := other.me(); h.Person != "p-chan" || h.Method != ByPasskey {
		t.Errorf("%+v", h)
	}
	was := phone.Handle
	row, err := d.config.DB.Account(ctx, "p-lee")
	if err != nil {
		t.Fatal(err)
	}
	phone.Handle = []byte(row.Handle)
	wants(t, "as another", sign(d.tab("192.0.2.4")), ErrPasskey)
	phone.Handle = was
	list, err := d.Passkeys(ctx, b.me())
	if err != nil || len(list) != 1 || list[0].Label != "My phone" || list[0].Used.IsZero() {
		t.Fatalf("%+v %v", list, err)
	}
	if list, err := d.Passkeys(ctx, lee.me()); err != nil || len(list) != 0 {
		t.Errorf("%+v %v", list, err)
	}
	for _, id := range []string{list[0].ID, "none", "%"} {
		wants(t, "another's", d.RemovePasskey(ctx, lee.me(), id), ErrNotYours)
	}
	wants(t, "remove", d.RemovePasskey(ctx, b.me(), list[0].ID), nil)
	if other.who() != "" || b.who() != "p-chan" {
		t.Error("the session of a passkey that was taken away stands")
	}
	wants(t, "after that", sign(other), ErrPasskey)
}
