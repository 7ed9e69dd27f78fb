package provider

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"fmt"
	"sync"
	"time"

	"github.com/luikyv/go-oidc/pkg/goidc"

	"turnstile/central/database"
	"turnstile/central/seal"
)

// Life of a key: after keyLife there is another one, which signs after keyNotice,
// when every client and every central knows it; the old one is erased after keyRest.
const (
	keyLife      = 30 * 24 * time.Hour
	keyNotice    = 24 * time.Hour
	keyRest      = 2 * 24 * time.Hour
	keyFresh     = time.Minute // between looks at the database
	standardBits = 2048
)

// keys are what the provider signs with.
type keys struct {
	db   *database.DB
	box  seal.Box
	now  func() time.Time
	bits int

	mu     sync.Mutex // guards the following
	known  map[string]*rsa.PrivateKey
	rows   []database.OpenIDKey
	looked time.Time
}

func keyPlace(id string) string { return "openid key " + id }

// rotate makes a key where none is young enough.
func (k *keys) rotate(ctx context.Context) error {
	rows, err := k.db.OpenIDKeys(ctx)
	if err != nil {
		return fmt.Errorf("read the provider's keys: %w", err)
	}
	now := k.now()
	newest, oldest := now.Add(-keyLife).UnixMilli(), now.Add(-keyLife-keyRest).UnixMilli()
	if len(rows) > 0 && rows[0].Made > newest {
		return nil
	}
	private, err := rsa.GenerateKey(rand.Reader, k.bits)
	if err != nil {
		return fmt.Errorf("make a key: %w", err)
	}
	text, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return fmt.Errorf("encode a key: %w", err)
	}
	id := rand.Text()
	if err := k.db.RotateOpenIDKey(ctx, database.OpenIDKey{ID: id, Made: now.UnixMilli(), Sealed: k.box.Seal(keyPlace(id), text)}, newest, oldest); err != nil {
		return fmt.Errorf("store a key: %w", err)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.looked = time.Time{}
	return nil
}

// set returns the keys, the one to sign with first: the newest that everybody has
// had time to read, or the only one.
func (k *keys) set(ctx context.Context) (out goidc.JSONWebKeySet, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.look(ctx); err != nil {
		return out, err
	}
	signs := len(k.rows) - 1
	for i, row := range k.rows { // the newest first
		if row.Made <= k.now().Add(-keyNotice).UnixMilli() {
			signs = i
			break
		}
	}
	for i := range k.rows {
		row := k.rows[(signs+i)%len(k.rows)]
		out.Keys = append(out.Keys, goidc.JSONWebKey{Key: k.known[row.ID], KeyID: row.ID, Algorithm: string(goidc.RS256), Use: string(goidc.KeyUsageSignature)})
	}
	return out, nil
}

// look reads the keys anew from time to time; mu is held.
func (k *keys) look(ctx context.Context) error {
	if now := k.now(); len(k.rows) > 0 && now.Sub(k.looked) < keyFresh && now.After(k.looked) {
		return nil
	}
	rows, err := k.db.OpenIDKeys(ctx)
	if err != nil {
		return fmt.Errorf("read the provider's keys: %w", err)
	}
	if len(rows) == 0 {
		return fmt.Errorf("read the provider's keys: %w", database.ErrNotFound)
	}
	known := map[string]*rsa.PrivateKey{}
	for _, row := range rows {
		if known[row.ID] = k.known[row.ID]; known[row.ID] != nil {
			continue
		}
		if known[row.ID], err = k.open(row); err != nil {
			return err
		}
	}
	k.rows, k.known, k.looked = rows, known, k.now()
	return nil
}

func (k *keys) open(row database.OpenIDKey) (*rsa.PrivateKey, error) {
	text, err := k.box.Open(keyPlace(row.ID), row.Sealed)
	if err != nil {
		return nil, fmt.Errorf("open the provider's key: %w", err)
	}
	key, err := x509.ParsePKCS8PrivateKey(text)
	if err != nil {
		return nil, fmt.Errorf("read the provider's key: %w", err)
	}
	private, ok := key.(*rsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("read the provider's key: it is a %T", key)
	}
	return private, nil
}
