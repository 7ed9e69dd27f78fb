package osdp

import (
	"crypto/cipher"
	"crypto/subtle"
	"errors"
)

// What Session.Open refuses a packet for. Either ends the session.
var (
	ErrMAC     = errors.New("osdp: wrong MAC: the packet is not of this session")
	ErrPadding = errors.New("osdp: encrypted data with wrong padding")
)

// Session is one secure channel as one of its two sides sees it. Its keys are of
// one handshake and die with it.
type Session struct {
	encrypt cipher.Block // S-ENC
	first   cipher.Block // S-MAC1, for all blocks but the last
	last    cipher.Block // S-MAC2
	// The whole MACs of the last packet sent and of the last one taken. Each is
	// the start value for the MAC of the other direction, and its complement that
	// for the encryption.
	sent, taken [16]byte
}

// NewSession derives the session keys of a base key and the panel's random
// number. It can be used once Begin was called.
func NewSession(k Key, panel Random) *Session {
	base := k.cipher()
	derive := func(kind byte) cipher.Block {
		var block, out Key
		block[0], block[1] = 0x01, kind
		copy(block[2:8], panel[:6])
		base.Encrypt(out[:], block[:])
		return out.cipher()
	}
	return &Session{encrypt: derive(0x82), first: derive(0x01), last: derive(0x02)}
}

// Client is the cryptogram by which the peripheral proves its key.
func (s *Session) Client(panel, peripheral Random) Cryptogram { return s.cryptogram(panel, peripheral) }

// Server is the cryptogram by which the panel proves its key.
func (s *Session) Server(panel, peripheral Random) Cryptogram { return s.cryptogram(peripheral, panel) }

func (s *Session) cryptogram(a, b Random) (c Cryptogram) {
	copy(c[:], a[:])
	copy(c[len(a):], b[:])
	s.encrypt.Encrypt(c[:], c[:])
	return c
}

// Begin starts the chain of MACs at R-MAC-I, which it returns.
func (s *Session) Begin(server Cryptogram) Cryptogram {
	s.first.Encrypt(server[:], server[:])
	s.last.Encrypt(server[:], server[:])
	s.sent, s.taken = server, server
	return server
}

// equal compares without telling by its time where the difference is.
func equal(a, b Cryptogram) bool { return subtle.ConstantTimeCompare(a[:], b[:]) == 1 }

// Seal appends p, encrypted and with its MAC. p has no block and no MAC of its own.
func (s *Session) Seal(wire []byte, p Packet) ([]byte, error) {
	p.Block.Type = BlockCommand
	if len(p.Data) > 0 {
		p.Block.Type = BlockCommandCrypt
		p.Data = s.encrypted(p.Data)
	}
	if p.Reply {
		p.Block.Type++
	}
	var room [macSize]byte
	p.MAC = room[:]
	start := len(wire)
	sealed, err := Append(wire, p)
	if err != nil {
		return wire, err
	}
	end := len(sealed) - checkSize(p.Sum)
	s.sent = s.mac(sealed[start:end-macSize], s.taken)
	copy(sealed[end-macSize:end], s.sent[:])
	return appendCheck(sealed[:end], start, p.Sum), nil
}

// Open checks the MAC of a packet that Parse or a Decoder gave and returns its
// data, which is decrypted in place. After an error the session is over.
func (s *Session) Open(p Packet) ([]byte, error) {
	if answers := p.Block.Type%2 == 0; !p.Block.Type.sealed() || answers != p.Reply || p.raw == nil {
		return nil, ErrMAC
	}
	end := len(p.raw) - checkSize(p.Sum) - macSize
	mac := s.mac(p.raw[:end], s.sent)
	if subtle.ConstantTimeCompare(mac[:macSize], p.MAC) != 1 {
		return nil, ErrMAC
	}
	data := p.Data
	if p.Block.Type >= BlockCommandCrypt {
		var err error
		if data, err = s.decrypted(data); err != nil {
			return nil, err
		}
	}
	s.taken = mac
	return data, nil
}

// mac is the whole MAC of b. Padding stands only where b is no multiple of a
// block.
func (s *Session) mac(b []byte, iv [16]byte) [16]byte {
	for {
		n := subtle.XORBytes(iv[:], iv[:], b)
		if b = b[n:]; len(b) > 0 {
			s.first.Encrypt(iv[:], iv[:])
			continue
		}
		if n < len(iv) {
			iv[n] ^= 0x80
		}
		s.last.Encrypt(iv[:], iv[:])
		return iv
	}
}

// encrypted pads b, always, and encrypts it for the other side.
func (s *Session) encrypted(b []byte) []byte {
	size := (len(b)/16 + 1) * 16
	out := make([]byte, size)
	out[copy(out, b)] = 0x80
	iv := complement(s.taken)
	cipher.NewCBCEncrypter(s.encrypt, iv[:]).CryptBlocks(out, out)
	return out
}

// decrypted undoes encrypted, in place. It is called after the MAC was right, so
// that the padding tells a stranger nothing.
func (s *Session) decrypted(b []byte) ([]byte, error) {
	if len(b) == 0 || len(b)%16 != 0 {
		return nil, ErrPadding
	}
	iv := complement(s.sent)
	cipher.NewCBCDecrypter(s.encrypt, iv[:]).CryptBlocks(b, b)
	end := len(b)
	for end > 0 && b[end-1] == 0 {
		end--
	}
	if end == 0 || b[end-1] != 0x80 || end <= len(b)-16 {
		return nil, ErrPadding
	}
	return b[:end-1], nil
}

func complement(mac [16]byte) [16]byte {
	for i := range mac {
		mac[i] = ^mac[i]
	}
	return mac
}
