package keyring

import (
	"crypto/x509"
	"math/big"
	"time"

	"turnstile/central/issuer"
	"turnstile/central/link"
	"turnstile/central/pass"
)

// The rest of issuer.Service is the present issuer's.

// Mint is issuer.Issuer's.
func (r *Ring) Mint(p pass.Pass) (pass.Pass, []byte, error) { return r.current.Load().Mint(p) }

// Index is issuer.Issuer's.
func (r *Ring) Index(day pass.Day, number, capacity uint32) (uint32, error) {
	return r.current.Load().Index(day, number, capacity)
}

// Holder is issuer.Issuer's.
func (r *Ring) Holder(day pass.Day, person string) ([8]byte, error) {
	return r.current.Load().Holder(day, person)
}

// LiveKey is issuer.Issuer's.
func (r *Ring) LiveKey(p *pass.Pass) (pass.LiveKey, error) { return r.current.Load().LiveKey(p) }

// Short is issuer.Issuer's.
func (r *Ring) Short(p *pass.Pass, generation uint8) (pass.Short, error) {
	return r.current.Load().Short(p, generation)
}

// StatusKeys is issuer.Issuer's.
func (r *Ring) StatusKeys() link.Keys { return r.current.Load().StatusKeys() }

// Keys is issuer.Issuer's.
func (r *Ring) Keys() (link.Keyset, []byte, error) { return r.current.Load().Keys() }

// SealGateKeys is issuer.Issuer's.
func (r *Ring) SealGateKeys(g issuer.GateKeys) ([]byte, error) {
	return r.current.Load().SealGateKeys(g)
}

// SignLane is issuer.Issuer's.
func (r *Ring) SignLane(csr []byte, lane string, now time.Time) (*x509.Certificate, error) {
	return r.current.Load().SignLane(csr, lane, now)
}

// Authority is issuer.Issuer's.
func (r *Ring) Authority() *x509.Certificate { return r.current.Load().Authority() }

// AuthorityHash is issuer.Issuer's.
func (r *Ring) AuthorityHash() link.Hash { return r.current.Load().AuthorityHash() }

// Root is issuer.Issuer's.
func (r *Ring) Root() link.Root { return r.current.Load().Root() }

// SignServer is issuer.Issuer's.
func (r *Ring) SignServer(csr []byte, hosts []string, now time.Time) (*x509.Certificate, error) {
	return r.current.Load().SignServer(csr, hosts, now)
}

// SignCentral is issuer.Issuer's.
func (r *Ring) SignCentral(csr []byte, now time.Time) (*x509.Certificate, error) {
	return r.current.Load().SignCentral(csr, now)
}

// RevocationList is issuer.Issuer's.
func (r *Ring) RevocationList(serials []*big.Int, now time.Time) ([]byte, error) {
	return r.current.Load().RevocationList(serials, now)
}

// PassKeys is issuer.Issuer's.
func (r *Ring) PassKeys() ([]issuer.KeyState, error) { return r.current.Load().PassKeys() }

// Delegation is issuer.Issuer's.
func (r *Ring) Delegation() (issuer.DelegationState, error) { return r.current.Load().Delegation() }

// SecretsKey is issuer.Issuer's.
func (r *Ring) SecretsKey() ([32]byte, error) { return r.current.Load().SecretsKey() }
