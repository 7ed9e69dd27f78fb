package webhook

import (
	"testing"

	"turnstile/central/database"
)

func TestBetween(t *testing.T) {
	at := database.Position{Epoch: 1, Seq: 10, Alarm: 2, Entry: 100}
	for name, c := range map[string]struct {
		to   database.Position
		want uint64
	}{
		"nothing new":   {at, 0},
		"of each log":   {database.Position{Epoch: 1, Seq: 13, Alarm: 4, Entry: 101}, 6},
		"a later epoch": {database.Position{Epoch: 2, Seq: 3, Alarm: 2, Entry: 100}, 3},
		"a log erased":  {database.Position{Epoch: 1, Seq: 9, Alarm: 0, Entry: 0}, 0},
	} {
		if got := between(at, c.to); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}
