package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"time"

	"turnstile/firmware-bridge/capture"
	"turnstile/firmware-bridge/osdp"
	"turnstile/firmware-bridge/scanner"
	"turnstile/firmware-bridge/scanner/engine"
	"turnstile/firmware-bridge/serialport"
)

// listen prints each scan, and each change of the counts.
func (t tool) listen(ctx context.Context, args []string) error {
	c := scannerChoice{notice: t.notice}
	count, file := 0, ""
	_, err := t.parse("listen", args, func(set *flag.FlagSet) {
		portFlags(set, &c.port, 0)
		scannerFlags(set, &c)
		wireFlags(set, &c)
		set.IntVar(&count, "count", 0, "end after this many scans; 0 for never")
		set.StringVar(&file, "capture", "", "new file for all bytes of the line (OSDPCAP form); it will hold the codes of people: delete it within 7 days")
	})
	if err != nil {
		return err
	}
	if c.port.Baud == 0 {
		c.port.Baud = usualRate(c.driver)
	}
	if _, err := c.new(); err != nil { // before a file is made
		return err
	}
	return t.withCapture(ctx, file, func(ctx context.Context, tap serialport.Tap) error {
		c.port.Tap = tap
		s, err := c.new()
		if err != nil {
			return err
		}
		ctx, stop := context.WithCancel(ctx)
		done := make(chan error, 1)
		go func() { done <- s.Run(ctx) }()
		err = t.install(ctx, s, c)
		if err == nil {
			t.hear(ctx, s, count)
		}
		stop()
		for range s.Scans() { // closed by Run
		}
		return errors.Join(err, <-done)
	})
}

// notice prints what an OSDP line tells.
func (t tool) notice(e osdp.Event) {
	if line := noticeLine(e); line != "" {
		fmt.Fprintf(t.errs, "          %s\n", printable(line))
	}
}

// install lets an OSDP reader take its key, if that was asked for.
func (t tool) install(ctx context.Context, s scanner.Scanner, c scannerChoice) error {
	r, ok := s.(osdpScanner)
	if c.install <= 0 || !ok {
		return nil
	}
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		err := r.bus.Install(c.address, c.install)
		if !errors.Is(err, osdp.ErrStopped) { // its Run has not begun yet
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil // as asked
		}
	}
}

// withCapture calls use with a tap that records to a new file; with none if file is "".
func (t tool) withCapture(ctx context.Context, file string, use func(context.Context, serialport.Tap) error) error {
	if file == "" {
		return use(ctx, nil)
	}
	w, f, err := capture.Create(file, "turnstile firmware-bridge "+build())
	if err != nil {
		return err
	}
	fmt.Fprintf(t.errs, "recording to %s: it will hold the codes of people. Only you can read it; delete it by %s.\n",
		file, time.Now().Add(capture.Keep).Format("2006-01-02"))
	writing, stop := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan error, 1)
	go func() { done <- w.Run(writing) }()
	err = use(ctx, w)
	stop()
	err = errors.Join(err, <-done, f.Close())
	if n := w.Lost(); n > 0 {
		fmt.Fprintf(t.errs, "%d bytes passed and are not in %s\n", n, file)
	}
	return err
}

// usualRate is that of a scanner whose rate nobody named.
func usualRate(driver string) int {
	if driver == driverOSDP {
		return 9600 // the standard's
	}
	return 115200
}

// hear prints scans until there were count, or Run has ended.
func (t tool) hear(ctx context.Context, s scanner.Scanner, count int) {
	tick := time.NewTicker(time.Second / 2)
	defer tick.Stop()
	said := ""
	for heard := 0; ; {
		select {
		case scan, open := <-s.Scans():
			if !open {
				return
			}
			heard++
			t.printScan(scan)
			if heard == count {
				return
			}
		case <-tick.C:
		}
		if line := counts(s); line != said && ctx.Err() == nil {
			fmt.Fprintf(t.errs, "          %s\n", line)
			said = line
		}
	}
}

func (t tool) printScan(s scanner.Scan) {
	at := s.At.Format("15:04:05.000")
	if s.Bits > 0 {
		fmt.Fprintf(t.out, "%s  card of %d bits  %s\n", at, s.Bits, s.Text)
		return
	}
	fmt.Fprintf(t.out, "%s  %-3s %4d bytes  %q\n", at, s.Symbology, len(s.Text), s.Text)
}

// counts is a scanner's state in one line.
func counts(s scanner.Scanner) string {
	st := s.Stats()
	if st.Err != nil {
		return st.Err.Error()
	}
	line := fmt.Sprintf("scans %d, oversized %d, noise %d, empty %d, no read %d, reopened %d", st.Scans, st.Oversized, st.Noise, st.Empty, st.NoRead, st.Reopened)
	if st.Noise > 0 && st.Scans == 0 {
		line += "\n          noise and no scan: try another --baud, such as 9600, or --driver auto, which searches it"
	}
	if e, ok := s.(*engine.Scanner); ok && e.Identity().Family != "" {
		id := e.Identity()
		line = engineName(id) + fmt.Sprintf(", %d baud; ", id.Baud) + line
		for _, w := range id.Warnings {
			line += "\n          note: " + w
		}
	}
	return line
}
