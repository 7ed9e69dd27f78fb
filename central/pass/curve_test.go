package pass_test

import (
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/sha512"
	"math/big"
	"slices"
)

// The field's prime and the order of the base point, RFC 8032, 5.1.
var (
	prime = sub(new(big.Int).Lsh(big.NewInt(1), 255), big.NewInt(19))
	order = add(new(big.Int).Lsh(big.NewInt(1), 252), decimal("27742317777372353535851937790883648493"))
)

func add(a, b *big.Int) *big.Int { return new(big.Int).Add(a, b) }
func sub(a, b *big.Int) *big.Int { return new(big.Int).Sub(a, b) }

func decimal(s string) *big.Int {
	n, ok := new(big.Int).SetString(s, 10)
	if !ok {
		panic(s)
	}
	return n
}

func sha512Of(b []byte) []byte { h := sha512.Sum512(b); return h[:] }

func fromLittle(b []byte) *big.Int {
	b = slices.Clone(b)
	slices.Reverse(b)
	return new(big.Int).SetBytes(b)
}

func toLittle(n *big.Int) []byte {
	b := n.FillBytes(make([]byte, 32))
	slices.Reverse(b)
	return b
}

// scalar returns the secret scalar of a seed, RFC 8032, 5.1.5.
func scalar(seed []byte) *big.Int {
	h := sha512Of(seed)[:32]
	h[0] &= 248
	h[31] = h[31]&127 | 64
	return fromLittle(h)
}

// plusOrder returns a signature with S + n*order: the same to a verifier that
// reduces S.
func plusOrder(signature []byte, n int64) []byte {
	s := add(fromLittle(signature[32:]), new(big.Int).Mul(order, big.NewInt(n)))
	return append(slices.Clone(signature[:32]), toLittle(s)...)
}

// finish returns R and the S that belongs to it, for the nonce r.
func finish(key ed25519.PrivateKey, encodedR []byte, r *big.Int, message []byte) []byte {
	k := fromLittle(sha512Of(slices.Concat(encodedR, key.Public().(ed25519.PublicKey), message)))
	s := add(r, new(big.Int).Mul(k, scalar(key.Seed())))
	return append(slices.Clone(encodedR), toLittle(s.Mod(s, order))...)
}

// mixedOrder returns a signature whose R has the point of order 2 added: good
// for a verifier that multiplies by the cofactor, bad for one that does not.
// (x, y) + (0, -1) is (-x, -y).
func mixedOrder(key ed25519.PrivateKey, message []byte) []byte {
	nonce := sha256.Sum256([]byte("campus-pass test nonce"))
	r := []byte(ed25519.NewKeyFromSeed(nonce[:]).Public().(ed25519.PublicKey))
	sign := r[31] & 128
	r[31] &= 127
	moved := toLittle(sub(prime, fromLittle(r)))
	moved[31] |= sign ^ 128
	return finish(key, moved, scalar(nonce[:]), message)
}

// nonCanonicalR returns a signature with the nonce 0, whose R, the neutral point
// (0, 1), is written with y = 1 + prime: good for a verifier that decodes R
// without a check and compares points, bad for one that compares bytes.
func nonCanonicalR(key ed25519.PrivateKey, message []byte) []byte {
	return finish(key, toLittle(add(prime, big.NewInt(1))), new(big.Int), message)
}
