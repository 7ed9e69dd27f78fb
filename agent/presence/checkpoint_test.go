package presence

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"testing"
	"time"

	"turnstile/central/link"
	"turnstile/central/pass"
	"turnstile/firmware-bridge/gate"
)

// full returns a presence that has something of everything.
func full() *Presence {
	l := &log{p: New()}
	l.p.Own(link.JournalID{7})
	l.result(link.EntryPassed, l.grant(1, guest, 3, gate.In, 9))
	l.grant(2, pass.ID{Day: today, Index: 8}, 3, gate.Out, 0)
	for _, o := range []string{"south-1", "north-2"} {
		e := link.Entry{Type: link.EntryGranted, Seq: 5, Pass: guest, Zone: 3, Direction: uint8(gate.Out), Wall: 77, Gen: 4}
		l.p.Remote(o, link.JournalID{1}, e, time.Now())
		e.Type, e.Grant, e.Seq, e.Wall = link.EntryPassed, 3, 4, 70
		l.p.Remote(o, link.JournalID{1}, e, time.Now())
	}
	l.p.Forget(today - 1)
	return l.p
}

func FuzzDecode(f *testing.F) {
	f.Add(New().encode())
	f.Add(full().encode())
	f.Add([]byte(magic))
	f.Fuzz(func(t *testing.T, data []byte) {
		sealed := data // else the checksum keeps everything out
		if n := len(data) - 4; n > 0 {
			sealed = binary.BigEndian.AppendUint32(bytes.Clone(data[:n]), crc32.Checksum(data[:n], castagnoli))
		}
		for _, b := range [][]byte{data, sealed} {
			p, err := Decode(b)
			if err != nil {
				if !errors.Is(err, ErrCheckpoint) {
					t.Errorf("an error of another kind: %v", err)
				}
				continue
			}
			if !bytes.Equal(p.encode(), b) {
				t.Errorf("another text for the same: %x", b)
			}
		}
	})
}

func TestEveryFlippedByteIsRefused(t *testing.T) {
	data := full().encode()
	for i := range data {
		bad := bytes.Clone(data)
		bad[i] ^= 0x40
		if _, err := Decode(bad); !errors.Is(err, ErrCheckpoint) {
			t.Fatalf("byte %d flipped: %v", i, err)
		}
	}
	if len(data) < 100 {
		t.Errorf("only %d bytes tried", len(data))
	}
}

// TestOtherVersionIsRefused has the caller apply the journal instead.
func TestOtherVersionIsRefused(t *testing.T) {
	first := append([]byte("TSPR\x01"), make([]byte, 14)...) // an empty one of version 1, with its checksum
	for _, version := range []byte{1, 3} {
		data := bytes.Clone(first)
		data[4] = version
		if _, err := Decode(data); !errors.Is(err, ErrCheckpoint) {
			t.Errorf("version %d: %v", version, err)
		}
	}
	if _, err := Decode(full().encode()); err != nil {
		t.Error(err)
	}
}
