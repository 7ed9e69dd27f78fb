package campus

import (
	"context"
	"testing"
	"time"
)

// patience bounds what a campus may take for anything in these tests.
const patience = 45 * time.Second

// stage is a campus under test.
type stage struct {
	*Campus
	t *testing.T
}

// opened opens a campus until the test ends.
func opened(t *testing.T, config Config) *stage {
	t.Helper()
	if config.Walk == 0 {
		config.Walk = 50 * time.Millisecond
	}
	c, err := Open(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			for _, line := range c.History() {
				t.Log(line)
			}
		}
	})
	return &stage{c, t}
}

// do does what lines say.
func (s *stage) do(lines ...string) {
	s.t.Helper()
	for _, line := range lines {
		a, err := Parse(line)
		if err == nil {
			err = s.Do(s.t.Context(), a)
		}
		if err != nil {
			s.t.Fatalf("%s: %v", line, err)
		}
	}
}

// until waits for what a View is to show.
func (s *stage) until(what string, shown func(View) bool) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	for {
		changed := s.Changed()
		if v := s.View(); shown(v) {
			return
		}
		select {
		case <-changed:
		case <-ctx.Done():
			v := s.View()
			for _, l := range v.Lanes {
				s.t.Logf("%+v, last %+v", l, l.Last)
			}
			s.t.Fatalf("%s: not within %v; standing %v, up %t, newest %v", what, patience, v.Standing, v.Central.Up, v.Passages[:min(3, len(v.Passages))])
		}
	}
}

// on returns a lane of a View.
func (v View) on(id string) Lane {
	for _, l := range v.Lanes {
		if l.ID == id {
			return l
		}
	}
	return Lane{}
}

// last is what a lane decided last.
func (v View) last(id string) Decision {
	if d := v.on(id).Last; d != nil {
		return *d
	}
	return Decision{}
}

// whole checks that nothing is broken.
func (s *stage) whole() {
	s.t.Helper()
	found, err := s.Check(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	for _, v := range found {
		s.t.Error(v)
	}
}
