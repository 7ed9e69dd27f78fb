package campus

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"turnstile/firmware-bridge/capture"
	"turnstile/simulator/device"
)

// captures are what the scanners send, in files.
type captures []struct {
	writer *capture.Writer
	file   *os.File
}

// capture begins a capture of each scanner, if the configuration wants them.
func (c *Campus) capture() error {
	if c.config.Captures == "" {
		return nil
	}
	if err := os.MkdirAll(c.config.Captures, 0o700); err != nil {
		return fmt.Errorf("make folder of captures: %w", err)
	}
	for _, l := range c.lanes {
		for way, s := range map[string]*device.Scanner{"in": l.steel.Scanner, "out": l.steel.Exit} {
			w, f, err := capture.Create(filepath.Join(c.config.Captures, l.spec.ID+"-"+way+".osdpcap"), "turnstile simulator")
			if err != nil {
				return err
			}
			c.captures = append(c.captures, struct {
				writer *capture.Writer
				file   *os.File
			}{w, f})
			s.Tell(func(b []byte) {
				w.Received(c.clock.Now(), b)
				w.Flush() // an error comes again at the end; a campus writes slowly enough to wait
			})
		}
	}
	return nil
}

// close writes the rest. Nobody sends any more.
func (list captures) close() error {
	var errs []error
	for _, x := range list {
		errs = append(errs, x.writer.Flush(), x.file.Close())
	}
	return errors.Join(errs...)
}
