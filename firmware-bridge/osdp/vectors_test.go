package osdp

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"turnstile/firmware-bridge/capture"
)

// hexBytes are bytes that stand in JSON as hexadecimal digits.
type hexBytes []byte

func (h *hexBytes) UnmarshalText(text []byte) (err error) {
	*h, err = hex.DecodeString(string(text))
	return err
}

// vectors is testdata/vectors.json. Each has the place it is from, or "self-made".
type vectors struct {
	Keys struct {
		Source                                                            string
		SCBK, Panel, Peripheral, SEnc, SMAC1, SMAC2, Server, Client, RMAC hexBytes
	}
	Blocks []struct {
		Name, Source, Op string
		Key, IV, In, Out hexBytes
	}
	Packets []struct {
		Name, Source, Value string
		Wire                hexBytes
	}
	Data []struct {
		Name, Source, Value string
		Reply               bool
		Code                uint8
		Data                hexBytes
	}
	Sealed []struct {
		Name, Source   string
		Reply          bool
		Code, Sequence uint8
		Data, Wire     hexBytes
	}
	Refused []struct {
		Name, Source, Error string
		Wire                hexBytes
	}
}

func load(t testing.TB) (v vectors) {
	t.Helper()
	b, err := os.ReadFile("testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&v); err != nil {
		t.Fatal(err)
	}
	if len(v.Packets) < 24 || len(v.Data) < 2 || len(v.Blocks) < 6 || len(v.Sealed) < 3 || len(v.Refused) < 9 {
		t.Fatalf("vectors are missing: %d packets, %d data, %d blocks, %d sealed, %d refused",
			len(v.Packets), len(v.Data), len(v.Blocks), len(v.Sealed), len(v.Refused))
	}
	return v
}

func show(m Message) string { return fmt.Sprintf("%T%+v", m, m) }

func read(reply bool, code uint8, data []byte) (Message, error) {
	if reply {
		return ReadReply(code, data)
	}
	return ReadCommand(code, data)
}

func TestPacketVectors(t *testing.T) {
	published := 0
	for _, v := range load(t).Packets {
		if v.Source == "" {
			t.Errorf("%s has no source", v.Name)
		} else if v.Source != "self-made" {
			published++
		}
		p, err := Parse(v.Wire)
		if err != nil {
			t.Errorf("%s: %v", v.Name, err)
			continue
		}
		m, err := read(p.Reply, p.Code, p.Data)
		if err != nil || show(m) != v.Value {
			t.Errorf("%s: %s, %v; want %s", v.Name, show(m), err, v.Value)
			continue
		}
		p.Data = m.appendData(nil)
		if again, err := Append(nil, p); err != nil || !bytes.Equal(again, v.Wire) {
			t.Errorf("%s: written as % X, %v; want % X", v.Name, again, err, v.Wire)
		}
	}
	if published < 20 {
		t.Errorf("only %d published packets", published)
	}
}

func TestDataVectors(t *testing.T) {
	for _, v := range load(t).Data {
		m, err := read(v.Reply, v.Code, v.Data)
		if err != nil || show(m) != v.Value {
			t.Errorf("%s: %s, %v; want %s", v.Name, show(m), err, v.Value)
			continue
		}
		if again := m.appendData(nil); !bytes.Equal(again, v.Data) {
			t.Errorf("%s: written as % X", v.Name, again)
		}
	}
}

func TestRefusedPackets(t *testing.T) {
	want := map[string]error{"shape": ErrShape, "check": ErrCheck}
	for _, v := range load(t).Refused {
		if _, err := Parse(v.Wire); want[v.Error] == nil || !errors.Is(err, want[v.Error]) {
			t.Errorf("%s: %v, want %s", v.Name, err, v.Error)
		}
	}
}

// The session keys, cryptograms and start value of the standard's Annex E.
func TestAnnexE(t *testing.T) {
	v := load(t).Keys
	k := Key(v.SCBK)
	if k != DefaultKey() {
		t.Fatal("the default key is not SCBK-D")
	}
	a, b := Random(v.Panel), Random(v.Peripheral)
	s := NewSession(k, a)
	for name, c := range map[string]struct {
		cipher interface{ Encrypt(dst, src []byte) }
		want   hexBytes
	}{"S-ENC": {s.encrypt, v.SEnc}, "S-MAC1": {s.first, v.SMAC1}, "S-MAC2": {s.last, v.SMAC2}} {
		var got, want [16]byte
		c.cipher.Encrypt(got[:], got[:])
		Key(c.want).cipher().Encrypt(want[:], want[:])
		if got != want {
			t.Errorf("%s is not % X", name, c.want)
		}
	}
	if got := s.Client(a, b); !bytes.Equal(got[:], v.Client) {
		t.Errorf("client cryptogram % X", got)
	}
	server := s.Server(a, b)
	if !bytes.Equal(server[:], v.Server) {
		t.Errorf("server cryptogram % X", server)
	}
	if got := s.Begin(server); !bytes.Equal(got[:], v.RMAC) {
		t.Errorf("R-MAC-I % X", got)
	}
}

// MAC and encryption by blocks, with one key for all, as libosdp tests them.
func TestBlockVectors(t *testing.T) {
	for _, v := range load(t).Blocks {
		c := Key(v.Key).cipher()
		s := Session{encrypt: c, first: c, last: c}
		var got []byte
		switch v.Op {
		case "mac":
			mac := s.mac(v.In, [16]byte(v.IV))
			got = mac[:]
		case "encrypt":
			s.taken = complement([16]byte(v.IV))
			got = s.encrypted(v.In)
			s.sent = s.taken
			if back, err := s.decrypted(bytes.Clone(got)); err != nil || !bytes.Equal(back, v.In) {
				t.Errorf("%s: decrypted to % X, %v", v.Name, back, err)
			}
		}
		if !bytes.Equal(got, v.Out) {
			t.Errorf("%s: % X, want % X", v.Name, got, v.Out)
		}
	}
}

// pair is both sides of one session.
type pair struct{ panel, peripheral *Session }

func newPair(k Key, a, b Random) pair {
	p := pair{NewSession(k, a), NewSession(k, a)}
	p.panel.Begin(p.panel.Server(a, b))
	p.peripheral.Begin(p.peripheral.Server(a, b))
	return p
}

// sides are the sender and the receiver of a packet.
func (p pair) sides(reply bool) (from, to *Session) {
	if reply {
		return p.peripheral, p.panel
	}
	return p.panel, p.peripheral
}

func TestSealedVectors(t *testing.T) {
	v := load(t)
	p := newPair(Key(v.Keys.SCBK), Random(v.Keys.Panel), Random(v.Keys.Peripheral))
	for _, c := range v.Sealed {
		from, to := p.sides(c.Reply)
		got, err := from.Seal(nil, Packet{Reply: c.Reply, Sequence: c.Sequence, Code: c.Code, Data: c.Data})
		if err != nil || !bytes.Equal(got, c.Wire) {
			t.Fatalf("%s: % X, %v; want % X", c.Name, got, err, c.Wire)
		}
		q, err := Parse(got)
		if err != nil {
			t.Fatal(err)
		}
		if data, err := to.Open(q); err != nil || !bytes.Equal(data, c.Data) {
			t.Fatalf("%s: opened to % X, %v", c.Name, data, err)
		}
	}
}

// chunks reads a capture in the public form.
func chunks(t testing.TB, path string) []capture.Chunk {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	c, err := capture.Read(f)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestPublicPollCycle(t *testing.T) {
	var got []string
	var d Decoder
	for _, c := range chunks(t, "testdata/pollcycle.osdpcap") {
		d.Feed(c.Data, func(p Packet, err error) {
			m, readErr := read(p.Reply, p.Code, p.Data)
			if err != nil || readErr != nil {
				t.Fatal(err, readErr)
			}
			got = append(got, fmt.Sprint(p.Sequence, " ", show(m)))
		})
	}
	want := "0 osdp.Plain96|0 osdp.LocalStatus{Tamper:0 Power:1}|1 osdp.Plain96|1 osdp.Plain64|2 osdp.Plain96|2 osdp.Plain64|3 osdp.Plain96|3 osdp.Plain64"
	if strings.Join(got, "|") != want || d.Noise() != 0 {
		t.Errorf("%s, %d bytes of noise", strings.Join(got, "|"), d.Noise())
	}
}

// monitored follows a public recording of SIA's own panel and reader as one who
// listens on the wires, with nothing but the default key, and tells each message
// in the clear. Both sides are played beside it: what they seal must be the bytes of
// the recording.
func monitored(t *testing.T) (said []Message, resealed int) {
	t.Helper()
	var d Decoder
	var a Random
	var p pair
	key := DefaultKey()
	take := func(q Packet, err error) {
		if err != nil {
			t.Fatal(err)
		}
		data := q.Data
		if q.Block.Type.sealed() {
			wire := bytes.Clone(q.raw)
			from, to := p.sides(q.Reply)
			data, err = to.Open(q)
			if err != nil {
				t.Fatalf("code %#x: %v", q.Code, err)
			}
			data = bytes.Clone(data)
			// The recorded panel encrypts even nothing; ours does not.
			if len(data) > 0 || q.Block.Type < BlockCommandCrypt {
				again, err := from.Seal(nil, Packet{Reply: q.Reply, Sequence: q.Sequence, Code: q.Code, Data: data})
				if err != nil || !bytes.Equal(again, wire) {
					t.Fatalf("sealed as % X, %v; recorded % X", again, err, wire)
				}
				resealed++
			} else {
				from.sent = to.taken
			}
		}
		m, err := read(q.Reply, q.Code, data)
		if err != nil {
			t.Fatal(err)
		}
		said = append(said, m)
		switch m := m.(type) {
		case Challenge:
			a = Random(m)
		case ClientCryptogram:
			p = newPair(key, a, m.Random)
			if got := p.panel.Client(a, m.Random); got != m.Cryptogram {
				t.Fatalf("client cryptogram % X, recorded % X", got, m.Cryptogram)
			}
		case InitialMAC:
			if p.panel.taken != Cryptogram(m) {
				t.Fatalf("R-MAC-I % X, recorded % X", p.panel.taken, m)
			}
		case KeySet:
			key = m.Key
		}
	}
	for _, c := range chunks(t, "testdata/monitor.osdpcap") {
		d.Feed(c.Data, take)
	}
	return said, resealed
}

// A recording made by another implementation, with two handshakes and 20 sealed
// packets: each MAC is right, and 18 are ours bit by bit.
func TestPublicSecureSession(t *testing.T) {
	said, resealed := monitored(t)
	if len(said) != 33 || resealed != 18 {
		t.Fatalf("%d packets, %d sealed again", len(said), resealed)
	}
	for i, want := range map[int]string{
		4:  "osdp.Identity{Vendor:[10 0 23] Model:3 Version:0 Serial:3990814410 Firmware:[1 80 2]}",
		9:  "osdp.KeySet{Key:hidden}",
		10: "osdp.Plain64",
		19: "osdp.Text{Reader:0 Control:2 Seconds:0 Row:1 Column:1 Text:[82 101 97 100 121 32 32 32 32 32 32 32 32 32 32 32 32 32 32 32 32 52 58 52 53 32 65 77 32 32 32 32]}",
		21: "osdp.Plain100",
		22: "osdp.LocalStatus{Tamper:0 Power:1}",
		24: "osdp.Other{ID:75 Data:[1]}",
		25: "osdp.ReceiveSize2048",
		31: "osdp.Plain96",
	} {
		if got := show(said[i]); got != want {
			t.Errorf("packet %d is %s, want %s", i, got, want)
		}
	}
	if c, ok := said[16].(Capabilities); !ok || len(c) != 15 || !c.Secure() {
		t.Errorf("packet 16 is %s", show(said[16]))
	}
}
