// Package consoletest is a real central with a real browser, for tests of pages.
//
// The central runs inside the test on free ports with an empty data folder; the
// browser is a headless Chromium in which somebody with a role is signed in.
// Screenshots go to the folder turnstile-screens in the temporary folder of the
// machine, where CI collects them.
package consoletest

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"turnstile/central/office"
	"turnstile/central/rights"
	"turnstile/central/server"
)

// Patience bounds each wait of a test; on a busy machine a browser is slow.
const Patience = 60 * time.Second

// Office is a central that runs inside a test.
type Office struct {
	Config server.Config
	URL    string // of API and console, without a path
	Enrol  string // where lanes enrol

	token string // of an admin
}

// Start starts a central with its console and stops it with the test. What
// changes its configuration comes as functions.
func Start(t *testing.T, change ...func(*server.Config)) *Office {
	t.Helper()
	t.Setenv("CONSOLETEST_PASSPHRASE", rand.Text())
	c := server.Default()
	c.Data, c.Passphrase.Env, c.Version = filepath.Join(t.TempDir(), "data"), "CONSOLETEST_PASSPHRASE", "test"
	c.HTTP.Listen, c.Enrol.Listen, c.Broker.Listen = "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0"
	c.Timezone = zone(time.Now())
	c.Log = slog.New(slog.NewTextHandler(logged{t}, &slog.HandlerOptions{Level: slog.LevelWarn}))
	for _, f := range change {
		f(&c)
	}
	o := &Office{Config: c}
	o.run(t)
	o.makeToken(t)
	return o
}

// zone is a campus clock that is far from midnight, so that today stays today during
// a test.
func zone(now time.Time) string {
	if hour := now.UTC().Hour(); hour >= 14 && hour < 17 { // in Hong Kong from ten to one at night
		return "UTC"
	}
	return "Asia/Hong_Kong"
}

// logged shows central's warnings with the test that failed.
type logged struct{ t *testing.T }

func (l logged) Write(b []byte) (int, error) {
	l.t.Log(string(bytes.TrimSpace(b)))
	return len(b), nil
}

func (o *Office) run(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ready, ended := make(chan server.Endpoints, 1), make(chan error, 1)
	go func() { ended <- server.Run(ctx, o.Config, func(e server.Endpoints) { ready <- e }) }()
	limit := time.NewTimer(Patience)
	defer limit.Stop()
	select {
	case e := <-ready:
		o.URL, o.Enrol = e.HTTP, e.Enrol
	case err := <-ended:
		cancel()
		t.Fatalf("run central: %v", err)
	case <-limit.C:
		cancel()
		t.Fatal("central is not ready")
	}
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("stop central: %v", err)
		}
	})
}

func (o *Office) makeToken(t *testing.T) {
	t.Helper()
	store, closer, err := server.OpenTokens(t.Context(), o.Config)
	if err != nil {
		t.Fatal(err)
	}
	defer closer.Close()
	if o.token, err = store.Create(t.Context(), "consoletest", office.NewToken{Name: "consoletest", Role: rights.Admin}); err != nil {
		t.Fatal(err)
	}
}

// Call calls the API as an admin: path is below office.Base, answer may be nil.
// It fails the test unless the status is the one wanted.
func (o *Office) Call(t *testing.T, method, path string, body, answer any, want int) {
	t.Helper()
	data, err := o.call(t.Context(), method, path, body, want)
	if err != nil {
		t.Fatal(err)
	}
	if answer == nil {
		return
	}
	if err := json.Unmarshal(data, answer); err != nil {
		t.Fatalf("%s %s: %s: %v", method, path, data, err)
	}
}

func (o *Office) call(ctx context.Context, method, path string, body any, want int) ([]byte, error) {
	var text []byte
	if body != nil {
		var err error
		if text, err = json.Marshal(body); err != nil {
			return nil, err
		}
	}
	r, err := http.NewRequestWithContext(ctx, method, o.URL+office.Base+path, bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Authorization", "Bearer "+o.token)
	r.Header.Set("Content-Type", "application/json")
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	data, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode != want {
		err = fmt.Errorf("%s %s: %s %s, want %d", method, path, answer.Status, data, want)
	}
	return data, err
}

// Session makes a person with the roles and returns the cookie of a session that
// began this moment.
func (o *Office) Session(t *testing.T, roles ...rights.Role) (name, value string) {
	t.Helper()
	people, closer, err := server.OpenPeople(t.Context(), o.Config)
	if err != nil {
		t.Fatal(err)
	}
	defer closer.Close()
	person := string(roles[0]) + "-" + strings.ToLower(rand.Text()[:6])
	if err := people.Add(t.Context(), "consoletest", person, roles); err != nil {
		t.Fatal(err)
	}
	if value, err = people.Begin(t.Context(), person); err != nil {
		t.Fatal(err)
	}
	return "turnstile", value // over http://localhost
}
