package uplink

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"testing"
	"time"

	"turnstile/agent/wallclock"
)

// TestBrokersCertificate by clocks of all sorts: expired is what central has
// signed to be over, whatever the machine's clock shows.
func TestBrokersCertificate(t *testing.T) {
	real := time.Now()
	c := newCentral(t, func() time.Time { return real })
	leaf, _ := c.certificate("broker", []string{"localhost"})
	other := newCentral(t, func() time.Time { return real })
	strange, _ := other.certificate("broker", []string{"localhost"})
	for name, x := range map[string]struct {
		chain []*x509.Certificate
		host  string
		floor time.Time
		shows time.Time
		good  bool
	}{
		"right clock":               {[]*x509.Certificate{leaf}, "localhost", real, real, true},
		"1970, and no floor":        {[]*x509.Certificate{leaf}, "localhost", time.Time{}, time.Unix(0, 0), true},
		"1970":                      {[]*x509.Certificate{leaf}, "localhost", real, time.Unix(0, 0), true},
		"2038":                      {[]*x509.Certificate{leaf, c.authority}, "localhost", real, time.Unix(1<<31, 0), true},
		"expired":                   {[]*x509.Certificate{leaf}, "localhost", real.Add(25 * time.Hour), real, false},
		"expired, by a clock ahead": {[]*x509.Certificate{leaf}, "localhost", real.Add(25 * time.Hour), time.Unix(1<<31, 0), false},
		"another host's":            {[]*x509.Certificate{leaf}, "elsewhere", real, real, false},
		"another authority's":       {[]*x509.Certificate{strange, other.authority}, "localhost", real, real, false},
	} {
		u := New(Config{Identity: c.lane, Clock: wallclock.New(wallclock.Options{Floor: x.floor, TrustSystem: true}), Now: func() time.Time { return x.shows }})
		err := u.verify(x.chain, x.host)
		var refused *tls.CertificateVerificationError
		if (err == nil) != x.good || err != nil && !errors.As(err, &refused) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestRenewedCertificateIsUsed(t *testing.T) {
	c := newCentral(t, time.Now)
	u := New(Config{Identity: c.lane, Clock: wallclock.New(wallclock.Options{})})
	own := func() *x509.Certificate {
		t.Helper()
		config, err := u.tls(u.broker())
		if err != nil || len(config.Certificates) != 1 || !config.InsecureSkipVerify || config.VerifyConnection == nil {
			t.Fatal(err)
		}
		return config.Certificates[0].Leaf
	}
	if !own().Equal(c.lane.Certificate.Leaf) {
		t.Fatal("not the identity's")
	}
	next, key := c.certificate(laneID, nil)
	u.Renewed(tls.Certificate{Certificate: [][]byte{next.Raw}, PrivateKey: key, Leaf: next})
	if !own().Equal(next) {
		t.Fatal("not the renewed one")
	}
}
