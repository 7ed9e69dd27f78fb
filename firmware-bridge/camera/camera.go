// Package camera reads QR codes before a camera and says them as a scanner in plain line mode does, on a pseudo-terminal.
//
// It is the second-class way to read a code, where no scanner can be had: a
// camera has no light of its own, its exposure is not made for screens, and
// decoding takes this computer's time. It is a program of its own beside the
// agent, which reads Config.Link as a scanner with driver "line": what a visitor
// holds up is decoded outside of the lane, by another user if wanted.
//
// No frame is ever stored or sent, and no code is logged.
package camera

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"time"
)

const (
	// repeat is how often one code that stays in view is said.
	repeat = time.Second
	// remembered is how many codes are known to have been said; more than a
	// few are not in view at once.
	remembered = 8
	// Between two tries to open a camera that is not there, Run waits
	// firstPause, then twice as long each time, up to lastPause.
	firstPause = 100 * time.Millisecond
	lastPause  = 2 * time.Second
)

// ErrConfig says that a Config cannot work.
var ErrConfig = errors.New("camera configuration")

// Config says which camera is read and where its scanner appears.
type Config struct {
	Device string // such as /dev/v4l/by-id/usb-...; a link is followed at each opening
	Link   string // path of the link to the scanner's end; its folder must exist
	Group  string // group that may open it besides this user; "" for none. This user must be a member
	// Open opens the camera; nil for the V4L2 device of that path.
	Open func(device string) (Frames, error)
	Log  *slog.Logger // nil for none
}

// Check reports what is wrong with c.
func (c Config) Check() error {
	if c.Device == "" {
		return fmt.Errorf("%w: no device; name one of %s", ErrConfig, candidates())
	}
	if !filepath.IsAbs(c.Link) {
		return fmt.Errorf("%w: link %q; give an absolute path such as /run/turnstile/camera0", ErrConfig, c.Link)
	}
	return nil
}

// Run makes the link, then reads the camera until ctx ends and returns nil. It
// survives a camera that is unplugged, replugged or held by another program: it
// keeps trying and logs why. It returns an error only when it can never work: an
// unusable configuration or link.
func Run(ctx context.Context, c Config) error {
	if err := c.Check(); err != nil {
		return err
	}
	w, err := newWire(c.Link, c.Group)
	if err != nil {
		return err
	}
	r := &reader{Config: c, wire: w}
	if r.Log == nil {
		r.Log = slog.New(slog.DiscardHandler)
	}
	if r.Open == nil {
		r.Open = func(device string) (Frames, error) { return Open(device) }
	}
	r.keep(ctx)
	r.Log.Info("camera stopped", "frames", r.frames, "broken", r.broken, "read", r.codes, "refused", r.refused, "unread", r.unread)
	return w.Close()
}

// reader is one running Run.
type reader struct {
	Config
	wire    *wire
	decoder Decoder
	said    []saying // the newest last
	frames  uint64   // decoded or tried
	broken  uint64   // frames whose bytes do not fit
	codes   uint64   // lines said
	refused uint64   // texts that no scan may have
	unread  uint64   // lines dropped because the reader stopped reading
}

// saying is a code that was said.
type saying struct {
	text string
	at   time.Time
}

// keep opens the camera again and again until ctx ends.
func (r *reader) keep(ctx context.Context) {
	pause, why := firstPause, ""
	for ctx.Err() == nil {
		before := r.frames
		err := r.session(ctx)
		if ctx.Err() != nil {
			return
		}
		if r.frames > before {
			pause, why = firstPause, ""
		}
		if err.Error() != why { // once, not with every try
			why = err.Error()
			r.Log.Warn("camera lost", "error", err)
		}
		wait(ctx, pause)
		pause = min(2*pause, lastPause)
	}
}

// wait returns after d or when ctx ends.
func wait(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// session opens the camera and reads it until it is gone or ctx ends.
func (r *reader) session(ctx context.Context) error {
	source, err := r.Open(r.Device)
	if err != nil {
		return err
	}
	r.Log.Info("camera open", "camera", fmt.Sprint(source))
	ctx, stop := context.WithCancel(ctx)
	newest := &slot{full: make(chan struct{}, 1)}
	var decoding sync.WaitGroup
	decoding.Go(func() { r.decode(ctx, newest) })
	err = receive(ctx, source, newest)
	stop()
	decoding.Wait()
	return errors.Join(err, source.Close())
}

// receive puts each frame into newest, over one that was not taken yet: frames
// are dropped while the decoder is busy, and it never reads an old one.
func receive(ctx context.Context, source Frames, newest *slot) error {
	for {
		f, err := source.Next(ctx)
		if err != nil {
			return err
		}
		newest.put(f)
	}
}

// decode reads frames from newest until ctx ends.
func (r *reader) decode(ctx context.Context, newest *slot) {
	for f := (Frame{}); ; {
		select {
		case <-ctx.Done():
			return
		case <-newest.full:
			if f = newest.take(f.Pix); len(f.Pix) > 0 {
				r.read(f)
			}
		}
	}
}

// read decodes one frame and says what it shows.
func (r *reader) read(f Frame) {
	r.frames++
	text, ok, err := r.decoder.Read(f)
	switch {
	case err != nil:
		r.broken++
	case !ok:
	case !sendable(text):
		r.refused++
	case r.due(text, f.At):
		r.codes++
		if !r.wire.say("]Q1"+text+"\r\n", f.At) {
			r.unread++
		}
	}
}

// due reports whether text is to be said at now, and if so remembers it.
func (r *reader) due(text string, now time.Time) bool {
	for i, s := range r.said {
		if s.text == text {
			if now.Sub(s.at) < repeat {
				return false
			}
			r.said = append(r.said[:i], r.said[i+1:]...)
			break
		}
	}
	if len(r.said) == remembered {
		r.said = append(r.said[:0], r.said[1:]...)
	}
	r.said = append(r.said, saying{text, now})
	return true
}

// slot holds the newest frame on its way to the decoder.
type slot struct {
	full  chan struct{} // has room for one: there is a frame, or was
	mu    sync.Mutex    // guards the following
	frame Frame         // Pix is nil when it was taken
	spare []byte        // for the next one
}

// put copies f into the slot.
func (s *slot) put(f Frame) {
	s.mu.Lock()
	room := s.frame.Pix
	if room == nil {
		room, s.spare = s.spare, nil
	}
	f.Pix = append(room[:0], f.Pix...)
	s.frame = f
	s.mu.Unlock()
	select {
	case s.full <- struct{}{}:
	default: // the decoder has not seen the one before
	}
}

// take returns the frame, which is the caller's until it gives its bytes back
// with the next call. It has none when it was taken before.
func (s *slot) take(back []byte) Frame {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.frame
	s.frame, s.spare = Frame{}, back
	return f
}
