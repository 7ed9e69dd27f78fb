package server

import (
	"context"
	"errors"
	"testing"
	"time"

	"turnstile/central/office"
	"turnstile/central/pass"
)

// TestPassesEndWithTheDayBehindTheirOwn: lanes forget what a pass used then.
func TestPassesEndWithTheDayBehindTheirOwn(t *testing.T) {
	s := openCentral(t, configure(t))
	defer s.stop()
	for start, good := range map[time.Duration]bool{22 * time.Hour: true, 23 * time.Hour: true, 23*time.Hour + time.Minute: false, 24 * time.Hour: false} {
		_, err := passes{s.central}.Issue(context.Background(), "test", office.Order{
			Kind: pass.ECard, Holder: "A", Day: s.feed.Today(), Zones: 1, Start: start, Length: 25 * time.Hour,
		})
		if good && err != nil || !good && !errors.Is(err, office.ErrInvalid) {
			t.Errorf("25 hours from %s on: %v", start, err)
		}
	}
}
