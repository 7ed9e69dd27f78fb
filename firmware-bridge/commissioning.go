package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"turnstile/firmware-bridge/commission"
	"turnstile/firmware-bridge/gate/controller"
	"turnstile/firmware-bridge/gate/modbus"
	"turnstile/firmware-bridge/scanner"
	"turnstile/firmware-bridge/scanner/engine"
	"turnstile/firmware-bridge/scanner/engine/dialect"
	"turnstile/firmware-bridge/serialport"
)

// sheet writes the page of test codes.
func (t tool) sheet(_ context.Context, args []string) error {
	out := ""
	if _, err := t.parse("sheet", args, func(set *flag.FlagSet) { set.StringVar(&out, "out", "", "HTML file to write") }); err != nil {
		return err
	}
	if out == "" {
		return t.wrong("sheet: no --out FILE")
	}
	html, err := commission.Sheet()
	if err != nil {
		return err
	}
	return replace(out, html)
}

// order is what commission was asked for.
type order struct {
	lane, installer string
	keyFile, report string
	scanners        []string // NAME=PORT
	scan            scannerChoice
	rate            int // of the scanners; 0 for not known
	gate            gateChoice
	auto, onTerm    bool
	limits          commission.Limits
}

// commission proves a lane and leaves a signed report.
func (t tool) commission(ctx context.Context, args []string) error {
	var o order
	if _, err := t.parse("commission", args, o.flags); err != nil {
		return err
	}
	if err := t.checkOrder(&o); err != nil {
		return err
	}
	key, err := commission.LoadKey(o.keyFile)
	if err != nil {
		return err
	}
	lane, err := t.laneOf(o)
	if err != nil {
		return err
	}
	p := &person{out: t.out, onTerm: o.onTerm}
	if !o.auto {
		p.lines = t.lines(ctx)
	}
	r, err := commission.Run(ctx, lane, o.limits, p, func(r commission.Report) error { return save(o.report, key, r) })
	if len(r.Results) > 0 {
		fmt.Fprintf(t.out, "\n%s: %s\nreport %s.json, to print %s.html, signed by key %s\n", o.lane, r.Verdict, o.report, o.report, key.Fingerprint())
	}
	switch {
	case err != nil || r.Verdict == commission.Good || r.Verdict == commission.GoodButFor:
		return err
	case !r.Complete:
		return fmt.Errorf("commission lane %s: %w: the run was broken off; start it again", o.lane, errNotProved)
	}
	return fmt.Errorf("commission lane %s: %w: do what stands behind \"next\", then start it again", o.lane, errNotProved)
}

// errNotProved says that a lane is not fit to be used yet.
var errNotProved = errors.New("not proved")

// flags defines the flags of commission.
func (o *order) flags(set *flag.FlagSet) {
	set.StringVar(&o.lane, "lane", "", "name of the lane; needed")
	set.StringVar(&o.installer, "installer", "", "your name, as it is to stand in the report (\"not named\" if not given)")
	set.StringVar(&o.keyFile, "key", "", "your key file, made with key new; needed")
	set.StringVar(&o.report, "report", "", "new file to write, to which .json and .html are added; commission- and the lane's name if not given, with a number if there is one")
	set.Func("scanner", "serial port of a scanner, with a name in front if there are two: entry=/dev/serial/by-id/...; may be given again", func(s string) error {
		o.scanners = append(o.scanners, s)
		return nil
	})
	scannerFlags(set, &o.scan)
	set.IntVar(&o.rate, "baud", 0, "the scanners' rate, if it is known; else the usual ones are tried")
	gateFlags(set, &o.gate, "gate-")
	set.BoolVar(&o.auto, "auto", false, "ask nobody: go on at once after each request, for a lane that moves by itself")
	set.BoolVar(&o.auto, "yes", false, "the same as --auto")
	set.BoolVar(&o.onTerm, "show-codes", false, "draw the test codes on this terminal, for a scanner that sees it; without it use the sheet")
	set.DurationVar(&o.limits.Act, "act", commission.Usual.Act, "how long you have for what was asked")
	set.DurationVar(&o.limits.Rate, "listen", commission.Usual.Rate, "how long each rate is listened at")
	set.DurationVar(&o.limits.Quality, "quality", commission.Usual.Quality, "how long each line is watched")
	set.DurationVar(&o.limits.Window, "window", commission.Usual.Window, "how long somebody has to walk")
	set.DurationVar(&o.limits.Pulse, "pulse", commission.Usual.Pulse, "how long the relay is on")
}

// checkOrder fills in what was left out, and refuses what cannot be.
func (t tool) checkOrder(o *order) error {
	gated := o.gate.where() != ""
	switch {
	case o.lane == "" || o.keyFile == "":
		return t.wrong("commission: give --lane NAME and --key FILE (firmware-bridge key new --out FILE makes one)")
	case len(o.scanners) == 0 && !gated:
		return t.wrong("commission: give --scanner PORT, --gate-port PORT, or both")
	case len(o.scanners) > 2:
		return t.wrong("commission: a lane has at most two scanners")
	case o.rate != 0 && !slices.Contains(serialport.Rates(), o.rate):
		return t.wrong("commission: --baud %d; use one of %v", o.rate, serialport.Rates())
	case !slices.Contains(gateDrivers, o.gate.driver):
		return t.wrong("commission: --gate-driver %q: %v", o.gate.driver, errDriver)
	case o.scan.driver == driverWiegand:
		return t.wrong("commission: a card reader on Wiegand reads no test codes; try it with listen")
	}
	if err := t.checkTimes("commission", o.limits.Pulse, o.limits.Window); err != nil {
		return err
	}
	if o.report == "" {
		o.report = unused("commission-" + fileName(o.lane))
	}
	if info, err := os.Stat(filepath.Dir(o.report)); err != nil || !info.IsDir() {
		return t.wrong("commission: --report %s: no such folder; make it, or name another", o.report)
	}
	if there(o.report) {
		return t.wrong("commission: there is a report %s.json already; name another with --report, or leave that out", o.report)
	}
	return nil
}

// unused is name, or the first of name-2, name-3, ... of which there is no report: a
// run that is broken off must not take the place of one that proved the lane.
func unused(name string) string {
	next := name
	for n := 2; there(next); n++ {
		next = fmt.Sprintf("%s-%d", name, n)
	}
	return next
}

// there reports whether there is a report of that name.
func there(name string) bool {
	_, err := os.Lstat(name + ".json")
	return err == nil
}

// fileName is a lane's name as part of a file's.
func fileName(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' {
			return r
		}
		return '_'
	}, s)
}

// save writes the report and its page.
func save(name string, key commission.Key, r commission.Report) error {
	file, err := key.Sign(r)
	if err != nil {
		return err
	}
	html, err := commission.Page(file)
	if err != nil {
		return err
	}
	return errors.Join(replace(name+".json", file), replace(name+".html", html))
}

// laneOf makes what commission.Run works on.
func (t tool) laneOf(o order) (commission.Lane, error) {
	if o.installer == "" {
		o.installer = "not named"
	}
	lane := commission.Lane{Name: o.lane, Installer: o.installer, Computer: computerName(), Tool: "firmware-bridge " + build()}
	for _, s := range o.scanners {
		name, path, named := strings.Cut(s, "=")
		if !named {
			name, path = "entry", s
		}
		scanner, err := t.scannerOf(o, name, path)
		if err != nil {
			return lane, err
		}
		lane.Scanners = append(lane.Scanners, scanner)
	}
	if len(lane.Scanners) == 2 && lane.Scanners[0].Device.Subject == lane.Scanners[1].Device.Subject {
		return lane, t.wrong("commission: name the two scanners: --scanner entry=PORT --scanner exit=PORT")
	}
	if o.gate.where() == "" {
		return lane, nil
	}
	passed := newTraffic()
	g, err := o.gate.new(t.host, t.hostErr, passed)
	if err != nil {
		return lane, err
	}
	lane.Gate = &commission.Gate{Gate: g, Device: commission.Device{Subject: "gate", Kind: "gate", Driver: o.gate.driver, Path: o.gate.where()}}
	lines := o.gate.lines
	lane.Gate.Can = func() commission.Can {
		return commission.Can{In: lines.RelayIn != "", Out: lines.RelayOut != "", Fire: lines.Fire != "", Tamper: lines.Tamper != ""}
	}
	switch g := g.(type) {
	case *controller.Gate:
		lane.Gate.Device.Rate, lane.Gate.Can, lane.Gate.Frames = o.gate.at(115200, nil).Baud, passed.has, passed.frames
	case *modbus.Gate:
		lane.Gate.Device.Rate = o.gate.at(9600, nil).Baud
		lane.Gate.Frames = func() commission.Frames {
			c := g.Counts()
			return commission.Frames{Sent: c.Requests, Received: c.Requests - c.Silent - c.Garbled, Garbled: c.Garbled, Unanswered: c.Silent}
		}
	}
	return lane, nil
}

// scannerOf makes one scanner of the lane.
func (t tool) scannerOf(o order, name, path string) (commission.Scanner, error) {
	plug := inspectPort(t, path)
	choice := o.scan
	s := commission.Scanner{
		Device: commission.Device{Subject: name, Kind: "scanner", Driver: o.scan.driver, Path: path, Named: plug.String()},
		Rates:  []int{115200, 9600, 57600, 38400, 19200, 230400},
		Open: func(rate int) (scanner.Scanner, error) {
			c := choice
			c.port = serialport.Config{Path: path, Baud: rate}
			return c.new()
		},
		Frames: framesOf,
	}
	switch {
	case o.rate != 0:
		s.Rates = []int{o.rate}
	case o.scan.driver == driverOSDP:
		s.Rates = osdpRates
	case plug.Rateless():
		s.Rates = s.Rates[:1]
	}
	if slices.Contains(engine.Families(), o.scan.driver) {
		s.Identify = func(ctx context.Context) (commission.Engine, error) {
			id, err := identify(ctx, path)
			choice.driver = met(choice.driver, id, err)
			return commission.Engine{Name: engineName(id), Rate: id.Baud, Raise: raiseBy(id)}, err
		}
	}
	_, err := s.Open(s.Rates[0]) // before anybody climbs a ladder
	return s, err
}

// met is the driver to go on with: what auto would come to each time that it opens
// the port, after a search that may take longer than a step.
func met(driver string, id dialect.Identity, err error) string {
	switch {
	case driver != engine.Auto:
		return driver
	case err == nil:
		return id.Family
	case errors.Is(err, dialect.ErrSilent):
		return engine.Line
	}
	return driver
}

// raiseBy says how to raise an engine's rate for good.
func raiseBy(id dialect.Identity) string {
	if id.Family == "" || id.Family == engine.Line {
		return ""
	}
	return "set raise: 115200 for this scanner in the agent's configuration, which raises it at each start"
}

// computerName says on which computer the report was made.
func computerName() string {
	host, _ := os.Hostname() // "" then
	var u unix.Utsname
	kernel := "kernel unknown"
	if unix.Uname(&u) == nil {
		kernel = "Linux " + unix.ByteSliceToString(u.Release[:])
	}
	return strings.Join([]string{host, kernel, runtime.GOARCH}, ", ")
}
