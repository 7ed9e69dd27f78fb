package wallclock

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"turnstile/central/link"
)

// world is all that can be done to a lane's clocks: by time servers, by whoever
// sets the machine's clock, by a broker, by sleep, by a warm day.
type world struct {
	machine
	c      *Clock
	speed  float64       // of the crystal, in the bounds of Drift
	slept  time.Duration // real time that passed beside the crystal's
	honest bool          // time servers say the truth
	truthT time.Duration // real time since start

	asked   []question
	answers []answered
	heads   []time.Time // made and not delivered

	claims map[Witness]int
	states map[link.ClockState]int
}

type question struct{ elapsed time.Duration }

type answered struct {
	at    time.Time
	asked time.Duration
}

// rounding is what the model's own durations lose.
const rounding = time.Microsecond

func (w *world) truth() time.Time { return start.Add(w.truthT) }
func (w *world) now() time.Time   { return w.truth().Add(w.wrong) }

// wait lets real time pass; the crystal sees a little more or less of it.
func (w *world) wait(d time.Duration) {
	w.truthT += d
	w.ticks.Elapsed += time.Duration(float64(d) * w.speed)
}

// central's clock is right to within slack: it may be in the middle of a smear.
func (w *world) central(t *rapid.T) time.Time {
	return w.truth().Add(time.Duration(rapid.Int64Range(-int64(slack), int64(slack)).Draw(t, "central")))
}

func upTo(t *rapid.T, most time.Duration, label string) time.Duration {
	return time.Duration(rapid.Int64Range(0, int64(most)).Draw(t, label))
}

// wide draws durations of all sizes, from milliseconds to the given one.
func wide(t *rapid.T, most time.Duration, label string) time.Duration {
	scale := rapid.SampledFrom([]time.Duration{time.Second, 10 * time.Second, time.Minute, time.Hour, 24 * time.Hour, most}).Draw(t, label+" up to")
	return upTo(t, min(scale, most), label)
}

func (w *world) actions() map[string]func(*rapid.T) {
	return map[string]func(*rapid.T){
		"": w.check,
		"wait": func(t *rapid.T) {
			w.speed = 1 + rapid.Float64Range(-Drift, Drift).Draw(t, "speed")*0.999
			w.wait(wide(t, 10*24*time.Hour, "wait"))
		},
		"sleep": func(t *rapid.T) { // counted by a chip with a resolution of a second
			d := sleep + wide(t, 24*time.Hour, "sleep")
			w.truthT += d
			w.ticks.Elapsed += d.Round(time.Second)
			w.ticks.Suspended += max(d.Round(time.Second), sleep)
		},
		"time server": func(t *rapid.T) {
			w.synchronised = rapid.Bool().Draw(t, "synchronised")
			w.bound = wide(t, 2*time.Minute, "bound")
			if w.honest && w.wrong.Abs() > w.bound {
				w.wrong = 0
			}
		},
		"step": func(t *rapid.T) {
			d := wide(t, 60*365*24*time.Hour, "step")
			if rapid.Bool().Draw(t, "back") {
				d = -d
			}
			w.wrong += d
			w.synchronised = w.synchronised && !w.honest // as the kernel does when a clock is set
		},
		"right again": func(*rapid.T) { w.wrong = 0 },
		"ask": func(t *rapid.T) {
			w.asked = append(w.asked, question{w.c.Elapsed()})
			if rapid.Bool().Draw(t, "at once") { // central gets it, and the answer is on its way
				w.wait(upTo(t, 200*time.Millisecond, "there"))
				w.reach(t)
				w.wait(upTo(t, 200*time.Millisecond, "back"))
				w.deliver(t)
			}
		},
		"central answers": w.reach,
		"deliver":         w.deliver,
		"head":            func(t *rapid.T) { w.heads = append(w.heads, w.central(t)) },
		"deliver head": func(t *rapid.T) {
			if len(w.heads) > 0 {
				w.c.Observe(rapid.SampledFrom(w.heads).Draw(t, "head"), w.now())
			}
		},
		"restart": func(*rapid.T) {
			floor := w.c.floor
			w.c = w.clock(Options{Floor: floor})
			w.asked, w.answers = nil, nil // nonces are forgotten
		},
	}
}

func (w *world) clock(o Options) *Clock {
	o.Source, o.Ticks = w.ask, func() Ticks { return w.ticks }
	return New(o)
}

// reach is a question that the broker lets through, when it likes.
func (w *world) reach(t *rapid.T) {
	if len(w.asked) > 0 {
		w.answers = append(w.answers, answered{w.central(t), rapid.SampledFrom(w.asked).Draw(t, "question").elapsed})
	}
}

// deliver is an answer that the broker lets through: old or new, again and again.
// That a nonce is good once is the caller's; the bound must hold without it.
func (w *world) deliver(t *rapid.T) {
	if len(w.answers) == 0 {
		return
	}
	a := rapid.SampledFrom(w.answers).Draw(t, "answer")
	_ = w.c.Answer(a.at, a.asked, w.now()) // a refusal is as good
}

func (w *world) check(t *rapid.T) {
	r := w.c.Read(w.now())
	w.states[r.State]++
	if r.State == link.ClockUntrusted {
		return
	}
	w.claims[r.By]++
	if r.Bound > MaxBound {
		t.Fatalf("%s with a bound of %v", r.State, r.Bound)
	}
	if wrong := r.Time.Sub(w.truth()).Abs(); wrong > r.Bound+rounding && (r.By == ByCentral || w.honest) {
		t.Fatalf("%s by %s: wrong by %v, claims %v", r.State, r.By, wrong, r.Bound)
	}
}

// TestNoFalseClaim: whatever time servers say and brokers do, no claim that rests
// on an answer is wrong by more than its bound, and none that rests on the
// kernel while time servers are honest.
func TestNoFalseClaim(t *testing.T) {
	claims, states := map[Witness]int{}, map[link.ClockState]int{}
	rapid.Check(t, func(t *rapid.T) {
		w := &world{speed: 1, honest: rapid.Bool().Draw(t, "honest time servers"), claims: claims, states: states}
		w.wrong = rapid.SampledFrom([]time.Duration{0, boot1970, -24 * time.Hour, 24 * time.Hour, 10 * time.Second}).Draw(t, "wrong")
		w.c = w.clock(Options{})
		t.Repeat(w.actions())
	})
	t.Logf("claims %v, states %v", claims, states)
	if min(claims[ByCentral], claims[ByKernel], states[link.ClockTrusted], states[link.ClockHoldover], states[link.ClockUntrusted]) < 10 {
		t.Fatalf("tried nothing: claims %v, states %v", claims, states)
	}
}
