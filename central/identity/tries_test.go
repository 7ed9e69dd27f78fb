package identity

import (
	"context"
	"errors"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"turnstile/central/seal"
)

func TestThrottle(t *testing.T) {
	d := newDesk(t)
	own := d.tab("192.0.2.1")
	m := own.register(d.add("chan", "issuer"))
	d.wait(time.Hour)
	// Somebody guesses, from many addresses.
	waited := 0
	for n := range 40 {
		err := d.tab("198.51.100."+string(rune('0'+n%10))).signIn("chan", "wrong password", "123456")
		if w, ok := errors.AsType[*Wait](err); ok {
			waited++
			d.wait(w.Until.Sub(d.clock()))
		} else if !errors.Is(err, ErrSignIn) {
			t.Fatal(err)
		}
	}
	if waited < 15 {
		t.Errorf("only %d of 40 tries had to wait", waited)
	}
	// The account is locked now, right or wrong, wherever from; but not for the
	// browser in which the person has signed in before.
	d.tab("203.0.113.7").signIn("chan", "wrong password", "123456")
	if _, ok := errors.AsType[*Wait](d.tab("203.0.113.8").signIn("chan", good, m.code(d))); !ok {
		t.Error("a right password is let through a lock: it tells a guesser that it was right")
	}
	delete(own.cookies, secureCookie)
	if err := own.signIn("chan", good, m.code(d)); err != nil {
		t.Errorf("the person's own browser is locked out: %v", err)
	}
}

// TestThrottleSame treats accounts that are there and not there the same way.
func TestThrottleSame(t *testing.T) {
	d := newDesk(t)
	d.tab("192.0.2.1").register(d.add("chan", "issuer"))
	answers := map[string][]string{}
	for n := range 8 {
		for _, name := range []string{"chan", "nobody"} {
			err := d.tab("198.51.100."+string(rune('0'+n))).signIn(name, "wrong password", "123456")
			answers[name] = append(answers[name], err.Error())
		}
	}
	if !slices.Equal(answers["chan"], answers["nobody"]) || len(answers["chan"]) != 8 {
		t.Errorf("answers differ: %q", answers)
	}
	refused := 0
	for _, e := range auditOf(t, d) {
		if e.Action == "sign_in_refused" {
			refused++
			if strings.Contains(e.Subject+e.Detail, "nobody") {
				t.Error("the audit has what was typed as a name")
			}
		}
	}
	if refused != 10 {
		t.Errorf("%d refused sign-ins in the audit", refused)
	}
}

// TestThrottleNetwork slows down who tries many accounts from one network.
func TestThrottleNetwork(t *testing.T) {
	d := newDesk(t)
	waited := 0
	for n := range 30 {
		err := d.tab("[2001:db8::"+string(rune('1'+n%9))+"]").signIn("person"+string(rune('a'+n)), "wrong password", "123456")
		if _, ok := errors.AsType[*Wait](err); ok {
			waited++
		}
	}
	if waited != 30-freeByNetwork {
		t.Errorf("%d of 30 had to wait, want %d", waited, 30-freeByNetwork)
	}
	if _, ok := errors.AsType[*Wait](d.tab("[2001:db8:0:1::1]").signIn("x", "wrong password", "1")); ok {
		t.Error("another network has to wait too")
	}
}

// TestManyAtOnce: tries that run together are all counted.
func TestManyAtOnce(t *testing.T) {
	d := newDesk(t)
	d.add("chan", "issuer")
	var wg sync.WaitGroup
	var mu sync.Mutex
	judged := 0
	for n := range 40 {
		wg.Go(func() {
			err := d.tab("198.51.100."+string(rune('0'+n%10))).signIn("chan", "wrong password", "123456")
			if _, ok := errors.AsType[*Wait](err); !ok {
				mu.Lock()
				judged++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if judged != freeByAccount {
		t.Errorf("%d tries were judged at once, want %d", judged, freeByAccount)
	}
}

// TestInvitationBounds refuses what is no good invitation.
func TestInvitationBounds(t *testing.T) {
	d := newDesk(t)
	token := d.add("chan", "issuer")
	for _, bad := range []string{"", ".", token + "x", token[:len(token)-1], token[:12] + ".", strings.Repeat("A", 12) + "." + token[13:], strings.Repeat("x", 10_000)} {
		if _, _, err := d.Invitation(t.Context(), bad); !errors.Is(err, ErrInvitation) {
			t.Errorf("%.40q: %v", bad, err)
		}
	}
	newer := d.invite("chan")
	if _, _, err := d.Invitation(t.Context(), token); !errors.Is(err, ErrInvitation) {
		t.Errorf("an older invitation is good beside a newer: %v", err)
	}
	d.wait(48 * time.Hour)
	if _, _, err := d.Invitation(t.Context(), newer); !errors.Is(err, ErrInvitation) {
		t.Errorf("expired: %v", err)
	}
}

// TestInvitationBeginsAnew: what was lost is worth nothing afterwards.
func TestInvitationBeginsAnew(t *testing.T) {
	d := newDesk(t)
	b := d.tab("192.0.2.1")
	m := b.register(d.add("chan", "issuer"))
	fresh := d.tab("192.0.2.2")
	d.wait(stepTime)
	n := fresh.register(d.invite("chan"))
	if b.who() != "" || fresh.who() != "chan" {
		t.Error("the earlier session stands")
	}
	d.wait(stepTime)
	if err := d.tab("192.0.2.3").signIn("chan", good, m.code(d)); !errors.Is(err, ErrSignIn) {
		t.Errorf("the earlier app: %v", err)
	}
	if err := d.tab("192.0.2.3").signIn("chan", good, m.recovery[0]); !errors.Is(err, ErrSignIn) {
		t.Errorf("an earlier recovery code: %v", err)
	}
	if err := d.tab("192.0.2.3").signIn("chan", good, n.code(d)); err != nil {
		t.Error(err)
	}
}

// TestStateBound: a state is good for one applicant, one purpose, some minutes.
func TestStateBound(t *testing.T) {
	d := newDesk(t)
	chan1, err := d.Invited(t.Context(), d.add("chan", "issuer"))
	if err != nil {
		t.Fatal(err)
	}
	lee, err := d.Invited(t.Context(), d.add("lee", "admin"))
	if err != nil {
		t.Fatal(err)
	}
	set, err := d.SetUpOneTime(chan1)
	if err != nil || !strings.HasPrefix(set.QR, "data:image/png;base64,") {
		t.Fatal(err)
	}
	if again, err := d.SetUpAgain(chan1, set.State); err != nil || again.Secret != set.Secret || again.QR != set.QR {
		t.Errorf("the form again: %v", err)
	}
	for name, f := range map[string]func() error{
		"another person":  func() error { _, err := d.SetUpAgain(lee, set.State); return err },
		"changed":         func() error { _, err := d.SetUpAgain(chan1, changed(set.State)); return err },
		"another purpose": func() error { return d.SignInPasskey(httptest.NewRequest("POST", "/", nil), set.State, nil) },
		"no base64":       func() error { _, err := d.SetUpAgain(chan1, "%"); return err },
		"long":            func() error { _, err := d.SetUpAgain(chan1, strings.Repeat("A", seal.MaxState+1)); return err },
	} {
		if err := f(); !errors.Is(err, ErrState) {
			t.Errorf("%s: %v", name, err)
		}
	}
	d.wait(seal.StepLimit)
	if _, err := d.SetUpAgain(chan1, set.State); !errors.Is(err, ErrState) {
		t.Errorf("too late: %v", err)
	}
	var v []byte
	text, err := d.states.Seal("test", []byte("x"))
	if err != nil {
		t.Fatal(err)
	}
	for n, want := range []error{nil, ErrState} {
		spend, err := d.states.Open("test", text, &v)
		if err == nil {
			err = spend(context.Background())
		}
		if !errors.Is(err, want) {
			t.Errorf("time %d: %v", n+1, err)
		}
	}
}

// changed is a state in which one letter is another one.
func changed(state string) string {
	other := map[bool]string{true: "B", false: "A"}[state[0] == 'A']
	return other + state[1:]
}
