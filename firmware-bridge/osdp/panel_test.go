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

const baud = 115200

var errGone = errors.New("the line is gone")

func key(t testing.TB, digit byte) osdp.Key {
	t.Helper()
	text := []byte("8f3a0c51d2779be4406f1e8835b2c9d7")
	text[0] = digit
	k, err := osdp.ParseKey(text)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func reader(t testing.TB, c osdp.PeripheralConfig) *osdptest.Reader {
	t.Helper()
	r, err := osdptest.NewReader(c)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// bench is a panel with one device for each reader, at addresses 0, 1 with keys
// that begin with 0 and 1.
func bench(t testing.TB, readers ...*osdptest.Reader) *osdptest.Bench {
	t.Helper()
	c := osdp.PanelConfig{Baud: baud}
	for i := range readers {
		c.Devices = append(c.Devices, osdp.DeviceConfig{Address: uint8(i), Key: key(t, '0'+byte(i))})
	}
	b, err := osdptest.NewBench(c, readers...)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// good is a reader that shares its key with the panel of bench.
func good(t testing.TB, address uint8) *osdptest.Reader {
	return reader(t, osdptest.Config(address, key(t, '0'+address)))
}

func status(t testing.TB, b *osdptest.Bench, address uint8) osdp.Status {
	t.Helper()
	s, err := b.Panel.Status(address)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func online(t testing.TB, b *osdptest.Bench, address uint8) {
	t.Helper()
	if !b.Until(10*time.Second, func() bool { return status(t, b, address).Online }) {
		t.Fatalf("reader %d is not online: %+v", address, status(t, b, address))
	}
}

// count counts the events of a kind, and of an alarm if one is given.
func count(b *osdptest.Bench, kind osdp.EventKind, alarm osdp.Alarm) (n int) {
	for _, e := range b.Events {
		if e.Kind == kind && e.Alarm == alarm {
			n++
		}
	}
	return n
}

// texts are the codes that came from a reader.
func texts(b *osdptest.Bench, address uint8) (all []string) {
	for _, e := range b.Events {
		if m, ok := e.Message.(osdp.Raw); ok && e.Address == address {
			all = append(all, string(m.Data))
		}
	}
	return all
}

// sound checks that the line's counts add up.
func sound(t testing.TB, b *osdptest.Bench, address uint8) {
	t.Helper()
	l := status(t, b, address).Line
	sum := l.Answered + l.Busy + l.TimeOuts + l.Garbled + l.BadCheck
	if l.Sent != sum && l.Sent != sum+1 {
		t.Errorf("reader %d: %d sent, %d accounted for: %+v", address, l.Sent, sum, l)
	}
}

func TestScanOverSecureChannel(t *testing.T) {
	r := good(t, 0)
	b := bench(t, r)
	online(t, b, 0)
	r.Scan("TURNSTILE")
	long := string(bytes.Repeat([]byte("Q"), 1024))
	r.Scan(long)
	r.Offer(osdp.Raw{Format: 1, Bits: 26, Data: []byte{0x80, 0x80, 0x00, 0x80}})
	if !b.Until(5*time.Second, func() bool { return len(texts(b, 0)) == 3 }) {
		t.Fatalf("got %q", texts(b, 0))
	}
	if got := texts(b, 0); got[0] != "TURNSTILE" || got[1] != long {
		t.Errorf("got %q", got)
	}
	for _, p := range b.Wire {
		if bytes.Contains(p.Data, []byte("TURNSTILE")) || bytes.Contains(p.Data, []byte("QQQQ")) {
			t.Fatalf("the code is readable on the line: % X", p.Data)
		}
	}
	s := status(t, b, 0)
	if s.Pin.Identity.Serial != 1000 || s.Line.Sessions != 1 || s.Line.ErrorRate() != 0 || s.Line.Slowest == 0 {
		t.Errorf("%+v", s)
	}
	sound(t, b, 0)
}

// In the clear only ID, CAP, CHLNG and SCRYPT pass, whatever the reader is.
func TestOnlyTheHandshakeIsInTheClear(t *testing.T) {
	allowed := map[uint8]bool{osdp.CmdID: true, osdp.CmdCap: true, osdp.CmdChallenge: true, osdp.CmdServerCrypt: true}
	seen := map[uint8]bool{}
	r := good(t, 0)
	b := bench(t, r)
	online(t, b, 0)
	if err := b.Panel.Send(0, osdp.Buzzer{Tone: 2, Count: 1}); err != nil {
		t.Fatal(err)
	}
	b.Run(time.Second)
	for _, p := range b.Wire {
		q, err := osdp.Parse(bytes.TrimPrefix(p.Data, []byte{0xFF}))
		if !p.Sent || err != nil {
			continue
		}
		if q.MAC == nil {
			seen[q.Code] = true
			if !allowed[q.Code] {
				t.Errorf("%s in the clear", osdp.CommandName(q.Code))
			}
		}
	}
	if len(seen) != len(allowed) {
		t.Errorf("saw %v", seen)
	}
	var done []osdp.Message
	r.Do(func(p *osdp.Peripheral) { done = p.Commands() })
	if !slices.Contains(done, osdp.Message(osdp.Buzzer{Tone: 2, Count: 1})) {
		t.Errorf("the reader did %v", done)
	}
}

// A lost answer is asked for again with the same bytes, and the reader does not do
// the command twice.
func TestRepetitionIsIdentical(t *testing.T) {
	r := good(t, 0)
	b := bench(t, r)
	online(t, b, 0)
	if err := b.Panel.Send(0, osdp.Outputs{{Number: 0, Code: 5, Timer: 2}}); err != nil {
		t.Fatal(err)
	}
	var sent, answers [][]byte
	lost := 0
	r.Spoil(func(command, answer []byte) []byte {
		if q, err := osdp.Parse(bytes.TrimPrefix(command, []byte{0xFF})); err != nil || q.Code != osdp.CmdOutput {
			return answer
		}
		sent, answers = append(sent, bytes.Clone(command)), append(answers, answer)
		if lost++; lost <= 2 {
			return nil
		}
		return answer
	})
	b.Run(2 * time.Second)
	if len(sent) != 3 || !bytes.Equal(sent[0], sent[1]) || !bytes.Equal(sent[0], sent[2]) || !bytes.Equal(answers[0], answers[2]) {
		t.Errorf("sent % X, answered % X", sent, answers)
	}
	var done []osdp.Message
	r.Do(func(p *osdp.Peripheral) { done = p.Commands() })
	opened := 0
	for _, m := range done {
		if _, ok := m.(osdp.Outputs); ok {
			opened++
		}
	}
	s := status(t, b, 0)
	if opened != 1 || s.Line.Repeated != 2 || s.Line.TimeOuts != 2 || s.Line.Sessions != 1 || !s.Online {
		t.Errorf("done %d times, %+v", opened, s.Line)
	}
	sound(t, b, 0)
}

// A challenge that is repeated is the same challenge: the reader's answer may
// only have been late.
func TestRepeatedChallenge(t *testing.T) {
	r := good(t, 0)
	b := bench(t, r)
	var challenges [][]byte
	r.Spoil(func(command, answer []byte) []byte {
		if parsed(t, command).Code != osdp.CmdChallenge {
			return answer
		}
		if challenges = append(challenges, bytes.Clone(command)); len(challenges) == 1 {
			return nil
		}
		return answer
	})
	online(t, b, 0)
	if len(challenges) != 2 || !bytes.Equal(challenges[0], challenges[1]) {
		t.Errorf("% X", challenges)
	}
}

// A packet that answers nothing that was asked is passed over: the true answer
// comes behind it.
func TestStrays(t *testing.T) {
	r := good(t, 0)
	b := bench(t, r)
	online(t, b, 0)
	for name, stray := range map[string]osdp.Packet{
		"number": {Reply: true, Code: osdp.ReplyACK}, "address": {Reply: true, Address: 1, Code: osdp.ReplyACK}, "command": {Code: osdp.CmdPoll},
	} {
		before := status(t, b, 0).Line
		r.Spoil(func(command, answer []byte) []byte {
			stray.Sequence = parsed(t, command).Sequence
			if name == "number" {
				stray.Sequence = stray.Sequence%3 + 1
			}
			out, err := osdp.Append(nil, stray)
			if err != nil {
				t.Fatal(err)
			}
			return append(out, answer...)
		})
		b.Run(time.Second)
		s := status(t, b, 0)
		if !s.Online || s.Alarm != 0 || s.Line.Sessions != 1 || s.Line.Answered < before.Answered+10 || s.Line.BadMAC != 0 {
			t.Errorf("%s: %+v", name, s)
		}
		if got := s.Line.Strays - before.Strays; (got > 10) != (name == "number") {
			t.Errorf("%s: %d strays", name, got)
		}
	}
	sound(t, b, 0)
}

// A false beginning before the answer costs time, not the answer.
func TestFalseBeginning(t *testing.T) {
	r := good(t, 0)
	b := bench(t, r)
	online(t, b, 0)
	r.Spoil(func(_, answer []byte) []byte { return append([]byte{0x53, 0x80, 0xA0, 0x05, 0x04}, answer...) })
	b.Run(5 * time.Second)
	if s := status(t, b, 0); !s.Online || s.Line.Answered < 20 || s.Line.ErrorRate() != 0 {
		t.Errorf("%+v", s)
	}
}

// At 9600 baud 1 KiB of text takes over a second, longer than a reader may wait
// before it begins.
func TestLongTextOnASlowLine(t *testing.T) {
	r := good(t, 0)
	b, err := osdptest.NewBench(osdp.PanelConfig{Baud: 9600, Devices: []osdp.DeviceConfig{{Key: key(t, '0')}}}, r)
	if err != nil {
		t.Fatal(err)
	}
	online(t, b, 0)
	r.Scan(string(bytes.Repeat([]byte("Q"), 1024)))
	if !b.Until(2*time.Second, func() bool { return len(texts(b, 0)) == 1 }) {
		t.Fatal("the text did not come")
	}
	if s := status(t, b, 0); s.Line.ErrorRate() != 0 || s.Line.Slowest < time.Second {
		t.Errorf("%+v", s.Line)
	}
}

// Silence, cut packets, wrong CRCs and strays are counted apart, and a repetition
// that goes well hides none of them (trap iv).
func TestFaultsAreCountedApart(t *testing.T) {
	for name, c := range map[string]struct {
		spoil osdptest.Spoil
		count func(osdp.Line) uint64
	}{
		"time-out":  {func(_, _ []byte) []byte { return nil }, func(l osdp.Line) uint64 { return l.TimeOuts }},
		"wrong CRC": {func(_, a []byte) []byte { a[len(a)-1] ^= 1; return a }, func(l osdp.Line) uint64 { return l.BadCheck }},
		"cut":       {func(_, a []byte) []byte { return a[:len(a)-3] }, func(l osdp.Line) uint64 { return l.Garbled }},
		"noise":     {func(_, a []byte) []byte { return []byte{1, 2, 3} }, func(l osdp.Line) uint64 { return l.Garbled }},
	} {
		t.Run(name, func(t *testing.T) {
			r := good(t, 0)
			b := bench(t, r)
			online(t, b, 0)
			n := 0
			r.Spoil(func(command, answer []byte) []byte {
				if n++; n%10 == 0 {
					return c.spoil(command, answer)
				}
				return answer
			})
			b.Run(5 * time.Second)
			s := status(t, b, 0)
			faults := s.Line.TimeOuts + s.Line.BadCheck + s.Line.Garbled
			if got := c.count(s.Line); got < 4 || got != faults || s.Line.Repeated < got-1 || s.Line.ErrorRate() == 0 {
				t.Errorf("%+v", s.Line)
			}
			if s.Line.Sessions != 1 || !s.Online || count(b, osdp.EventOffline, 0) != 0 {
				t.Errorf("the session did not hold: %+v", s)
			}
			sound(t, b, 0)
		})
	}
}

// A reader that is silent for 8 s is off-line, and comes back by itself.
func TestSilentReaderIsOffline(t *testing.T) {
	r := good(t, 0)
	b := bench(t, r)
	online(t, b, 0)
	r.Spoil(func(_, _ []byte) []byte { return nil })
	b.Run(7500 * time.Millisecond)
	if s := status(t, b, 0); !s.Online || s.Line.TimeOuts < 10 || s.Line.TimeOuts > 16 {
		t.Fatalf("after 7.5 s, with a command each 700 ms: %+v", s)
	}
	b.Run(1500 * time.Millisecond)
	if s := status(t, b, 0); s.Online || !errors.Is(s.Err, osdp.ErrSilent) || s.Line.Lost != 1 {
		t.Fatalf("after 9 s: %+v", s)
	}
	r.Spoil(nil)
	online(t, b, 0)
	if s := status(t, b, 0); s.Line.Sessions != 2 || count(b, osdp.EventOffline, 0) != 1 {
		t.Errorf("%+v", s)
	}
	// Off-line, the conversation began anew with sequence number 0.
	zero := 0
	for _, p := range b.Wire {
		if q, err := osdp.Parse(bytes.TrimPrefix(p.Data, []byte{0xFF})); err == nil && p.Sent && q.Sequence == 0 {
			if zero++; q.Code != osdp.CmdID {
				t.Errorf("%s with sequence number 0", osdp.CommandName(q.Code))
			}
		}
	}
	if zero < 2 {
		t.Errorf("%d commands with sequence number 0", zero)
	}
	sound(t, b, 0)
}

// A busy reader is asked again with the same command; being busy proves nothing,
// so one that is busy for 8 s is off-line.
func TestBusy(t *testing.T) {
	r := good(t, 0)
	b := bench(t, r)
	online(t, b, 0)
	busy, err := osdp.Append(nil, osdp.Packet{Reply: true, Code: osdp.ReplyBusy})
	if err != nil {
		t.Fatal(err)
	}
	r.Spoil(func(_, _ []byte) []byte { return bytes.Clone(busy) })
	b.Run(time.Second)
	r.Spoil(nil)
	r.Scan("AFTER")
	b.Run(time.Second)
	s := status(t, b, 0)
	if s.Line.Busy < 5 || s.Line.Busy > 12 || !s.Online || s.Line.Sessions != 1 || !slices.Equal(texts(b, 0), []string{"AFTER"}) {
		t.Fatalf("%+v, %q", s, texts(b, 0))
	}
	r.Spoil(func(_, _ []byte) []byte { return bytes.Clone(busy) })
	b.Run(9 * time.Second)
	if status(t, b, 0).Online {
		t.Error("online though busy for 9 s")
	}
	sound(t, b, 0)
}

// A reader that lost its power says so in the clear; the handshake follows at once.
func TestReaderRestarts(t *testing.T) {
	r := good(t, 0)
	b := bench(t, r)
	online(t, b, 0)
	fresh := good(t, 0)
	b.Readers[0] = fresh
	b.Run(time.Second)
	if s := status(t, b, 0); !s.Online || s.Line.Sessions != 2 || s.Alarm != 0 || count(b, osdp.EventAlarm, osdp.AlarmClearText) != 0 {
		t.Errorf("%+v", s)
	}
	fresh.Scan("AGAIN")
	b.Run(time.Second)
	if !slices.Equal(texts(b, 0), []string{"AGAIN"}) {
		t.Errorf("got %q", texts(b, 0))
	}
}

func TestCommandsOfCallers(t *testing.T) {
	r := good(t, 0)
	b := bench(t, r)
	if err := b.Panel.Send(0, osdp.Buzzer{}); !errors.Is(err, osdp.ErrOffline) {
		t.Errorf("off-line: %v", err)
	}
	online(t, b, 0)
	for _, m := range []osdp.Message{osdp.KeySet{}, osdp.ComSet{}, osdp.Challenge{}, osdp.Poll, osdp.Plain(osdp.CmdID), osdp.Other{ID: osdp.CmdManufacturer}} {
		if err := b.Panel.Send(0, m); !errors.Is(err, osdp.ErrForbidden) {
			t.Errorf("%T: %v", m, err)
		}
	}
	for range 8 {
		if err := b.Panel.Send(0, osdp.Plain(osdp.CmdLocalStatus)); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Panel.Send(0, osdp.Buzzer{}); !errors.Is(err, osdp.ErrFull) {
		t.Errorf("ninth command: %v", err)
	}
	if err := b.Panel.Send(7, osdp.Buzzer{}); !errors.Is(err, osdp.ErrAddress) {
		t.Errorf("unknown address: %v", err)
	}
	b.Run(time.Second)
	n := 0
	for _, e := range b.Events {
		if _, ok := e.Message.(osdp.LocalStatus); ok {
			n++
		}
	}
	if n != 8 {
		t.Errorf("%d answers of 8", n)
	}
}

func TestListenAndReset(t *testing.T) {
	r := good(t, 0)
	b := bench(t, r)
	online(t, b, 0)
	if err := b.Panel.Listen(0, false, b.Now); err != nil {
		t.Fatal(err)
	}
	sent := status(t, b, 0).Line.Sent
	b.Run(3 * time.Second)
	if s := status(t, b, 0); s.Line.Sent != sent || s.Online || !errors.Is(s.Err, osdp.ErrStopped) {
		t.Errorf("%+v", s)
	}
	if err := b.Panel.Listen(0, true, b.Now); err != nil {
		t.Fatal(err)
	}
	online(t, b, 0)
	b.Panel.Reset(b.Now, errGone)
	if s := status(t, b, 0); s.Online || !errors.Is(s.Err, errGone) {
		t.Errorf("%+v", s)
	}
	online(t, b, 0)
	sound(t, b, 0)
}

func TestPanelConfig(t *testing.T) {
	k := key(t, '0')
	for name, c := range map[string]osdp.PanelConfig{
		"no reader":    {Baud: baud},
		"three":        {Baud: baud, Devices: []osdp.DeviceConfig{{Address: 0, Key: k}, {Address: 1, Key: k}, {Address: 2, Key: k}}},
		"same address": {Baud: baud, Devices: []osdp.DeviceConfig{{Address: 1, Key: k}, {Address: 1, Key: k}}},
		"broadcast":    {Baud: baud, Devices: []osdp.DeviceConfig{{Address: osdp.Broadcast, Key: k}}},
		"no key":       {Baud: baud, Devices: []osdp.DeviceConfig{{Address: 1}}},
		"no baud":      {Devices: []osdp.DeviceConfig{{Address: 1, Key: k}}},
		"slow poll":    {Baud: baud, Poll: time.Minute, Devices: []osdp.DeviceConfig{{Address: 1, Key: k}}},
	} {
		if _, err := osdp.NewPanel(c); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func BenchmarkPollRoundTrip(b *testing.B) {
	b.ReportAllocs()
	r := good(b, 0)
	bn := bench(b, r)
	online(b, bn, 0)
	now := bn.Now
	for b.Loop() {
		send, wake := bn.Panel.Step(now, nil)
		for len(send) == 0 {
			now = wake
			send, wake = bn.Panel.Step(now, nil)
		}
		if send, wake = bn.Panel.Step(now, r.Hear(send, now)); len(send) != 0 {
			b.Fatal("asked again at once")
		}
		now = wake
	}
	if s, _ := bn.Panel.Status(0); s.Line.ErrorRate() != 0 || s.Line.Sent < 10 {
		b.Fatalf("%+v", s.Line)
	}
}
