package cameratest

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"turnstile/firmware-bridge/camera"
)

// isVivid reports whether the device at path is the camera of the kernel's
// vivid driver, which can be taken away and given back.
func isVivid(path string) bool {
	driver, err := os.Readlink(filepath.Join("/sys/class/video4linux", filepath.Base(path), "device/driver"))
	return err == nil && filepath.Base(driver) == "vivid"
}

// Replug takes vivid's camera away while it is read and gives it back: the
// camera program must notice both. It is false for another driver's camera.
func Replug(t *testing.T, path string) bool {
	if !isVivid(path) {
		return false
	}
	device, err := filepath.EvalSymlinks(filepath.Join("/sys/class/video4linux", filepath.Base(path), "device"))
	if err != nil {
		t.Fatal(err)
	}
	plug := func(in string) {
		if err := os.WriteFile("/sys/bus/platform/drivers/vivid/"+in, []byte(filepath.Base(device)), 0); err != nil {
			t.Fatal(err)
		}
	}
	said := make(lines, 64)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	c := camera.Config{Device: path, Link: filepath.Join(t.TempDir(), "camera0"), Log: slog.New(slog.NewTextHandler(said, nil))}
	go func() { done <- camera.Run(ctx, c) }()
	for range 2 {
		said.await(t, "camera open")
		plug("unbind")
		said.await(t, "camera lost")
		plug("bind")
	}
	said.await(t, "camera open")
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	return true
}

// lines is a log that a test waits on.
type lines chan string

func (l lines) Write(b []byte) (int, error) {
	select {
	case l <- string(b):
	default: // nobody waits for so many
	}
	return len(b), nil
}

func (l lines) await(t *testing.T, text string) {
	t.Helper()
	end := time.After(Patience)
	for {
		select {
		case line := <-l:
			if strings.Contains(line, text) {
				return
			}
		case <-end:
			t.Fatalf("waited in vain for %q", text)
		}
	}
}
