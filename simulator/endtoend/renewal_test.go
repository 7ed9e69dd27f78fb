package endtoend

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"turnstile/agent/enrol"
	"turnstile/central/database"
	"turnstile/central/issuer"
	"turnstile/simulator/site"
)

// age makes a stopped lane controller and central as they are that many days
// after its enrolment: its certificate is signed again by central's authority as
// of then. Central must not run.
func age(t *testing.T, s *site.Site, a *site.Agent, days int) {
	t.Helper()
	i, err := enrol.Load(a.Data)
	if err != nil {
		t.Fatal(err)
	}
	data := filepath.Join(s.Data(), "central", "data")
	phrase, err := os.ReadFile(filepath.Join(s.Data(), "central", "passphrase"))
	if err != nil {
		t.Fatal(err)
	}
	keys, err := issuer.Open(filepath.Join(data, "keys"), i.Site, bytes.TrimSpace(phrase), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, i.Certificate.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	old, err := keys.SignLane(csr, a.ID, time.Now().AddDate(0, 0, -days))
	if err != nil {
		t.Fatal(err)
	}
	db, err := database.Open(t.Context(), filepath.Join(data, "central.db"))
	if err != nil {
		t.Fatal(err)
	}
	row := database.Lane{ID: a.ID, Expires: old.NotAfter.UnixMilli(), Certificate: old.Raw}
	err = db.Renew(t.Context(), row, i.Certificate.Leaf.Raw, time.Now().UnixMilli(), database.Removed{})
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	setCertificate(t, a.Data, old.Raw)
}

// setCertificate changes the certificate in a lane's identity.
func setCertificate(t *testing.T, folder string, der []byte) {
	t.Helper()
	file := filepath.Join(folder, enrol.FileName)
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var identity map[string]any
	if err := json.Unmarshal(b, &identity); err != nil {
		t.Fatal(err)
	}
	identity["certificate"] = der
	if b, err = json.Marshal(identity); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// copyOf copies what a lane keeps of its identity, as a thief does.
func copyOf(t *testing.T, folder string) string {
	t.Helper()
	to := t.TempDir()
	for _, file := range []string{enrol.FileName, enrol.RootFile} {
		b, err := os.ReadFile(filepath.Join(folder, file))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(to, file), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return to
}

// leaf returns the certificate that a lane has on its disk.
func leaf(t *testing.T, folder string) *x509.Certificate {
	t.Helper()
	i, err := enrol.Load(folder)
	if err != nil {
		t.Fatal(err)
	}
	return i.Certificate.Leaf
}

// TestRenewal: a lane whose certificate is in its last month gets the next one by
// itself, and works with it; the broker refuses the one before, also to
// somebody who has copied the lane's whole folder in time, and central alarms that.
// A certificate that has ended, and with which no broker lets the lane in, is renewed too.
func TestRenewal(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		days   int
		config site.Config
	}{
		"in its last month": {70, site.Config{}},
		"ended":             {100, site.Config{}},
		"with mosquitto":    {70, site.Config{Mosquitto: mosquitto}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := campus(t, c.config, "north", "south")
			synced(t, s)
			north := s.Agents[0]
			if err := errors.Join(north.Stop(), s.Central().Stop()); err != nil {
				t.Fatal(err)
			}
			age(t, s, north, c.days)
			copied := copyOf(t, north.Data)
			before := leaf(t, north.Data)
			if err := errors.Join(s.StartCentral(), north.Start()); err != nil {
				t.Fatal(err)
			}
			report(t, s)
			renews(t, s, north, before)
			if s.Broker() != nil { // it knows of it when it is told, as configs/central-external-broker.yaml says
				if err := s.ReloadBroker(); err != nil {
					t.Fatal(err)
				}
			}
			thief(t, s, north, copied)
		})
	}
}

// report has all lanes report to a central that was started anew: of a broker that ran on
// it has what they said when they connected, and else they report once a minute.
func report(t *testing.T, s *site.Site) {
	t.Helper()
	if _, err := s.API.Set(t.Context(), issue(t, s, nil).ID, "revoke", "test"); err != nil {
		t.Fatal(err)
	}
}

// renews waits until the lane has another certificate, and has it work with that.
func renews(t *testing.T, s *site.Site, a *site.Agent, before *x509.Certificate) {
	t.Helper()
	until(t, "the lane has another certificate", func() bool { return !leaf(t, a.Data).Equal(before) })
	next := leaf(t, a.Data)
	if time.Until(next.NotAfter) < 89*24*time.Hour || next.PublicKey.(*ecdsa.PublicKey).Equal(before.PublicKey) {
		t.Errorf("the next certificate ends %v, and has the same key: %v", next.NotAfter, next.PublicKey.(*ecdsa.PublicKey).Equal(before.PublicKey))
	}
	synced(t, s)
	a.Cable.Cut() // the session that stood goes on with the certificate before
	until(t, "the lane is cut off", func() bool { return !status(t, a).Feed.Connected })
	a.Cable.Join()
	until(t, "the lane is back with its next certificate", func() bool { return status(t, a).Feed.Connected })
	for _, w := range status(t, a).Warnings {
		if w.Code == "certificate.expiring" {
			t.Errorf("the lane still warns: %+v", w)
		}
	}
	p := issue(t, s, nil)
	walk(t, a, p.Code)
	ledger(t, s, p.ID, "granted", "passed")
	lanes, err := s.API.Lanes(t.Context())
	if err != nil || len(lanes) != 2 || lanes[0].Certificate == nil || !lanes[0].Certificate.Equal(next.NotAfter) {
		t.Errorf("central says %+v, %v; the certificate ends %v", lanes, err, next.NotAfter)
	}
	gapless(t, s)
}

// thief has a copy of the lane's folder from before the renewal.
func thief(t *testing.T, s *site.Site, a *site.Agent, copied string) {
	t.Helper()
	old := &site.Agent{ID: a.ID, Data: copied, Cable: a.Cable}
	until(t, "the broker refuses certificate "+hex.EncodeToString(leaf(t, copied).SerialNumber.Bytes()), func() bool {
		c, err := session(t, old, a.ID, nil)
		c.Disconnect(0)
		return err != nil
	})
	if _, err := enrol.Renew(t.Context(), copied, s.EnrolURL()); !errors.Is(err, enrol.ErrReplaced) {
		t.Errorf("a renewal by the copy: %v", err)
	}
	until(t, "central alarms the copy", func() bool { return slices.Contains(alarms(t, s, a.ID), "certificate_conflict") })
	until(t, "the lane itself is connected", func() bool { return status(t, a).Feed.Connected })
}
