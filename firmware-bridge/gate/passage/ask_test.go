package passage

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"turnstile/firmware-bridge/gate"
)

// Whoever has the answer finds what follows from it done.
func TestSettledBeforeAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, answered := NewAsk(gate.Grant{Number: 1}), make(chan error, 1)
		go func() { answered <- a.Wait(context.Background()) }()
		a.Begin()
		heard := a.Settle(gate.ErrRefused, func(heard bool) {
			synctest.Wait()
			if !heard || len(answered) != 0 {
				t.Error("Open had the answer first")
			}
		})
		if err := <-answered; !heard || !errors.Is(err, gate.ErrRefused) {
			t.Errorf("heard %v, answer %v", heard, err)
		}
	})
}
