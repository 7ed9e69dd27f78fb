package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"turnstile/firmware-bridge/inspect"
	"turnstile/firmware-bridge/scanner/engine"
	"turnstile/firmware-bridge/scanner/engine/enginetest"
	"turnstile/firmware-bridge/serialport"
)

// settingsOf is what can be set in an engine, in order.
func settingsOf(p enginetest.Personality) string {
	switch e := p.(type) {
	case *enginetest.GM65:
		return fmt.Sprint(e.Zones, e.Flash, e.Closed, e.Saved)
	case *enginetest.M3Y:
		return fmt.Sprint(e.Rate, e.Closed)
	case *enginetest.Newland:
		return fmt.Sprint(e.Settings, e.Closed)
	case *enginetest.Honeywell:
		return fmt.Sprint(e.Settings, e.Closed)
	case *enginetest.DE2120:
		return fmt.Sprint(e.Settings, e.Closed)
	case *enginetest.SSI:
		return fmt.Sprint(e.Params, e.Flash, e.Closed)
	}
	return "unknown"
}

// plug puts an engine on a line.
func plug(t *testing.T, p enginetest.Personality) *enginetest.Device {
	t.Helper()
	d := enginetest.NewDevice(filepath.Join(t.TempDir(), "engine"), p)
	if err := d.Plug(); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = d.Run(ctx) }() // its error is that it was stopped
	t.Cleanup(func() {
		stop()
		d.Unplug()
		<-done
	})
	return d
}

// TestIdentifyOnlyAsks meets an engine of each family and finds its settings, in
// flash and out of it, as they were.
func TestIdentifyOnlyAsks(t *testing.T) {
	engines := map[string]enginetest.Personality{
		"gm65": enginetest.NewGM65(9600), "m3y": enginetest.NewM3Y(9600), "newland": enginetest.NewNewland("8"),
		"honeywell": enginetest.NewHoneywell("N3680", "5"), "de2120": enginetest.NewDE2120("9"), "ssi": enginetest.NewSSI(6),
	}
	for _, family := range engine.Families() {
		if p := engines[family]; p == nil && family != engine.Auto {
			t.Errorf("family %s is not tried here", family)
		}
	}
	for family, p := range engines {
		t.Run(family, func(t *testing.T) {
			t.Parallel()
			var before, after string
			d := plug(t, p)
			d.Do(func(p enginetest.Personality) { before = settingsOf(p) })
			id, err := identify(t.Context(), d.Link())
			d.Do(func(p enginetest.Personality) { after = settingsOf(p) })
			if err != nil || id.Family != family || !slices.Contains(engineRates, id.Baud) {
				t.Errorf("%+v, %v", id, err)
			}
			if before != after || before == "unknown" {
				t.Errorf("its settings were %s and are %s", before, after)
			}
		})
	}
}

// TestIdentifyIsInterrupted leaves the port to the next who opens it.
func TestIdentifyIsInterrupted(t *testing.T) {
	t.Parallel()
	d := plug(t, enginetest.NewPlain(9600))
	ctx, stop := context.WithCancel(t.Context())
	stop()
	for range 2 {
		if _, err := identify(ctx, d.Link()); !errors.Is(err, context.Canceled) {
			t.Errorf("interrupted: %v", err)
		}
	}
}

// TestFindSparesTheConsole puts a console on a line: it is named, and asked only
// by name.
func TestFindSparesTheConsole(t *testing.T) {
	t.Parallel()
	d := plug(t, enginetest.NewGM65(9600))
	device, err := filepath.EvalSymlinks(d.Link())
	if err != nil {
		t.Fatal(err)
	}
	root := t.TempDir()
	folder := filepath.Join(root, "sys/class/tty/console")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "active"), []byte(filepath.Base(device)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	find := tool{out: &out, errs: io.Discard, computer: inspect.Host{Root: root}}
	port := serialport.Found{Path: d.Link(), Device: device, Usable: true}
	find.findPort(t.Context(), port, true, false)
	if d.Heard() != 0 || !strings.Contains(out.String(), "console of this computer") {
		t.Errorf("%d bytes were sent to a console: %s", d.Heard(), out.String())
	}
	find.findPort(t.Context(), port, true, true)
	if !strings.Contains(out.String(), "scan engine: gm65") {
		t.Errorf("not asked by its name: %s", out.String())
	}
}
