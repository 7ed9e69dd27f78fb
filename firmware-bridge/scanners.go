package main

import (
	"errors"
	"flag"
	"fmt"
	"slices"
	"strings"
	"time"

	"turnstile/firmware-bridge/commission"
	"turnstile/firmware-bridge/osdp"
	"turnstile/firmware-bridge/scanner"
	"turnstile/firmware-bridge/scanner/engine"
	"turnstile/firmware-bridge/scanner/keyboard"
	"turnstile/firmware-bridge/scanner/line"
	"turnstile/firmware-bridge/scanner/osdpreader"
	"turnstile/firmware-bridge/scanner/wiegandreader"
	"turnstile/firmware-bridge/serialport"
)

// Drivers of scanners beside those of scanner/engine.
const (
	driverOSDP    = "osdp"
	driverWiegand = "wiegand"
)

// scannerDrivers are what --driver may be for a scanner.
func scannerDrivers() []string {
	return slices.Concat([]string{engine.Line}, engine.Families(), []string{driverOSDP, driverWiegand})
}

// errScanner says that --driver is none, or lacks a flag.
var errScanner = errors.New("scanner")

// scannerChoice is a scanner as flags name it.
type scannerChoice struct {
	driver  string
	port    serialport.Config
	address int
	keyFile string
	wires   wiegandreader.Config
	install time.Duration    // of OSDP: how long the reader may take its key; 0 for not at all
	notice  func(osdp.Event) // of OSDP; may be nil
}

// portFlags defines --port and --baud, which is 0 for a scanner's usual rate.
func portFlags(set *flag.FlagSet, c *serialport.Config, baud int) {
	set.StringVar(&c.Path, "port", "", "serial port, best by /dev/serial/by-id/")
	what := fmt.Sprintf("bits per second, one of %v", serialport.Rates())
	if baud == 0 {
		what += "; 115200, with osdp 9600, if not given"
	}
	set.IntVar(&c.Baud, "baud", baud, what)
}

// scannerFlags defines the flags of a scanner but for its port.
func scannerFlags(set *flag.FlagSet, c *scannerChoice) {
	set.StringVar(&c.driver, "driver", engine.Line, "of the scanner, one of "+strings.Join(scannerDrivers(), ", "))
	set.IntVar(&c.address, "address", 0, "with osdp: the reader's address")
	set.StringVar(&c.keyFile, "key-file", "", "with osdp: file with the reader's key, mode 0600 (openssl rand -hex 16)")
}

// wireFlags defines the flags of a scanner without a port.
func wireFlags(set *flag.FlagSet, c *scannerChoice) {
	set.StringVar(&c.wires.D0, "d0", "", "with wiegand: GPIO line of D0")
	set.StringVar(&c.wires.D1, "d1", "", "with wiegand: GPIO line of D1")
	set.BoolVar(&c.wires.ActiveHigh, "active-high", false, "with wiegand: the level shifter inverts")
	set.Func("format", "with wiegand: format of cards that is taken; may be given again; all if not given", func(f string) error {
		c.wires.Formats = append(c.wires.Formats, f)
		return nil
	})
	set.DurationVar(&c.install, "install", 0, "with osdp: let a new reader take its key within this time (at most 15m), by a cable that nobody can reach")
}

// new makes the scanner's driver. One of an engine sets it up for a lane, until
// the engine loses power.
func (c scannerChoice) new() (scanner.Scanner, error) {
	if err := keyboard.Refuse(c.port.Path); err != nil {
		return nil, err
	}
	switch {
	case c.driver == engine.Line:
		return line.New(c.port)
	case slices.Contains(engine.Families(), c.driver):
		return engine.New(engine.Config{Port: c.port, Family: c.driver})
	case c.driver == driverWiegand:
		return wiegandreader.New(c.wires)
	case c.driver == driverOSDP && c.keyFile == "":
		return nil, fmt.Errorf("%w: driver osdp needs --key-file; there is no reading without the secure channel", errScanner)
	case c.driver == driverOSDP:
		return c.osdp()
	}
	return nil, fmt.Errorf("%w: driver %.20q; use one of %s", errScanner, c.driver, strings.Join(scannerDrivers(), ", "))
}

// osdpScanner is one reader on a line of its own.
type osdpScanner struct {
	*osdpreader.Reader
	bus *osdpreader.Bus
}

func (c scannerChoice) osdp() (scanner.Scanner, error) {
	bus, err := osdpreader.NewBus(osdpreader.BusConfig{Port: c.port, Notice: c.notice,
		Readers: []osdpreader.ReaderConfig{{Address: c.address, KeyFile: c.keyFile}}})
	if err != nil {
		return nil, err
	}
	r, err := bus.Reader(c.address)
	return osdpScanner{r, bus}, err
}

// framesOf is what passed on a scanner's line, for those that count frames.
func framesOf(s scanner.Scanner) (commission.Frames, bool) {
	r, ok := s.(osdpScanner)
	if !ok {
		return commission.Frames{}, false
	}
	l := r.Status().Line
	return commission.Frames{Sent: l.Sent, Received: l.Answered + l.Busy, Garbled: l.Garbled + l.BadCheck, Resent: l.Repeated, Unanswered: l.TimeOuts}, true
}

// noticeLine is what an OSDP line tells beside scans, in one line; "" for what
// scans and counts tell already.
func noticeLine(e osdp.Event) string {
	at := fmt.Sprintf("OSDP reader %d: ", e.Address)
	switch e.Kind {
	case osdp.EventOnline:
		return at + fmt.Sprintf("secure channel is up; vendor %X, model %d, cUID %v", e.Pin.Identity.Vendor, e.Pin.Identity.Model, e.Pin.CUID)
	case osdp.EventOffline:
		return at + fmt.Sprintf("off-line: %v", e.Err)
	case osdp.EventAlarm:
		return at + "ALARM: " + e.Alarm.String()
	case osdp.EventInstallOpened:
		return at + "may take its key now"
	case osdp.EventInstallClosed:
		return at + "can take no key any more"
	case osdp.EventKeySet:
		return at + "has its key"
	case osdp.EventKeyKept:
		return at + "kept its old key"
	}
	return ""
}
