package identity

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base32"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/hotp"
)

// One-time codes are RFC 6238 as every authenticator app has them: SHA-1, six
// digits, 30 seconds. A code of the step before or after is taken, for clocks.
const (
	stepTime   = 30 * time.Second
	codeDigits = 6
	skewSteps  = 1
	secretSize = 20 // bytes, as RFC 4226 recommends
)

const sealedTOTP = "one-time codes of " // and the person's id: a secret moved to another person does not open

// stepOf returns which step a code is of, if it is one of those around now.
// It compares all of them, whichever fits.
func stepOf(secret []byte, code string, now time.Time) (step int64, ok bool, err error) {
	at := now.Unix() / int64(stepTime/time.Second)
	for s := at - skewSteps; s <= at+skewSteps; s++ {
		want, err := hotp.GenerateCodeCustom(encoding().EncodeToString(secret), uint64(s), hotp.ValidateOpts{Digits: otp.DigitsSix, Algorithm: otp.AlgorithmSHA1})
		if err != nil {
			return 0, false, fmt.Errorf("make one-time code: %w", err)
		}
		if subtle.ConstantTimeCompare([]byte(want), []byte(code)) == 1 {
			step, ok = s, true
		}
	}
	return step, ok, nil
}

func encoding() *base32.Encoding { return base32.StdEncoding.WithPadding(base32.NoPadding) }

// keyURL is what the QR symbol of a set-up says.
func keyURL(site, account string, secret []byte) string {
	q := url.Values{"secret": {encoding().EncodeToString(secret)}, "issuer": {"Turnstile " + site}}
	u := url.URL{Scheme: "otpauth", Host: "totp", Path: "/Turnstile " + site + ":" + account, RawQuery: strings.ReplaceAll(q.Encode(), "+", "%20")}
	return u.String()
}

// plainCode takes out what people put between the digits of a code.
func plainCode(code string) string {
	return strings.ToUpper(strings.NewReplacer(" ", "", "-", "", "\t", "").Replace(strings.TrimSpace(code)))
}

func isOneTime(code string) bool {
	return len(code) == codeDigits && strings.Trim(code, "0123456789") == ""
}

// Recovery codes stand in for the phone that was lost.
const (
	recoveryCodes = 10
	recoverySize  = 16 // characters of 5 bits: nobody guesses one, also not from its hash
)

func newRecovery() (codes []string, hashes [][]byte) {
	for range recoveryCodes {
		c := rand.Text()[:recoverySize]
		codes = append(codes, c[:4]+"-"+c[4:8]+"-"+c[8:12]+"-"+c[12:])
		hashes = append(hashes, recoveryHash(c))
	}
	return codes, hashes
}

func recoveryHash(plain string) []byte {
	sum := sha256.Sum256([]byte("turnstile-recovery-1\x00" + plain))
	return sum[:]
}
