package dialect

import (
	"errors"
	"fmt"
	"time"
)

// Ask asks twice if there is no reply: one may have been garbled.
func Ask(l Line, request []byte, wait time.Duration) ([]byte, error) {
	return Twice(func() ([]byte, error) { return l.Ask(request, wait) })
}

// Twice does once again if there was no reply.
func Twice(once func() ([]byte, error)) ([]byte, error) {
	reply, err := once()
	if errors.Is(err, ErrSilent) {
		return once()
	}
	return reply, err
}

// Excuse turns the error of one setting into a warning with a hint if the
// engine can be used all the same, and returns it if it cannot: the port is
// gone, or the engine has fallen silent altogether.
func Excuse(l Line, d Dialect, id *Identity, name, hint string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, ErrRefused), errors.Is(err, ErrRate):
	case errors.Is(err, ErrSilent):
		if alive := d.Alive(l); alive != nil {
			return fmt.Errorf("%s: %w", name, alive)
		}
	default:
		return err
	}
	id.Warn(fmt.Sprintf("%s: %v: %s", name, err, hint))
	return nil
}
