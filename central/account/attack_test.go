package account

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"turnstile/central/otp"
)

// TestGuessers: whoever guesses a person's code for a day, from as many browsers and
// networks as there are, guesses less than a thousand of a hundred million; and the
// person's mailbox is not filled, under whatever spelling.
func TestGuessers(t *testing.T) {
	d := newDesk(t)
	d.registered("p-chan", "chan@example.org")
	spellings := []string{"chan@example.org", "CHAN@example.org", "chan+1@example.org", "Chan+a+b@EXAMPLE.org", " chan@example.org"}
	guesses, letters := 0, 0
	for n, until := 0, d.clock().Add(24*time.Hour); d.clock().Before(until); n++ {
		thief := d.tab(fmt.Sprintf("2001:db8:%x:%x::1", n>>8, n&255))
		thief.address = "[" + thief.address + "]"
		err := thief.request(spellings[n%len(spellings)])
		if w, ok := errors.AsType[*Wait](err); ok {
			d.wait(w.Until.Sub(d.clock()))
			continue
		}
		wants(t, "request", err, nil)
		letters++
		for range otp.Tries + 2 {
			if left(thief.enter("12345678")) >= 0 {
				guesses++
			}
		}
	}
	if guesses > 1000 || letters > 200 || guesses < 50 {
		t.Errorf("%d guesses of %d letters in a day", guesses, letters)
	}
	// The person is hindered by none of it where they have signed in before.
	own := d.signedIn("p-chan", "192.0.2.1")
	wants(t, "the person's own browser", own.request("chan@example.org"), nil)
	wants(t, "with the code", own.enter(d.code("chan@example.org")), nil)
}

// TestPlanted: what somebody puts into another's browser before the sign-in opens
// nothing after it: neither a session of theirs nor the name that codes are bound to.
func TestPlanted(t *testing.T) {
	d := newDesk(t)
	d.registered("p-chan", "chan@example.org")
	thief := d.signedIn("p-lee", "203.0.113.1")
	wants(t, "a code of the thief's", thief.request("chan@example.org"), nil)
	victim := d.tab("192.0.2.1")
	for name, value := range thief.cookies {
		victim.cookies[name] = value
	}
	wants(t, "request", victim.request("chan@example.org"), nil)
	wants(t, "enter", victim.enter(d.code("chan@example.org")), nil)
	if victim.who() != "p-chan" || thief.who() == "p-chan" {
		t.Errorf("the person is %q, the thief %q", victim.who(), thief.who())
	}
	if victim.cookies["__Host-turnstile-holder"] == thief.cookies["__Host-turnstile-holder"] {
		t.Error("the session has the name that was planted")
	}
	// A name that nobody made is taken for none.
	for _, planted := range []string{"", "x", strings.Repeat("A", 5000), "AAAAAAAAAAAAAAAAAAAAAAAAAA\x00"} {
		b := d.tab("192.0.2.2")
		b.cookies["__Host-turnstile-holder"], b.cookies["__Host-turnstile-holder-known"] = planted, planted
		if b.who() != "" {
			t.Errorf("%.30q is %q", planted, b.who())
		}
	}
}

// TestAtOnce: of many that type one code at once, or another one, no more are looked
// at than there are tries, and one is let in.
func TestAtOnce(t *testing.T) {
	d := newDesk(t)
	d.registered("p-chan", "chan@example.org")
	b := d.tab("192.0.2.1")
	wants(t, "request", b.request("chan@example.org"), nil)
	code := d.code("chan@example.org")
	answers := make(chan error, 40)
	for n := range cap(answers) {
		typed := fmt.Sprintf("%08d", n)
		if n%10 == 9 {
			typed = code
		}
		go func() {
			same := &tab{d, b.address, map[string]string{"__Host-" + browserCookie: b.cookies["__Host-"+browserCookie]}}
			var err error
			same.do(func(w http.ResponseWriter, r *http.Request) { err = d.EnterCode(w, r, typed) })
			answers <- err
		}()
	}
	in, tried := 0, 0
	for range cap(answers) {
		switch err := <-answers; {
		case err == nil:
			in++
		case left(err) >= 0:
			tried++
		case !errors.Is(err, ErrNoCode):
			t.Error(err)
		}
	}
	if in > 1 || in+tried > otp.Tries || in+tried == 0 {
		t.Errorf("%d were let in, %d tried", in, tried)
	}
}
