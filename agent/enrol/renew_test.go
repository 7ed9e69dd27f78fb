package enrol

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"turnstile/central/link"
)

// renewer is a central that renews as TOPICS.md says.
type renewer struct {
	*authority
	t       *testing.T
	journal ed25519.PublicKey
	current []byte // certificate that counts

	lose   bool // commits, and the answer is lost
	refuse string
	spoil  func([]byte) []byte
	made   int
}

// enrolled enrols a lane at a and returns its folder, its identity, and a
// central that renews it.
func enrolled(t *testing.T) (string, Identity, *renewer) {
	t.Helper()
	r := &renewer{authority: newAuthority(t), t: t}
	dir := t.TempDir()
	i, err := Enrol(t.Context(), r.serve(t), link.NewEnrolToken(r.hash()), dir)
	if err != nil {
		t.Fatal(err)
	}
	r.journal, r.current = i.Journal.Public(), i.Certificate.Leaf.Raw
	return dir, i, r
}

func (r *renewer) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	var a link.RenewRequest
	if q.URL.Path != link.RenewPath || json.NewDecoder(q.Body).Decode(&a) != nil || len(q.TLS.PeerCertificates) != 1 {
		r.t.Errorf("%s %s with %d certificates", q.Method, q.URL, len(q.TLS.PeerCertificates))
		return
	}
	present := q.TLS.PeerCertificates[0]
	csr, err := x509.ParseCertificateRequest(a.CSR)
	if err != nil || !ed25519.Verify(r.journal, link.RenewSigned("campus", "n1", present.Raw, a.CSR), a.Signature) {
		r.t.Errorf("request: %v", err)
		return
	}
	if r.refuse != "" {
		w.WriteHeader(http.StatusForbidden)
		json.NewEncoder(w).Encode(link.EnrolProblem{Code: r.refuse, Detail: "next step"})
		return
	}
	current, err := x509.ParseCertificate(r.current)
	if err != nil {
		r.t.Error(err)
	}
	if !current.PublicKey.(*ecdsa.PublicKey).Equal(csr.PublicKey) {
		if !present.Equal(current) {
			r.t.Error("renewed with a certificate that does not count")
		}
		r.made++
		r.current = r.sign(r.t, &x509.Certificate{Subject: pkix.Name{CommonName: "n1"}}, r.cert, csr.PublicKey).Raw
	}
	if r.lose {
		panic(http.ErrAbortHandler)
	}
	answer := r.current
	if r.spoil != nil {
		answer = r.spoil(answer)
	}
	json.NewEncoder(w).Encode(link.RenewAnswer{Certificate: answer})
}

// listen serves renewals with a certificate of the authority.
func (r *renewer) listen() string {
	r.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		r.t.Fatal(err)
	}
	leaf := r.sign(r.t, &x509.Certificate{IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}, r.cert, key.Public())
	s := httptest.NewUnstartedServer(r)
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0)
	s.TLS = &tls.Config{ClientAuth: tls.RequestClientCert, Certificates: []tls.Certificate{{Certificate: [][]byte{leaf.Raw, r.cert.Raw}, PrivateKey: key}}}
	s.StartTLS()
	r.t.Cleanup(s.Close)
	return s.URL
}

// stands checks that the folder holds the identity that counts at central, and
// nothing of a renewal.
func (r *renewer) stands(dir string) Identity {
	r.t.Helper()
	i, err := Load(dir)
	if err != nil || string(i.Certificate.Leaf.Raw) != string(r.current) {
		r.t.Fatalf("the stored certificate is not the one that counts: %v", err)
	}
	if files, _ := filepath.Glob(filepath.Join(dir, "renewal*")); len(files) != 0 {
		r.t.Fatalf("left behind: %v", files)
	}
	return i
}

func TestRenew(t *testing.T) {
	dir, first, r := enrolled(t)
	if first.Central == "" {
		t.Fatal("where the lane enrolled is not noted")
	}
	url := r.listen()
	second, err := Renew(t.Context(), dir, url)
	if err != nil {
		t.Fatal(err)
	}
	if got := r.stands(dir); string(got.Certificate.Leaf.Raw) != string(second.Certificate.Leaf.Raw) {
		t.Fatal("another identity than the stored one is returned")
	}
	if second.Certificate.Leaf.Equal(first.Certificate.Leaf) || first.Certificate.PrivateKey.(*ecdsa.PrivateKey).Equal(second.Certificate.PrivateKey) {
		t.Fatal("certificate or key did not change")
	}
	if string(second.Journal.Public()) != string(first.Journal.Public()) || second.Lane != first.Lane || second.Broker != first.Broker || second.Central != first.Central {
		t.Fatalf("%+v", second)
	}
	info, err := os.Stat(filepath.Join(dir, FileName))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("%v %v", info, err)
	}
	if _, err := Renew(t.Context(), dir, url); err != nil || r.made != 2 {
		t.Fatalf("the next renewal: %d made, %v", r.made, err)
	}
	r.stands(dir)
}

// TestRenewalCutOff: a power cut after each step, and what the next start does.
func TestRenewalCutOff(t *testing.T) {
	for name, cut := range map[string]func(t *testing.T, dir string, r *renewer){
		"before central heard": func(t *testing.T, dir string, r *renewer) {
			if _, err := Renew(t.Context(), dir, "https://127.0.0.1:1"); !errors.Is(err, ErrUnreached) {
				t.Fatal(err)
			}
		},
		"central has committed, the answer is lost": func(t *testing.T, dir string, r *renewer) {
			r.lose = true
			if _, err := Renew(t.Context(), dir, r.listen()); !errors.Is(err, ErrUnreached) {
				t.Fatal(err)
			}
			r.lose = false
			i, err := Load(dir)
			if err != nil || string(i.Certificate.Leaf.Raw) == string(r.current) || r.made != 1 || !begun(dir) {
				t.Fatalf("nothing was cut off: %v", err)
			}
		},
		"while the answer was written": func(t *testing.T, dir string, r *renewer) {
			r.lose = true
			if _, err := Renew(t.Context(), dir, r.listen()); !errors.Is(err, ErrUnreached) {
				t.Fatal(err)
			}
			r.lose = false
			put(t, dir, FileName+".new", `{"version":1,"lane":"n1"`)
		},
		"stored, the next key not removed": func(t *testing.T, dir string, r *renewer) {
			if _, err := Renew(t.Context(), dir, "https://127.0.0.1:1"); !errors.Is(err, ErrUnreached) {
				t.Fatal(err)
			}
			next, err := os.ReadFile(filepath.Join(dir, PendingName))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := Renew(t.Context(), dir, r.listen()); err != nil {
				t.Fatal(err)
			}
			put(t, dir, PendingName, string(next))
		},
		"while the next key was written": func(t *testing.T, dir string, r *renewer) { put(t, dir, PendingName+".new", `{"ver`) },
		"the next key is damaged":        func(t *testing.T, dir string, r *renewer) { put(t, dir, PendingName, "\x00\x00\x00\x00") },
	} {
		t.Run(name, func(t *testing.T) {
			dir, _, r := enrolled(t)
			cut(t, dir, r)
			if i, err := Load(dir); err != nil || !Due(dir, i, i.RenewAt()) {
				t.Fatal("the next start does not go on with it", err)
			}
			if _, err := Renew(t.Context(), dir, r.listen()); err != nil {
				t.Fatal(err)
			}
			r.stands(dir)
		})
	}
}

func put(t *testing.T, dir, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestRenewalRefused: whatever central or somebody in its place says, the
// identity stays as it was.
func TestRenewalRefused(t *testing.T) {
	dir, first, r := enrolled(t)
	url := r.listen()
	other := newAuthority(t)
	for name, x := range map[string]struct {
		set  func()
		url  string
		want error
	}{
		"removed lane":                {func() { r.refuse = "not_enrolled" }, url, ErrNotEnrolled},
		"ended":                       {func() { r.refuse = "certificate_ended" }, url, ErrEnded},
		"copied":                      {func() { r.refuse = "certificate_replaced" }, url, ErrReplaced},
		"too early":                   {func() { r.refuse = "too_early" }, url, ErrTooEarly},
		"something new":               {func() { r.refuse = "x" }, url, ErrRefused},
		"empty answer":                {func() { r.spoil = func([]byte) []byte { return nil } }, url, ErrAnswer},
		"no certificate":              {func() { r.spoil = func([]byte) []byte { return []byte("x") } }, url, ErrAnswer},
		"another key's certificate":   {func() { r.spoil = func([]byte) []byte { return first.Certificate.Leaf.Raw } }, url, ErrAnswer},
		"another lane's certificate":  {func() { r.spoil = func(b []byte) []byte { return other.forLane(t, r.authority, "n2", b) } }, url, ErrAnswer},
		"another authority's":         {func() { r.spoil = func(b []byte) []byte { return other.forLane(t, other, "n1", b) } }, url, ErrAnswer},
		"another authority's central": {func() {}, other.serve(t), ErrAuthority},
		"no address":                  {func() {}, "central", ErrAddress},
	} {
		r.refuse, r.spoil = "", nil
		x.set()
		if _, err := Renew(t.Context(), dir, x.url); !errors.Is(err, x.want) {
			t.Errorf("%s: %v, want %v", name, err, x.want)
		}
		if i, err := Load(dir); err != nil || !i.Certificate.Leaf.Equal(first.Certificate.Leaf) {
			t.Errorf("%s: the identity changed: %v", name, err)
		}
	}
	if other.asked != 0 {
		t.Error("another authority's central was told something")
	}
	r.refuse, r.spoil = "", nil
	if _, err := Renew(t.Context(), dir, url); err != nil {
		t.Fatal(err)
	}
	r.stands(dir)
}

// forLane signs the key of a certificate for a lane by an authority.
func (a *authority) forLane(t *testing.T, by *authority, lane string, der []byte) []byte {
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Error(err)
		return nil
	}
	return by.sign(t, &x509.Certificate{Subject: pkix.Name{CommonName: lane}}, by.cert, c.PublicKey).Raw
}

func TestEarlierAgents(t *testing.T) {
	dir, _, r := enrolled(t)
	s, _, err := load(dir)
	if err != nil {
		t.Fatal(err)
	}
	s.Central = "" // as they wrote it
	if err := s.write(dir); err != nil {
		t.Fatal(err)
	}
	if _, err := Renew(t.Context(), dir, ""); !errors.Is(err, ErrNoCentral) {
		t.Fatal(err)
	}
	if _, err := Renew(t.Context(), dir, r.listen()); err != nil {
		t.Fatal(err)
	}
	if _, err := Renew(t.Context(), t.TempDir(), "https://x"); !errors.Is(err, ErrNone) {
		t.Fatal(err)
	}
}

// TestRenewalRounds: nothing before it is due, soon again what was begun.
func TestRenewalRounds(t *testing.T) {
	dir, i, r := enrolled(t)
	now := i.RenewAt().Add(-time.Second)
	var errs []error
	n := &Renewal{Data: dir, Central: "https://127.0.0.1:1", Now: func() time.Time { return now }, Log: slog.New(slog.DiscardHandler),
		Done: func(_ Identity, err error) { errs = append(errs, err) }}
	if pause := n.round(t.Context()); pause != renewEvery || len(errs) != 0 {
		t.Fatalf("%v %v", pause, errs)
	}
	now = now.Add(time.Second)
	if pause := n.round(t.Context()); pause != retryBegun || len(errs) != 1 || !errors.Is(errs[0], ErrUnreached) {
		t.Fatalf("%v %v", pause, errs)
	}
	now = now.Add(-time.Hour) // the clock goes back; what was begun is ended
	n.Central = r.listen()
	if pause := n.round(t.Context()); pause != renewEvery || len(errs) != 2 || errs[1] != nil {
		t.Fatalf("%v %v", pause, errs)
	}
	r.stands(dir)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := n.Run(ctx); err != nil || len(errs) != 2 {
		t.Fatalf("%v %v", err, errs)
	}
}

func TestRenewAtIsSpread(t *testing.T) {
	c := &x509.Certificate{NotBefore: time.Unix(0, 0), NotAfter: time.Unix(0, 0).Add(90 * 24 * time.Hour)}
	seen := map[time.Time]bool{}
	for _, lane := range []string{"n1", "n2", "n3", "n4", "n5"} {
		at := Identity{Lane: lane, Certificate: tls.Certificate{Leaf: c}}.RenewAt()
		if d := at.Sub(c.NotBefore); d < 60*24*time.Hour || d >= 61*24*time.Hour {
			t.Fatalf("%s after %v", lane, d)
		}
		seen[at] = true
	}
	if len(seen) < 4 {
		t.Fatal("lanes come together")
	}
}

func FuzzRenewal(f *testing.F) {
	f.Add([]byte(`{"certificate":"AAAA"}`), []byte(`{"version":1,"tls_key":"AAAA"}`))
	f.Add([]byte(`{}`), []byte(`{}`))
	f.Add([]byte(`[`), []byte("\x00"))
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, answer, file []byte) {
		if der, err := parseRenewal(answer); err == nil {
			if _, err := (&stored{Version: version}).renewed(der, key); err == nil {
				t.Fatalf("a certificate for our key out of nowhere: %s", answer)
			}
		}
		if k, err := parsePending(file); err == nil && k.Curve != elliptic.P256() || err != nil && !errors.Is(err, ErrDamaged) {
			t.Fatalf("%v %v", k, err)
		}
	})
}
