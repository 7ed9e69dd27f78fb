package sign

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/fxamacker/cbor/v2"

	"turnstile/central/link"
	"turnstile/central/pass"
)

// Each message on the socket is its length (4 bytes, big-endian) and a CBOR map.
// A client sends a request and waits for its reply.

// op is what a request wants.
type op uint8

// The operations. Append only.
const (
	opHello      op = 1
	opMint       op = 2
	opIndex      op = 3
	opHolder     op = 4
	opLive       op = 5
	opShort      op = 6
	opStatus     op = 7 // sign with the status role
	opKeyset     op = 8 // sign with the keyset role
	opRenew      op = 9
	opKeys       op = 10
	opGateKeys   op = 11
	opLane       op = 12
	opServer     op = 13
	opCentral    op = 14
	opRevoked    op = 15
	opPassKeys   op = 16
	opWithdraw   op = 17
	opDelegation op = 18
	opSecrets    op = 19
)

// request is any request; each operation uses some fields.
type request struct {
	Op      op         `cbor:"0,keyasint"`
	Pass    *pass.Pass `cbor:"1,keyasint,omitempty"`
	Day     pass.Day   `cbor:"2,keyasint,omitempty"`
	To      pass.Day   `cbor:"3,keyasint,omitempty"`
	Number  uint64     `cbor:"4,keyasint,omitempty"` // issue number, generation, key id, version
	Of      uint32     `cbor:"5,keyasint,omitempty"` // capacity
	Name    string     `cbor:"6,keyasint,omitempty"` // person, lane
	Data    []byte     `cbor:"7,keyasint,omitempty"` // message, request, public key
	Test    bool       `cbor:"8,keyasint,omitempty"`
	Days    []pass.Day `cbor:"9,keyasint,omitempty"`
	Hosts   []string   `cbor:"10,keyasint,omitempty"`
	Serials [][]byte   `cbor:"11,keyasint,omitempty"`
	Signer  []byte     `cbor:"12,keyasint,omitempty"` // key id that the message will name
}

// reply is any reply. Code is empty for a success.
type reply struct {
	Code   string       `cbor:"0,keyasint,omitempty"`
	Text   string       `cbor:"1,keyasint,omitempty"`
	Pass   *pass.Pass   `cbor:"2,keyasint,omitempty"`
	Data   []byte       `cbor:"3,keyasint,omitempty"`
	Number uint64       `cbor:"4,keyasint,omitempty"`
	Keyset *link.Keyset `cbor:"5,keyasint,omitempty"`
}

// Sizes in bytes. A document to be signed has at most link.MaxDocument; a list of
// refused certificates may be longer.
const (
	maxFrame  = 4 * link.MaxDocument
	frameHead = 4
)

// errFrame tells that the other side does not speak this protocol.
var errFrame = errors.New("message on the socket malformed")

// decMode bounds what a message can make the decoder do.
func decMode() (cbor.DecMode, error) {
	return cbor.DecOptions{
		DupMapKey: cbor.DupMapKeyEnforcedAPF, IndefLength: cbor.IndefLengthForbidden, TagsMd: cbor.TagsForbidden,
		MaxNestedLevels: 8, MaxArrayElements: 8192, MaxMapPairs: 64,
	}.DecMode()
}

// write sends one message.
func write(w io.Writer, v any) error {
	data, err := cbor.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode message: %w", err)
	}
	if len(data) > maxFrame {
		return fmt.Errorf("%w: %d bytes, at most %d", errFrame, len(data), maxFrame)
	}
	_, err = w.Write(append(binary.BigEndian.AppendUint32(make([]byte, 0, frameHead+len(data)), uint32(len(data))), data...))
	return err
}

// read reads one message into v; length is called when its first bytes are there.
func read(r io.Reader, v any, length func()) error {
	var head [frameHead]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return err
	}
	n := binary.BigEndian.Uint32(head[:])
	if n == 0 || n > maxFrame {
		return fmt.Errorf("%w: %d bytes, at most %d", errFrame, n, maxFrame)
	}
	if length != nil {
		length()
	}
	data := make([]byte, n)
	if _, err := io.ReadFull(r, data); err != nil {
		return fmt.Errorf("%w: %w", errFrame, err)
	}
	return decode(data, v)
}

func decode(data []byte, v any) error {
	mode, err := decMode()
	if err != nil {
		return err
	}
	if err := mode.Unmarshal(data, v); err != nil {
		return fmt.Errorf("%w: %w", errFrame, err)
	}
	return nil
}
