package link

import (
	"crypto/rand"
	"encoding/base32"
	"fmt"
	"strings"
)

// EnrolToken lets one lane controller enrol once. It also tells the lane whom
// it talks to: Authority is the SHA-256 of the authority's certificate (DER).
type EnrolToken struct {
	ID        [8]byte
	Secret    [16]byte
	Authority Hash
}

const tokenPrefix = "turnstile-enrol-1."

var tokenEncoding = base32.StdEncoding.WithPadding(base32.NoPadding)

// NewEnrolToken returns a token with a random id and secret.
func NewEnrolToken(authority Hash) EnrolToken {
	t := EnrolToken{Authority: authority}
	rand.Read(t.ID[:]) // never fails (crypto/rand)
	rand.Read(t.Secret[:])
	return t
}

// Text returns the token as it is handed over, one line.
func (t EnrolToken) Text() string {
	raw := append(t.ID[:], t.Secret[:]...)
	return tokenPrefix + tokenEncoding.EncodeToString(append(raw, t.Authority[:]...))
}

// Format prints the token's id alone, whatever the verb: the rest is a secret.
func (t EnrolToken) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "enrolment token %x", t.ID[:]) }

// ParseEnrolToken reads a token. The error never repeats the text: it is a secret.
func ParseEnrolToken(text string) (t EnrolToken, err error) {
	rest, ok := strings.CutPrefix(strings.TrimSpace(text), tokenPrefix)
	if !ok || len(rest) > 200 {
		return t, fmt.Errorf("%w: an enrolment token begins with %s", ErrMalformed, tokenPrefix)
	}
	raw, err := tokenEncoding.DecodeString(rest)
	if err != nil || len(raw) != len(t.ID)+len(t.Secret)+len(t.Authority) || t.fill(raw).Text() != tokenPrefix+rest {
		return t, fmt.Errorf("%w: the enrolment token is damaged; copy it whole", ErrMalformed)
	}
	return t.fill(raw), nil
}

func (t EnrolToken) fill(raw []byte) EnrolToken {
	raw = raw[copy(t.ID[:], raw):]
	raw = raw[copy(t.Secret[:], raw):]
	copy(t.Authority[:], raw)
	return t
}

// EnrolPath is where central takes enrolments, by POST over HTTPS.
const EnrolPath = "/enrol/1"

// MaxEnrol bounds request and answer in bytes.
const MaxEnrol = 32 << 10

// EnrolRequest is the JSON body of an enrolment. The lane keeps all private keys.
type EnrolRequest struct {
	TokenID     []byte `json:"token_id"`     // 8 bytes
	TokenSecret []byte `json:"token_secret"` // 16 bytes
	CSR         []byte `json:"csr"`          // DER, of the TLS client key
	JournalKey  []byte `json:"journal_key"`  // Ed25519 public key, signs what the lane says
	SealKey     []byte `json:"seal_key"`     // X25519 public key, gate keys are sealed to it
}

// EnrolAnswer is the JSON answer to a good enrolment.
type EnrolAnswer struct {
	Lane        string `json:"lane"` // id of this lane controller
	Site        string `json:"site"`
	Certificate []byte `json:"certificate"` // DER
	Authority   []byte `json:"authority"`   // DER; its SHA-256 is in the token
	Root        Root   `json:"root"`
	Broker      string `json:"broker"` // e.g. ssl://central.example:8883
	// Brokers are all nodes if the broker is a cluster, Broker the first of them. An
	// agent that does not know this key uses that one.
	Brokers []string `json:"brokers,omitempty"`
}

// EnrolProblem is the JSON answer to a refused enrolment.
type EnrolProblem struct {
	Code   string `json:"code"`   // token_unknown, token_used, token_expired, request_malformed, too_many, try_again
	Detail string `json:"detail"` // for the installer: what to do next
}
