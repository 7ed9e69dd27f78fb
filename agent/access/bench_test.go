package access

import (
	"crypto/ed25519"
	"slices"
	"testing"
	"time"

	"turnstile/central/link"
	"turnstile/central/pass"
)

// ready returns a code text, and a function that decides on it as a lane does.
func ready(t testing.TB) (text []byte, decide func() Decision) {
	t.Helper()
	s := newScene()
	state, err := link.NewState(1).Apply(s.events)
	if err != nil {
		t.Fatal(err)
	}
	f := s.facts
	f.State, f.Rules = state, s.rules()
	c := s.code(t)
	text = []byte(c.Text())
	return text, func() Decision {
		c, r := pass.Parse(text)
		if r != pass.Granted {
			return Decision{Reason: r}
		}
		return Decide(&c, f, s.now)
	}
}

func TestDecideAllocatesNothing(t *testing.T) {
	_, decide := ready(t)
	if n := testing.AllocsPerRun(100, func() {
		if !decide().Granted() {
			t.Error("refused")
		}
	}); n != 0 {
		t.Errorf("%v allocations from text to decision, want 0", n)
	}
}

// BenchmarkTextToDecision holds the way from a scanned text to the decision
// against a bare signature check, interleaved; "ratio" is the median of the
// rounds' ratios.
func BenchmarkTextToDecision(b *testing.B) {
	_, decide := ready(b)
	s := newScene()
	message := s.pass.Message()
	sig := ed25519.Sign(trusted, message)
	public := trusted.Public().(ed25519.PublicKey)
	const each = 50
	var own, bare []float64
	for b.Loop() {
		own = append(own, batch(each, func() bool { return decide().Granted() }))
		bare = append(bare, batch(each, func() bool { return ed25519.Verify(public, message, sig) }))
	}
	ratios := make([]float64, len(own))
	for i := range own {
		ratios[i] = own[i] / bare[i]
	}
	b.ReportMetric(median(own)/each, "ns/decision")
	b.ReportMetric(median(bare)/each, "ns/verify")
	b.ReportMetric(median(ratios), "ratio")
}

func batch(n int, f func() bool) float64 {
	start := time.Now()
	for range n {
		if !f() {
			panic("a good code was refused")
		}
	}
	return float64(time.Since(start))
}

func median(v []float64) float64 {
	v = slices.Clone(v)
	slices.Sort(v)
	return v[len(v)/2]
}
