package daemon

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"turnstile/agent/access"
	"turnstile/agent/lane"
	"turnstile/agent/presence"
	"turnstile/central/link"
	"turnstile/firmware-bridge/gate/gpio"
	"turnstile/firmware-bridge/scanner/scannertest"
	"turnstile/firmware-bridge/serialport/serialtest"
)

// TestScannerOnASerialLine runs a lane with the real drivers: a scanner on a
// pseudo-terminal, and a gate that is not plugged in.
func TestScannerOnASerialLine(t *testing.T) {
	dir := t.TempDir()
	wire := serialtest.New(filepath.Join(dir, "scanner"))
	if err := wire.Plug(); err != nil {
		t.Fatal(err)
	}
	defer wire.Unplug()
	missing := filepath.Join(dir, "gate")
	g, readers, err := Hardware(nil, gpio.ErrNoChip, slog.New(slog.DiscardHandler))(Lane{
		Number: 1, Scanners: []Scanner{{Driver: driverLine, Port: filepath.Join(dir, "scanner"), Baud: 115200, Direction: "in"}},
		Gate: Gate{Driver: driverController, Port: missing, Baud: 115200},
	})
	if err != nil {
		t.Fatal(err)
	}
	entries := make(entriesOf, 100)
	record := &lane.Recorder{Journal: entries, Presence: presence.New(), Facts: func() access.Facts { return access.Facts{} }, Now: time.Now, Start: time.Now()}
	l := lane.New(lane.Setup{Number: 1, Gate: g, Readers: readers, Record: record, Log: slog.New(slog.DiscardHandler)})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- l.Run(ctx) }()
	entries.wait(t, link.EntryScanFound)
	far, err := wire.Far()
	if err != nil {
		t.Fatal(err)
	}
	for _, raw := range []string{"]Q1" + codeOf(1, nil) + "\r\n", strings.Repeat("x", 3000) + "\r\n", "half a code\r\n"} {
		if _, err := far.Write([]byte(raw)); err != nil {
			t.Fatal(err)
		}
	}
	if e := entries.wait(t, link.EntryDenied); e.Reason.String() != "NO_FEED" {
		t.Errorf("first %v", e.Reason)
	}
	if e := entries.wait(t, link.EntryDenied); e.Reason.String() != "FOREIGN" {
		t.Errorf("behind garbage %v", e.Reason)
	}
	scannertest.Until(t, "the missing gate is named", func() bool {
		s := l.Status()
		return s.State == lane.Down && s.Gate.Err != nil && strings.Contains(s.Gate.Err.Error(), missing)
	})
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// entriesOf is a journal that tells the test.
type entriesOf chan link.Entry

func (c entriesOf) Append(e link.Entry) (uint64, error) {
	c <- e
	return uint64(len(c)) + 1, nil
}

// wait returns the next entry of the type.
func (c entriesOf) wait(t *testing.T, want link.EntryType) link.Entry {
	t.Helper()
	deadline := time.NewTimer(30 * time.Second)
	defer deadline.Stop()
	for {
		select {
		case e := <-c:
			if e.Type == want {
				return e
			}
		case <-deadline.C:
			t.Fatalf("no entry of type %d came", want)
		}
	}
}

func TestDevicesThatCannotBeMade(t *testing.T) {
	scanners := []Scanner{{Driver: driverLine, Port: "/dev/none", Baud: 115200, Direction: "in"}}
	for name, c := range map[string]struct {
		gate Gate
		want error
	}{
		"gpio on a computer without":  {Gate{Driver: driverGPIO, RelayIn: "A", SensorIn: "B"}, gpio.ErrNoChip},
		"controller without a device": {Gate{Driver: driverController, Baud: 115200}, nil},
	} {
		_, _, err := Hardware(nil, gpio.ErrNoChip, slog.New(slog.DiscardHandler))(Lane{Number: 1, Scanners: scanners, Gate: c.gate})
		if err == nil || c.want != nil && !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
