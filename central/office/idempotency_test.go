package office_test

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"turnstile/central/office"
	"turnstile/central/office/officetest"
)

// keyed sends a request with an Idempotency-Key.
func (d *desk) keyed(role, key, method, path, body string) *httptest.ResponseRecorder {
	req := httptest.NewRequest(method, office.Base+path, strings.NewReader(body))
	req.RemoteAddr = "127.0.0.1:40000"
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+role+"-secret")
	req.Header["Idempotency-Key"] = []string{key}
	w := httptest.NewRecorder()
	d.http.ServeHTTP(w, req)
	return w
}

const aPass = `{"kind":"ecard","holder":"A1","day":"2026-11-21"}`

func wantKind(t *testing.T, what string, w *httptest.ResponseRecorder, status int, kind string) {
	t.Helper()
	if w.Code != status || !strings.Contains(w.Body.String(), `"type":"/api/v1/problems#`+kind+`"`) {
		t.Errorf("%s: %d %s, want %d %s", what, w.Code, w.Body, status, kind)
	}
}

func (d *desk) issued(t *testing.T) int {
	t.Helper()
	page, err := d.Services().Passes.List(t.Context(), office.PassFilter{Limit: 500})
	if err != nil {
		t.Fatal(err)
	}
	return len(page.Passes)
}

func TestIssueOnce(t *testing.T) {
	d := newDesk(t)
	first := d.keyed("issuer", "k1", "POST", "/passes", aPass)
	again := d.keyed("issuer", "k1", "POST", "/passes", aPass)
	if first.Code != 201 || again.Code != 201 || first.Body.String() != again.Body.String() || d.issued(t) != 1 {
		t.Errorf("%d %s\n%d %s\n%d passes", first.Code, first.Body, again.Code, again.Body, d.issued(t))
	}
	if again.Header().Get("Idempotency-Replayed") != "true" || first.Header().Get("Idempotency-Replayed") != "" {
		t.Error("who asks again is not told that it is a repetition")
	}
	wantKind(t, "another order", d.keyed("issuer", "k1", "POST", "/passes", strings.Replace(aPass, "A1", "A2", 1)), 422, "key-reused")
	wantKind(t, "another path", d.keyed("issuer", "k1", "POST", "/passes?x=1", aPass), 422, "key-reused")
	if w := d.keyed("admin", "k1", "POST", "/passes", aPass); w.Code != 201 || d.issued(t) != 2 {
		t.Errorf("the same key of another token: %d, %d passes", w.Code, d.issued(t))
	}
	d.clock.add(24*time.Hour + time.Second)
	d.keyed("issuer", "k1", "POST", "/passes", strings.Replace(aPass, "-21", "-22", 1))
	if d.issued(t) != 3 {
		t.Errorf("a day later the key is not forgotten: %d passes", d.issued(t))
	}
}

// TestRefusedRequestKeepsItsKey: nothing was done, so the key is free.
func TestRefusedRequestKeepsItsKey(t *testing.T) {
	d := newDesk(t)
	if w := d.keyed("issuer", "k1", "POST", "/passes", `{"kind":"king"}`); w.Code != 422 {
		t.Errorf("%d", w.Code)
	}
	if w := d.keyed("issuer", "k1", "POST", "/passes", aPass); w.Code != 201 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	for _, key := range []string{"", strings.Repeat("x", 65), "two words", "schlüssel", "tab\t"} {
		wantKind(t, fmt.Sprintf("key %q", key), d.keyed("issuer", key, "POST", "/passes", aPass), 400, "malformed")
	}
	wantKind(t, "too long", d.keyed("issuer", "k2", "POST", "/passes", `{"purpose":"`+strings.Repeat("x", office.MaxBody)+`"}`), 413, "too-large")
	if n := d.issued(t); n != 1 {
		t.Errorf("%d passes", n)
	}
}

// TestSecretAnswersComeAgain: an enrolment token is answered again, and whoever
// has the database finds nothing of it there.
func TestSecretAnswersComeAgain(t *testing.T) {
	d := newDesk(t)
	s := d.Services()
	kept := &keptRequests{Requests: s.Requests}
	s.Requests = kept
	d.http = office.New(s, office.Options{Now: d.clock.now, Zone: officetest.HongKong})
	first := d.keyed("admin", "k", "POST", "/lanes", `{"id":"north"}`)
	again := d.keyed("admin", "k", "POST", "/lanes", `{"id":"north"}`)
	if first.Code != 201 || first.Body.String() != again.Body.String() || again.Header().Get("Content-Type") != "application/json" {
		t.Errorf("%d %s\n%d %s", first.Code, first.Body, again.Code, again.Body)
	}
	if len(kept.answer) < 100 || strings.Contains(string(kept.answer), "enrol") {
		t.Errorf("kept in the open: %q", kept.answer)
	}
	if _, err := s.Tokens.Rotate(t.Context(), "boss", "admin"); err != nil {
		t.Fatal(err)
	}
	req := httptest.NewRequest("POST", office.Base+"/lanes", strings.NewReader(`{"id":"north"}`))
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer rotated-admin-secret")
	req.Header.Set("Idempotency-Key", "k")
	w := httptest.NewRecorder()
	d.http.ServeHTTP(w, req)
	wantKind(t, "after a rotation", w, 409, "answer-gone")
}

// keptRequests sees what is kept.
type keptRequests struct {
	office.Requests
	answer []byte
	fail   error // of the next End
}

func (k *keptRequests) End(ctx context.Context, key office.RequestKey, state office.RequestState, answer []byte) error {
	k.answer = answer
	if err := k.fail; err != nil {
		k.fail = nil
		return err
	}
	return k.Requests.End(ctx, key, state, answer)
}

var errDisk = errors.New("disk full")

// TestCrashBeforeTheAnswerIsKept: the process ends between the deed and its
// answer, at an operation of each kind.
func TestCrashBeforeTheAnswerIsKept(t *testing.T) {
	d := newDesk(t)
	s := d.Services()
	kept := &keptRequests{Requests: s.Requests}
	s.Requests = kept
	d.http = office.New(s, office.Options{Now: d.clock.now, Zone: officetest.HongKong})
	crash := func(key, method, path, body string, status int) {
		t.Helper()
		kept.fail = errDisk
		if w := d.keyed("admin", key, method, path, body); w.Code != status {
			t.Fatalf("%s %s: %d %s", method, path, w.Code, w.Body)
		}
	}
	crash("issue", "POST", "/passes", aPass, 201)
	if w := d.keyed("admin", "issue", "POST", "/passes", aPass); w.Code != 201 || d.issued(t) != 1 {
		t.Errorf("a pass noted its request: %d, %d passes", w.Code, d.issued(t))
	}
	crash("revoke", "POST", "/passes/2026-11-21/211/revoke", `{"reason":"lost"}`, 200)
	crash("lane", "POST", "/lanes", `{"id":"north"}`, 201)
	for _, c := range [][3]string{{"revoke", "/passes/2026-11-21/211/revoke", `{"reason":"lost"}`}, {"lane", "/lanes", `{"id":"north"}`}} {
		w := d.keyed("admin", c[0], "POST", c[1], c[2])
		wantKind(t, c[0]+" right after", w, 409, "request-running")
		if w.Header().Get("Retry-After") == "" {
			t.Error("not told when to ask again")
		}
	}
	d.clock.add(2 * time.Minute)
	if w := d.keyed("admin", "revoke", "POST", "/passes/2026-11-21/211/revoke", `{"reason":"lost"}`); w.Code != 200 {
		t.Errorf("repeatable, later: %d %s", w.Code, w.Body)
	}
	wantKind(t, "unrepeatable, later", d.keyed("admin", "lane", "POST", "/lanes", `{"id":"north"}`), 409, "outcome-unknown")
}

// TestFailedWithoutADeed: what central failed at is unknown if it cannot be told,
// and free if it can.
func TestFailedWithoutADeed(t *testing.T) {
	d := newDesk(t)
	s := d.Services()
	broken := &brokenServices{Passes: s.Passes, Lanes: s.Lanes, broken: true}
	s.Passes, s.Lanes = broken, brokenLanes{broken}
	d.http = office.New(s, office.Options{Now: d.clock.now, Zone: officetest.HongKong})
	if w := d.keyed("admin", "issue", "POST", "/passes", aPass); w.Code != 500 {
		t.Errorf("%d", w.Code)
	}
	if w := d.keyed("admin", "lane", "POST", "/lanes", `{"id":"north"}`); w.Code != 500 {
		t.Errorf("%d", w.Code)
	}
	broken.broken = false
	if w := d.keyed("admin", "issue", "POST", "/passes", aPass); w.Code != 201 {
		t.Errorf("nothing was noted, so nothing was done: %d %s", w.Code, w.Body)
	}
	wantKind(t, "nobody knows", d.keyed("admin", "lane", "POST", "/lanes", `{"id":"north"}`), 409, "outcome-unknown")
}

type brokenServices struct {
	office.Passes
	Lanes  office.Lanes
	broken bool
}

func (b *brokenServices) Issue(ctx context.Context, by string, o office.Order) (office.Pass, error) {
	if b.broken {
		return office.Pass{}, errDisk
	}
	return b.Passes.Issue(ctx, by, o)
}

type brokenLanes struct{ *brokenServices }

func (b brokenLanes) List(ctx context.Context) ([]office.Lane, error) { return b.Lanes.List(ctx) }
func (b brokenLanes) Remove(ctx context.Context, by, id string) error {
	return b.Lanes.Remove(ctx, by, id)
}
func (b brokenLanes) Invite(ctx context.Context, by, id string) (office.Invitation, error) {
	if b.broken {
		return office.Invitation{}, errDisk
	}
	return b.Lanes.Invite(ctx, by, id)
}

// TestTwoAtOnce: of many requests with one key at the same moment one is done.
func TestTwoAtOnce(t *testing.T) {
	d := newDesk(t)
	var wg sync.WaitGroup
	codes := make([]int, 20)
	for i := range codes {
		wg.Go(func() { codes[i] = d.keyed("issuer", "k", "POST", "/passes", aPass).Code })
	}
	wg.Wait()
	done := 0
	for _, c := range codes {
		if c == 201 {
			done++
		} else if c != 409 {
			t.Errorf("answered %d", c)
		}
	}
	if done == 0 || d.issued(t) != 1 {
		t.Errorf("%d answers with a pass, %d passes", done, d.issued(t))
	}
}

// TestWorkGoesOnAfterAHangUp: the caller is gone before the request is done, and
// finds it done when it asks again.
func TestWorkGoesOnAfterAHangUp(t *testing.T) {
	d := newDesk(t)
	s := d.Services()
	s.Passes = stoppable{s.Passes}
	d.http = office.New(s, office.Options{Now: d.clock.now, Zone: officetest.HongKong})
	ctx, hangUp := context.WithCancel(t.Context())
	hangUp()
	req := httptest.NewRequest("POST", office.Base+"/passes", strings.NewReader(aPass)).WithContext(ctx)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer issuer-secret")
	req.Header.Set("Idempotency-Key", "k")
	d.http.ServeHTTP(httptest.NewRecorder(), req)
	if w := d.keyed("issuer", "k", "POST", "/passes", aPass); w.Code != 201 || w.Header().Get("Idempotency-Replayed") == "" || d.issued(t) != 1 {
		t.Errorf("%d, %d passes", w.Code, d.issued(t))
	}
}

// stoppable issues no pass when its caller is gone, like a database.
type stoppable struct{ office.Passes }

func (s stoppable) Issue(ctx context.Context, by string, o office.Order) (office.Pass, error) {
	if err := ctx.Err(); err != nil {
		return office.Pass{}, err
	}
	return s.Passes.Issue(ctx, by, o)
}
