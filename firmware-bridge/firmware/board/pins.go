package board

import (
	"bufio"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// Output is a pin that the firmware drives: its number on port D.
type Output int

// The outputs, as firmware/README.md lists them.
const (
	RelayIn Output = iota
	RelayOut
	Red
	Green
	Blue
	Buzzer
	CardD0
	CardD1
	outputs
)

// Input is a pin that the test drives.
type Input struct {
	port int // 0 for A
	pin  int
}

// The inputs, as firmware/README.md lists them.
var (
	PassIn    = Input{1, 0}
	PassOut   = Input{1, 1}
	Contact   = Input{1, 2}
	Fire      = Input{1, 3}
	Tamper    = Input{1, 4}
	potential = Input{1, 5}
	Reader0D0 = Input{2, 4}
	Reader0D1 = Input{2, 5}
	Reader1D0 = Input{2, 6}
	Reader1D1 = Input{2, 7}
)

// Change is one change of an output.
type Change struct {
	Pin  Output
	High bool
	At   time.Time // when this process heard of it
}

// pins talks qtest: lines of text, an answer to each, and news of outputs in between.
type pins struct {
	t       testing.TB
	ports   []string
	answers chan string // closed when the emulator is gone
	asking  sync.Mutex  // held from a command to its answer
	conn    net.Conn

	mu      sync.Mutex // guards the following
	levels  [outputs]bool
	changes []Change
	news    chan struct{} // closed and made anew at each change
}

// connect wires a board up and gives it power.
func connect(t testing.TB, c Config, m *monitor, qtest net.Conn) (*pins, error) {
	ports, err := m.ports()
	if err != nil {
		return nil, err
	}
	if c.Loop {
		for i, to := range []Input{Reader0D0, Reader0D1} {
			if err := m.do("qom-set", map[string]any{"path": ports[3],
				"property": fmt.Sprintf("unnamed-gpio-out[%d]", int(CardD0)+i),
				"value":    fmt.Sprintf("%s/unnamed-gpio-in[%d]", ports[to.port], to.pin)}, nil); err != nil {
				return nil, err
			}
		}
	}
	p := &pins{t: t, ports: ports, conn: qtest, answers: make(chan string, 1), news: make(chan struct{})}
	done := make(chan struct{})
	go func() { defer close(done); p.listen() }()
	t.Cleanup(func() { _ = qtest.Close(); <-done })
	if _, err := p.ask("irq_intercept_out " + ports[3]); err != nil {
		return nil, err
	}
	if err := p.rest(c); err != nil {
		return nil, err
	}
	return p, m.do("cont", nil, nil)
}

// rest puts every input where it is when nothing happens.
func (p *pins) rest(c Config) error {
	levels := map[Input]bool{PassIn: true, PassOut: true, Contact: true, Fire: false, Tamper: false, potential: !c.Potential,
		Reader0D0: true, Reader0D1: true, Reader1D0: true, Reader1D1: true}
	for in, high := range levels {
		if err := p.set(in, high); err != nil {
			return err
		}
	}
	return nil
}

func (p *pins) set(in Input, high bool) error {
	level := 0
	if high {
		level = 1
	}
	_, err := p.ask(fmt.Sprintf("set_irq_in %s unnamed-gpio-in %d %d", p.ports[in.port], in.pin, level))
	return err
}

// ask gives one command. When it returns, everything that the board did before is known.
func (p *pins) ask(command string) (string, error) {
	p.asking.Lock()
	defer p.asking.Unlock()
	if _, err := fmt.Fprintln(p.conn, command); err != nil {
		return "", fmt.Errorf("qtest %s: %w", command, err)
	}
	select {
	case answer, open := <-p.answers:
		if !open || !strings.HasPrefix(answer, "OK") {
			return "", fmt.Errorf("qtest %s: %q", command, answer)
		}
		return answer, nil
	case <-time.After(patience):
		return "", fmt.Errorf("qtest %s: no answer", command)
	}
}

// listen takes what qtest says until its socket is closed.
func (p *pins) listen() {
	defer close(p.answers)
	lines := bufio.NewScanner(p.conn)
	for lines.Scan() {
		var what string
		var pin int
		if n, _ := fmt.Sscanf(lines.Text(), "IRQ %s %d", &what, &pin); n == 2 {
			p.note(Change{Output(pin), what == "raise", time.Now()})
			continue
		}
		select {
		case p.answers <- lines.Text():
		default: // to a command that was given up
		}
	}
}

// note keeps a change.
func (p *pins) note(c Change) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.levels[c.Pin] = c.High
	p.changes = append(p.changes, c)
	close(p.news)
	p.news = make(chan struct{})
}

// sync waits until everything that the board did so far is known.
func (b *Board) sync() {
	if _, err := b.pins.ask("readl 0"); err != nil {
		b.t.Error(err)
	}
}

// StackSize is what the firmware sets aside, at the start of its memory.
const StackSize = 2048

// Stack is how many bytes of its stack the firmware has used so far: the
// emulator's memory is zero at power-up.
func (b *Board) Stack() int {
	answer, err := b.pins.ask(fmt.Sprintf("read 0x20000000 %d", StackSize))
	if err != nil {
		b.t.Fatal(err)
	}
	used := strings.TrimLeft(strings.TrimPrefix(answer, "OK 0x"), "0")
	return (len(used) + 1) / 2
}

// Set drives an input.
func (b *Board) Set(in Input, high bool) {
	if err := b.pins.set(in, high); err != nil {
		b.t.Error(err)
	}
}

// High reports the level of an output.
func (b *Board) High(pin Output) bool {
	b.sync()
	b.pins.mu.Lock()
	defer b.pins.mu.Unlock()
	return b.pins.levels[pin]
}

// Changes returns every change of the given outputs so far, in order.
func (b *Board) Changes(of ...Output) []Change {
	b.sync()
	b.pins.mu.Lock()
	defer b.pins.mu.Unlock()
	var some []Change
	for _, c := range b.pins.changes {
		if slices.Contains(of, c.Pin) {
			some = append(some, c)
		}
	}
	return some
}

// Raises is how often an output went high.
func (b *Board) Raises(pin Output) int {
	n := 0
	for _, c := range b.Changes(pin) {
		if c.High {
			n++
		}
	}
	return n
}

// Await waits until an output has changed n times since power-up, and returns
// the n-th change, counted from 1.
func (b *Board) Await(t testing.TB, pin Output, n int) Change {
	t.Helper()
	deadline := time.After(patience)
	for {
		b.pins.mu.Lock()
		news := b.pins.news
		b.pins.mu.Unlock()
		if all := b.Changes(pin); len(all) >= n {
			return all[n-1]
		}
		select {
		case <-news:
		case <-deadline:
			t.Fatalf("output %d changed %d times, want %d", pin, len(b.Changes(pin)), n)
		}
	}
}

// Walk sends one person through: the gate's contact closes until the firmware
// has told of it, or for two seconds, and then is open until that was seen too.
func (b *Board) Walk(pass Input) {
	before := b.passages()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	b.Set(pass, false)
	for end := time.Now().Add(2 * time.Second); b.passages() == before && time.Now().Before(end); <-tick.C {
	}
	b.Set(pass, true)
	b.rest(tick.C)
}

// rest lets 50 ms of the board's own time go by, which a busy machine makes slow: from
// the first STATE that is heard now to a later one. Where no host is there to be told,
// it ends before the firmware misses one.
func (b *Board) rest(tick <-chan time.Time) {
	began, first := time.Now(), time.Time{}
	var from uint32
	for end := began.Add(1500 * time.Millisecond); time.Now().Before(end); <-tick {
		switch s, heard := b.state(); {
		case !heard.After(began):
		case first.IsZero():
			first, from = heard, s.Uptime
		case s.Uptime-from >= 50:
			return
		}
	}
}
