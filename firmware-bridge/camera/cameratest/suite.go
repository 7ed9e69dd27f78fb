package cameratest

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"time"

	"turnstile/firmware-bridge/camera"
)

// Patience bounds every wait of the suite. It is a deadline, not a measurement.
const Patience = 30 * time.Second

// formats are those that Kernel tries.
var formats = []camera.Format{camera.Grey, camera.NV12, camera.YU12, camera.YUYV, camera.MJPEG}

// Kernel runs the suite on the V4L2 device at path, in each format that it has,
// and returns how many that were. It is for a real kernel: the vivid driver has
// all but MJPEG.
func Kernel(t *testing.T, path string) (had int) {
	for _, f := range formats {
		t.Run(string(f), func(t *testing.T) {
			d, err := camera.Open(path, f)
			if errors.Is(err, camera.ErrNotThis) {
				t.Logf("%s has no %s: %v", path, f, err)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			t.Log(d)
			if err := d.Close(); err != nil {
				t.Fatal(err)
			}
			had++
			visible(t, path, f)
			Conform(t, func() (camera.Frames, error) { return camera.Open(path, f) })
		})
	}
	return had
}

// visible fails the test when all pixels of a frame are the same: then its
// bytes are not where they are looked for. The vivid driver shows bars.
func visible(t *testing.T, path string, f camera.Format) {
	d, err := camera.Open(path, f)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	frame := next(t, d)
	if frame.Format != camera.MJPEG && bytes.Count(frame.Pix, frame.Pix[:1]) == len(frame.Pix) {
		t.Errorf("%d bytes, all %#x", len(frame.Pix), frame.Pix[0])
	}
}

// Conform runs the suite on a source of frames that open opens.
func Conform(t *testing.T, open func() (camera.Frames, error)) {
	frames := func(t *testing.T) camera.Frames {
		s, err := open()
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	t.Run("Frames", func(t *testing.T) { deliver(t, frames(t)) })
	t.Run("Cancelled", func(t *testing.T) { cancelled(t, frames(t)) })
	t.Run("OneUser", func(t *testing.T) { oneUser(t, frames(t), open) })
	t.Run("Again", func(t *testing.T) { deliver(t, frames(t)) })
}

// next returns the next frame, which must be one that can be decoded.
func next(t *testing.T, s camera.Frames) camera.Frame {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	f, err := s.Next(ctx)
	if err != nil {
		t.Fatal(err)
	}
	var d camera.Decoder
	if _, _, err := d.Read(f); err != nil {
		t.Fatalf("frame of %d x %d %s, %d bytes, stride %d: %v", f.Width, f.Height, f.Format, len(f.Pix), f.Stride, err)
	}
	return f
}

func deliver(t *testing.T, s camera.Frames) {
	last := time.Time{}
	for range 3 {
		f := next(t, s)
		if !f.At.After(last) || f.Width < 1 || f.Height < 1 {
			t.Errorf("frame at %v of %d x %d after one at %v", f.At, f.Width, f.Height, last)
		}
		last = f.At
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func cancelled(t *testing.T, s camera.Frames) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := s.Next(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Next with an ended context: %v", err)
	}
	next(t, s)
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func oneUser(t *testing.T, s camera.Frames, open func() (camera.Frames, error)) {
	next(t, s)
	if _, err := open(); !errors.Is(err, camera.ErrBusy) {
		t.Errorf("a second user: %v, want ErrBusy", err)
	}
	next(t, s) // the first one goes on
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}
