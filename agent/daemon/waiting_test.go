package daemon

import (
	"errors"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"turnstile/agent/health"
)

// TestWaitingForTheDisk: while the journal cannot be opened the pages' address says
// why, systemd knows that the process is well, and afterwards the address is the pages'.
func TestWaitingForTheDisk(t *testing.T) {
	l, err := listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var told []string
	a := &agent{log: slog.New(slog.DiscardHandler), listener: l, warnings: health.New(time.Now),
		o: Options{Notify: func(s string) error { told = append(told, s); return nil }}}
	w := &waiting{agent: a}
	for range 2 {
		w.tell(t.Context(), errors.New("input/output error"))
	}
	status, body := ask(t, l.Addr().String())
	if status != http.StatusServiceUnavailable || !strings.Contains(body, "input/output error") || !strings.Contains(body, "journal.fault") {
		t.Errorf("%d %s", status, body)
	}
	if !slices.Equal(told, []string{"READY=1", "WATCHDOG=1", "WATCHDOG=1"}) {
		t.Errorf("systemd was told %q", told)
	}
	w.end()
	if n := len(a.warnings.List()); n != 0 {
		t.Errorf("%d warnings stand", n)
	}
	s := &http.Server{Handler: http.NotFoundHandler()}
	go s.Serve(l)
	defer s.Close()
	if status, _ := ask(t, l.Addr().String()); status != http.StatusNotFound {
		t.Errorf("the pages answer %d", status)
	}
}

func ask(t *testing.T, address string) (status int, body string) {
	t.Helper()
	res, err := http.Get("http://" + address + "/status")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(b)
}
