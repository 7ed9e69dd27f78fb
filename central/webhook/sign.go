package webhook

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// The headers of a delivery, by the Standard Webhooks convention.
const (
	HeaderID        = "webhook-id"        // of the event: the same at each try
	HeaderTimestamp = "webhook-timestamp" // of the try, Unix seconds
	HeaderSignature = "webhook-signature" // "v1," and base64 of the HMAC-SHA256 of id.timestamp.body
)

const (
	secretPrefix    = "whsec_"
	signaturePrefix = "v1,"
	secretSize      = 32
)

// Tolerance is how old a delivery may be for Verify.
const Tolerance = 5 * time.Minute

// What Verify refuses.
var (
	ErrSecret    = errors.New("not a webhook secret")
	ErrSignature = errors.New("not signed with this secret")
	ErrOld       = errors.New("signed too long ago, or in the future")
)

// NewSecret returns a new secret as its receiver is given it.
func NewSecret() string {
	key := make([]byte, secretSize)
	rand.Read(key)
	return secretPrefix + base64.StdEncoding.EncodeToString(key)
}

func secretKey(secret string) ([]byte, error) {
	text, ok := strings.CutPrefix(secret, secretPrefix)
	key, err := base64.StdEncoding.DecodeString(text)
	if !ok || err != nil || len(key) < 24 || len(key) > 64 {
		return nil, ErrSecret
	}
	return key, nil
}

// sign returns the signature header of a delivery.
func sign(key []byte, id string, seconds int64, body []byte) string {
	m := hmac.New(sha256.New, key)
	m.Write([]byte(id + "." + strconv.FormatInt(seconds, 10) + "."))
	m.Write(body)
	return signaturePrefix + base64.StdEncoding.EncodeToString(m.Sum(nil))
}

// Verify returns nil if a delivery was signed with the secret within Tolerance of
// now: it is what a receiver has to check before it believes the body. A receiver
// also drops a HeaderID that it has had.
func Verify(secret string, header http.Header, body []byte, now time.Time) error {
	key, err := secretKey(secret)
	if err != nil {
		return err
	}
	seconds, err := strconv.ParseInt(header.Get(HeaderTimestamp), 10, 64)
	if err != nil {
		return ErrSignature
	}
	if d := now.Sub(time.Unix(seconds, 0)); d > Tolerance || d < -Tolerance {
		return ErrOld
	}
	want := sign(key, header.Get(HeaderID), seconds, body)
	for _, s := range strings.Fields(header.Get(HeaderSignature)) { // several while a secret changes
		if hmac.Equal([]byte(s), []byte(want)) {
			return nil
		}
	}
	return ErrSignature
}
