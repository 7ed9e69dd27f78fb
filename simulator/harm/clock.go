package harm

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"
	"unsafe"

	"turnstile/agent/daemon"
)

// RunLane runs the agent of a lane controller whose clock lies by what stands in
// a file, such as -24h. The file may change at any time.
func RunLane(ctx context.Context, config, clock string) error {
	c, err := daemon.Load(config)
	if err != nil {
		return err
	}
	own, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find own program: %w", err)
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	return daemon.Run(ctx, c, daemon.Options{
		Version: "simulator", Log: log, Now: Clock(clock), Exe: filepath.Join(filepath.Dir(own), "agent"),
		Devices: daemon.Hardware(nil, os.ErrNotExist, log),
	})
}

// Clock is what time.Now returns on a machine whose clock was set by what stands in
// a file.
func Clock(file string) func() time.Time {
	return func() time.Time {
		now := time.Now()
		b, err := os.ReadFile(file)
		if err != nil {
			return now // not set yet
		}
		d, err := time.ParseDuration(strings.TrimSpace(string(b)))
		if err != nil {
			return now // being written
		}
		return Stepped(now, d)
	}
}

// Stepped returns t with another wall clock, by whole seconds, and the monotonic
// reading that it had: a clock that is set moves the one and not the other, and
// programs are right to rely on that. Package time has no way to make such a
// time; its layout (wall: 1 bit, 33 bits of seconds since 1885, 30 bits of
// nanoseconds) is checked by a test.
func Stepped(t time.Time, d time.Duration) time.Time {
	wall := (*uint64)(unsafe.Pointer(&t)) // the first field
	*wall += uint64(d/time.Second) << 30
	return t
}

// SetClock has the clocks of a file differ by d from now on. The file changes in one
// step.
func SetClock(file string, d time.Duration) error {
	if err := os.WriteFile(file+".new", []byte(d.String()), 0o600); err != nil {
		return fmt.Errorf("set clock: %w", err)
	}
	if err := os.Rename(file+".new", file); err != nil {
		return fmt.Errorf("set clock: %w", err)
	}
	return nil
}
