package firmware

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"turnstile/firmware-bridge/firmware/board"
	"turnstile/firmware-bridge/frame"
	"turnstile/firmware-bridge/gate"
)

// text writes b as native.c reads it.
func text(b []byte) string {
	if len(b) == 0 {
		return "-"
	}
	return hex.EncodeToString(b)
}

// said reads the frames that the core sent.
func said(t testing.TB, lines []string) []frame.Message {
	t.Helper()
	var all []frame.Message
	for _, line := range lines {
		wire, is := strings.CutPrefix(line, "send ")
		if !is {
			continue
		}
		b, err := hex.DecodeString(wire)
		if err != nil {
			t.Fatal(line, err)
		}
		f, err := frame.Parse(bytes.Trim(b, "\x00"))
		if err != nil {
			t.Fatal(line, err)
		}
		m, err := frame.Read(f)
		if err != nil || f.Type&0x80 == 0 {
			t.Fatal(line, m, err)
		}
		all = append(all, m)
	}
	return all
}

// Every vector of the protocol means to the core what it means to the host, and
// the core writes the same bytes.
func TestVectors(t *testing.T) {
	file, err := os.ReadFile("../frame/testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var all []struct{ Name, Wire, Value, Fault string }
	if err := json.Unmarshal(file, &all); err != nil {
		t.Fatal(err)
	}
	core := board.StartCore(t)
	good, bad := 0, 0
	for _, v := range all {
		wire, err := hex.DecodeString(v.Wire)
		if err != nil {
			t.Fatal(v.Name, err)
		}
		if got, want := core.Do(t, "decode %s", v.Wire), decoded(wire); !slices.Equal(got, want) {
			t.Errorf("%s: the core sees %q, the host %q", v.Name, got, want)
		}
		if v.Fault != "" {
			bad++
			continue
		}
		good++
		f, err := frame.Parse(bytes.Trim(wire, "\x00"))
		if err != nil {
			t.Fatal(v.Name, err)
		}
		if got := core.Do(t, "encode %d %d %s", f.Type, f.Seq, text(f.Body)); len(got) != 1 || got[0] != "send "+v.Wire {
			t.Errorf("%s is written as %q", v.Name, got)
		}
	}
	if good < 29 || bad < 25 {
		t.Errorf("%d good frames and %d faults, want at least 29 and 25", good, bad)
	}
}

// decoded is what native.c's decode should say of stream, by the host's decoder.
func decoded(stream []byte) []string {
	var lines []string
	var d frame.Decoder
	var before uint64
	for _, c := range stream {
		d.Feed([]byte{c}, func(f frame.Frame) {
			fits := 0
			if _, err := frame.Read(f); err == nil && f.Type&0x80 == 0 {
				fits = 1
			}
			lines = append(lines, fmt.Sprintf("frame %d %d %d %s", f.Type, f.Seq, fits, text(f.Body)))
		})
		if now, _ := d.Garbled(); now != before {
			before = now
			lines = append(lines, "bad")
		}
	}
	return lines
}

// Whatever comes over the line, core and host cut it into the same frames, and
// the core lives: it runs under sanitizers.
func FuzzFirmware(f *testing.F) {
	core := board.StartCore(f)
	open := frame.Encode(nil, 1, frame.Open{Number: 1, Direction: 1, Pulse: 200, Window: 5000})
	hello := frame.Encode(nil, 1, frame.Hello{Session: 1})
	card := frame.Encode(nil, 2, frame.CardOut{Number: 1, Card: frame.Card{Bits: 26}})
	for _, seed := range [][]byte{nil, {0}, {1}, {0, 5, 1, 0}, open, hello, card, open[:7], open[3:], slices.Concat(hello, open, card),
		bytes.Repeat([]byte{1}, 55), bytes.Repeat([]byte{0xFF}, 300), slices.Concat(open[:9], open), bytes.Repeat(append([]byte{2, 0}, hello...), 40),
		frame.Encode(nil, 1, frame.Signal{Number: 1, Pattern: 200, Duration: 65535}), frame.Encode(nil, 1, frame.Update{Number: 1}),
		frame.Encode(nil, 1, frame.Welcome{Model: "no host"}), []byte("AT+GMR\r\n\x00")} {
		f.Add(seed, uint8(3))
	}
	f.Fuzz(func(t *testing.T, stream []byte, turns uint8) {
		stream = stream[:min(len(stream), 4096)]
		core.Do(t, "forget")
		if got, want := core.Do(t, "decode %s", text(stream)), decoded(stream); !slices.Equal(got, want) {
			t.Fatalf("% x: the core sees %q, the host %q", stream, got, want)
		}
		core.Do(t, "start 7 0 0 0 4095")
		now := 0
		for part := range slices.Chunk(stream, 1+len(stream)/(1+int(turns%8))) {
			now += 1 + int(turns)
			checkTurn(t, core.Do(t, "step %d 0 0 0 %s", now, text(part)))
		}
		// After any garbage it is in step again, and closed when the host is silent.
		step := func(wire []byte) []frame.Message { return said(t, core.Do(t, "step %d 0 0 0 %s", now, text(wire))) }
		if all := step(append([]byte{0}, hello...)); !slices.ContainsFunc(all, func(m frame.Message) bool { w, is := m.(frame.Welcome); return is && w.Session == 1 }) {
			t.Fatalf("no WELCOME after % x: %+v", stream, all)
		}
		now += 2001
		if lines := core.Do(t, "step %d 0 0 0 -", now); !strings.HasPrefix(lines[len(lines)-1], "now 0 ") {
			t.Fatalf("relay after silence: %q", lines)
		}
	})
}

// checkTurn fails when a turn of the main loop ends without its last line, or
// with frames that are none.
func checkTurn(t *testing.T, lines []string) {
	t.Helper()
	said(t, lines)
	if len(lines) == 0 || !strings.HasPrefix(lines[len(lines)-1], "now ") {
		t.Fatalf("a turn of the core ended with %q", lines)
	}
}

// FORMAT.md's table of patterns, as light (letters of the colours) in steps of 50 ms
// and as tones.
func TestPatterns(t *testing.T) {
	const red, green, blue, buzzer = 1, 2, 4, 8
	yellow := red | green
	times := func(n int, bits ...int) (all []int) {
		for _, b := range bits {
			all = append(all, slices.Repeat([]int{b}, n)...)
		}
		return all
	}
	steady := func(colour int) []int { return times(20, colour) }
	for _, c := range []struct {
		pattern gate.Signal
		light   []int
		sound   []int // in steps of 50 ms, on and off in turn
	}{
		{gate.Idle, steady(blue), nil},
		{gate.Wait, times(5, blue, 0, blue, 0), nil},
		{gate.Granted, steady(green), []int{2}},
		{gate.Denied, steady(red), []int{4, 4, 4}},
		{gate.Again, times(5, yellow, 0, yellow, 0), []int{4}},
		{gate.Guard, times(5, red, blue, red, blue), []int{2, 2, 2, 2, 2}},
		{gate.Closed, steady(red), nil},
		{gate.OutOfOrder, times(10, red, 0), nil},
		{99, steady(blue), nil},
	} {
		core := board.StartCore(t)
		core.Do(t, "start 7 0 0 0 4095")
		core.Do(t, "step 10 0 0 0 %x", frame.Encode(nil, 1, frame.Hello{Session: 1}))
		signal := frame.Encode(nil, 2, frame.Signal{Number: 1, Pattern: uint8(c.pattern), Duration: 10})
		var light, sound []int
		for i := range 20 {
			lines := core.Do(t, "step %d 0 0 0 %x", 100+50*i, signal) // again and again, as a host does: one signal
			var relay, lamp int
			if _, err := fmt.Sscanf(lines[len(lines)-1], "now %d %d", &relay, &lamp); err != nil {
				t.Fatal(lines, err)
			}
			light, sound = append(light, lamp&7), append(sound, lamp&buzzer)
		}
		var want []int
		for i, n := range c.sound {
			want = append(want, times(n, buzzer*(1-i%2))...)
		}
		want = append(want, times(20-len(want), 0)...)
		if !slices.Equal(light, c.light) || !slices.Equal(sound, want) {
			t.Errorf("%v: light %v, sound %v; want %v, %v", c.pattern, light, sound, c.light, want)
		}
		if lines := core.Do(t, "step 1100 0 0 0 -"); lines[len(lines)-1] != "now 0 4" {
			t.Errorf("%v: after its duration %q, want blue", c.pattern, lines)
		}
	}
}

// A level counts after 20 samples of 1 ms; what bounces counts once, a pulse of 19 ms not at all.
func TestDebounce(t *testing.T) {
	core := board.StartCore(t)
	stable := func(raw, n int) (last string) {
		for range n {
			last = core.Do(t, "debounce %d", raw)[0]
		}
		return last
	}
	for _, c := range []struct {
		raw, n int
		want   string
	}{
		{1, 19, "stable 0"}, {0, 1, "stable 0"}, {1, 19, "stable 0"}, {1, 1, "stable 1"},
		{0, 10, "stable 1"}, {1, 1, "stable 1"}, {0, 19, "stable 1"}, {0, 1, "stable 0"},
		{0x81, 20, "stable 129"}, {0x01, 20, "stable 1"},
	} {
		if got := stable(c.raw, c.n); got != c.want {
			t.Errorf("%d samples of %d: %s, want %s", c.n, c.raw, got, c.want)
		}
	}
}

// talk starts a core with a session and returns what it says to messages, one a turn.
func talk(t *testing.T) func(ms int, m frame.Message) []frame.Message {
	core := board.StartCore(t)
	core.Do(t, "start 7 0 0 0 4095")
	now := 0
	hear := func(ms int, m frame.Message) []frame.Message {
		now += ms
		line := "-"
		if m != nil {
			line = text(frame.Encode(nil, 1, m)) // always with the same sequence number
		}
		return said(t, core.Do(t, "step %d 0 0 0 %s", now, line))
	}
	hear(0, frame.Hello{Session: 1})
	return hear
}

// count is how many of all are an M.
func count[M frame.Message](all []frame.Message) (n int) {
	for _, m := range all {
		if _, is := m.(M); is {
			n++
		}
	}
	return n
}

// No frame is dropped because of its sequence number: not one that repeats the last.
func TestSequenceNumberIsNotLookedAt(t *testing.T) {
	hear := talk(t)
	for range 3 {
		if n := count[frame.State](hear(0, frame.Beat{})); n < 1 {
			t.Error("a BEAT with the number of the frame before is not answered")
		}
	}
}

// HELLO moves no relay: not one that is off, and not one that is on.
func TestHelloMovesNothing(t *testing.T) {
	core := board.StartCore(t)
	core.Do(t, "start 7 0 0 0 4095")
	step := func(now int, m frame.Message, want string) {
		t.Helper()
		lines := core.Do(t, "step %d 0 0 0 %x", now, frame.Encode(nil, 1, m))
		if last := lines[len(lines)-1]; !strings.HasPrefix(last, "now "+want+" ") {
			t.Errorf("at %d ms after %T: %s, want relay %s", now, m, last, want)
		}
	}
	step(0, frame.Hello{Session: 1}, "0")
	step(1, frame.Open{Number: 1, Direction: 2, Pulse: 1000, Window: 5000}, "2")
	step(2, frame.Hello{Session: 1}, "2")
	step(3, frame.Hello{Session: 2}, "2")
	step(1001, frame.Hello{Session: 2}, "0")
	step(3500, frame.Hello{Session: 3}, "0") // after the silence
}

// A host that does not know of cards hears nothing of them, neither of reads nor
// of faults; one that shows that it does hears of what is not too old.
func TestCardsForWhoTakesThem(t *testing.T) {
	core := board.StartCore(t)
	core.Do(t, "start 7 0 0 0 4095")
	step := func(now int, m frame.Message) int {
		return count[frame.CardIn](said(t, core.Do(t, "step %d 0 0 0 %x", now, frame.Encode(nil, 1, m))))
	}
	step(0, frame.Hello{Session: 1})
	core.Do(t, "card 0 26 80800080 0")
	core.Do(t, "card 1 0 - 5")
	for now := 1; now < 5000; now += 250 {
		if now == 4001 {
			core.Do(t, "card 0 26 80800080 0")
		}
		if step(now, frame.Beat{}) > 0 {
			t.Fatalf("at %d ms a host that never spoke of cards hears of one", now)
		}
	}
	if n := step(5000, frame.CardSeen{}); n != 1 {
		t.Errorf("a host that takes cards hears of %d, want the one of a second ago", n)
	}
	if n := step(5001, frame.CardSeen{Read: 2}) + step(5002, frame.Beat{}); n != 1 {
		t.Errorf("it hears %d times of the faults, want once", n)
	}
	if step(5100, frame.Hello{Session: 2})+step(5300, frame.Beat{}) != 0 {
		t.Error("the next session's host hears of cards before it has shown that it takes them")
	}
}
