// Package issuertest has the suite that every issuer.Service passes.
package issuertest

import (
	"bytes"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"math/big"
	"testing"
	"time"

	"turnstile/central/issuer"
	"turnstile/central/link"
	"turnstile/central/pass"
)

// Site is the site that services under test are of.
const Site = "campus"

// Suite checks what the comments of issuer.Service promise. The service must be
// fresh, of Site, with a root of its own, and its clock must stand at now.
func Suite(t *testing.T, s issuer.Service, now time.Time) {
	today := pass.DayOf(now)
	if err := s.Renew(today-1, today+37, false, now); err != nil {
		t.Fatal(err)
	}
	t.Run("passes", func(t *testing.T) { suitePasses(t, s, today) })
	t.Run("secrets of a day", func(t *testing.T) { suiteDays(t, s, today) })
	t.Run("roles", func(t *testing.T) { suiteRoles(t, s) })
	t.Run("gate keys", func(t *testing.T) { suiteGateKeys(t, s, today) })
	t.Run("certificates", func(t *testing.T) { suiteCertificates(t, s, now) })
	t.Run("secrets", func(t *testing.T) { suiteSecrets(t, s) })
	t.Run("withdrawal", func(t *testing.T) { suiteWithdrawal(t, s, today, now) })
}

func must[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func wants(t *testing.T, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: %v, want %v", what, err, want)
	}
}

// lane opens the keys message as a lane with the root does.
func lane(t *testing.T, s issuer.Service) (*link.Delegation, *link.Keyset) {
	t.Helper()
	_, data, err := s.Keys()
	if err != nil {
		t.Fatal(err)
	}
	m := must[*link.KeysMessage](t)(link.ParseKeys(data))
	d := must[*link.Delegation](t)(m.OpenDelegation(Site, s.Root()))
	return d, must[*link.Keyset](t)(m.OpenKeyset(Site, d))
}

func draft(day pass.Day) pass.Pass {
	return pass.Pass{Kind: pass.Guest, Day: day, Index: 5, Length: 6, Zones: 1, Holder: [8]byte{1, 2}}
}

func suitePasses(t *testing.T, s issuer.Service, today pass.Day) {
	_, keys := lane(t, s)
	for _, d := range []pass.Day{today, today + 30} {
		want := draft(d)
		p, signature, err := s.Mint(want)
		if err != nil {
			t.Fatal(err)
		}
		want.KeyID = p.KeyID
		c, reason := pass.Parse([]byte(p.Text(signature)))
		k, known := keys.Find(p.KeyID)
		if p != want || reason != pass.Granted || !known || !k.Signs(pass.Guest, d) || !c.Verify(k.Public) {
			t.Errorf("minted %+v: %s, key known %v", p, reason, known)
		}
	}
	p := draft(today)
	p.Kind = pass.Test
	_, _, err := s.Mint(p)
	wants(t, "test pass without a test key", err, issuer.ErrNoKey)
	p = draft(today)
	p.Length = 0
	if _, _, err := s.Mint(p); err == nil {
		t.Error("minted what lanes refuse")
	}
}

func suiteDays(t *testing.T, s issuer.Service, today pass.Day) {
	seen := map[uint32]bool{}
	for n := range uint32(20) {
		x := must[uint32](t)(s.Index(today, n, 1024))
		if x >= 1024 || seen[x] {
			t.Errorf("number %d has index %d", n, x)
		}
		seen[x] = true
	}
	_, err := s.Index(today, 5, 1000)
	wants(t, "a capacity that is no power of two", err, issuer.ErrSpan)
	a, b := must[[8]byte](t)(s.Holder(today, "A")), must[[8]byte](t)(s.Holder(today+1, "A"))
	if a == b || a != must[[8]byte](t)(s.Holder(today, "A")) || a == must[[8]byte](t)(s.Holder(today, "B")) {
		t.Error("a pseudonym is of one person on one day")
	}
	p, q := draft(today), draft(today)
	q.Index++
	if must[pass.LiveKey](t)(s.LiveKey(&p)) == must[pass.LiveKey](t)(s.LiveKey(&q)) {
		t.Error("two passes have one live key")
	}
	short := must[pass.Short](t)(s.Short(&p, 0))
	if short.Index != p.Index || short == must[pass.Short](t)(s.Short(&p, 1)) {
		t.Errorf("short code %s", short)
	}
}

// suiteRoles: each role's signer signs its own types for this site alone.
func suiteRoles(t *testing.T, s issuer.Service) {
	d, _ := lane(t, s)
	sealed := must[[]byte](t)(link.Seal(s.Status(), link.TypeAck, Site, link.Ack{}))
	if _, err := link.Open[link.Ack](sealed, link.TypeAck, Site, s.StatusKeys(), link.MaxState); err != nil {
		t.Error(err)
	}
	if !bytes.Equal(d.Status[0], s.StatusKeys()[s.Status().KeyID()]) {
		t.Error("lanes know another key of the status role")
	}
	lanes := must[[]byte](t)(link.Seal(s.Keyset(), link.TypeLanes, Site, link.Lanes{Zone: 1}))
	if _, err := link.Open[link.Lanes](lanes, link.TypeLanes, Site, link.KeysOf(d.Keyset...), link.MaxDocument); err != nil {
		t.Error(err)
	}
	tried := 0
	for _, typ := range []link.Type{link.TypeKeyset, link.TypeGateKeys, link.TypeDelegation, link.TypeBatch, link.TypeState, 0, 200} {
		for what, signer := range map[string]link.Signer{"status": s.Status(), "keyset": s.Keyset()} {
			_, err := link.Seal(signer, typ, Site, link.Ack{})
			wants(t, what+" role signs a foreign type", err, issuer.ErrRefused)
			tried++
		}
	}
	_, err := link.Seal(s.Keyset(), link.TypeHead, Site, link.Head{})
	wants(t, "keyset role signs a head", err, issuer.ErrRefused)
	_, err = link.Seal(s.Status(), link.TypeAck, "other", link.Ack{})
	wants(t, "another site", err, issuer.ErrRefused)
	_, err = s.Status().Sign([]byte("campus-pass/1\x00 a pass"))
	wants(t, "no message at all", err, issuer.ErrRefused)
	if tried != 14 {
		t.Errorf("%d types tried", tried)
	}
}

func suiteGateKeys(t *testing.T, s issuer.Service, today pass.Day) {
	own := must[*ecdh.PrivateKey](t)(ecdh.X25519().GenerateKey(rand.Reader))
	data := must[[]byte](t)(s.SealGateKeys(issuer.GateKeys{Lane: "N1", Version: 7, To: own.PublicKey(), Days: []pass.Day{today, today + 1}}))
	d, _ := lane(t, s)
	g := must[*link.GateKeys](t)(link.Open[link.GateKeys](data, link.TypeGateKeys, Site, link.KeysOf(d.Keyset...), link.MaxDocument))
	keys := must[[]link.DayKey](t)(g.Unseal(Site, own))
	p := draft(today)
	if g.Version != 7 || len(keys) != 2 || keys[0].Key.LiveKey(p.Body()) != must[pass.LiveKey](t)(s.LiveKey(&p)) {
		t.Errorf("%d keys, version %d", len(keys), g.Version)
	}
	other := must[*ecdh.PrivateKey](t)(ecdh.X25519().GenerateKey(rand.Reader))
	_, err := g.Unseal(Site, other)
	wants(t, "another lane opens it", err, link.ErrForged)
	_, err = s.SealGateKeys(issuer.GateKeys{Lane: "N1", To: own.PublicKey(), Days: make([]pass.Day, issuer.MaxGateDays+1)})
	if err == nil {
		t.Error("sealed the keys of too many days")
	}
}

func suiteCertificates(t *testing.T, s issuer.Service, now time.Time) {
	pool := x509.NewCertPool()
	pool.AddCert(s.Authority())
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	csr := must[[]byte](t)(x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key))
	c := must[*x509.Certificate](t)(s.SignLane(csr, "N1", now))
	if _, err := c.Verify(x509.VerifyOptions{Roots: pool, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}); err != nil || c.Subject.CommonName != "N1" {
		t.Errorf("%q: %v", c.Subject.CommonName, err)
	}
	_, err = s.SignLane(csr, issuer.CentralName, now)
	wants(t, "a lane with central's name", err, issuer.ErrRequest)
	_, err = s.SignLane(csr[:20], "N1", now)
	wants(t, "a damaged request", err, issuer.ErrRequest)
	server, err := issuer.ServerCertificate(s, []string{"central.example", "192.0.2.1"}, now)
	if err != nil {
		t.Fatal(err)
	}
	for _, host := range []string{"central.example", "192.0.2.1"} {
		if _, err := server.Leaf.Verify(x509.VerifyOptions{Roots: pool, CurrentTime: now, DNSName: host}); err != nil {
			t.Error(err)
		}
	}
	own, err := issuer.CentralCertificate(s, now)
	if k, ok := own.PrivateKey.(*ecdsa.PrivateKey); err != nil || !ok || k.Curve != elliptic.P256() || own.Leaf.Subject.CommonName != issuer.CentralName {
		t.Errorf("central's own: %v", err)
	}
	list := must[[]byte](t)(s.RevocationList([]*big.Int{c.SerialNumber}, now))
	parsed := must[*x509.RevocationList](t)(x509.ParseRevocationList(list))
	if parsed.CheckSignatureFrom(s.Authority()) != nil || len(parsed.RevokedCertificateEntries) != 1 {
		t.Error("the revocation list is not the authority's")
	}
}

func suiteSecrets(t *testing.T, s issuer.Service) {
	key := must[[32]byte](t)(s.SecretsKey())
	again := must[[32]byte](t)(s.SecretsKey())
	if key != again || key == [32]byte{} {
		t.Error("the key of the secrets changes, or is none")
	}
}

func suiteWithdrawal(t *testing.T, s issuer.Service, today pass.Day, now time.Time) {
	_, before := lane(t, s)
	p, _, err := s.Mint(draft(today))
	if err != nil {
		t.Fatal(err)
	}
	wants(t, "withdraw an unknown key", s.Withdraw(60000, now), issuer.ErrUnknownKey)
	for range 2 {
		if err := s.Withdraw(p.KeyID, now); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Renew(today-1, today+37, false, now); err != nil {
		t.Fatal(err)
	}
	q, _, err := s.Mint(draft(today))
	_, after := lane(t, s)
	if _, known := after.Find(q.KeyID); err != nil || q.KeyID == p.KeyID || !known || after.Version <= before.Version {
		t.Errorf("minted with key %d after %d was withdrawn, keyset %d: %v", q.KeyID, p.KeyID, after.Version, err)
	}
	list := must[[]issuer.KeyState](t)(s.PassKeys())
	withdrawn := 0
	for _, k := range list {
		if !k.Withdrawn.IsZero() {
			withdrawn++
		}
	}
	d := must[issuer.DelegationState](t)(s.Delegation())
	if withdrawn != 1 || len(list) < 9 || d.Offline || d.Threshold != 1 || d.Problem != nil || !d.Expires.After(now) {
		t.Errorf("%d of %d keys withdrawn, delegation %+v", withdrawn, len(list), d)
	}
}
