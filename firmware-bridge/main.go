// Command firmware-bridge is the installer's tool: it finds, hears and moves what hangs on a lane's wires.
//
// It needs neither an agent nor central, and must not run beside an agent on
// the same port: each port has one owner.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	"time"

	"turnstile/firmware-bridge/gate"
	"turnstile/firmware-bridge/gate/controller"
	"turnstile/firmware-bridge/gate/gpio"
	"turnstile/firmware-bridge/scanner/line"
	"turnstile/firmware-bridge/serialport"
)

const usage = `firmware-bridge finds, hears and moves what hangs on a lane's wires.

  firmware-bridge find                          serial ports and GPIO lines of this computer
  firmware-bridge listen --port P [--baud B]    print each scan of a scanner
  firmware-bridge pulse --port P [--direction in|out] [--pulse 200ms] [--window 5s]
                                                open once through a lane controller and wait for the outcome
  firmware-bridge watch --port P                print what a lane controller reports
  firmware-bridge version

Stop the agent first: each port has one owner. Ctrl-C ends listen and watch.
`

// Exit codes.
const (
	exitGood  = 0
	exitBad   = 1 // it did not work; the message says what to do
	exitUsage = 2 // wrong command or flag; nothing was touched
)

// version is set by the build; from a plain build it is what Go recorded.
var version = ""

func main() {
	host, hostErr := gpio.Prepare() // before anything else: see its comment
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	t := tool{out: os.Stdout, errs: os.Stderr, host: host, hostErr: hostErr}
	os.Exit(t.run(ctx, os.Args[1:]))
}

// tool is one run of the program.
type tool struct {
	out, errs io.Writer
	host      *gpio.Host
	hostErr   error // why host is nil
}

// errUsage marks errors of the command line; it has been printed.
var errUsage = errors.New("wrong command line")

// run does what args ask for and returns the exit code.
func (t tool) run(ctx context.Context, args []string) int {
	commands := map[string]func(context.Context, []string) error{
		"find": t.find, "listen": t.listen, "pulse": t.pulse, "watch": t.watch, "version": t.version,
	}
	if len(args) == 0 || commands[args[0]] == nil {
		if len(args) > 0 && (args[0] == "help" || args[0] == "-h" || args[0] == "--help") {
			fmt.Fprint(t.out, usage)
			return exitGood
		}
		fmt.Fprint(t.errs, usage)
		return exitUsage
	}
	err := commands[args[0]](ctx, args[1:])
	switch {
	case err == nil || errors.Is(err, flag.ErrHelp):
		return exitGood
	case errors.Is(err, errUsage):
		return exitUsage
	}
	fmt.Fprintf(t.errs, "firmware-bridge: %v\n", err)
	if errors.Is(err, serialport.ErrBaud) || errors.Is(err, serialport.ErrNoPath) {
		return exitUsage
	}
	return exitBad
}

// parse reads the flags of command; it wants no other arguments.
func (t tool) parse(command string, args []string, define func(*flag.FlagSet)) error {
	set := flag.NewFlagSet(command, flag.ContinueOnError)
	set.SetOutput(t.errs)
	define(set)
	if err := set.Parse(args); errors.Is(err, flag.ErrHelp) {
		return err
	} else if err != nil {
		return errUsage
	}
	if set.NArg() > 0 {
		fmt.Fprintf(t.errs, "firmware-bridge %s: %q is not a flag; see firmware-bridge %s --help\n", command, set.Arg(0), command)
		return errUsage
	}
	return nil
}

// portFlags defines --port and --baud.
func portFlags(set *flag.FlagSet, c *serialport.Config, baud int) {
	set.StringVar(&c.Path, "port", "", "serial port, best by /dev/serial/by-id/")
	set.IntVar(&c.Baud, "baud", baud, fmt.Sprintf("bits per second, one of %v", serialport.Rates()))
}

// version prints which build this is.
func (t tool) version(_ context.Context, args []string) error {
	if err := t.parse("version", args, func(*flag.FlagSet) {}); err != nil {
		return err
	}
	v := version
	if info, ok := debug.ReadBuildInfo(); ok && v == "" {
		v = info.Main.Version
	}
	_, err := fmt.Fprintf(t.out, "firmware-bridge %s\n", v)
	return err
}

// find lists serial ports and GPIO lines.
func (t tool) find(_ context.Context, args []string) error {
	if err := t.parse("find", args, func(*flag.FlagSet) {}); err != nil {
		return err
	}
	ports := serialport.List()
	fmt.Fprintf(t.out, "serial ports: %d\n", len(ports))
	for _, p := range ports {
		note := ""
		if !p.Usable {
			note = "  no permission: add this user to the group dialout"
		}
		fmt.Fprintf(t.out, "  %s -> %s%s\n", p.Path, p.Device, note)
	}
	if t.host == nil {
		fmt.Fprintf(t.out, "GPIO lines: none (%v)\n", t.hostErr)
		return nil
	}
	lines := t.host.List()
	fmt.Fprintf(t.out, "GPIO lines: %d\n", len(lines))
	for _, l := range lines {
		note := ""
		if l.Consumer != "" {
			note = "  used by " + l.Consumer
		}
		fmt.Fprintf(t.out, "  %-24s %s%s\n", l.Name, l.Chip, note)
	}
	return nil
}

// listen prints each scan, and each change of the counts.
func (t tool) listen(ctx context.Context, args []string) error {
	var port serialport.Config
	count := 0
	err := t.parse("listen", args, func(set *flag.FlagSet) {
		portFlags(set, &port, 115200)
		set.IntVar(&count, "count", 0, "end after this many scans; 0 for never")
	})
	if err != nil {
		return err
	}
	s, err := line.New(port)
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.hear(s, count)
	stop()
	for range s.Scans() { // closed by Run
	}
	return <-done
}

// hear prints scans until there were count, or Run has ended.
func (t tool) hear(s *line.Scanner, count int) {
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
			fmt.Fprintf(t.out, "%s  %-3s %4d bytes  %q\n", scan.At.Format("15:04:05.000"), scan.Symbology, len(scan.Text), scan.Text)
			if heard == count {
				return
			}
		case <-tick.C:
		}
		st := s.Stats()
		line := fmt.Sprintf("scans %d, oversized %d, noise %d, empty %d, no read %d, reopened %d", st.Scans, st.Oversized, st.Noise, st.Empty, st.NoRead, st.Reopened)
		if st.Err != nil {
			line = st.Err.Error()
		}
		if line != said {
			fmt.Fprintf(t.errs, "          %s\n", line)
			said = line
		}
	}
}

// pulse opens once and reports the outcome.
func (t tool) pulse(ctx context.Context, args []string) error {
	var port serialport.Config
	grant := gate.Grant{Direction: gate.In}
	way := "in"
	err := t.parse("pulse", args, func(set *flag.FlagSet) {
		portFlags(set, &port, 115200)
		set.StringVar(&way, "direction", way, "in or out")
		set.DurationVar(&grant.Pulse, "pulse", gate.DefaultPulse, "how long the relay is on, at most 1s")
		set.DurationVar(&grant.Window, "window", gate.DefaultWindow, "how long the person has, 1s to 15s")
	})
	if err != nil {
		return err
	}
	if way == "out" {
		grant.Direction = gate.Out
	} else if way != "in" {
		fmt.Fprintf(t.errs, "firmware-bridge pulse: --direction %q; use in or out\n", way)
		return errUsage
	}
	return t.withGate(ctx, port, func(ctx context.Context, g gate.Gate) error { return t.openOnce(ctx, g, grant) })
}

// withGate runs a controller's driver while use uses it.
func (t tool) withGate(ctx context.Context, port serialport.Config, use func(context.Context, gate.Gate) error) error {
	g, err := controller.New(port)
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- g.Run(ctx) }()
	err = use(ctx, g)
	stop()
	for range g.Events() { // closed by Run
	}
	return errors.Join(err, <-done)
}

// contact is how long pulse waits for the controller to answer.
const contact = 10 * time.Second

// openOnce waits for the controller, opens and waits for the outcome.
func (t tool) openOnce(ctx context.Context, g gate.Gate, grant gate.Grant) error {
	limit, cancel := context.WithTimeout(ctx, contact)
	defer cancel()
	if _, err := t.await(limit, g, func(e gate.Event) bool { return e.Kind == gate.Found }); err != nil {
		return err // why was printed
	}
	grant.Number = g.State().LastGrant + 1
	if err := g.Open(ctx, grant); err != nil {
		return err
	}
	fmt.Fprintf(t.out, "open %v, grant %d: walk now\n", grant.Direction, grant.Number)
	e, err := t.await(ctx, g, func(e gate.Event) bool { return e.Grant == grant.Number })
	if err != nil {
		return err
	}
	if e.Kind != gate.Passed && e.Kind != gate.NotPassed {
		return fmt.Errorf("outcome unknown: %v: %s", e.Kind, e.Detail)
	}
	return nil
}

// await prints events until one is wanted, and meanwhile each new reason why
// there is no connection.
func (t tool) await(ctx context.Context, g gate.Gate, wanted func(gate.Event) bool) (gate.Event, error) {
	tick := time.NewTicker(time.Second / 4)
	defer tick.Stop()
	said := ""
	for {
		select {
		case e, open := <-g.Events():
			if !open {
				return e, gate.ErrClosed
			}
			t.print(e)
			if wanted(e) {
				return e, nil
			}
		case <-ctx.Done():
			return gate.Event{}, fmt.Errorf("wait for the lane controller: %w", ctx.Err())
		case <-tick.C:
			why := ""
			if err := g.State().Err; err != nil {
				why = err.Error()
			}
			if why != said && why != "" {
				fmt.Fprintf(t.errs, "          %s\n", why)
			}
			said = why
		}
	}
}

func (t tool) print(e gate.Event) {
	fmt.Fprintf(t.out, "%s  %s", e.At.Format("15:04:05.000"), e.Kind)
	if e.Direction != 0 {
		fmt.Fprintf(t.out, " %s", e.Direction)
	}
	if e.Grant != 0 {
		fmt.Fprintf(t.out, ", grant %d", e.Grant)
	}
	if e.Detail != "" {
		fmt.Fprintf(t.out, ": %s", e.Detail)
	}
	fmt.Fprintln(t.out)
}

// watch prints what a controller reports until Ctrl-C.
func (t tool) watch(ctx context.Context, args []string) error {
	var port serialport.Config
	if err := t.parse("watch", args, func(set *flag.FlagSet) { portFlags(set, &port, 115200) }); err != nil {
		return err
	}
	return t.withGate(ctx, port, func(ctx context.Context, g gate.Gate) error {
		_, err := t.await(ctx, g, func(gate.Event) bool { return false })
		if ctx.Err() != nil {
			return nil // as asked
		}
		return err
	})
}
