package throttle

import (
	"errors"
	"net"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"turnstile/central/database/databasetest"
)

// TestWaits: free tries first, then each wait is twice the one before, up to a
// bound; what succeeded is forgotten, but not what others of the network did.
func TestWaits(t *testing.T) {
	db := databasetest.Open(t, t.TempDir()+"/central.db")
	now := time.Unix(1795233600, 0)
	h := New(db, Free{"account": 3, "network": 5}, func() time.Time { return now })
	var waits []time.Duration
	for range 14 {
		err := h.Try(t.Context(), "account a", "network n")
		if w, ok := errors.AsType[*Wait](err); ok {
			waits = append(waits, w.Until.Sub(now))
			now = w.Until
			err = h.Try(t.Context(), "account a", "network n")
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for n, w := range waits {
		if want := min(time.Second<<n, MaxWait); w != want {
			t.Errorf("wait %d is %s, want %s", n, w, want)
		}
	}
	if len(waits) != 11 || waits[10] != MaxWait {
		t.Errorf("%d waits: %v", len(waits), waits)
	}
	if err := h.Try(t.Context(), "account b", "network n"); !errors.Is(err, ErrWait) {
		t.Errorf("another account of the network: %v", err)
	}
	now = now.Add(MaxWait)
	if err := h.Try(t.Context(), "account a", "network n"); err != nil {
		t.Fatal(err)
	}
	if err := h.Succeeded(t.Context(), "account a", "network n"); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := h.Try(t.Context(), "account a"); err != nil {
			t.Errorf("after a success: %v", err)
		}
	}
	now = now.Add(forget + MaxWait + time.Second)
	if err := h.Try(t.Context(), "network n"); err != nil {
		t.Errorf("a day later: %v", err)
	}
}

func TestSubjects(t *testing.T) {
	for address, want := range map[string]string{"192.0.2.7:1": "mail 192.0.2.7", "[2001:db8::7]:1": "mail 2001:db8::/64", "[::ffff:192.0.2.7]:1": "mail 192.0.2.7", "nowhere": "mail ?"} {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = address
		if got := Network("mail", Address(r)); got != want {
			t.Errorf("%s: %q, want %q", address, got, want)
		}
	}
	if s := Named("account", "a password"); strings.Contains(s, "password") || !strings.HasPrefix(s, "account ") || s == Named("account", "b") {
		t.Error(s)
	}
	if got := Network("mail", net.IP(nil)); got != "mail ?" {
		t.Error(got)
	}
}
