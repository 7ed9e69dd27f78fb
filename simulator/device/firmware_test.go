package device

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"turnstile/firmware-bridge/firmware/board"
	"turnstile/firmware-bridge/frame"
)

// The firmware's inputs as firmware/core/hal.h numbers them.
const inputFire, inputTamper, inputContact = 1, 2, 4

// twins are the virtual controller's rules and the firmware's core with one
// clock, one host and the same people.
type twins struct {
	t     *testing.T
	core  *board.Core
	rules rules
	now   int // ms
	seq   uint8
	mine  []frame.Message // what the rules said since the last look
	cards []string        // and sent out
	bits  int             // answers, events and states compared
	deaf  bool            // the host forgets to acknowledge
	seen  *tally
}

// tally counts what runs have compared, by what it says.
type tally struct {
	mu    sync.Mutex // guards the following
	times map[string]int
}

func (c *tally) add(what string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.times[what]++
}

func newTwins(t *testing.T, can frame.Capabilities, potential bool) *twins {
	w := &twins{t: t, core: board.StartCore(t)}
	w.rules.model, w.rules.potential = "lane lm3s6965", potential
	w.rules.can = can
	w.rules.send = func(m frame.Message) { w.mine = append(w.mine, m) }
	w.rules.out = func(c frame.Card) { w.cards = append(w.cards, fmt.Sprintf("%d %x", c.Bits, c.Bytes())) }
	w.powerUp()
	return w
}

// powerUp starts both anew.
func (w *twins) powerUp() {
	w.rules.powerUp(7, w.at())
	strap := 0
	if w.rules.potential {
		strap = 1
	}
	w.core.Do(w.t, "start 7 %d %d %d %d", w.inputs(), strap, w.now, w.rules.can)
}

func (w *twins) at() time.Time { return t0.Add(time.Duration(w.now) * time.Millisecond) }

// inputs is what the virtual lane's wires say.
func (w *twins) inputs() (bits int) {
	if w.rules.fire {
		bits |= inputFire
	}
	if w.rules.tamper {
		bits |= inputTamper
	}
	if w.rules.contact() {
		bits |= inputContact
	}
	return bits
}

// pass lets ms pass.
func (w *twins) pass(ms int) {
	w.now += ms
	w.turn(nil, 0)
}

// hear gives both the same message of the host.
func (w *twins) hear(m frame.Message) {
	w.seq++
	w.rules.take(m, w.at())
	w.turn(frame.Encode(nil, w.seq, m), 0)
}

// turn is one turn of both main loops at the same time; then they are compared.
func (w *twins) turn(line []byte, walk uint8) {
	w.t.Helper()
	w.rules.tick(w.at())
	bytes := "-"
	if len(line) > 0 {
		bytes = hex.EncodeToString(line)
	}
	walks := [3]int{}
	walks[walk]++
	w.compare(w.core.Do(w.t, "step %d %d %d %d %s", w.now, w.inputs(), walks[1], walks[2], bytes))
}

// compare fails the test when the firmware said or did anything else than the rules.
func (w *twins) compare(lines []string) {
	w.t.Helper()
	theirs, cards := w.read(lines)
	for i := range w.mine {
		w.mine[i] = comparable(w.mine[i])
	}
	if fmt.Sprint(w.mine) != fmt.Sprint(theirs) {
		w.t.Fatalf("at %d ms the rules say %+v\nand the firmware %+v", w.now, w.mine, theirs)
	}
	if !slices.Equal(w.cards, cards) {
		w.t.Fatalf("at %d ms the rules send the cards %v, the firmware %v", w.now, w.cards, cards)
	}
	var relay, lamp int
	if _, err := fmt.Sscanf(lines[len(lines)-1], "now %d %d", &relay, &lamp); err != nil {
		w.t.Fatal(lines, err)
	}
	want := 0
	if !w.rules.relayUntil.IsZero() {
		want = int(w.rules.grant.Direction)
	}
	if relay != want {
		w.t.Fatalf("at %d ms the firmware's relay is %d, want %d", w.now, relay, want)
	}
	if light := lamp & 7; !slices.Contains(lights[w.rules.pattern], light) {
		w.t.Fatalf("at %d ms the firmware's light is %d for pattern %d", w.now, light, w.rules.pattern)
	}
	for _, m := range w.mine {
		switch m := m.(type) {
		case frame.Answer:
			w.seen.add("answer " + m.Code.String())
		case frame.Reply:
			w.seen.add("reply " + m.Code.String())
		case frame.Event:
			w.seen.add(fmt.Sprint("event ", m.Kind))
		case frame.CardIn:
			w.seen.add(fmt.Sprint("card ", m.Card.Bits > 0))
		case frame.State:
			w.seen.add(fmt.Sprint("lost ", m.Lost > 0))
		}
	}
	w.bits += len(w.mine)
	w.mine, w.cards = nil, nil
}

// lights are the colours that each pattern shows at one time or another: 1 red, 2 green, 4 blue.
var lights = [][]int{{4}, {4, 0}, {2}, {1}, {3, 0}, {1, 4}, {1}, {1, 0}}

// comparable takes out of a message what may differ: a real lock moves a moment
// after the event that an ideal one moves with.
func comparable(m frame.Message) frame.Message {
	if e, is := m.(frame.Event); is {
		e.Flags &^= frame.Contact
		return e
	}
	return m
}

// read takes apart what the firmware said.
func (w *twins) read(lines []string) (all []frame.Message, cards []string) {
	w.t.Helper()
	for _, line := range lines {
		if out, is := strings.CutPrefix(line, "out "); is {
			cards = append(cards, strings.Join(strings.Fields(out), " "))
		}
		wire, is := strings.CutPrefix(line, "send ")
		if !is {
			continue
		}
		b, err := hex.DecodeString(wire)
		if err != nil {
			w.t.Fatal(line, err)
		}
		f, err := frame.Parse(bytes.Trim(b, "\x00"))
		if err != nil {
			w.t.Fatal(line, err)
		}
		m, err := frame.Read(f)
		if err != nil {
			w.t.Fatal(line, err)
		}
		all = append(all, comparable(m))
	}
	return all, cards
}

// act does something at random to both.
func (w *twins) act(random *rand.Rand) {
	pick := func(some ...int) int { return some[random.IntN(len(some))] }
	w.pass(pick(0, 0, 1, 5, 20, 49, 50, 100, 150, 199, 200, 500, 700, 999, 1000, 2000, 2001))
	if random.IntN(50) == 0 {
		w.pass(1<<31 + 12345) // 25 days: half of the firmware's clock
	}
	now := w.at()
	if !w.rules.attended && random.IntN(2) == 0 {
		w.hear(frame.Hello{Session: random.Uint32() | 1})
	}
	if !w.deaf && len(w.rules.queue) > random.IntN(16) {
		w.hear(frame.Seen{Event: w.rules.queue[0].Number})
	}
	switch random.IntN(15) {
	case 0, 1:
		w.hear(frame.Hello{Session: random.Uint32() | 1})
	case 2, 3, 4:
		number := w.rules.last + uint32(pick(-1, 0, 1, 1, 1, 2, 1<<31-1, -1<<31))
		w.hear(frame.Open{Number: number, Direction: uint8(pick(0, 1, 1, 1, 2, 2, 3)), Pulse: uint16(pick(0, 49, 200, 1000, 65535)), Window: uint16(pick(0, 999, 3000, 65535))})
	case 5:
		w.hear(frame.Beat{})
	case 6:
		w.hear(frame.Signal{Number: uint8(random.IntN(4)), Pattern: uint8(random.IntN(10)), Duration: uint16(random.IntN(20))})
	case 7:
		w.hear(frame.Lock{})
	case 8:
		w.hear(frame.Seen{Event: w.rules.number - uint32(len(w.rules.queue)) + uint32(pick(1, 1, 1, 2))})
	case 9, 10:
		d := uint8(pick(1, 2))
		w.rules.walk(d, now)
		w.turn(nil, d)
	case 11:
		w.rules.setFire(!w.rules.fire, now)
		w.turn(nil, 0)
	case 12:
		w.rules.setTamper(!w.rules.tamper, now)
		w.turn(nil, 0)
	case 13:
		w.actOnCards(random)
	case 14:
		w.rules.setJam(!w.rules.jammed)
		w.turn(nil, 0)
	}
}

// actOnCards is act for readers, output and update.
func (w *twins) actOnCards(random *rand.Rand) {
	card := frame.Card{Bits: uint8(26 + random.IntN(41))}
	for i := range card.Bytes() {
		card.Data[i] = uint8(random.Uint32())
	}
	card.Data[(card.Bits-1)/8] &= 0xFF << (7 - (card.Bits-1)%8)
	reader := random.IntN(readers)
	if w.deaf && random.IntN(4) == 0 {
		for range readQueue + 1 {
			w.core.Do(w.t, "card %d %d %x %d", reader, card.Bits, card.Bytes(), w.rules.faults[reader])
			w.rules.card(reader, card, w.at().Add(-30*time.Millisecond))
			w.turn(nil, 0)
		}
	}
	switch random.IntN(5) {
	case 0:
		w.hear(frame.CardOut{Number: uint8(random.IntN(3)), Card: card})
	case 1:
		w.core.Do(w.t, "card %d %d %x %d", reader, card.Bits, card.Bytes(), w.rules.faults[reader])
		w.rules.card(reader, card, w.at().Add(-30*time.Millisecond)) // the silence that ended it
		w.turn(nil, 0)
	case 2:
		w.core.Do(w.t, "card %d 0 - %d", reader, w.rules.faults[reader]+1)
		w.rules.disturb(reader)
		w.turn(nil, 0)
	case 3:
		w.hear(frame.CardSeen{Read: w.rules.count - uint32(len(w.rules.reads)) + 1})
	case 4:
		w.hear(frame.Update{Number: uint8(random.IntN(256)), Size: 6432})
	}
}

// The virtual controller is the measure for the firmware: whatever a host,
// people, fire, cards and time do, both say the same, drive the same relay and show the same light.
func TestFirmwareKeepsTheRules(t *testing.T) {
	seen := &tally{times: map[string]int{}}
	t.Run("runs", func(t *testing.T) { keepTheRules(t, seen) })
	for _, what := range everything() {
		if seen.times[what] == 0 {
			t.Errorf("no run compared %q", what)
		}
	}
}

// everything is what FORMAT.md lets a controller say, as tally names it.
func everything() (all []string) {
	for code := frame.Opened; code <= frame.EventsFull; code++ {
		all = append(all, "answer "+code.String())
	}
	for code := frame.Done; code <= frame.NoSecondBank; code++ {
		all = append(all, "reply "+code.String())
	}
	for kind := frame.Passed; kind <= frame.TamperOver; kind++ {
		all = append(all, fmt.Sprint("event ", kind))
	}
	return append(all, fmt.Sprint("event ", frame.Fault), "card true", "card false", "lost true", "lost false")
}

// keepTheRules runs twins with all capabilities, and with some of them missing.
func keepTheRules(t *testing.T, seen *tally) {
	cans := []frame.Capabilities{0x0FFF, 0x0FFF &^ frame.CanOut, 0x0FFF &^ (frame.HasContact | frame.HasTailgate), 0x0FFF &^ frame.HasCardOut}
	for seed := range uint64(24) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			random := rand.New(rand.NewPCG(seed, 3))
			w := newTwins(t, cans[seed/6], seed%3 == 2)
			w.deaf, w.seen = seed%4 == 3, seen
			w.now = int(seed%2) * (1<<32 - 100_000) // in half of the runs the firmware's clock wraps
			w.powerUp()
			for range 600 {
				w.act(random)
			}
			if w.bits < 500 || w.rules.openings < 8 && !w.deaf {
				t.Errorf("only %d messages compared, %d openings", w.bits, w.rules.openings)
			}
		})
	}
}
