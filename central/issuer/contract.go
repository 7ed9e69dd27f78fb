package issuer

import (
	"crypto/ecdh"
	"crypto/x509"
	"errors"
	"math/big"
	"time"

	"turnstile/central/link"
	"turnstile/central/pass"
)

// Service is everything that central asks of its private keys. *Issuer is the
// one in this process, sign.Client the one over the socket of central sign;
// issuertest has the suite that both pass. Safe for concurrent use. What changes
// something returns when it is durable.
//
// now is the caller's clock; central sign takes its own instead.
type Service interface {
	Passes
	Feed
	Certificates
	Servers
	Custody
}

// ErrRefused tells that the service could have done it and would not: a limit
// was passed, or the caller has no right to it.
var ErrRefused = errors.New("the signer refuses")

// Passes signs passes and makes what stands in them.
type Passes interface {
	// Mint signs p with a key of its kind and day and returns it with the key's id
	// set. ErrNoKey if Renew made none.
	Mint(p pass.Pass) (pass.Pass, []byte, error)
	// Index returns where in the day's list the pass of an issue number stands.
	Index(day pass.Day, number, capacity uint32) (uint32, error)
	// Holder returns a person's pseudonym on a day.
	Holder(day pass.Day, person string) ([8]byte, error)
	// LiveKey returns the live key of one pass, which its holder may have.
	LiveKey(p *pass.Pass) (pass.LiveKey, error)
	// Short returns the short code of a pass as of a generation: the lowest that
	// the day's list admits, which is what lanes reckon with.
	Short(p *pass.Pass, generation uint8) (pass.Short, error)
}

// Feed signs what lanes are told.
type Feed interface {
	// Status returns the signer of the status role. It signs that role's types of
	// messages of this site, and nothing else: ErrRefused.
	Status() link.Signer
	StatusKeys() link.Keys
	// Renew makes missing pass keys and takes what was installed meanwhile.
	Renew(from, to pass.Day, test bool, now time.Time) error
	// Keys returns the keyset in force and the message that carries it to lanes.
	Keys() (link.Keyset, []byte, error)
	// SealGateKeys returns the signed message with the gate keys of some days,
	// sealed to a lane controller. The keys themselves are never handed out.
	SealGateKeys(g GateKeys) ([]byte, error)
}

// GateKeys says whose gate keys are wanted.
type GateKeys struct {
	Lane    string
	Version uint64
	To      *ecdh.PublicKey // X25519
	Days    []pass.Day      // at most MaxGateDays
}

// MaxGateDays bounds the days of one SealGateKeys.
const MaxGateDays = link.MaxOpenDays

// Certificates admits lane controllers.
type Certificates interface {
	// SignLane signs a client certificate from a request (DER), of which only the
	// key counts. ErrRequest.
	SignLane(csr []byte, lane string, now time.Time) (*x509.Certificate, error)
	Authority() *x509.Certificate
	AuthorityHash() link.Hash
	// Root returns what a lane is given to trust at its enrolment.
	Root() link.Root
}

// Servers makes certificates for central's own connections, from requests (DER)
// of which only the key counts: private keys stay with who asks. See
// ServerCertificate and CentralCertificate.
type Servers interface {
	// SignServer is for a server reached under the hosts (names, addresses).
	SignServer(csr []byte, hosts []string, now time.Time) (*x509.Certificate, error)
	// SignCentral is a client certificate for central itself.
	SignCentral(csr []byte, now time.Time) (*x509.Certificate, error)
	// RevocationList returns a signed list (DER) of certificates that are refused.
	RevocationList(serials []*big.Int, now time.Time) ([]byte, error)
}

// Custody keeps the keys themselves.
type Custody interface {
	// PassKeys lists all pass keys that were ever made, ascending by id.
	PassKeys() ([]KeyState, error)
	// Withdraw ends a pass key for good. ErrUnknownKey. Again is no error.
	Withdraw(id uint16, now time.Time) error
	// Delegation tells how long the root's word lasts.
	Delegation() (DelegationState, error)
	// Keyset returns a signer of the keyset role for LANES documents alone.
	Keyset() link.Signer
	// SecretsKey returns the key that central seals its own secrets with, those
	// that stand in the database. It opens nothing else and signs nothing.
	SecretsKey() ([32]byte, error)
}

var _ Service = (*Issuer)(nil)
