package scannertest

import (
	"errors"
	"testing"
)

func TestFake(t *testing.T) {
	Conform(t, func(t *testing.T) Bench {
		f := New()
		return Bench{
			Scanner: f,
			Scan:    func(text string) { f.Scan(text) },
			Unplug:  func() { f.Lose(errors.New("pulled")) },
			Plug:    f.Find,
		}
	})
}
