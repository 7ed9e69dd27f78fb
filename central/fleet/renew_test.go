package fleet

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"turnstile/central/link"
)

func newCSR(t testing.TB) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	if err != nil {
		t.Fatal(err)
	}
	return csr
}

// renewal is a good request of a lane.
func renewal(t testing.TB, key signer, present *x509.Certificate, csr []byte) link.RenewRequest {
	t.Helper()
	signature, err := key.Sign(link.RenewSigned(site, present.Subject.CommonName, present.Raw, csr))
	if err != nil {
		t.Fatal(err)
	}
	return link.RenewRequest{CSR: csr, Signature: signature}
}

// renewWith posts as a client whose TLS key of the certificate is proven; nil: without one.
func (y *yard) renewWith(present *x509.Certificate, body []byte) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, link.RenewPath, bytes.NewReader(body))
	r.TLS = &tls.ConnectionState{}
	if present != nil {
		r.TLS.PeerCertificates = []*x509.Certificate{present}
	}
	w := httptest.NewRecorder()
	y.Handler().ServeHTTP(w, r)
	return w
}

// renewed posts a good request and returns the next certificate.
func (y *yard) renewed(t testing.TB, key signer, present *x509.Certificate, csr []byte) *x509.Certificate {
	t.Helper()
	w := y.renewWith(present, encode(t, renewal(t, key, present, csr)))
	var a link.RenewAnswer
	if err := json.Unmarshal(w.Body.Bytes(), &a); err != nil || w.Code != http.StatusOK {
		t.Fatalf("renew: %d %s: %v", w.Code, w.Body, err)
	}
	c, err := x509.ParseCertificate(a.Certificate)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func codeOf(t testing.TB, w *httptest.ResponseRecorder) string {
	t.Helper()
	var p link.EnrolProblem
	if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || w.Code == http.StatusOK || p.Detail == "" {
		t.Fatalf("%d %s: %v", w.Code, w.Body, err)
	}
	return p.Code
}

// late sets the clock into the last third of a certificate's life.
func (y *yard) late(c *x509.Certificate) {
	y.clock.Store(link.RenewFrom(c.NotBefore, c.NotAfter).UnixMilli())
}

func TestRenew(t *testing.T) {
	y := newYard(t)
	key, first := y.enrol(t, "N1")
	y.late(first)
	csr := newCSR(t)
	second := y.renewed(t, key, first, csr)
	if !y.Allow("N1", second) || y.Allow("N1", first) {
		t.Fatal("the next certificate is not the one that counts")
	}
	if second.Subject.CommonName != "N1" || !second.NotAfter.After(first.NotAfter) || y.lane(t, "N1").Expires.UnixMilli() != second.NotAfter.UnixMilli() {
		t.Fatalf("renewed until %v, before %v", second.NotAfter, first.NotAfter)
	}
	if y.Keys("N1") == nil || len(y.enrolled) != 1 {
		t.Fatal("a renewal ends sessions or loses keys")
	}
	if again := y.renewed(t, key, first, csr); !again.Equal(second) { // the answer was lost
		t.Fatal("asked again with the same key, another certificate came")
	}
	if y.alarms.Load() != 0 {
		t.Fatal("alarmed")
	}
	y.reopen(t, y.config.Issuer)
	if !y.Allow("N1", second) || y.Allow("N1", first) {
		t.Fatal("after a restart")
	}
	list, err := y.db.RemovedCertificates(ctx, noon.UnixMilli())
	if err != nil || len(list) != 1 {
		t.Fatalf("%d certificates listed as removed: %v", len(list), err)
	}
	y.late(second)
	third := y.renewed(t, key, second, newCSR(t))
	y.clock.Store(third.NotAfter.Add(link.RenewGrace).UnixMilli()) // it ended, and nobody noticed
	if fourth := y.renewed(t, key, third, newCSR(t)); !y.Allow("N1", fourth) {
		t.Fatal("an ended certificate is not renewed within the grace")
	}
}

func TestRenewalRefused(t *testing.T) {
	y := newYard(t)
	key, c := y.enrol(t, "N1")
	other, foreign := y.enrol(t, "N2")
	stranger := newYard(t)
	_, strange := stranger.enrol(t, "N1")
	csr := newCSR(t)
	good := renewal(t, key, c, csr)
	if got := codeOf(t, y.renewWith(c, encode(t, good))); got != codeTooEarly {
		t.Errorf("too early: %s", got)
	}
	y.late(c)
	change := func(f func(*link.RenewRequest)) []byte {
		r := good
		f(&r)
		return encode(t, r)
	}
	for name, x := range map[string]struct {
		present *x509.Certificate
		body    []byte
		want    string
	}{
		"no certificate":                  {nil, encode(t, good), codeNotEnrolled},
		"another authority's":             {strange, encode(t, renewal(t, key, strange, csr)), codeNotEnrolled},
		"another lane's certificate":      {foreign, encode(t, good), codeNotEnrolled},
		"another lane's journal key":      {c, encode(t, renewal(t, other, c, csr)), codeNotEnrolled},
		"signed for another key":          {c, change(func(r *link.RenewRequest) { r.CSR = newCSR(t) }), codeNotEnrolled},
		"signed for another certificate":  {c, change(func(r *link.RenewRequest) { r.Signature = renewal(t, key, foreign, csr).Signature }), codeNotEnrolled},
		"a request that is none":          {c, encode(t, renewal(t, key, c, []byte("x"))), codeMalformed},
		"short signature":                 {c, change(func(r *link.RenewRequest) { r.Signature = r.Signature[1:] }), codeMalformed},
		"empty":                           {c, nil, codeMalformed},
		"oversized":                       {c, []byte(strings.Repeat(" ", link.MaxEnrol+1)), codeMalformed},
		"the authority's own certificate": {y.config.Issuer.Authority(), encode(t, good), codeNotEnrolled},
	} {
		if got := codeOf(t, y.renewWith(x.present, x.body)); got != x.want {
			t.Errorf("%s: %s, want %s", name, got, x.want)
		}
	}
	y.clock.Store(c.NotAfter.Add(link.RenewGrace + time.Second).UnixMilli())
	if got := codeOf(t, y.renewWith(c, encode(t, good))); got != codeEnded {
		t.Errorf("ended: %s", got)
	}
	y.late(c)
	if err := y.Remove(ctx, "test", "N1"); err != nil {
		t.Fatal(err)
	}
	if got := codeOf(t, y.renewWith(c, encode(t, good))); got != codeNotEnrolled {
		t.Errorf("a removed lane: %s", got)
	}
	y.enrol(t, "N1") // the machine was replaced
	if got := codeOf(t, y.renewWith(c, encode(t, good))); got != codeNotEnrolled {
		t.Errorf("an earlier enrolment: %s", got)
	}
	if y.alarms.Load() != 0 {
		t.Error("alarmed")
	}
}

// TestCopiedLane: two machines with the keys of one lane. The second to renew is
// refused and alarmed, and the first goes on.
func TestCopiedLane(t *testing.T) {
	y := newYard(t)
	key, first := y.enrol(t, "N1")
	y.late(first)
	second := y.renewed(t, key, first, newCSR(t))
	if got := codeOf(t, y.renewWith(first, encode(t, renewal(t, key, first, newCSR(t))))); got != codeReplaced {
		t.Error(got)
	}
	if y.alarms.Load() != 1 || !y.Allow("N1", second) {
		t.Errorf("%d alarms", y.alarms.Load())
	}
}

// TestRenewalAndReports: a report that comes beside a renewal loses nothing.
func TestRenewalAndReports(t *testing.T) {
	y := newYard(t)
	key, c := y.enrol(t, "N1")
	y.late(c)
	y.report(t, key, link.LaneState{Lane: "N1", Boot: 1, Alive: true, Epoch: 1, Seq: 5}, false)
	next := y.renewed(t, key, c, newCSR(t))
	if l := y.lane(t, "N1"); !l.Alive || l.State.Seq != 5 {
		t.Fatalf("%+v", l)
	}
	y.report(t, key, link.LaneState{Lane: "N1", Boot: 1, Alive: true, Epoch: 1, Seq: 6}, false)
	if !y.Allow("N1", next) {
		t.Fatal("the report brought the earlier certificate back")
	}
}

func TestNetworks(t *testing.T) {
	for a, b := range map[string]string{
		"[2001:db8:1:2:3:4:5:6]:80": "[2001:db8:1:2:ffff::1]:9999", "192.0.2.1:1": "192.0.2.1:2", "[::ffff:192.0.2.1]:5": "192.0.2.1:80",
		"[fe80::1%eth0]:1": "[fe80::2%eth1]:1",
	} {
		if network(a) != network(b) {
			t.Errorf("%s is counted apart from %s", a, b)
		}
	}
	for a, b := range map[string]string{"[2001:db8:1:2::1]:80": "[2001:db8:1:3::1]:80", "192.0.2.1:1": "192.0.2.2:1", "pipe": "@"} {
		if network(a) == network(b) {
			t.Errorf("%s is counted with %s", a, b)
		}
	}
	y := newYard(t)
	for i := range enrolHostBurst + 1 { // one network, another address each time
		r := httptest.NewRequest(http.MethodPost, link.EnrolPath, nil)
		r.RemoteAddr = "[2001:db8::" + string("0123456789abcdef"[i%16]) + "]:1"
		w := httptest.NewRecorder()
		y.Handler().ServeHTTP(w, r)
		if (w.Code == http.StatusTooManyRequests) != (i == enrolHostBurst) {
			t.Fatalf("request %d: %d", i, w.Code)
		}
	}
}

// FuzzRenew: whatever is posted with a lane's certificate, nothing is renewed
// without its journal key.
func FuzzRenew(f *testing.F) {
	y := newYard(f)
	key, c := y.enrol(f, "N1")
	other := newYard(f)
	stolen, _ := other.enrol(f, "N1")
	y.late(c)
	f.Add(encode(f, renewal(f, stolen, c, newCSR(f))))
	f.Add(encode(f, renewal(f, key, c, []byte("x"))))
	f.Add([]byte(`{"csr":"","signature":null}`))
	f.Add([]byte(`[`))
	f.Fuzz(func(t *testing.T, body []byte) {
		y.clock.Add(1000) // past the rate limit
		w := y.renewWith(c, body)
		if w.Code == http.StatusOK || !json.Valid(w.Body.Bytes()) || !y.Allow("N1", c) {
			t.Fatalf("answered %d %s", w.Code, w.Body)
		}
		if r, err := ParseRenewal(body); err == nil && len(r.Signature) != 64 || err != nil && !errors.Is(err, errRequest) {
			t.Fatalf("parsed %+v: %v", r, err)
		}
	})
}
