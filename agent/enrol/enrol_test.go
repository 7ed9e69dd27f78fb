package enrol

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"errors"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"turnstile/central/link"
)

// authority is a certificate authority and the central of it.
type authority struct {
	key    *ecdsa.PrivateKey
	cert   *x509.Certificate
	asked  int
	answer func(*link.EnrolRequest) (int, any)
}

func newAuthority(t testing.TB) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	a := &authority{key: key}
	a.cert = a.sign(t, &x509.Certificate{IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign, Subject: pkix.Name{CommonName: "authority"}}, nil, key.Public())
	a.answer = func(r *link.EnrolRequest) (int, any) { return http.StatusOK, a.admit(t, r) }
	return a
}

func (a *authority) sign(t testing.TB, c, parent *x509.Certificate, public any) *x509.Certificate {
	t.Helper()
	c.SerialNumber, c.NotBefore, c.NotAfter = big.NewInt(time.Now().UnixNano()), time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	if parent == nil {
		parent = c
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, public, a.key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

func (a *authority) hash() link.Hash { return sha256.Sum256(a.cert.Raw) }

func (a *authority) admit(t testing.TB, r *link.EnrolRequest) link.EnrolAnswer {
	csr, err := x509.ParseCertificateRequest(r.CSR)
	if err != nil || csr.CheckSignature() != nil || len(r.JournalKey) != 32 || len(r.SealKey) != 32 {
		t.Errorf("request %+v: %v", r, err)
		return link.EnrolAnswer{}
	}
	lane := a.sign(t, &x509.Certificate{Subject: pkix.Name{CommonName: "n1"}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}, a.cert, csr.PublicKey)
	return link.EnrolAnswer{Lane: "n1", Site: "campus", Certificate: lane.Raw, Authority: a.cert.Raw,
		Root: link.Root{Keys: []ed25519.PublicKey{make([]byte, 32)}, Threshold: 1}, Broker: "ssl://localhost:8883"}
}

// serve starts central's enrolment on loopback and returns its address.
func (a *authority) serve(t testing.TB, names ...string) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{DNSNames: names}
	if names == nil {
		c.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)}
	}
	leaf := a.sign(t, c, a.cert, key.Public())
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var request link.EnrolRequest
		a.asked++
		if r.URL.Path != link.EnrolPath || json.NewDecoder(r.Body).Decode(&request) != nil {
			t.Errorf("%s %s", r.Method, r.URL)
		}
		status, body := a.answer(&request)
		w.WriteHeader(status)
		json.NewEncoder(w).Encode(body)
	}))
	s.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{leaf.Raw, a.cert.Raw}, PrivateKey: key}}}
	s.StartTLS()
	t.Cleanup(s.Close)
	return s.URL
}

func TestEnrol(t *testing.T) {
	a := newAuthority(t)
	dir := filepath.Join(t.TempDir(), "data")
	if _, err := Load(dir); !errors.Is(err, ErrNone) {
		t.Fatal(err)
	}
	token := link.NewEnrolToken(a.hash())
	var seen link.EnrolRequest
	a.answer = func(r *link.EnrolRequest) (int, any) { seen = *r; return 200, a.admit(t, r) }
	i, err := Enrol(t.Context(), a.serve(t), token, dir)
	if err != nil {
		t.Fatal(err)
	}
	if i.Lane != "n1" || i.Site != "campus" || i.Broker != "ssl://localhost:8883" || len(i.Root.Keys) != 1 || i.Certificate.Leaf == nil {
		t.Fatalf("%+v", i)
	}
	if string(seen.TokenID) != string(token.ID[:]) || string(seen.TokenSecret) != string(token.Secret[:]) ||
		string(seen.JournalKey) != string(i.Journal.Public()) || string(seen.SealKey) != string(i.Seal.PublicKey().Bytes()) {
		t.Fatal("central got other keys than the file has")
	}
	var signer link.Signer = i.Journal
	b, err := link.Seal(signer, link.TypeAsk, i.Site, link.Ask{Lane: i.Lane})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := link.Open[link.Ask](b, link.TypeAsk, i.Site, link.KeysOf(i.Journal.Public()), link.MaxState); err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(dir, FileName)
	if info, err := os.Stat(name); err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("%v %v", info, err)
	}
	if err := os.Chmod(name, 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(dir); !errors.Is(err, ErrOpen) {
		t.Fatal(err)
	}
	if files, _ := os.ReadDir(dir); len(files) != 1 {
		t.Fatalf("left behind: %v", files)
	}
}

func TestRefusals(t *testing.T) {
	a, other := newAuthority(t), newAuthority(t)
	problem := func(code string) func(*link.EnrolRequest) (int, any) {
		return func(*link.EnrolRequest) (int, any) { return 403, link.EnrolProblem{Code: code, Detail: "next step"} }
	}
	spoiled := func(f func(*link.EnrolAnswer)) func(*link.EnrolRequest) (int, any) {
		return func(r *link.EnrolRequest) (int, any) { x := a.admit(t, r); f(&x); return 200, x }
	}
	good := a.answer
	for name, c := range map[string]struct {
		answer func(*link.EnrolRequest) (int, any)
		want   error
	}{
		"used":                  {problem("token_used"), ErrUsed},
		"expired":               {problem("token_expired"), ErrExpired},
		"unknown":               {problem("token_unknown"), ErrUnknown},
		"too many":              {problem("too_many"), ErrRefused},
		"not central":           {func(*link.EnrolRequest) (int, any) { return 404, "no" }, ErrRefused},
		"redirect":              {func(*link.EnrolRequest) (int, any) { return 307, link.EnrolAnswer{} }, ErrRefused},
		"empty answer":          {func(*link.EnrolRequest) (int, any) { return 200, struct{}{} }, ErrAnswer},
		"huge answer":           {func(*link.EnrolRequest) (int, any) { return 200, make([]byte, link.MaxEnrol) }, ErrAnswer},
		"lane with a wildcard":  {spoiled(func(x *link.EnrolAnswer) { x.Lane = "a/+" }), ErrAnswer},
		"plain broker":          {spoiled(func(x *link.EnrolAnswer) { x.Broker = "tcp://localhost:1883" }), ErrAnswer},
		"no root":               {spoiled(func(x *link.EnrolAnswer) { x.Root.Threshold = 0 }), ErrAnswer},
		"short root key":        {spoiled(func(x *link.EnrolAnswer) { x.Root.Keys[0] = make([]byte, 31) }), ErrAnswer},
		"another authority":     {spoiled(func(x *link.EnrolAnswer) { x.Authority = other.cert.Raw }), ErrAuthority},
		"another's certificate": {spoiled(func(x *link.EnrolAnswer) { x.Certificate = a.cert.Raw }), ErrAnswer},
	} {
		a.answer = c.answer
		dir := t.TempDir()
		if _, err := Enrol(t.Context(), a.serve(t), link.NewEnrolToken(a.hash()), dir); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
		if files, _ := os.ReadDir(dir); len(files) != 0 {
			t.Errorf("%s: files %v", name, files)
		}
	}
	a.answer = good
}

func TestWrongAuthorityLearnsNothing(t *testing.T) {
	a, other := newAuthority(t), newAuthority(t)
	for name, address := range map[string]string{"another authority": other.serve(t), "another host's certificate": a.serve(t, "elsewhere.example")} {
		if _, err := Enrol(t.Context(), address, link.NewEnrolToken(a.hash()), t.TempDir()); !errors.Is(err, ErrAuthority) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if a.asked+other.asked != 0 {
		t.Fatal("the secret was sent")
	}
}

func TestAddresses(t *testing.T) {
	for _, address := range []string{"", "http://localhost:1", "localhost:8443", "https://", "https://u:p@h", "https://h?x=1", "ssl://h:1"} {
		if _, err := Enrol(t.Context(), address, link.EnrolToken{}, t.TempDir()); !errors.Is(err, ErrAddress) {
			t.Errorf("%q: %v", address, err)
		}
	}
	if _, err := Enrol(t.Context(), "https://127.0.0.1:1", link.EnrolToken{}, t.TempDir()); !errors.Is(err, ErrUnreached) {
		t.Error(err)
	}
}

func TestEarlierIdentityStaysUntilTheNewOne(t *testing.T) {
	a := newAuthority(t)
	dir := t.TempDir()
	first, err := Enrol(t.Context(), a.serve(t), link.NewEnrolToken(a.hash()), dir)
	if err != nil {
		t.Fatal(err)
	}
	good := a.answer
	a.answer = func(*link.EnrolRequest) (int, any) { return 403, link.EnrolProblem{Code: "token_used"} }
	if _, err := Enrol(t.Context(), a.serve(t), link.NewEnrolToken(a.hash()), dir); !errors.Is(err, ErrUsed) {
		t.Fatal(err)
	}
	if i, err := Load(dir); err != nil || i.Journal.KeyID() != first.Journal.KeyID() {
		t.Fatalf("the earlier identity is gone: %v", err)
	}
	a.answer = good
	if i, err := Enrol(t.Context(), a.serve(t), link.NewEnrolToken(a.hash()), dir); err != nil || i.Journal.KeyID() == first.Journal.KeyID() {
		t.Fatalf("not replaced: %v", err)
	}
}

func FuzzAnswer(f *testing.F) {
	f.Add([]byte(`{"lane":"n1","site":"c","broker":"ssl://h:1","root":{"keys":["AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="],"threshold":1}}`))
	f.Add([]byte(`{`))
	k, err := newKeys()
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		a, err := parseAnswer(data)
		if err != nil {
			return
		}
		if _, err := k.store(a, sha256.Sum256(a.Authority)); err == nil {
			t.Fatalf("a certificate for our key out of nowhere: %s", data)
		}
	})
}

func FuzzIdentity(f *testing.F) {
	f.Add([]byte(`{"version":1,"lane":"n1","site":"c","journal_key":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		if _, i, err := parse(data); err == nil && (!link.ValidID(i.Lane) || i.Certificate.Leaf == nil || i.Seal == nil) {
			t.Fatalf("%+v", i)
		}
	})
}
