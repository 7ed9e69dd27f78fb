package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"turnstile/central/office"
	"turnstile/central/pass"
	"turnstile/central/sign"
)

// apart configures central without keys beside a central sign.
func apart(t *testing.T) Config {
	t.Helper()
	c := configure(t)
	dir := t.TempDir()
	c.Sign = Sign{Socket: filepath.Join(dir, "s"), Keys: filepath.Join(dir, "keys")}
	return c
}

// runSign runs central sign inside the test until stop.
func runSign(t *testing.T, c Config) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ready, ended := make(chan string, 1), make(chan error, 1)
	go func() { ended <- RunSign(ctx, c, func(socket string) { ready <- socket }) }()
	select {
	case <-ready:
	case err := <-ended:
		t.Fatal(err)
	case <-time.After(patience):
		t.Fatal("central sign is not ready")
	}
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(stop)
	return stop
}

// TestKeysApart: central has no key and works, also after its central sign was
// started anew, and a pass key is withdrawn over the socket.
func TestKeysApart(t *testing.T) {
	c := apart(t)
	stop := runSign(t, c)
	withoutPhrase := c
	withoutPhrase.Passphrase.Env = "NO_SUCH_VARIABLE"
	r := run(t, withoutPhrase)
	a := r.api(t)
	order := map[string]any{"kind": "guest", "holder": "A1", "day": pass.DayOf(time.Now().In(location(t))).String(), "live": true}
	var before, after office.PassBody
	if code := a.call(t, "POST", "/passes", order, &before); code != 201 || before.Code == "" {
		t.Fatalf("issue: %d", code)
	}
	stop()
	runSign(t, c)
	var w office.WithdrawalBody
	if code := a.call(t, "POST", fmt.Sprintf("/keys/%d/withdraw", before.KeyID), map[string]any{"reason": "stolen"}, &w); code != 200 || w.Reissued != 1 {
		t.Errorf("withdraw: %d %+v", code, w)
	}
	if a.call(t, "GET", "/passes/"+before.ID, nil, &after) != 200 || after.Generation != 1 || after.KeyID == before.KeyID {
		t.Errorf("re-issued: %+v", after)
	}
	files := 0
	err := filepath.WalkDir(c.Data, func(path string, d os.DirEntry, err error) error {
		if files++; filepath.Ext(path) == ".key" || filepath.Base(path) == "vault.json" {
			t.Errorf("a key lies in central's folder: %s", path)
		}
		return err
	})
	if err != nil || files < 3 {
		t.Errorf("%d files in central's folder: %v", files, err)
	}
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	kinds := map[string]int{}
	if _, _, err := SignAudit(c, func(l sign.Line) { kinds[l.What]++ }); err != nil || kinds["mint"] != 2 || kinds["withdraw_key"] != 1 || kinds["delta"] < 1 {
		t.Errorf("audit %v, %v", kinds, err)
	}
}

func location(t *testing.T) *time.Location {
	t.Helper()
	l, err := time.LoadLocation("Asia/Hong_Kong")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// TestLimitReachesTheOffice: what central sign refuses is told as such, and is
// an alarm.
func TestLimitReachesTheOffice(t *testing.T) {
	c := apart(t)
	c.Sign.Limits.Mint = 2
	runSign(t, c)
	a := run(t, c).api(t)
	order := map[string]any{"kind": "guest", "holder": "A1", "day": pass.DayOf(time.Now().In(location(t))).String()}
	got := map[int]int{}
	for range 5 {
		got[a.call(t, "POST", "/passes", order, nil)]++
	}
	if got[201] < 2 || got[503] < 2 || got[201]+got[503] != 5 {
		t.Errorf("answers %v", got)
	}
	until(t, "an alarm", func() bool {
		var alarms office.AlarmList
		return a.call(t, "GET", "/alarms", nil, &alarms) == 200 && len(alarms.Alarms) > 0 && alarms.Alarms[0].Code == "sign_refused"
	})
}

func TestSignNeedsItsSetting(t *testing.T) {
	c := configure(t)
	if err := RunSign(context.Background(), c, nil); !errors.Is(err, ErrConfig) {
		t.Errorf("without a socket: %v", err)
	}
	c = apart(t)
	if err := Run(context.Background(), c, nil); !errors.Is(err, sign.ErrAway) {
		t.Errorf("without central sign: %v", err)
	}
	c.Sign.Users = []sign.User{{UID: -1, May: []sign.Right{"everything"}}}
	c.Sign.Socket = "relative"
	c.Sign.Limits.Mint = -4
	c.Sign.AuditDays = -1
	if p := c.problems(); len(p) != 5 {
		t.Errorf("problems %v", p)
	}
}

// TestSignNotifies: systemd hears that central sign is ready, and that it works.
func TestSignNotifies(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notify")
	l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	t.Setenv("NOTIFY_SOCKET", path)
	t.Setenv("WATCHDOG_USEC", "30000000")
	runSign(t, apart(t))
	l.SetReadDeadline(time.Now().Add(patience))
	told, buffer := []string{}, make([]byte, 100)
	for range 3 {
		n, err := l.Read(buffer)
		if err != nil {
			t.Fatalf("told %v, then %v", told, err)
		}
		told = append(told, string(buffer[:n]))
	}
	if !slices.Contains(told, "READY=1") || !slices.Contains(told, "WATCHDOG=1") {
		t.Errorf("told %v", told)
	}
}

// TestTwoOnOneKeyFolder: two centrals, or a central and a central sign, do not
// make keys in one folder.
func TestTwoOnOneKeyFolder(t *testing.T) {
	c := apart(t)
	runSign(t, c)
	other := configure(t) // another data folder, and the same keys
	other.Sign = Sign{Keys: c.Sign.Keys}
	if err := Run(t.Context(), other, func(Endpoints) {}); !errors.Is(err, ErrKeysInUse) {
		t.Errorf("central beside central sign: %v", err)
	}
	if err := RunSign(t.Context(), c, func(string) {}); !errors.Is(err, ErrKeysInUse) {
		t.Errorf("two times central sign: %v", err)
	}
}
