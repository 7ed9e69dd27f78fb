package gatetest

import (
	"testing"
)

func TestFake(t *testing.T) {
	ConformInBubble(t, func(t *testing.T) Bench {
		f := New()
		return Bench{
			Gate: f, Walk: f.Walk, Openings: f.Openings,
			Relay:  func() bool { return f.State().Relay },
			Unplug: f.Lose, Plug: f.Find,
		}
	})
}
