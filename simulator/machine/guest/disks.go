package guest

import (
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Mount attaches a file system. What the kernel keeps of the device from an
// earlier look, perhaps before the computer was stopped and resumed, is dropped.
func (s *Service) Mount(m Mount, _ *struct{}) error {
	d, err := os.Open(m.Device)
	if err != nil {
		return fmt.Errorf("mount: %w", err)
	}
	defer d.Close()
	if err := unix.IoctlSetInt(int(d.Fd()), unix.BLKFLSBUF, 0); err != nil {
		return fmt.Errorf("forget %s: %w", m.Device, err)
	}
	if err := os.MkdirAll(m.At, 0o755); err != nil {
		return fmt.Errorf("mount: %w", err)
	}
	if err := unix.Mount(m.Device, m.At, m.Kind, 0, m.Options); err != nil {
		return fmt.Errorf("mount %s: %w", m.Device, err)
	}
	return nil
}

// Sync writes back and flushes all disks.
func (s *Service) Sync(_ struct{}, _ *struct{}) error {
	unix.Sync()
	return nil
}

// SetClock sets the clock.
func (s *Service) SetClock(to time.Time, _ *struct{}) error {
	t := unix.NsecToTimeval(to.UnixNano())
	if err := unix.Settimeofday(&t); err != nil {
		return fmt.Errorf("set clock: %w", err)
	}
	return nil
}
