package sign

import (
	"fmt"
	"time"

	"github.com/fxamacker/cbor/v2"

	"turnstile/central/issuer"
	"turnstile/central/link"
)

// spendCommand refuses a command that lanes would not take, or of another time: it
// would be written down as what it is not.
func (s *server) spendCommand(payload []byte, now time.Time) error {
	c, err := commandOf(payload)
	if err != nil {
		return err
	}
	if off := now.Sub(time.UnixMilli(c.Issued)).Abs(); off > commandOff {
		return fmt.Errorf("%w: a command of another time", issuer.ErrRefused)
	}
	return s.budget.take(limitCommands, 1, now)
}

// commandOff is how far the clocks of central and of this process may differ.
const commandOff = 5 * time.Minute

func commandOf(payload []byte) (c link.Command, err error) {
	if err = cbor.Unmarshal(payload, &c); err == nil {
		err = c.Check()
	}
	if err != nil {
		return c, fmt.Errorf("%w: not a command: %w", issuer.ErrRefused, err)
	}
	return c, nil
}
