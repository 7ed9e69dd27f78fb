package main

import (
	"sync"
	"time"

	"turnstile/firmware-bridge/commission"
	"turnstile/firmware-bridge/frame"
)

// traffic counts the frames on a lane controller's line and notes what the
// controller says that it has. It is a serialport.Tap.
type traffic struct {
	mu      sync.Mutex // guards the following
	in, out frame.Decoder
	counts  commission.Frames
	can     frame.Capabilities
	waiting map[frame.Type]int // requests without an answer: 1 or 0, -1 for an answer that was heard first
}

// answerTo is what answers a request of the host.
var answerTo = map[frame.Type]frame.Type{frame.TypeWelcome: frame.TypeHello, frame.TypeState: frame.TypeBeat, frame.TypeAnswer: frame.TypeOpen}

func newTraffic() *traffic { return &traffic{waiting: map[frame.Type]int{}} }

// Received implements serialport.Tap.
func (t *traffic) Received(_ time.Time, b []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.in.Feed(b, func(f frame.Frame) {
		t.counts.Received++
		// On a busy computer an answer can be heard before the writer of its
		// request has told of that.
		if request, is := answerTo[f.Type]; is {
			t.waiting[request] = max(t.waiting[request]-1, -1)
		}
		if m, err := frame.Read(f); err == nil {
			if w, ok := m.(frame.Welcome); ok {
				t.can = w.Capabilities
			}
		}
	})
	t.counts.Garbled, _ = t.in.Garbled()
}

// Sent implements serialport.Tap.
func (t *traffic) Sent(_ time.Time, b []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.out.Feed(b, func(f frame.Frame) {
		t.counts.Sent++
		if f.Type != frame.TypeHello && f.Type != frame.TypeBeat && f.Type != frame.TypeOpen {
			return
		}
		if t.waiting[f.Type] > 0 { // the one before was not answered
			t.counts.Unanswered++
			return
		}
		t.waiting[f.Type]++
	})
}

// frames is what passed so far.
func (t *traffic) frames() commission.Frames {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.counts
}

// has is what the controller said that it has.
func (t *traffic) has() commission.Can {
	t.mu.Lock()
	defer t.mu.Unlock()
	return commission.Can{
		In: t.can&frame.CanIn != 0, Out: t.can&frame.CanOut != 0, Contact: t.can&frame.HasContact != 0,
		Fire: t.can&frame.HasFire != 0, Tamper: t.can&frame.HasTamper != 0,
	}
}
