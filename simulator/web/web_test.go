package web

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// nobody is a stage on which nothing works.
type nobody struct{ done []string }

var errNobody = errors.New("nobody is here")

func (*nobody) Picture() State           { return State{} }
func (*nobody) Changed() <-chan struct{} { return nil }
func (n *nobody) Do(_ context.Context, what string, _ Order) error {
	n.done = append(n.done, what)
	return errNobody
}
func (*nobody) ScanPicture(context.Context, string, []byte) error { return errNobody }
func (*nobody) Symbol(context.Context, string) ([]byte, error)    { return nil, errNobody }

// TestForeignRequests lets nobody but the page itself press its buttons.
func TestForeignRequests(t *testing.T) {
	stage := &nobody{}
	h, err := New(stage, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, host, site, body string
		status                 int
	}{
		{"the page", "127.0.0.1:8100", "same-origin", "{}", http.StatusUnprocessableEntity},
		{"by name", "localhost:8100", "same-origin", "{}", http.StatusUnprocessableEntity},
		{"another name for this machine", "evil.example:8100", "same-origin", "{}", http.StatusForbidden},
		{"another page", "127.0.0.1:8100", "cross-site", "{}", http.StatusForbidden},
		{"no order", "127.0.0.1:8100", "same-origin", "[", http.StatusBadRequest},
		{"a huge order", "127.0.0.1:8100", "same-origin", `{"text":"` + strings.Repeat("A", maxOrder) + `"}`, http.StatusBadRequest},
	} {
		r := httptest.NewRequest(http.MethodPost, "http://"+c.host+"/do/scan", strings.NewReader(c.body))
		r.Header.Set("Sec-Fetch-Site", c.site)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != c.status {
			t.Errorf("%s: %d, want %d", c.name, w.Code, c.status)
		}
	}
	if len(stage.done) != 2 {
		t.Errorf("%d orders were carried out, want 2", len(stage.done))
	}
}
