// Command agent runs the lanes of one lane controller: it decides on scanned codes offline, opens gates, and keeps each passage until central has it.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime/debug"

	"github.com/mattn/go-isatty"

	"turnstile/agent/daemon"
	"turnstile/firmware-bridge/gate/gpio"
)

// Exit codes.
const (
	exitOK      = 0
	exitFailed  = 1
	exitUsage   = 2
	exitRefused = 3 // agent check: the code would be refused
)

// version is set by the linker.
var version = "dev"

const usage = `agent runs the lanes of one lane controller.

  agent enroll --central URL --token-file F|- [--config FILE]   once, with a token from central
  agent run [--config FILE]                                     until it is stopped
  agent check CODE|- [--lane N] [--json] [--config FILE]        what a lane would decide, and why
  agent status [--json] [--config FILE]                         lanes, feed, clock, journal, warnings
  agent check-db FILE                                           whether a cache file is sound
  agent version

FILE is /etc/turnstile/agent.yaml unless told. Exit codes: 0 done, 1 failed,
2 wrong usage or configuration, 3 the code would be refused.
`

// defaultConfig is where the package puts the configuration.
const defaultConfig = "/etc/turnstile/agent.yaml"

// errUsage ends the program with exitUsage; what is wrong was said.
var errUsage = errors.New("wrong usage")

// program is one run of the command: what it reads and writes.
type program struct {
	in       io.Reader
	out, err io.Writer
	log      *slog.Logger
	lines    gpio.Lines // nil: gpioErr says why
	gpioErr  error
}

func main() {
	p := &program{in: os.Stdin, out: os.Stdout, err: os.Stderr}
	if len(os.Args) > 1 && os.Args[1] == "run" { // before any goroutine and file, see Prepare
		host, err := gpio.Prepare()
		if p.gpioErr = err; err == nil {
			p.lines = host
		}
	}
	p.log = logger(os.Stderr)
	slog.SetDefault(p.log) // what libraries print through package log
	os.Exit(p.main(os.Args[1:]))
}

// logger writes text to a terminal, and JSON elsewhere.
func logger(f *os.File) *slog.Logger {
	if isatty.IsTerminal(f.Fd()) {
		return slog.New(slog.NewTextHandler(f, nil))
	}
	return slog.New(slog.NewJSONHandler(f, nil))
}

// main runs one command and returns the exit code.
func (p *program) main(args []string) int {
	commands := map[string]func([]string) (int, error){
		"run": p.run, "enroll": p.enroll, "check": p.check, "status": p.status, "check-db": p.checkDB, "version": p.version,
	}
	if len(args) == 0 {
		fmt.Fprint(p.err, usage)
		return exitUsage
	}
	command, ok := commands[args[0]]
	switch {
	case args[0] == "help" || args[0] == "-h" || args[0] == "--help":
		fmt.Fprint(p.out, usage)
		return exitOK
	case !ok:
		fmt.Fprintf(p.err, "agent: no command %.20q\n\n%s", args[0], usage)
		return exitUsage
	}
	code, err := command(args[1:])
	return p.end(code, err)
}

// end says what went wrong, and returns the exit code for it.
func (p *program) end(code int, err error) int {
	var config *daemon.ConfigError
	switch {
	case err == nil:
		return code
	case errors.Is(err, flag.ErrHelp):
		return exitOK
	case errors.Is(err, errUsage):
		return exitUsage
	case errors.As(err, &config):
		fmt.Fprintln(p.err, config)
		return exitUsage
	}
	fmt.Fprintln(p.err, "agent:", err)
	return max(code, exitFailed)
}

// flags are a command's own, and --config.
type flags struct {
	*flag.FlagSet
	config *string
}

func (p *program) flags(command string) flags {
	f := flag.NewFlagSet("agent "+command, flag.ContinueOnError)
	f.SetOutput(p.err)
	return flags{f, f.String("config", defaultConfig, "configuration `file`")}
}

// parse reads flags before, between and behind the want other arguments.
func (f flags) parse(args []string, want int) ([]string, error) {
	var rest []string
	for {
		if err := f.Parse(args); errors.Is(err, flag.ErrHelp) {
			return nil, err
		} else if err != nil {
			return nil, errUsage
		}
		if f.NArg() == 0 {
			break
		}
		rest, args = append(rest, f.Arg(0)), f.Args()[1:]
	}
	if len(rest) != want {
		fmt.Fprintf(f.Output(), "%s: %d arguments, want %d\n\n%s", f.Name(), len(rest), want, usage)
		return nil, errUsage
	}
	return rest, nil
}

func (p *program) version([]string) (int, error) {
	fmt.Fprintln(p.out, "agent", versionText())
	return exitOK, nil
}

// versionText is the linker's version, with the commit if the build knows it.
func versionText() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return version
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && len(s.Value) >= 12 {
			return version + "+" + s.Value[:12]
		}
	}
	return version
}
