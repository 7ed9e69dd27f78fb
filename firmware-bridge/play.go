package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"time"

	"turnstile/firmware-bridge/capture"
	"turnstile/firmware-bridge/serialport"
	"turnstile/firmware-bridge/serialport/serialtest"
)

// play sends what a capture says was received into a serial port, or into a
// line of its own behind a link.
func (t tool) play(ctx context.Context, args []string) error {
	var port serialport.Config
	link, speed, expired := "", 1.0, false
	files, err := t.parse("play", args, func(set *flag.FlagSet) {
		portFlags(set, &port, 115200)
		set.StringVar(&link, "link", "", "in place of --port: make a line of its own behind this new link, for a program that opens it as a scanner's port")
		set.Float64Var(&speed, "speed", speed, "1 is as recorded, 2 twice as fast")
		set.BoolVar(&expired, "expired", false, "play it although it should have been deleted")
	}, "capture FILE")
	if err != nil {
		return err
	}
	if (port.Path == "") == (link == "") {
		return t.wrong("play: give --port or --link, and not both")
	}
	c, err := t.load(files[0], expired)
	if err != nil {
		return err
	}
	if link != "" {
		return t.playBehind(ctx, link, c, speed)
	}
	p, err := serialport.Open(port)
	if err != nil {
		return err
	}
	defer p.Close()
	n, err := capture.Replay(ctx, c.Chunks, p, speed)
	fmt.Fprintf(t.out, "%d bytes sent to %s\n", n, port.Path)
	return err
}

// load reads a capture that may still be kept.
func (t tool) load(path string, expired bool) (capture.Capture, error) {
	f, err := os.Open(path)
	if err != nil {
		return capture.Capture{}, fmt.Errorf("open capture: %w", err)
	}
	defer f.Close()
	c, err := capture.Load(f)
	switch {
	case err != nil:
		return c, err
	case !c.DeleteBy.IsZero() && time.Now().After(c.DeleteBy) && !expired:
		return c, fmt.Errorf("%s was to be deleted by %s: rm it; --expired plays it all the same", path, c.DeleteBy.Format("2006-01-02"))
	case c.Lost > 0:
		fmt.Fprintf(t.errs, "%d bytes are missing in %s: they found no room when it was recorded\n", c.Lost, path)
	}
	return c, nil
}

// playBehind makes the line, waits for somebody to open it, and plays.
func (t tool) playBehind(ctx context.Context, link string, c capture.Capture, speed float64) error {
	l := serialtest.New(link)
	if err := l.Plug(); err != nil {
		return err
	}
	defer l.Unplug()
	far, err := l.Far()
	if err != nil {
		return err
	}
	fmt.Fprintf(t.out, "%s is there; press Enter when it has been opened\n", link)
	lines := t.lines(ctx)
	select {
	case <-lines:
	case <-ctx.Done():
		return nil // as asked
	}
	if err := far.SetWriteDeadline(time.Time{}); err != nil {
		return fmt.Errorf("play capture: %w", err)
	}
	stop := context.AfterFunc(ctx, l.Unplug) // ends a write that nobody reads
	defer stop()
	n, err := capture.Replay(ctx, c.Chunks, far, speed)
	fmt.Fprintf(t.out, "%d bytes sent\n", n)
	if ctx.Err() != nil {
		return nil
	}
	fmt.Fprintln(t.out, "Ctrl-C takes the line away")
	<-ctx.Done()
	return err
}
