package dialect

import (
	"errors"
	"fmt"
	"time"
)

// settle is how long an engine gets to change its rate: 300 ms were too few for
// a DE2120.
const settle = 500 * time.Millisecond

// proofs is how many replies in a row a new rate must carry before it is kept,
// tries how many questions it gets.
const (
	proofs = 3
	tries  = 5
)

// Raise moves the engine and this end to the rate to. change tells the engine
// which rate to take: ErrSilent from it is no failure, because some engines
// reply at the new rate. verify asks something harmless.
//
// If the new rate does not carry replies, both ends go back and the error wraps
// ErrRate: the engine is usable as it was. ErrSilent means that it answers at
// neither rate; whoever opens the port next must search all.
func Raise(l Line, to int, change func(baud int) error, verify func() error) error {
	from := l.Baud()
	if from == to {
		return nil
	}
	err := change(to)
	if errors.Is(err, ErrSilent) { // it was not heard, or has changed already and does not hear this
		err = change(to)
	}
	if errors.Is(err, ErrRefused) {
		return fmt.Errorf("%w, %d: %w", ErrRate, from, err)
	} else if err != nil && !errors.Is(err, ErrSilent) {
		return err
	}
	heard, err := prove(l, to, verify)
	if err != nil || heard >= proofs {
		return err
	}
	if heard > 0 { // it is there, and the cable garbles it
		if err := change(from); err != nil && !errors.Is(err, ErrSilent) && !errors.Is(err, ErrRefused) {
			return err
		}
	}
	if heard, err = prove(l, from, verify); err != nil {
		return err
	}
	if heard == 0 {
		return fmt.Errorf("change rate from %d to %d: %w at either", from, to, ErrSilent)
	}
	return fmt.Errorf("%w, %d: nothing reliable at %d; shorten the cable, or leave the rate", ErrRate, from, to)
}

// prove counts the replies at a rate, until enough came in a row.
func prove(l Line, baud int, verify func() error) (heard int, err error) {
	if err := l.SetBaud(baud); err != nil {
		return 0, err
	}
	if err := l.Rest(settle); err != nil {
		return 0, err
	}
	row, most := 0, 0
	for range tries {
		switch err := verify(); {
		case err == nil || errors.Is(err, ErrRefused):
			row++
			most = max(most, row)
		case errors.Is(err, ErrSilent):
			row = 0
		default:
			return 0, err
		}
		if row == proofs {
			break
		}
	}
	return most, nil
}
