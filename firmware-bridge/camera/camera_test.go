package camera_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"turnstile/firmware-bridge/camera"
	"turnstile/firmware-bridge/camera/cameratest"
	"turnstile/firmware-bridge/scanner"
	"turnstile/firmware-bridge/scanner/line"
	"turnstile/firmware-bridge/scanner/scannertest"
	"turnstile/firmware-bridge/serialport"
)

// picture is what a camera sees of text, straight on.
func picture(t testing.TB, text string) camera.Frame {
	t.Helper()
	s, err := cameratest.Draw(text)
	if err != nil {
		t.Fatal(err)
	}
	return cameratest.Picture(s, cameratest.Straight(), rand.New(rand.NewPCG(1, 1)))
}

// bench is a running camera program.
type bench struct {
	*cameratest.Player
	link string
	stop func() error // ends Run and returns what it returned
}

func start(t *testing.T, p *cameratest.Player, log *slog.Logger) bench {
	t.Helper()
	b := bench{Player: p, link: filepath.Join(t.TempDir(), "camera0")}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	c := camera.Config{Device: "player", Link: b.link, Open: p.Open, Log: log}
	go func() { done <- camera.Run(ctx, c) }()
	ended := false
	b.stop = func() error {
		if ended {
			return nil
		}
		ended = true
		cancel()
		select {
		case err := <-done:
			return err
		case <-time.After(cameratest.Patience):
			t.Fatal("Run did not return after its context ended")
			return nil
		}
	}
	t.Cleanup(func() {
		if err := b.stop(); err != nil {
			t.Error(err)
		}
	})
	scannertest.Until(t, "the link is there", func() bool { _, err := os.Stat(b.link); return err == nil })
	return b
}

// read starts the agent's scanner driver on the link.
func read(t *testing.T, link string) scanner.Scanner {
	t.Helper()
	s, err := line.New(serialport.Config{Path: link, Baud: 115200})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	scannertest.Until(t, "the scanner is connected", func() bool { return s.Stats().Connected })
	return s
}

func TestRunPlaysAScanner(t *testing.T) {
	var log bytes.Buffer
	p := cameratest.NewPlayer(picture(t, "FIRST"))
	b := start(t, p, slog.New(slog.NewTextHandler(&log, nil)))
	s := read(t, b.link)
	for _, text := range []string{"FIRST", "SECOND", "FIRST"} {
		b.Show(picture(t, text))
		got := scannertest.Next(t, s)
		for string(got.Text) != text { // the one before, said once more
			got = scannertest.Next(t, s)
		}
		if got.Symbology != "Q1" || got.Bits != 0 {
			t.Errorf("scan %+v", got)
		}
	}
	b.Lose()
	shown := b.Shown()
	b.Show(picture(t, "AFTER"))
	b.Find()
	got := scannertest.Next(t, s)
	for string(got.Text) != "AFTER" {
		got = scannertest.Next(t, s)
	}
	if b.Shown() == shown {
		t.Error("no frame after the camera came back")
	}
	if err := b.stop(); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(b.link); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the link stays: %v", err)
	}
	if n := strings.Count(log.String(), "camera lost"); n != 1 || !strings.Contains(log.String(), "camera stopped") {
		t.Errorf("lost %d times:\n%s", n, &log)
	}
	if strings.Contains(log.String(), "FIRST") || strings.Contains(log.String(), "AFTER") {
		t.Error("a code is in the log")
	}
}

// A code held up for long is said about once a second, not with each frame.
func TestOneCodeIsNotSaidWithEachFrame(t *testing.T) {
	p := cameratest.NewPlayer(picture(t, "STAYS"))
	p.Even()
	b := start(t, p, nil)
	s := read(t, b.link)
	first := scannertest.Next(t, s)
	before := b.Shown()
	second := scannertest.Next(t, s)
	if frames := b.Shown() - before; frames < 3 || second.At.Sub(first.At) <= 0 {
		t.Errorf("said again after %d frames", frames)
	}
}

// Nobody reads the link, then somebody does: codes from before are not there.
func TestNobodyReads(t *testing.T) {
	p := cameratest.NewPlayer(picture(t, "STALE"))
	b := start(t, p, nil)
	near, err := os.OpenFile(b.link, os.O_RDONLY|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer near.Close()
	scannertest.Until(t, "something was said", func() bool {
		n, err := unix.IoctlGetInt(int(near.Fd()), unix.TIOCINQ)
		return err == nil && n > 0
	})
	b.Show(picture(t, "FRESH"))
	s := read(t, b.link)
	for got := scannertest.Next(t, s); string(got.Text) != "FRESH"; got = scannertest.Next(t, s) {
		if string(got.Text) != "STALE" {
			t.Fatalf("read %q", got.Text)
		}
	}
	if err := b.stop(); err != nil { // and a stop does not wait for a reader
		t.Error(err)
	}
}

// What no scan may be is not said: too long, or with a line end inside.
func TestForeignTexts(t *testing.T) {
	p := cameratest.NewPlayer(picture(t, strings.Repeat("A", 60)+"\r\nFORGED"))
	b := start(t, p, nil)
	s := read(t, b.link)
	scannertest.Until(t, "it was seen", func() bool { return b.Shown() > 5 })
	b.Show(picture(t, "GOOD"))
	if got := scannertest.Next(t, s); string(got.Text) != "GOOD" {
		t.Errorf("read %q", got.Text)
	}
	if st := s.Stats(); st.Noise+st.Oversized+st.Empty != 0 {
		t.Errorf("the line carried more: %+v", st)
	}
}

func TestLinkOfAnEarlierRunIsReplaced(t *testing.T) {
	dir := t.TempDir()
	link := filepath.Join(dir, "camera0")
	if err := os.Symlink("/nowhere", link); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(link+".new", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	p := cameratest.NewPlayer(picture(t, "A"))
	go func() { done <- camera.Run(ctx, camera.Config{Device: "player", Link: link, Open: p.Open}) }()
	scannertest.Until(t, "the link works", func() bool { _, err := os.Stat(link); return err == nil })
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("left over: %v, %v", left, err)
	}
}

func TestRunRefuses(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("keep"), 0o600); err != nil {
		t.Fatal(err)
	}
	good := camera.Config{Device: "/dev/video0", Link: filepath.Join(dir, "link")}
	for name, c := range map[string]struct {
		change func(*camera.Config)
		want   error
	}{
		"no device":     {func(c *camera.Config) { c.Device = "" }, camera.ErrConfig},
		"no link":       {func(c *camera.Config) { c.Link = "" }, camera.ErrConfig},
		"relative link": {func(c *camera.Config) { c.Link = "camera0" }, camera.ErrConfig},
		"a file there":  {func(c *camera.Config) { c.Link = file }, camera.ErrLink},
		"no folder":     {func(c *camera.Config) { c.Link = filepath.Join(dir, "none", "link") }, fs.ErrNotExist},
	} {
		bad := good
		c.change(&bad)
		if err := camera.Run(t.Context(), bad); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	bad := good
	bad.Group = "no such group"
	if err := camera.Run(t.Context(), bad); err == nil {
		t.Error("ran for a group that does not exist")
	}
	if data, err := os.ReadFile(file); err != nil || string(data) != "keep" {
		t.Errorf("the file is %q, %v", data, err)
	}
}

// Devices that are no cameras are told apart, whatever this computer has.
func TestOpenRefuses(t *testing.T) {
	dir := t.TempDir()
	for path, want := range map[string]error{
		filepath.Join(dir, "none"): fs.ErrNotExist,
		dir:                        camera.ErrNotThis,
		"/dev/null":                camera.ErrNotThis,
	} {
		d, err := camera.Open(path)
		if !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", path, err, want)
		}
		if err == nil {
			_ = d.Close()
		}
	}
}

// The device of TURNSTILE_CAMERA passes the suite that the player passes. In a
// virtual machine with the vivid driver that is /dev/video0 and four formats;
// there the camera is pulled out and put back as well.
func TestConform(t *testing.T) {
	p := cameratest.NewPlayer(picture(t, "A"))
	cameratest.Conform(t, func() (camera.Frames, error) { return p.Open("") })
	device := os.Getenv("TURNSTILE_CAMERA")
	if device == "" {
		return
	}
	had := cameratest.Kernel(t, device)
	if had < 1 {
		t.Fatalf("%s has none of the formats", device)
	}
	pulled := cameratest.Replug(t, device)
	t.Logf("CAMERA %s: %d formats, pulled and found %t", device, had, pulled)
}
