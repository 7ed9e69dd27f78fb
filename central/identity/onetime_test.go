package identity

import (
	"net/url"
	"testing"
	"time"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/hotp"
)

// codeAt is what an app shows at a time.
func codeAt(t *testing.T, secret []byte, at time.Time) string {
	t.Helper()
	code, err := hotp.GenerateCodeCustom(encoding().EncodeToString(secret), uint64(at.Unix()/30), hotp.ValidateOpts{Digits: otp.DigitsSix, Algorithm: otp.AlgorithmSHA1})
	if err != nil {
		t.Fatal(err)
	}
	return code
}

// TestOneTime has the numbers of RFC 6238, appendix B, to six digits.
func TestOneTime(t *testing.T) {
	secret := []byte("12345678901234567890")
	for at, want := range map[int64]string{59: "287082", 1111111109: "081804", 1111111111: "050471", 1234567890: "005924", 2000000000: "279037"} {
		step, ok, err := stepOf(secret, want, time.Unix(at, 0))
		if err != nil || !ok || step != at/30 {
			t.Errorf("%d: step %d, %v, %v", at, step, ok, err)
		}
		for _, off := range []int64{-60, 90} {
			if _, ok, _ := stepOf(secret, want, time.Unix(at+off, 0)); ok && at > 60 {
				t.Errorf("%d is good %d s later", at, off)
			}
		}
	}
}

// TestKeyURL is read as an app reads it.
func TestKeyURL(t *testing.T) {
	k, err := otp.NewKeyFromURL(keyURL("campus 1", "chan", []byte("12345678901234567890")))
	if err != nil || k.Type() != "totp" || k.AccountName() != "chan" || k.Issuer() != "Turnstile campus 1" || k.Period() != 30 || k.Secret() != "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ" {
		t.Errorf("%v %v", k, err)
	}
	if u, err := url.Parse(k.URL()); err != nil || u.Scheme != "otpauth" {
		t.Error(err)
	}
}
