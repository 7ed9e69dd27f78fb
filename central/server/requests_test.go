package server

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"turnstile/central/office"
)

// TestIssueOnceOverARestart: the answer to an order never arrives, central is
// started again, and the same order with the same key is the same pass.
func TestIssueOnceOverARestart(t *testing.T) {
	c := configure(t)
	r := run(t, c)
	a := r.api(t)
	var feed struct {
		Days []struct{ Day string }
	}
	if code := a.call(t, "GET", "/feed", nil, &feed); code != 200 || len(feed.Days) < 2 {
		t.Fatalf("%d %+v", code, feed)
	}
	order := `{"kind":"guest","holder":"A1","guest_name":"A. Guest","day":"` + feed.Days[1].Day + `","live":true}`
	send := func(base string) (int, string, string) {
		q, err := http.NewRequest("POST", base+office.Base+"/passes", strings.NewReader(order))
		if err != nil {
			t.Fatal(err)
		}
		q.Header.Set("Authorization", "Bearer "+a.token)
		q.Header.Set("Content-Type", "application/json")
		q.Header.Set("Idempotency-Key", "one-order")
		resp, err := http.DefaultClient.Do(q)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		_, rest, _ := strings.Cut(string(body), `"id":"`)
		id, _, _ := strings.Cut(rest, `"`)
		return resp.StatusCode, id, resp.Header.Get("Idempotency-Replayed")
	}
	code, id, replayed := send(r.endpoints.HTTP)
	if code != 201 || id == "" || replayed != "" {
		t.Fatalf("%d %q %q", code, id, replayed)
	}
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	r = run(t, c)
	again, same, replayed := send(r.endpoints.HTTP)
	if again != 201 || same != id || replayed != "true" {
		t.Errorf("%d %q %q, want %q", again, same, replayed, id)
	}
	a.base = r.endpoints.HTTP + office.Base
	var list office.PassList
	if code := a.call(t, "GET", "/passes", nil, &list); code != 200 || len(list.Passes) != 1 {
		t.Errorf("%d, %d passes", code, len(list.Passes))
	}
}
