package server

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"turnstile/central/database"
	"turnstile/central/link"
	"turnstile/central/office"
	"turnstile/central/pass"
	"turnstile/central/rights"
)

// session returns the cookie of somebody who is signed in at the console.
func (r *running) session(t *testing.T, roles ...rights.Role) *http.Cookie {
	t.Helper()
	people, closer, err := OpenPeople(t.Context(), r.config)
	if err != nil {
		t.Fatal(err)
	}
	defer closer.Close()
	if err := people.Add(t.Context(), "test", "anna", roles); err != nil {
		t.Fatal(err)
	}
	value, err := people.Begin(t.Context(), "anna")
	if err != nil {
		t.Fatal(err)
	}
	return &http.Cookie{Name: "turnstile", Value: value}
}

// passages stores n entries in the ledger.
func (r *running) passages(t *testing.T, n int) {
	t.Helper()
	db, err := database.Open(t.Context(), r.config.DatabaseName())
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	err = db.Ledger(t.Context(), func(tx *database.LedgerTx) error {
		j := database.Journal{Lane: "north", ID: link.JournalID{7}}
		if err := tx.AddJournal(&j); err != nil {
			return err
		}
		rows := make([]database.Row, n)
		for i := range rows {
			e := link.Entry{Seq: uint64(i + 1), Type: link.EntryDenied, Lane: 1, Direction: 1, Reason: pass.Expired, Kind: pass.Guest, Wall: int64(1_795_000_000_000 + i), Pass: pass.ID{Day: 2516, Index: uint32(i % 1000)}, Clock: link.ClockTrusted}
			rows[i] = database.Row{Seq: e.Seq, Day: e.Pass.Day, Pass: e.Pass, Entry: e.Append(nil)}
		}
		return tx.Append(j.Key, 1_795_000_100_000, rows)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// begin sends a request and returns the answer whose begin has come.
func begin(t *testing.T, r *http.Request) (*http.Response, string) {
	t.Helper()
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { answer.Body.Close() })
	some := make([]byte, 10)
	if _, err := io.ReadFull(answer.Body, some); err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s %q, %v", r.URL.Path, answer.Status, some, err)
	}
	return answer, string(some)
}

// TestStopEndsWhatIsUnderWay: central stops with a live page, a file whose receiver
// has stopped reading, and a request that never becomes whole. The page ends well;
// the file breaks off so that nobody takes it for whole.
func TestStopEndsWhatIsUnderWay(t *testing.T) {
	r := run(t, configure(t))
	a, cookie := r.api(t), r.session(t, rights.Security)
	r.passages(t, 60_000) // some 20 MB as a file, more than the kernel holds on the way

	request := func(path string) *http.Request {
		q, err := http.NewRequest("GET", r.endpoints.HTTP+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		return q
	}
	live := request("/office/live?topics=passages")
	live.AddCookie(cookie)
	stream, text := begin(t, live)
	if !strings.HasPrefix(text, "retry:") {
		t.Fatalf("the live page begins with %q", text)
	}
	if got := metric(t, r, "turnstile_console_streams"); got != "1" {
		t.Errorf("%s live pages in the metrics", got)
	}
	export := request(office.Base + "/passages/export?format=ndjson")
	export.Header.Set("Authorization", "Bearer "+a.token)
	file, _ := begin(t, export)
	half, err := net.Dial("tcp", strings.TrimPrefix(r.endpoints.HTTP, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer half.Close()
	if _, err := io.WriteString(half, "POST "+office.Base+"/passes HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "+a.token+"\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"); err != nil {
		t.Fatal(err)
	}

	if err := r.stop(); err != nil {
		t.Errorf("stop: %v", err)
	}
	if rest, err := io.ReadAll(stream.Body); err != nil {
		t.Errorf("the live page ends with %q, %v", rest, err)
	}
	if rest, err := io.ReadAll(file.Body); err == nil || len(rest) == 0 {
		t.Errorf("the file of 60000 rows looks whole after %d bytes", len(rest))
	}
	half.SetReadDeadline(time.Now().Add(patience))
	if _, err := io.ReadAll(half); errors.Is(err, context.DeadlineExceeded) || err != nil && strings.Contains(err.Error(), "timeout") {
		t.Errorf("half a request: %v", err)
	}
}

// TestCutOffRequestsAreWaitedFor: no handler runs any more when the server has
// stopped, so none finds the database closed.
func TestCutOffRequestsAreWaitedFor(t *testing.T) {
	began, ended := make(chan struct{}), make(chan struct{})
	h := office.Server(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(began)
		<-r.Context().Done()
		close(ended)
	}))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- serveHTTP(ctx, h, l) }()
	go func() {
		if answer, err := http.Get("http://" + l.Addr().String()); err == nil {
			answer.Body.Close() // it is cut off
		}
	}()
	<-began
	cancel()
	if err := <-served; err != nil {
		t.Error(err)
	}
	select {
	case <-ended:
	default:
		t.Error("the handler still runs")
	}
}
