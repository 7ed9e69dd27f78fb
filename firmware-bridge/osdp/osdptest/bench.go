package osdptest

import (
	"slices"
	"time"

	"turnstile/firmware-bridge/osdp"
)

// turnaround is how long a reader takes to begin its answer.
const turnaround = time.Millisecond

// Piece is a command or an answer on the line of a Bench, or a part of one.
type Piece struct {
	At   time.Time // when its last byte has passed
	Sent bool      // by the panel
	Data []byte
}

// Bench is a panel and its readers on a line in virtual time: no clock and no
// goroutine. Make one with NewBench.
type Bench struct {
	Panel   *osdp.Panel
	Readers []*Reader
	Now     time.Time
	Events  []osdp.Event // all so far
	Wire    []Piece      // all commands and answers so far, whole
	// Babble gives bytes that nobody asked for, each millisecond; nil is quiet.
	Babble func(now time.Time) []byte
	// Meddle changes what a command or an answer is on its way; nil leaves it.
	Meddle func(p Piece) []byte
	// Held is how long a USB adapter holds bytes back, each way.
	Held time.Duration

	baud    int
	coming  []Piece // on its way to the panel, in order
	babbled time.Time
}

// NewBench makes a bench. It says what is wrong with c.
func NewBench(c osdp.PanelConfig, readers ...*Reader) (*Bench, error) {
	panel, err := osdp.NewPanel(c)
	start := time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)
	return &Bench{Panel: panel, Readers: readers, Now: start, babbled: start, baud: c.Baud}, err
}

// Run lets d pass.
func (b *Bench) Run(d time.Duration) { b.Until(d, func() bool { return false }) }

// Until lets time pass until done, at most d, and reports whether it was done.
func (b *Bench) Until(d time.Duration, done func() bool) bool {
	for end := b.Now.Add(d); ; {
		if done() {
			return true
		}
		if !b.Now.Before(end) {
			return false
		}
		b.step(end)
	}
}

// step lets the panel work once and goes on to the next instant at which
// something happens, at most to end.
func (b *Bench) step(end time.Time) {
	send, wake := b.Panel.Step(b.Now, b.arrived())
	b.Events = append(b.Events, b.Panel.Events()...)
	if len(send) > 0 {
		b.deliver(send)
	}
	next := end
	if wake.Before(next) {
		next = wake
	}
	if len(b.coming) > 0 && b.coming[0].At.Before(next) {
		next = b.coming[0].At
	}
	if b.Babble != nil && next.Sub(b.Now) > time.Millisecond {
		next = b.Now.Add(time.Millisecond)
	}
	// The panel may ask to be called at once; time passes all the same.
	b.Now = maxTime(next, b.Now.Add(10*time.Microsecond))
}

// arrived takes what has come to the panel by now.
func (b *Bench) arrived() (in []byte) {
	for len(b.coming) > 0 && !b.coming[0].At.After(b.Now) {
		in = append(in, b.coming[0].Data...)
		b.coming = b.coming[1:]
	}
	if b.Babble != nil && b.Now.Sub(b.babbled) >= time.Millisecond {
		b.babbled = b.Now
		in = append(in, b.Babble(b.Now)...)
	}
	return in
}

// pass notes a piece that has passed, and lets Meddle change it.
func (b *Bench) pass(p Piece) []byte {
	if b.Meddle != nil {
		p.Data = b.Meddle(p)
	}
	if len(p.Data) > 0 {
		b.Wire = append(b.Wire, p)
	}
	return p.Data
}

// deliver brings a command to all readers, and their answers on their way in
// pieces, as a driver sees them.
func (b *Bench) deliver(send []byte) {
	at := b.Now.Add(b.Held + b.bytes(len(send)))
	data := b.pass(Piece{at, true, slices.Clone(send)})
	for _, r := range b.Readers {
		answer := r.Hear(data, at)
		if len(answer) > 0 {
			at = at.Add(turnaround)
			answer = b.pass(Piece{At: at.Add(b.bytes(len(answer))), Data: answer})
		}
		for piece := range slices.Chunk(answer, 16) {
			at = at.Add(b.bytes(len(piece)))
			b.coming = append(b.coming, Piece{At: at.Add(b.Held), Data: piece})
		}
	}
	slices.SortStableFunc(b.coming, func(x, y Piece) int { return x.At.Compare(y.At) })
}

func (b *Bench) bytes(n int) time.Duration {
	return time.Duration(n) * 10 * time.Second / time.Duration(b.baud)
}

func maxTime(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
