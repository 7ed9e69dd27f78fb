package fleet

import (
	"context"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"turnstile/agent/enrol"
	"turnstile/central/database"
	"turnstile/central/issuer"
	"turnstile/central/server"
	"turnstile/simulator/site"
)

// Enrolment enrols lane controllers in central's place, which must not run: it lets
// in ten a second from one address, so that ten thousand would take a quarter of an
// hour. What they get is what they would have got: a certificate of the site's
// authority, and rows in central's database.
type Enrolment struct {
	Site   *site.Site
	Prefix string // of the controllers' ids; a number follows
	// Told is called after each one; nil: nobody is told.
	Told func(done int)

	Lanes []enrol.Identity // in order; their Broker is that of the site when they are asked for

	key *ecdsa.PrivateKey
}

// Enrol enrols until there are n.
func (e *Enrolment) Enrol(ctx context.Context, n int) error {
	conf, err := server.Load(filepath.Join(e.Site.Data(), "central", "central.yaml"))
	if err != nil {
		return err
	}
	phrase, err := conf.Passphrase.Read()
	if err != nil {
		return err
	}
	i, err := issuer.Open(conf.Keys(), conf.Site, phrase, time.Now())
	if err != nil {
		return err
	}
	if e.key == nil { // one TLS key for all, which costs central nothing less
		if e.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
			return fmt.Errorf("make key: %w", err)
		}
	}
	db, err := conf.OpenDatabase(ctx)
	if err != nil {
		return err
	}
	for err == nil && len(e.Lanes) < n {
		err = e.add(ctx, db, i, conf.Site)
		if e.Told != nil {
			e.Told(len(e.Lanes))
		}
	}
	return errors.Join(err, db.Close())
}

// add enrols one controller.
func (e *Enrolment) add(ctx context.Context, db *database.DB, i *issuer.Issuer, name string) error {
	id := fmt.Sprintf("%s%d", e.Prefix, len(e.Lanes)+1)
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, e.key)
	if err != nil {
		return fmt.Errorf("make request: %w", err)
	}
	now := time.Now()
	cert, err := i.SignLane(csr, id, now)
	if err != nil {
		return err
	}
	_, own, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return fmt.Errorf("make key: %w", err)
	}
	seal, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		return fmt.Errorf("make key: %w", err)
	}
	l := enrol.Identity{Lane: id, Site: name, Root: i.Root(), Authority: i.Authority(), Journal: enrol.NewSigner(own), Seal: seal,
		Certificate: tls.Certificate{Certificate: [][]byte{cert.Raw}, PrivateKey: e.key, Leaf: cert}}
	invitation := database.Invitation{Lane: id, Created: now.UnixMilli(), Expires: now.Add(time.Hour).UnixMilli()}
	rand.Read(invitation.ID[:]) // never fails
	row := database.Lane{ID: id, Enrolled: now.UnixMilli(), Expires: cert.NotAfter.UnixMilli(), Certificate: cert.Raw,
		JournalKey: l.Journal.Public(), SealKey: seal.PublicKey().Bytes()}
	if err := db.Invite(ctx, invitation, "simulator"); err != nil {
		return err
	}
	if err := db.Enrol(ctx, invitation, row, database.Removed{}); err != nil {
		return err
	}
	e.Lanes = append(e.Lanes, l)
	return nil
}
