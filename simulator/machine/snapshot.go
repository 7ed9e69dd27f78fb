package machine

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// Snapshot stops the computer and writes its whole state but its disks to a
// file, for Config.Resume. Going on from there takes a fraction of a start. All
// that can be done with the computer afterwards is Close.
func (m *Machine) Snapshot(ctx context.Context, file string) error {
	if err := m.Monitor("stop", nil); err != nil {
		return err
	}
	if err := m.Monitor("migrate", map[string]any{"uri": "exec:cat >" + quote(file)}); err != nil {
		return err
	}
	return m.reach(ctx, "query-migrate", "completed")
}

// resume loads a snapshot into a computer that has not run yet, and lets it run.
func (m *Machine) resume(ctx context.Context, file string) error {
	if err := m.attended(ctx, "control"); err != nil {
		return err
	}
	if err := m.Monitor("migrate-incoming", map[string]any{"uri": "exec:cat " + quote(file)}); err != nil {
		return err
	}
	if err := m.reach(ctx, "query-migrate", "completed"); err != nil {
		return err
	}
	return m.Monitor("cont", nil)
}

// quote makes one word of a path for the shell that QEMU starts.
func quote(path string) string { return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'" }

// reach asks until the status is the wanted one.
func (m *Machine) reach(ctx context.Context, question, want string) error {
	return m.poll(ctx, func() (bool, error) {
		var s struct{ Status string }
		if err := m.qmp.do(question, nil, &s); err != nil {
			return false, err
		}
		if s.Status == "failed" {
			return false, fmt.Errorf("%w: %s says failed: %s", ErrMonitor, question, m.complaints())
		}
		return s.Status == want, nil
	})
}

// attended waits until QEMU knows that somebody is connected to its socket. A
// program in the guest would read the end of its port otherwise.
func (m *Machine) attended(ctx context.Context, socket string) error {
	return m.poll(ctx, func() (bool, error) {
		var devices []struct{ Label, Filename string }
		if err := m.qmp.do("query-chardev", nil, &devices); err != nil {
			return false, err
		}
		for _, d := range devices {
			if d.Label == socket {
				return !strings.HasPrefix(d.Filename, "disconnected:"), nil
			}
		}
		return false, fmt.Errorf("%w: no socket %s", ErrMonitor, socket)
	})
}

func (m *Machine) poll(ctx context.Context, ok func() (bool, error)) error {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		if is, err := ok(); is || err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-m.ended:
			return fmt.Errorf("QEMU ended: %s", m.complaints())
		case <-ctx.Done():
			return fmt.Errorf("wait for QEMU: %w", ctx.Err())
		}
	}
}
