package seal

import (
	"context"
	"errors"
	"testing"
	"time"

	"turnstile/central/database"
)

func nowhere() time.Time { return time.Unix(1795233600, 0) }

// notes is a Spender in memory.
type notes map[string]bool

func (n notes) Spend(_ context.Context, hash []byte, _ int64) error {
	if n[string(hash)] {
		return database.ErrConflict
	}
	n[string(hash)] = true
	return nil
}

func newStates(t testing.TB) States {
	t.Helper()
	box, err := New([32]byte{1})
	if err != nil {
		t.Fatal(err)
	}
	return States{Box: box, Spent: notes{}, Now: nowhere}
}

func TestBox(t *testing.T) {
	box := newStates(t).Box
	sealed := box.Seal("a", []byte("secret"))
	if text, err := box.Open("a", sealed); err != nil || string(text) != "secret" {
		t.Error(text, err)
	}
	other, err := New([32]byte{2})
	if err != nil {
		t.Fatal(err)
	}
	changed := append([]byte{}, sealed...)
	changed[len(changed)-1] ^= 1
	for name, open := range map[string]func() ([]byte, error){
		"another purpose": func() ([]byte, error) { return box.Open("b", sealed) },
		"another key":     func() ([]byte, error) { return other.Open("a", sealed) },
		"changed":         func() ([]byte, error) { return box.Open("a", changed) },
		"nothing":         func() ([]byte, error) { return box.Open("a", nil) },
	} {
		if _, err := open(); !errors.Is(err, ErrSealed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestOnce: a state counts once, for its time, for its purpose.
func TestOnce(t *testing.T) {
	s := newStates(t)
	text, err := s.Seal("a", "value")
	if err != nil {
		t.Fatal(err)
	}
	var v string
	for n, want := range []error{nil, ErrState} {
		spend, err := s.Open("a", text, &v)
		if err == nil {
			err = spend(t.Context())
		}
		if !errors.Is(err, want) || v != "value" {
			t.Errorf("time %d: %q %v", n+1, v, err)
		}
	}
	s.Now = func() time.Time { return nowhere().Add(StepLimit) }
	if _, err := s.Open("a", text, &v); !errors.Is(err, ErrState) {
		t.Errorf("late: %v", err)
	}
}

// FuzzState reads what a browser may bring back as a state.
func FuzzState(f *testing.F) {
	s := newStates(f)
	text, err := s.Seal("a", "value")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add("")
	f.Add("AAAA")
	f.Fuzz(func(t *testing.T, in string) {
		var v string
		_, err := s.Open("a", in, &v)
		if err == nil && v != "value" {
			t.Errorf("%q opens as %q", in, v)
		}
		if err != nil && !errors.Is(err, ErrState) {
			t.Error(err)
		}
		if _, err := s.Open("b", in, &v); !errors.Is(err, ErrState) {
			t.Errorf("%q opens for another purpose: %v", in, err)
		}
	})
}
