package fleet

import (
	"bytes"
	"context"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"turnstile/central/database"
	"turnstile/central/issuer"
	"turnstile/central/link"
)

const site = "campus"

var (
	ctx  = context.Background()
	noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
)

// yard is a fleet with its surroundings.
type yard struct {
	*Fleet
	db       *database.DB
	clock    atomic.Int64
	alarms   atomic.Int32
	enrolled []string
	removed  []string
}

func newYard(t testing.TB) *yard {
	t.Helper()
	return newYardOn(t, filepath.Join(t.TempDir(), "central.db"))
}

// newYardOn is newYard with a database of its own choice.
func newYardOn(t testing.TB, where string) *yard {
	t.Helper()
	dir := t.TempDir()
	y := &yard{}
	y.clock.Store(noon.UnixMilli())
	i, err := issuer.Open(filepath.Join(dir, "keys"), site, []byte("correct horse"), noon)
	if err != nil {
		t.Fatal(err)
	}
	if y.db, err = database.Open(ctx, where); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { y.db.Close() })
	y.reopen(t, i)
	return y
}

func (y *yard) reopen(t testing.TB, i issuer.Certificates) {
	t.Helper()
	f, err := Open(ctx, Config{
		Site: site, DB: y.db, Issuer: i, Broker: func() string { return "ssl://central.example:8883" },
		Enrolled: func(_ context.Context, lane string) { y.enrolled = append(y.enrolled, lane) },
		Removed:  func(_ context.Context, lane string) { y.removed = append(y.removed, lane) },
		Alarm:    func(context.Context, string, string, string, string) { y.alarms.Add(1) },
		Now:      func() time.Time { return time.UnixMilli(y.clock.Load()) }, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	y.Fleet = f
}

// signer is a lane's journal key.
type signer struct{ key ed25519.PrivateKey }

func (s signer) KeyID() link.KeyID                   { return link.IDOf(s.key.Public().(ed25519.PublicKey)) }
func (s signer) Sign(message []byte) ([]byte, error) { return ed25519.Sign(s.key, message), nil }

func newRequest(t testing.TB, token link.EnrolToken) (link.EnrolRequest, signer) {
	t.Helper()
	_, journal, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	seal, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	if err != nil {
		t.Fatal(err)
	}
	return link.EnrolRequest{TokenID: token.ID[:], TokenSecret: token.Secret[:], CSR: csr,
		JournalKey: journal.Public().(ed25519.PublicKey), SealKey: seal.PublicKey().Bytes()}, signer{journal}
}

func (y *yard) post(t testing.TB, body []byte) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	y.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodPost, link.EnrolPath, bytes.NewReader(body)))
	return w
}

func (y *yard) invite(t testing.TB, lane string) link.EnrolToken {
	t.Helper()
	token, expires, err := y.Invite(ctx, "test", lane)
	if err != nil || expires.Sub(time.UnixMilli(y.clock.Load())) != InvitationLife {
		t.Fatalf("invite %s until %s: %v", lane, expires, err)
	}
	return token
}

// enrol invites and enrols a lane and returns its key and certificate.
func (y *yard) enrol(t testing.TB, lane string) (signer, *x509.Certificate) {
	t.Helper()
	request, key := newRequest(t, y.invite(t, lane))
	w := y.post(t, encode(t, request))
	var a link.EnrolAnswer
	if err := json.Unmarshal(w.Body.Bytes(), &a); err != nil || w.Code != http.StatusOK || a.Lane != lane || a.Site != site || a.Broker == "" || a.Root.Threshold != 1 {
		t.Fatalf("enrol: %d %s: %v", w.Code, w.Body, err)
	}
	c, err := x509.ParseCertificate(a.Certificate)
	if err != nil {
		t.Fatal(err)
	}
	return key, c
}

func encode(t testing.TB, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestEnrolmentRefused: each code of EnrolProblem, and that nothing is used up
// by a refusal.
func TestEnrolmentRefused(t *testing.T) {
	y := newYard(t)
	token := y.invite(t, "N1")
	good, _ := newRequest(t, token)
	change := func(f func(*link.EnrolRequest)) []byte {
		r := good
		f(&r)
		return encode(t, r)
	}
	for _, c := range []struct {
		what   string
		body   []byte
		status int
		code   string
	}{
		{"empty", nil, 400, codeMalformed},
		{"no JSON", []byte("hello"), 400, codeMalformed},
		{"two values", append(encode(t, good), encode(t, good)...), 400, codeMalformed},
		{"oversized", []byte(strings.Repeat(" ", link.MaxEnrol+1)), 413, codeMalformed},
		{"no request", change(func(r *link.EnrolRequest) { r.CSR = []byte("x") }), 400, codeMalformed},
		{"short key", change(func(r *link.EnrolRequest) { r.JournalKey = r.JournalKey[1:] }), 400, codeMalformed},
		{"sealing key 0", change(func(r *link.EnrolRequest) { r.SealKey = make([]byte, 32) }), 400, codeMalformed},
		{"unknown token", change(func(r *link.EnrolRequest) { r.TokenID = make([]byte, 8) }), 403, codeUnknown},
		{"no secret", change(func(r *link.EnrolRequest) { r.TokenSecret = make([]byte, 16) }), 403, codeUnknown},
	} {
		w := y.post(t, c.body)
		var p link.EnrolProblem
		if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || w.Code != c.status || p.Code != c.code || p.Detail == "" {
			t.Errorf("%s: %d %s, want %d %s", c.what, w.Code, w.Body, c.status, c.code)
		}
	}
	if w := y.post(t, encode(t, good)); w.Code != http.StatusOK {
		t.Fatalf("the good one: %d %s", w.Code, w.Body)
	}
	again, _ := newRequest(t, token)
	if w := y.post(t, encode(t, again)); !strings.Contains(w.Body.String(), codeUsed) {
		t.Errorf("used token: %s", w.Body)
	}
	late, _ := newRequest(t, y.invite(t, "N2"))
	y.clock.Add(InvitationLife.Milliseconds())
	if w := y.post(t, encode(t, late)); !strings.Contains(w.Body.String(), codeExpired) {
		t.Errorf("expired token: %s", w.Body)
	}
	if len(y.enrolled) != 1 || y.enrolled[0] != "N1" {
		t.Errorf("enrolled %v", y.enrolled)
	}
	w := httptest.NewRecorder()
	y.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, link.EnrolPath, nil))
	if w.Code == http.StatusOK {
		t.Error("GET is answered")
	}
	for range enrolHostBurst {
		y.post(t, nil)
	}
	if w := y.post(t, nil); w.Code != http.StatusTooManyRequests || !strings.Contains(w.Body.String(), codeTooMany) {
		t.Errorf("storm: %d %s", w.Code, w.Body)
	}
}

// TestStoredTokens: the database has no secret of a token.
func TestStoredTokens(t *testing.T) {
	y := newYard(t)
	token := y.invite(t, "N1")
	i, err := y.db.Invitation(ctx, token.ID[:])
	if err != nil || bytes.Contains(i.Secret[:], token.Secret[:]) || i.Secret == (link.Hash{}) {
		t.Fatalf("stored %x: %v", i.Secret, err)
	}
	second := y.invite(t, "N1")
	if _, err := y.db.Invitation(ctx, token.ID[:]); !errors.Is(err, database.ErrNotFound) {
		t.Errorf("the first token lives beside the second: %v", err)
	}
	if second.ID == token.ID {
		t.Error("two tokens with one id")
	}
	for _, id := range []string{"", "N/1", "N 1", ReservedID, strings.Repeat("x", 33)} {
		if _, _, err := y.Invite(ctx, "test", id); !errors.Is(err, ErrID) {
			t.Errorf("invited %q: %v", id, err)
		}
	}
}

// TestCertificates: only the last enrolment's certificate is let in, also after
// a restart, and none of a removed lane, also when its id is invited again.
func TestCertificates(t *testing.T) {
	y := newYard(t)
	_, first := y.enrol(t, "N1")
	if !y.Allow("N1", first) || y.Allow("N2", first) {
		t.Error("the certificate of N1 is not for N1 alone")
	}
	_, second := y.enrol(t, "N1")
	if y.Allow("N1", first) || !y.Allow("N1", second) {
		t.Error("the first enrolment's certificate outlives the second")
	}
	y.reopen(t, y.config.Issuer)
	if y.Allow("N1", first) || !y.Allow("N1", second) {
		t.Error("after a restart")
	}
	if err := y.Remove(ctx, "test", "N1"); err != nil {
		t.Fatal(err)
	}
	if y.Allow("N1", second) || y.Keys("N1") != nil || len(y.removed) != 1 {
		t.Error("a removed lane is let in")
	}
	if err := y.Remove(ctx, "test", "N1"); !errors.Is(err, ErrUnknown) {
		t.Errorf("remove twice: %v", err)
	}
	y.invite(t, "N1")
	if y.Allow("N1", second) {
		t.Error("an invitation brings the removed certificate back")
	}
	list, err := y.db.RemovedCertificates(ctx, noon.UnixMilli())
	if err != nil || len(list) != 2 {
		t.Errorf("%d certificates listed as removed: %v", len(list), err)
	}
}

func (y *yard) report(t testing.TB, key signer, s link.LaneState, retained bool) {
	t.Helper()
	data, err := link.Seal(key, link.TypeState, site, s)
	if err != nil {
		t.Fatal(err)
	}
	if err := y.Report(ctx, s.Lane, data, retained); err != nil {
		t.Fatal(err)
	}
}

func (y *yard) lane(t testing.TB, id string) Lane {
	t.Helper()
	for _, l := range y.Lanes() {
		if l.ID == id {
			return l
		}
	}
	t.Fatalf("no lane %s", id)
	return Lane{}
}

// TestReports: births, wills, late wills of an earlier boot, replays.
func TestReports(t *testing.T) {
	y := newYard(t)
	key, _ := y.enrol(t, "N1")
	state := func(boot uint32, alive bool, seq uint64) link.LaneState {
		return link.LaneState{Lane: "N1", Boot: boot, Alive: alive, Epoch: 1, Seq: seq, Program: "test"}
	}
	for _, c := range []struct {
		what     string
		s        link.LaneState
		retained bool
		alive    bool
		seq      uint64
	}{
		{"retained birth from before", state(1, true, 5), true, false, 5},
		{"birth", state(2, true, 5), false, true, 5},
		{"report", state(2, true, 9), false, true, 9},
		{"late will of boot 1", state(1, false, 5), false, true, 9},
		{"replayed report", state(2, true, 5), false, true, 9},
		{"own retained birth, at central's reconnect", state(2, true, 9), true, true, 9},
		{"will", state(2, false, 5), false, false, 9},
		{"back again", state(2, true, 9), false, true, 9},
		{"next boot with an empty cache", state(3, true, 2), false, true, 2},
	} {
		y.clock.Add(1000)
		y.report(t, key, c.s, c.retained)
		if l := y.lane(t, "N1"); l.Alive != c.alive || l.State.Seq != c.seq {
			t.Errorf("%s: alive %v at %d, want %v at %d", c.what, l.Alive, l.State.Seq, c.alive, c.seq)
		}
	}
	if err := y.save(ctx); err != nil {
		t.Fatal(err)
	}
	y.reopen(t, y.config.Issuer)
	if l := y.lane(t, "N1"); l.Alive || l.State == nil || l.State.Boot != 3 {
		t.Errorf("after a restart %+v", l)
	}
	other, _ := newRequestKey(t)
	for what, c := range map[string]struct {
		lane string
		key  signer
		want error
	}{"another key": {"N1", other, link.ErrUnknown}, "for another lane": {"N2", key, link.ErrMalformed}} {
		data, err := link.Seal(c.key, link.TypeState, site, link.LaneState{Lane: c.lane})
		if err != nil {
			t.Fatal(err)
		}
		if err := y.Report(ctx, "N1", data, false); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", what, err, c.want)
		}
	}
	if y.alarms.Load() != 2 {
		t.Errorf("%d alarms", y.alarms.Load())
	}
	if err := y.Report(ctx, "N7", nil, false); !errors.Is(err, ErrUnknown) {
		t.Errorf("unknown lane: %v", err)
	}
}

func newRequestKey(t testing.TB) (signer, error) {
	_, key, err := ed25519.GenerateKey(nil)
	return signer{key}, err
}

// TestRefusedBy: N of M lanes, since the last of the N, and who is missing.
func TestRefusedBy(t *testing.T) {
	y := newYard(t)
	keys := map[string]signer{}
	for _, id := range []string{"N1", "N2", "N3"} {
		keys[id], _ = y.enrol(t, id)
	}
	y.invite(t, "N4")
	var last time.Time
	for n, id := range []string{"N1", "N2"} {
		y.clock.Add(1000)
		last = time.UnixMilli(y.clock.Load())
		y.report(t, keys[id], link.LaneState{Lane: id, Boot: 1, Alive: true, Epoch: 1, Seq: uint64(10 + n)}, false)
	}
	y.clock.Add(60_000) // later reports do not change since when
	y.report(t, keys["N1"], link.LaneState{Lane: "N1", Boot: 1, Alive: true, Epoch: 1, Seq: 50}, false)
	y.report(t, keys["N3"], link.LaneState{Lane: "N3", Boot: 1, Alive: true, Epoch: 1, Seq: 9}, false)
	r, err := y.RefusedBy(ctx, 1, 10)
	if err != nil || r.Lanes != 2 || r.Of != 3 || !r.Since.Equal(last) || len(r.Missing) != 1 || r.Missing[0].ID != "N3" {
		t.Fatalf("%+v, want N1 and N2 since %s: %v", r, last, err)
	}
	if err := y.db.PruneApplied(ctx, y.clock.Load()+1); err != nil {
		t.Fatal(err)
	}
	if r, err = y.RefusedBy(ctx, 1, 10); err != nil || r.Lanes != 2 {
		t.Errorf("after pruning %+v: %v", r, err)
	}
	if r, err = y.RefusedBy(ctx, 2, 1); err != nil || r.Lanes != 0 || r.Of != 3 {
		t.Errorf("of another epoch %+v: %v", r, err)
	}
}

// FuzzEnrol: whatever is posted, the handler answers with a problem or an
// enrolment, and only with the invited lane's token.
func FuzzEnrol(f *testing.F) {
	y := newYard(f)
	good, _ := newRequest(f, y.invite(f, "N1"))
	unknown := good
	unknown.TokenSecret = make([]byte, 16)
	f.Add(encode(f, unknown))
	f.Add([]byte(`{"token_id":"AAAAAAAAAAA=","csr":[]}`))
	f.Add([]byte(`[]`))
	f.Add([]byte(``))
	f.Fuzz(func(t *testing.T, body []byte) {
		y.clock.Add(1000) // past the rate limit
		w := y.post(t, body)
		if w.Code == http.StatusOK || !json.Valid(w.Body.Bytes()) {
			t.Fatalf("answered %d %s", w.Code, w.Body)
		}
	})
}
