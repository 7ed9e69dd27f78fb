package audit

import (
	"fmt"

	"turnstile/central/link"
)

// Anchor is a head of the chain at a time, signed with central's status key.
type Anchor struct {
	Number int64     `cbor:"1,keyasint"`
	At     int64     `cbor:"2,keyasint"` // Unix ms of the signature
	Head   link.Hash `cbor:"3,keyasint"`
}

// MaxAnchor bounds a sealed anchor in bytes.
const MaxAnchor = 512

// SealAnchor signs a head.
func SealAnchor(s link.Signer, site string, a Anchor) ([]byte, error) {
	return link.Seal(s, link.TypeAudit, site, a)
}

// OpenAnchor verifies a signed head. The errors are link's.
func OpenAnchor(sealed []byte, site string, keys link.Keys) (Anchor, error) {
	a, err := link.Open[Anchor](sealed, link.TypeAudit, site, keys, MaxAnchor)
	if err != nil {
		return Anchor{}, fmt.Errorf("open anchor: %w", err)
	}
	return *a, nil
}
