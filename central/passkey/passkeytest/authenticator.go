// Package passkeytest has an authenticator in software, as a phone has one, for
// tests of signing in with passkeys.
package passkeytest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"testing"

	"github.com/fxamacker/cbor/v2"
)

// Authenticator has one passkey. Its fields may be changed to make it lie.
type Authenticator struct {
	t       testing.TB
	Origin  string // https://host
	Host    string
	ID      []byte
	Handle  []byte // whom the passkey is of; set by Create
	Counter uint32
	key     *ecdsa.PrivateKey
}

// New returns an authenticator of a browser that shows an origin.
func New(t testing.TB, scheme, host string) *Authenticator {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	id := make([]byte, 16)
	rand.Read(id)
	return &Authenticator{t: t, Origin: scheme + "://" + host, Host: host, ID: id, key: key}
}

// asked is what of the options an authenticator goes by.
type asked struct {
	Challenge string `json:"challenge"`
	User      struct {
		ID string `json:"id"`
	} `json:"user"`
}

func (a *Authenticator) read(options any) (q asked) {
	a.t.Helper()
	text, err := json.Marshal(options)
	if err == nil {
		err = json.Unmarshal(text, &q)
	}
	if err != nil || q.Challenge == "" {
		a.t.Fatalf("options %s: %v", text, err)
	}
	return q
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// clientData is what the browser says of itself.
func (a *Authenticator) clientData(kind, challenge string) []byte {
	text, err := json.Marshal(map[string]any{"type": kind, "challenge": challenge, "origin": a.Origin})
	if err != nil {
		a.t.Fatal(err)
	}
	return text
}

// Flags of the data of an authenticator.
const (
	present  = 0x01
	verified = 0x04
	attested = 0x40
)

func (a *Authenticator) data(flags byte) []byte {
	a.Counter++
	hash := sha256.Sum256([]byte(a.Host))
	return binary.BigEndian.AppendUint32(append(hash[:], flags), a.Counter)
}

// answer is what a browser sends.
func (a *Authenticator) answer(response map[string]string) []byte {
	text, err := json.Marshal(map[string]any{"id": b64(a.ID), "rawId": b64(a.ID), "type": "public-key", "response": response})
	if err != nil {
		a.t.Fatal(err)
	}
	return text
}

// Create answers navigator.credentials.create().
func (a *Authenticator) Create(options any) []byte {
	a.t.Helper()
	q := a.read(options)
	var err error
	if a.Handle, err = base64.RawURLEncoding.DecodeString(q.User.ID); err != nil {
		a.t.Fatal(err)
	}
	x, y := a.key.X.FillBytes(make([]byte, 32)), a.key.Y.FillBytes(make([]byte, 32))
	public, err := cbor.Marshal(map[int]any{1: 2, 3: -7, -1: 1, -2: x, -3: y})
	if err != nil {
		a.t.Fatal(err)
	}
	data := append(a.data(present|verified|attested), make([]byte, 16)...)
	data = binary.BigEndian.AppendUint16(data, uint16(len(a.ID)))
	data = append(append(data, a.ID...), public...)
	object, err := cbor.Marshal(map[string]any{"fmt": "none", "attStmt": map[string]any{}, "authData": data})
	if err != nil {
		a.t.Fatal(err)
	}
	return a.answer(map[string]string{"clientDataJSON": b64(a.clientData("webauthn.create", q.Challenge)), "attestationObject": b64(object)})
}

// Get answers navigator.credentials.get().
func (a *Authenticator) Get(options any) []byte {
	a.t.Helper()
	client := a.clientData("webauthn.get", a.read(options).Challenge)
	data, hash := a.data(present|verified), sha256.Sum256(client)
	sum := sha256.Sum256(append(append([]byte{}, data...), hash[:]...))
	signature, err := ecdsa.SignASN1(rand.Reader, a.key, sum[:])
	if err != nil {
		a.t.Fatal(err)
	}
	return a.answer(map[string]string{"clientDataJSON": b64(client), "authenticatorData": b64(data), "signature": b64(signature), "userHandle": b64(a.Handle)})
}
