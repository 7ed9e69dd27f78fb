package osdp_test

import (
	"bytes"
	"errors"
	"slices"
	"testing"
	"time"

	"turnstile/firmware-bridge/osdp"
	"turnstile/firmware-bridge/osdp/osdptest"
)

// parsed is the packet in a piece of the line.
func parsed(t testing.TB, piece []byte) osdp.Packet {
	t.Helper()
	p, err := osdp.Parse(bytes.TrimPrefix(piece, []byte{0xFF}))
	if err != nil {
		t.Fatalf("% X: %v", piece, err)
	}
	return p
}

// clear is an answer to command outside the secure channel.
func clear(t testing.TB, command []byte, code uint8, data ...byte) []byte {
	t.Helper()
	q := parsed(t, command)
	b, err := osdp.Append([]byte{0xFF}, osdp.Packet{Address: q.Address, Reply: true, Sequence: q.Sequence, Code: code, Data: data})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// refused checks that the reader is refused with alarm a, once, that nothing it
// said was taken, and that no key left for it.
func refused(t *testing.T, b *osdptest.Bench, a osdp.Alarm) {
	t.Helper()
	s := status(t, b, 0)
	if s.Online || s.Alarm != a || !errors.Is(s.Err, osdp.ErrRefused) || count(b, osdp.EventAlarm, a) != 1 {
		t.Errorf("%+v, %d alarms", s, count(b, osdp.EventAlarm, a))
	}
	if got := texts(b, 0); len(got) != 0 {
		t.Errorf("took %q", got)
	}
	noKeySet(t, b)
}

func noKeySet(t testing.TB, b *osdptest.Bench) {
	t.Helper()
	for _, p := range b.Wire {
		if q, err := osdp.Parse(bytes.TrimPrefix(p.Data, []byte{0xFF})); err == nil && p.Sent && q.Code == osdp.CmdKeySet {
			t.Fatalf("KEYSET was sent: % X", p.Data)
		}
	}
}

// Attack: encryption is optional. A device without the secure channel, or that
// denies it by any way that a device can, is never spoken to in the clear.
func TestEncryptionIsNotOptional(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(t *testing.T) osdptest.Spoil
		alarm osdp.Alarm
	}{
		"PDCAP without it": {func(t *testing.T) osdptest.Spoil {
			return func(command, answer []byte) []byte {
				if parsed(t, command).Code == osdp.CmdCap {
					return clear(t, command, osdp.ReplyCap, 8, 1, 0, 9, 0, 0)
				}
				return answer
			}
		}, osdp.AlarmNoChannel},
		"empty PDCAP": {func(t *testing.T) osdptest.Spoil {
			return func(command, answer []byte) []byte {
				if parsed(t, command).Code == osdp.CmdCap {
					return clear(t, command, osdp.ReplyCap)
				}
				return answer
			}
		}, osdp.AlarmNoChannel},
		"CHLNG unknown": {func(t *testing.T) osdptest.Spoil {
			return func(command, answer []byte) []byte {
				if parsed(t, command).Code == osdp.CmdChallenge {
					return clear(t, command, osdp.ReplyNAK, byte(osdp.NakUnknown))
				}
				return answer
			}
		}, osdp.AlarmNoChannel},
		"CHLNG not supported": {func(t *testing.T) osdptest.Spoil {
			return func(command, answer []byte) []byte {
				if parsed(t, command).Code == osdp.CmdChallenge {
					return clear(t, command, osdp.ReplyNAK, byte(osdp.NakBlock))
				}
				return answer
			}
		}, osdp.AlarmKey},
		"a card in answer to ID": {func(t *testing.T) osdptest.Spoil {
			return func(command, _ []byte) []byte {
				return clear(t, command, osdp.ReplyRaw, 0, 0, 16, 0, 'H', 'I')
			}
		}, osdp.AlarmClearText},
		"a card in answer to CHLNG": {func(t *testing.T) osdptest.Spoil {
			return func(command, answer []byte) []byte {
				if parsed(t, command).Code == osdp.CmdChallenge {
					return clear(t, command, osdp.ReplyRaw, 0, 0, 16, 0, 'H', 'I')
				}
				return answer
			}
		}, osdp.AlarmClearText},
	} {
		t.Run(name, func(t *testing.T) {
			r := good(t, 0)
			r.Spoil(c.spoil(t))
			r.Scan("NEVER")
			b := bench(t, r)
			b.Run(time.Minute)
			refused(t, b, c.alarm)
			if s := status(t, b, 0); s.Line.Sessions != 0 || s.Line.Sent < 10 || s.Line.Sent > 200 {
				t.Errorf("%+v", s.Line)
			}
		})
	}
}

// A device that was met in the secure channel and then speaks in the clear is
// refused with an alarm, and what it says is not taken.
func TestClearTextInSession(t *testing.T) {
	for name, code := range map[string]uint8{"ACK": osdp.ReplyACK, "RAW": osdp.ReplyRaw, "KEYPAD": osdp.ReplyKeypad, "PDID": osdp.ReplyID} {
		t.Run(name, func(t *testing.T) {
			r := good(t, 0)
			b := bench(t, r)
			online(t, b, 0)
			r.Spoil(func(command, answer []byte) []byte {
				if parsed(t, command).Code == osdp.CmdPoll {
					return clear(t, command, code, 0, 0, 16, 0, 'H', 'I')
				}
				return answer
			})
			b.Run(300 * time.Millisecond)
			refused(t, b, osdp.AlarmClearText)
			if count(b, osdp.EventOffline, 0) != 1 {
				t.Error("no event")
			}
		})
	}
}

// A MAC alone does not hide what a visitor showed: data must be encrypted. Here
// the reader itself is careless; its MAC is right. A command's block in an answer
// is no way round it.
func TestDataMustBeEncrypted(t *testing.T) {
	for block, alarm := range map[osdp.BlockType]osdp.Alarm{osdp.BlockReply: osdp.AlarmClearText, osdp.BlockCommand: osdp.AlarmMAC} {
		r := good(t, 0)
		r.Spoil(script(t, key(t, '0'), func(s *osdp.Session, q osdp.Packet, _ []byte) ([]byte, error) {
			return osdp.SealInClear(s, block, osdp.Packet{Address: q.Address, Reply: true, Sequence: q.Sequence, Code: osdp.ReplyID, Data: make([]byte, 12)})
		}))
		b := bench(t, r)
		b.Run(3 * time.Second)
		if s := status(t, b, 0); s.Alarm != alarm || s.Online || s.Line.Sessions == 0 || s.Pin != (osdp.Pin{}) {
			t.Errorf("block %x: %+v", uint8(block), s)
		}
	}
}

// sealing is script with a reader that is well but for what answer changes of its
// sealed answers.
func sealing(t testing.TB, k osdp.Key, answer func(q osdp.Packet, p *osdp.Packet)) osdptest.Spoil {
	return script(t, k, func(s *osdp.Session, q osdp.Packet, _ []byte) ([]byte, error) {
		p := osdp.Packet{Address: q.Address, Reply: true, Sequence: q.Sequence, Code: osdp.ReplyACK}
		switch q.Code {
		case osdp.CmdID:
			p.Code, p.Data = osdp.ReplyID, make([]byte, 12)
		case osdp.CmdCap:
			p.Code, p.Data = osdp.ReplyCap, []byte{9, 1, 1}
		}
		answer(q, &p)
		return s.Seal([]byte{0xFF}, p)
	})
}

// A reader too old for CAP is taken: that it is in the secure channel is the proof.
func TestReaderWithoutCapabilities(t *testing.T) {
	r := good(t, 0)
	r.Spoil(sealing(t, key(t, '0'), func(q osdp.Packet, p *osdp.Packet) {
		if q.Code == osdp.CmdCap {
			p.Code, p.Data = osdp.ReplyNAK, []byte{byte(osdp.NakUnknown)}
		}
	}))
	b := bench(t, r)
	online(t, b, 0)
	if n := count(b, osdp.EventAlarm, osdp.AlarmIdentity); n != 0 {
		t.Errorf("%d alarms", n)
	}
}

// A sealed answer whose data does not fit its code is of a careless reader and no
// attack: it is counted, its data is not handed on, and the session goes on.
func TestMisfits(t *testing.T) {
	r := good(t, 0)
	n := 0
	r.Spoil(sealing(t, key(t, '0'), func(q osdp.Packet, p *osdp.Packet) {
		if q.Code != osdp.CmdPoll {
			return
		}
		if n++; n%5 == 0 { // 26 bits in 8 bytes
			p.Code, p.Data = osdp.ReplyRaw, []byte{0, 1, 26, 0, 1, 2, 3, 4, 0, 0, 0, 0}
		}
	}))
	b := bench(t, r)
	online(t, b, 0)
	b.Run(3 * time.Second)
	s := status(t, b, 0)
	if !s.Online || s.Line.Sessions != 1 || s.Line.Misfits < 5 || s.Alarm != 0 || count(b, osdp.EventMessage, 0) < 5 {
		t.Errorf("%+v", s)
	}
	for _, e := range b.Events {
		if m, ok := e.Message.(osdp.Other); e.Message != nil && (!ok || m.ID != osdp.ReplyRaw || len(m.Data) > 0) {
			t.Errorf("handed on %+v", e.Message)
		}
	}
}

// handshake is an answer with a handshake's block.
func handshake(t testing.TB, q osdp.Packet, block osdp.BlockType, code uint8, data []byte) []byte {
	t.Helper()
	selector := []byte{1}
	if block == osdp.BlockClient {
		selector = q.Block.Data
	}
	b, err := osdp.Append([]byte{0xFF}, osdp.Packet{Address: q.Address, Reply: true, Sequence: q.Sequence,
		Block: osdp.Block{Type: block, Data: selector}, Code: code, Data: data})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// script is a reader that makes the handshake with key k, whatever key it is asked
// for, and then answers each sealed command as it likes.
func script(t testing.TB, k osdp.Key, answer func(s *osdp.Session, q osdp.Packet, data []byte) ([]byte, error)) osdptest.Spoil {
	var a osdp.Random
	var session *osdp.Session
	random := osdp.Random{9}
	return func(command, _ []byte) []byte {
		q := parsed(t, command)
		switch {
		case q.Code == osdp.CmdID && q.MAC == nil:
			return clear(t, command, osdp.ReplyID, make([]byte, 12)...)
		case q.Code == osdp.CmdCap && q.MAC == nil:
			return clear(t, command, osdp.ReplyNAK, byte(osdp.NakUnknown))
		case q.Code == osdp.CmdChallenge:
			a = osdp.Random(q.Data)
			session = osdp.NewSession(k, a)
			c := session.Client(a, random)
			return handshake(t, q, osdp.BlockClient, osdp.ReplyClientCrypt, slices.Concat(make([]byte, 8), random[:], c[:]))
		case q.Code == osdp.CmdServerCrypt:
			mac := session.Begin(session.Server(a, random))
			return handshake(t, q, osdp.BlockInitialMAC, osdp.ReplyInitialMAC, mac[:])
		}
		data, err := session.Open(q)
		if err != nil {
			t.Fatal(err)
		}
		out, err := answer(session, q, data)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
}

// Attack: PDCAP downgrade. A reader that had the secure channel once is known, and
// a stranger who makes it look older is told apart from an old reader.
func TestDowngradeOfCapabilities(t *testing.T) {
	deny := func(t *testing.T) func(osdptest.Piece) []byte {
		return func(p osdptest.Piece) []byte {
			if q, err := osdp.Parse(bytes.TrimPrefix(p.Data, []byte{0xFF})); !p.Sent && err == nil && q.Code == osdp.ReplyCap && q.MAC == nil {
				b, err := osdp.Append([]byte{0xFF}, osdp.Packet{Reply: true, Sequence: q.Sequence, Code: osdp.ReplyCap, Data: []byte{9, 0, 0}})
				if err != nil {
					t.Fatal(err)
				}
				return b
			}
			return p.Data
		}
	}
	t.Run("since the start", func(t *testing.T) {
		r := good(t, 0)
		b := bench(t, r)
		online(t, b, 0)
		b.Meddle = deny(t)
		b.Panel.Reset(b.Now, errGone)
		b.Run(20 * time.Second)
		refused(t, b, osdp.AlarmDowngrade)
		b.Meddle = nil
		online(t, b, 0)
	})
	t.Run("kept by the caller", func(t *testing.T) {
		r := good(t, 0)
		first := bench(t, r)
		online(t, first, 0)
		pin := status(t, first, 0).Pin
		b, err := osdptest.NewBench(osdp.PanelConfig{Baud: baud, Devices: []osdp.DeviceConfig{{Key: key(t, '0'), Pin: &pin}}}, r)
		if err != nil {
			t.Fatal(err)
		}
		b.Meddle = deny(t)
		b.Run(20 * time.Second)
		refused(t, b, osdp.AlarmDowngrade)
	})
	// Inside the session nobody can meddle; a reader that denies there what it is
	// using is refused too.
	t.Run("inside the session", func(t *testing.T) {
		c := osdptest.Config(0, key(t, '0'))
		c.Capabilities = osdp.Capabilities{{Function: osdp.FunctionCheck, Level: 1}}
		r := reader(t, c)
		b := bench(t, r)
		b.Meddle = func(p osdptest.Piece) []byte {
			if q, err := osdp.Parse(bytes.TrimPrefix(p.Data, []byte{0xFF})); !p.Sent && err == nil && q.Code == osdp.ReplyCap && q.MAC == nil {
				return clear(t, b.Wire[len(b.Wire)-1].Data, osdp.ReplyCap, 9, 1, 1)
			}
			return p.Data
		}
		b.Run(5 * time.Second)
		if s := status(t, b, 0); s.Online || s.Alarm != osdp.AlarmDowngrade || s.Line.Sessions == 0 {
			t.Errorf("%+v", s)
		}
	})
}

// A pinned reader that was swapped for another with the same key is refused until
// an installer says so.
func TestAnotherReaderAtTheAddress(t *testing.T) {
	b := bench(t, good(t, 0))
	online(t, b, 0)
	c := osdptest.Config(0, key(t, '0'))
	c.Identity.Serial, c.CUID = 777, status(t, b, 0).Pin.CUID
	b.Readers[0] = reader(t, c)
	b.Run(30 * time.Second)
	refused(t, b, osdp.AlarmIdentity)
	other := osdptest.Config(0, key(t, '0')) // the same but for its cUID, which a derived key hangs on
	other.CUID = osdp.CUID{1}
	b.Readers[0] = reader(t, other)
	sessions := status(t, b, 0).Line.Sessions
	b.Run(30 * time.Second)
	refused(t, b, osdp.AlarmIdentity)
	if got := status(t, b, 0).Line.Sessions; got != sessions {
		t.Errorf("%d sessions with another cUID", got-sessions)
	}
	b.Readers[0] = reader(t, c)
	if err := b.Panel.Install(0, time.Minute, b.Now); err != nil {
		t.Fatal(err)
	}
	online(t, b, 0)
	if s := status(t, b, 0); s.Pin.Identity.Serial != 777 || s.Install {
		t.Errorf("%+v", s)
	}
	noKeySet(t, b) // it had the key already
}

// Attack: weak and default keys. A reader under the default key is refused as long
// as nobody opened a window for it.
func TestDefaultKeyIsRefused(t *testing.T) {
	c := osdptest.Config(0, osdp.Key{})
	c.Install = true
	r := reader(t, c)
	r.Scan("NEVER")
	b := bench(t, r)
	b.Run(time.Minute)
	refused(t, b, osdp.AlarmKey)
	for _, p := range b.Wire {
		if q, err := osdp.Parse(bytes.TrimPrefix(p.Data, []byte{0xFF})); err == nil && q.Code == osdp.CmdChallenge && q.Block.Data[0] != 1 {
			t.Fatalf("asked for the default key: % X", p.Data)
		}
	}
}

// A reader that answers with the default key when it is asked for its own is
// refused even where its cryptogram would be right (OSDP.Net issue 193).
func TestSelectorMustMatch(t *testing.T) {
	r := good(t, 0)
	r.Spoil(func(command, answer []byte) []byte {
		p := parsed(t, answer)
		if p.Code != osdp.ReplyClientCrypt {
			return answer
		}
		p.Block.Data = []byte{0}
		out, err := osdp.Append(nil, p)
		if err != nil {
			t.Fatal(err)
		}
		return out
	})
	b := bench(t, r)
	b.Run(20 * time.Second)
	refused(t, b, osdp.AlarmKey)
}

// A stranger without the key, or with a forged last word, is refused.
func TestStrangers(t *testing.T) {
	for name, spoil := range map[string]func(p *osdp.Packet){
		"another key": func(p *osdp.Packet) {
			if p.Code == osdp.ReplyClientCrypt {
				p.Data[20] ^= 1
			}
		},
		"forged R-MAC-I": func(p *osdp.Packet) {
			if p.Code == osdp.ReplyInitialMAC {
				p.Data[3] ^= 1
			}
		},
		"says no": func(p *osdp.Packet) {
			if p.Code == osdp.ReplyInitialMAC {
				p.Block.Data, p.Data = []byte{0xFF}, nil
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := good(t, 0)
			r.Spoil(func(_, answer []byte) []byte {
				p := parsed(t, answer)
				spoil(&p)
				out, err := osdp.Append(nil, p)
				if err != nil {
					t.Fatal(err)
				}
				return out
			})
			b := bench(t, r)
			b.Run(20 * time.Second)
			refused(t, b, osdp.AlarmKey)
		})
	}
}

// A packet with a right CRC and a wrong MAC ends the session; so does one from an
// older session, played again. A new handshake follows.
func TestForgedAndReplayed(t *testing.T) {
	r := good(t, 0)
	b := bench(t, r)
	online(t, b, 0)
	r.Scan("TICKET")
	b.Run(time.Second)
	var recorded []byte
	for _, p := range b.Wire {
		if q, err := osdp.Parse(bytes.TrimPrefix(p.Data, []byte{0xFF})); err == nil && !p.Sent && q.Code == osdp.ReplyRaw {
			recorded = bytes.Clone(p.Data)
		}
	}
	if recorded == nil || len(texts(b, 0)) != 1 {
		t.Fatal("nothing was recorded")
	}
	for name, forge := range map[string]func(p *osdp.Packet){
		"wrong MAC":    func(p *osdp.Packet) { p.MAC = []byte{1, 2, 3, 4} },
		"played again": func(p *osdp.Packet) { q := parsed(t, recorded); q.Sequence = p.Sequence; *p = q },
	} {
		sessions, bad := status(t, b, 0).Line.Sessions, status(t, b, 0).Line.BadMAC
		once := true
		r.Spoil(func(_, answer []byte) []byte {
			if !once {
				return answer
			}
			once = false
			p := parsed(t, answer)
			forge(&p)
			out, err := osdp.Append(nil, p)
			if err != nil {
				t.Fatal(err)
			}
			return out
		})
		b.Run(3 * time.Second)
		s := status(t, b, 0)
		if !s.Online || s.Line.Sessions != sessions+1 || s.Line.BadMAC != bad+1 || len(texts(b, 0)) != 1 {
			t.Errorf("%s: %+v, %q", name, s, texts(b, 0))
		}
	}
	if count(b, osdp.EventAlarm, osdp.AlarmMAC) != 2 {
		t.Errorf("%d alarms", count(b, osdp.EventAlarm, osdp.AlarmMAC))
	}
	// With the sequence number it was recorded under it is no answer at all.
	b.Babble = func(time.Time) []byte { return recorded }
	b.Run(2 * time.Second)
	if len(texts(b, 0)) != 1 {
		t.Errorf("took a recording: %q", texts(b, 0))
	}
}
