package openid

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"time"
)

// appleLife is how long a secret is good: Apple takes up to six months, and
// nobody keeps this one.
const appleLife = 5 * time.Minute

// appleSecret makes the secret that Apple asks for in place of a fixed one: a
// token, signed with ES256 by the key in a .p8 file.
func appleSecret(p *Provider, file []byte, now time.Time) (string, error) {
	block, _ := pem.Decode(file)
	if block == nil {
		return "", fmt.Errorf("%w: %s: secret_file holds no key: want the .p8 file that Apple gave", ErrConfig, p.ID)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return "", fmt.Errorf("%w: %s: secret_file: %w", ErrConfig, p.ID, err)
	}
	key, ok := parsed.(*ecdsa.PrivateKey)
	if !ok || key.Curve != elliptic.P256() {
		return "", fmt.Errorf("%w: %s: secret_file: want a key of P-256", ErrConfig, p.ID)
	}
	head, err := json.Marshal(map[string]string{"alg": "ES256", "kid": p.Key})
	if err != nil {
		return "", fmt.Errorf("make secret: %w", err)
	}
	body, err := json.Marshal(map[string]any{"iss": p.Team, "iat": now.Unix(), "exp": now.Add(appleLife).Unix(), "aud": p.Issuer, "sub": p.Client})
	if err != nil {
		return "", fmt.Errorf("make secret: %w", err)
	}
	text := base64.RawURLEncoding.EncodeToString(head) + "." + base64.RawURLEncoding.EncodeToString(body)
	sum := sha256.Sum256([]byte(text))
	r, s, err := ecdsa.Sign(rand.Reader, key, sum[:])
	if err != nil {
		return "", fmt.Errorf("sign secret: %w", err)
	}
	signature := make([]byte, 64)
	r.FillBytes(signature[:32])
	s.FillBytes(signature[32:])
	return text + "." + base64.RawURLEncoding.EncodeToString(signature), nil
}
