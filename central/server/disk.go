package server

import (
	"errors"
	"fmt"
	"os"
)

// ErrDisk tells that the data folder takes no writes. Lanes decide and record all
// the same; their entries wait until there is room.
var ErrDisk = errors.New("the data folder takes no writes: make room on its disk; nothing needs to be started again")

// takesWrites tries a small file in the data folder. It asks for no flush: what a
// disk has no room for, file systems refuse at the write.
func takesWrites(data string) error {
	f, err := os.CreateTemp(data, "probe-")
	if err != nil {
		return fmt.Errorf("%w: %w", ErrDisk, err)
	}
	_, err = f.Write(make([]byte, 4096))
	if err = errors.Join(err, f.Close(), os.Remove(f.Name())); err != nil {
		return fmt.Errorf("%w: %w", ErrDisk, err)
	}
	return nil
}
