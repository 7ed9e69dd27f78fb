package link

import (
	"crypto/sha256"
	"time"
)

// RenewPath is where central renews a lane controller's certificate, by POST over
// HTTPS with the present one as client certificate.
const RenewPath = "/renew/1"

// RenewGrace is how long after its end a certificate can still be renewed: a
// lane that stood in a store for a term comes back by itself.
const RenewGrace = 90 * 24 * time.Hour

// RenewFrom returns when a certificate that holds from one time until another can
// be renewed: in the last third of its life.
func RenewFrom(from, until time.Time) time.Time { return until.Add(-until.Sub(from) / 3) }

// RenewRequest is the JSON body of a renewal, of at most MaxEnrol bytes.
type RenewRequest struct {
	CSR       []byte `json:"csr"`       // DER, of the next TLS client key
	Signature []byte `json:"signature"` // of the lane's journal key over RenewSigned
}

// RenewAnswer is the JSON answer to a good renewal; to a refused one it is
// EnrolProblem.
type RenewAnswer struct {
	Certificate []byte `json:"certificate"` // DER
}

// RenewSigned returns what a lane's journal key signs: whoever has stolen the TLS
// key alone cannot have it replaced. present is the present certificate (DER).
func RenewSigned(site, lane string, present, csr []byte) []byte {
	b := append([]byte("turnstile-renew/1\x00"), byte(len(site)))
	b = append(append(b, site...), byte(len(lane)))
	hash := sha256.Sum256(present)
	return append(append(append(b, lane...), hash[:]...), csr...)
}
