package passage

import (
	"testing"
	"time"
)

func TestDebounce(t *testing.T) {
	var d Debounce
	steps := []struct {
		ms          int
		level, edge bool
		changed     bool
		due         int // in ms; 0 for none
	}{
		{0, false, false, false, 0},
		{5, true, false, false, 25},
		{24, true, false, false, 25},
		{25, true, false, true, 0},
		{30, false, true, false, 50},
		{40, true, false, false, 0}, // a bounce
		{41, false, false, false, 61},
		{60, false, true, false, 80}, // it was elsewhere in between
		{79, false, false, false, 80},
		{90, false, false, true, 0},
	}
	at := func(ms int) time.Time { return t0.Add(time.Duration(ms) * time.Millisecond) }
	for _, s := range steps {
		changed := d.Sample(s.level, s.edge, at(s.ms))
		if changed != s.changed || changed && d.Steady != s.level {
			t.Errorf("at %d ms: changed %v to %v", s.ms, changed, d.Steady)
		}
		if due := d.Due(); due.IsZero() != (s.due == 0) || s.due != 0 && !due.Equal(at(s.due)) {
			t.Errorf("at %d ms: due %v, want %d ms", s.ms, due, s.due)
		}
	}
}
