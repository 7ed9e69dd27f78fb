// Command firmware-bridge is the installer's tool: it finds, hears, moves and proves what hangs on a lane's wires.
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

	"github.com/mattn/go-isatty"

	"turnstile/firmware-bridge/camera"
	"turnstile/firmware-bridge/capture"
	"turnstile/firmware-bridge/gate/gpio"
	"turnstile/firmware-bridge/gate/modbus"
	"turnstile/firmware-bridge/inspect"
	"turnstile/firmware-bridge/scanner/engine"
	"turnstile/firmware-bridge/scanner/osdpreader"
	"turnstile/firmware-bridge/scanner/wiegandreader"
	"turnstile/firmware-bridge/serialport"
)

const usage = `firmware-bridge finds, hears, moves and proves what hangs on a lane's wires.

  find [--probe] [--port P]...       ports, GPIO lines, cameras, keyboards of this computer; with --probe what answers
  listen --port P                    print each scan of a scanner; --capture FILE keeps the bytes of its line
  pulse --port P                     open a gate once and wait for the outcome
  watch --port P                     show what a gate reports, live
  commission --lane NAME --key FILE  prove a lane step by step; ends in a signed report
  sheet --out FILE                   the test codes for commission as a page to print
  verify REPORT [--key FINGERPRINT]  check the signature of a report
  page REPORT --out FILE             make the page of a report anew
  key new|show --out|--key FILE      make, or name, an installer's key
  play FILE --port P|--link L        play a capture into a line
  camera --device D --link L         read codes before a camera, as a scanner behind a link
  udev                               print the udev rules for a lane's computer
  version

firmware-bridge COMMAND --help lists the flags. Stop the agent first: each port has one owner.
Ctrl-C ends what does not end by itself.
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
	t := tool{in: os.Stdin, out: os.Stdout, errs: os.Stderr, host: host, hostErr: hostErr, terminal: isatty.IsTerminal(os.Stdout.Fd())}
	os.Exit(t.run(ctx, os.Args[1:]))
}

// tool is one run of the program.
type tool struct {
	in        io.Reader
	out, errs io.Writer
	terminal  bool // out is one
	computer  inspect.Host
	host      *gpio.Host
	hostErr   error // why host is nil
}

// errUsage marks errors of the command line; it has been printed.
var errUsage = errors.New("wrong command line")

// command is one word after the program's name.
type command func(context.Context, []string) error

// commands are all of them.
func (t tool) commands() map[string]command {
	return map[string]command{
		"find": t.find, "listen": t.listen, "pulse": t.pulse, "watch": t.watch, "commission": t.commission, "sheet": t.sheet,
		"verify": t.verify, "page": t.page, "key": t.key, "play": t.play, "camera": t.camera, "udev": t.udev, "version": t.version,
	}
}

// run does what args ask for and returns the exit code.
func (t tool) run(ctx context.Context, args []string) int {
	if len(args) > 0 && (args[0] == "help" || args[0] == "-h" || args[0] == "--help") {
		fmt.Fprint(t.out, usage)
		return exitGood
	}
	if len(args) == 0 || t.commands()[args[0]] == nil {
		fmt.Fprint(t.errs, usage)
		return exitUsage
	}
	err := t.commands()[args[0]](ctx, args[1:])
	switch {
	case err == nil || errors.Is(err, flag.ErrHelp):
		return exitGood
	case errors.Is(err, errUsage):
		return exitUsage
	}
	fmt.Fprintf(t.errs, "firmware-bridge: %v\n", err)
	for _, wrong := range []error{serialport.ErrBaud, serialport.ErrNoPath, engine.ErrConfig, gpio.ErrConfig, modbus.ErrConfig, camera.ErrConfig,
		wiegandreader.ErrConfig, osdpreader.ErrRate, capture.ErrSpeed, errDriver, errScanner} {
		if errors.Is(err, wrong) {
			return exitUsage
		}
	}
	return exitBad
}

// parse reads the flags of command, and arguments between them: exactly as many
// as names, which is what the arguments are called.
func (t tool) parse(command string, args []string, define func(*flag.FlagSet), names ...string) ([]string, error) {
	set := flag.NewFlagSet(command, flag.ContinueOnError)
	set.SetOutput(io.Discard) // what is wrong is said below, the flags when they are asked for
	define(set)
	var plain []string
	for {
		if err := set.Parse(args); errors.Is(err, flag.ErrHelp) {
			help(t.out, command, set)
			return nil, err
		} else if err != nil {
			return nil, t.wrong("%s: %v; see firmware-bridge %s --help", command, err, command)
		}
		if set.NArg() == 0 {
			break
		}
		plain, args = append(plain, set.Arg(0)), set.Args()[1:]
	}
	switch {
	case len(plain) > len(names):
		return nil, t.wrong("%s: %q is not a flag; see firmware-bridge %s --help", command, plain[len(names)], command)
	case len(plain) < len(names):
		return nil, t.wrong("%s: no %s given; see firmware-bridge %s --help", command, names[len(plain)], command)
	}
	return plain, nil
}

// wrong says what is wrong with the command line.
func (t tool) wrong(format string, args ...any) error {
	fmt.Fprintf(t.errs, "firmware-bridge "+format+"\n", args...)
	return errUsage
}

// noFlags is for commands without any.
func noFlags(*flag.FlagSet) {}

// version prints which build this is.
func (t tool) version(_ context.Context, args []string) error {
	if _, err := t.parse("version", args, noFlags); err != nil {
		return err
	}
	_, err := fmt.Fprintf(t.out, "firmware-bridge %s\n", build())
	return err
}

// build is the version of this program.
func build() string {
	if info, ok := debug.ReadBuildInfo(); ok && version == "" {
		return info.Main.Version
	}
	return version
}

// udev prints the rules.
func (t tool) udev(_ context.Context, args []string) error {
	if _, err := t.parse("udev", args, noFlags); err != nil {
		return err
	}
	_, err := io.WriteString(t.out, inspect.Rules)
	return err
}
