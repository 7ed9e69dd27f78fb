// Command central issues campus passes, keeps the lanes' feed and ledger, and is
// its own client for the central office and for scripts.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"
	_ "time/tzdata" // the campus clock must not depend on the machine's files

	"github.com/alecthomas/kong"
	"github.com/mattn/go-isatty"

	"turnstile/central/rights"
)

// The exit codes.
const (
	exitOK      = 0
	exitFailed  = 1
	exitUsage   = 2 // wrong usage or configuration; nothing was done
	exitRefused = 3 // verify: lanes refuse the code
)

// errUsage marks a wrong use of the command line.
var errUsage = errors.New("usage")

// errRefused is verify's answer for a code that lanes refuse.
var errRefused = errors.New("refused")

// version is set by the linker (-X main.version=...).
var version string

// cli is the command line.
type cli struct {
	Data      string `placeholder:"DIR" env:"TURNSTILE_DATA" help:"Data folder; the default is the configuration's, central-data."`
	URL       string `name:"url" placeholder:"URL" env:"TURNSTILE_URL" help:"Address of central's API; the default is what the data folder says, then http://127.0.0.1:8080."`
	TokenFile string `placeholder:"FILE" env:"TURNSTILE_TOKEN_FILE" help:"File with the API token; or put the token into TURNSTILE_TOKEN."`
	JSON      bool   `name:"json" help:"Print JSON for programs."`

	Serve       serveCommand       `cmd:"" group:"service" help:"Run the issuing service."`
	Token       tokenCommand       `cmd:"" group:"service" help:"Make, list, rotate and revoke API tokens."`
	Backup      backupCommand      `cmd:"" group:"service" help:"Back up database and keys into one file, while central runs."`
	Restore     restoreCommand     `cmd:"" group:"service" help:"Make a data folder of a backup."`
	Mosquitto   mosquittoCommand   `cmd:"" group:"service" help:"Write the configuration and certificates of an external broker."`
	NATS        natsCommand        `cmd:"" name:"nats-cluster" group:"service" help:"Write the configurations and certificates of a NATS cluster."`
	Issue       issueCommand       `cmd:"" group:"passes" help:"Issue a pass."`
	Show        showCommand        `cmd:"" group:"passes" help:"Show a pass and its code."`
	List        listCommand        `cmd:"" group:"passes" help:"List passes, the newest first."`
	Revoke      revokeCommand      `cmd:"" group:"passes" help:"Make all lanes refuse a pass."`
	Hold        holdCommand        `cmd:"" group:"passes" help:"Refuse a pass until it is released."`
	Release     releaseCommand     `cmd:"" group:"passes" help:"Take a revocation or hold back."`
	Verify      verifyCommand      `cmd:"" group:"passes" help:"Explain a code field by field."`
	Mail        mailCommand        `cmd:"" group:"passes" help:"Mail a pass's code."`
	Bulk        bulkCommand        `cmd:"" group:"passes" help:"Revoke, hold and release many passes."`
	Application applicationCommand `cmd:"" group:"passes" help:"Show and decide eCard applications and requests for guests."`
	ECards      ecardsCommand      `cmd:"" name:"ecards" group:"passes" help:"Show a person's eCard, take it back, and give it back."`
	Passages    passagesCommand    `cmd:"" group:"lanes" help:"Read the ledger."`
	Why         whyCommand         `cmd:"" group:"lanes" help:"Explain one passage."`
	Occupancy   occupancyCommand   `cmd:"" group:"lanes" help:"Count who is inside."`
	Muster      musterCommand      `cmd:"" group:"lanes" help:"List who is inside."`
	Alarms      alarmsCommand      `cmd:"" group:"lanes" help:"Read the alarms."`
	Ack         ackCommand         `cmd:"" group:"lanes" help:"Write down that somebody looked at an alarm."`
	Lanes       lanesCommand       `cmd:"" group:"lanes" help:"Show the lane controllers."`
	Lane        laneCommand        `cmd:"" group:"lanes" help:"Add, remove, open and find lanes."`
	Rules       rulesCommand       `cmd:"" group:"lanes" help:"Show and set the rules of zones and passes."`
	Supervisor  supervisorCommand  `cmd:"" group:"lanes" help:"Print, list and revoke codes that open a lane by hand."`
	Webhook     webhookCommand     `cmd:"" group:"service" help:"Tell programs of revocations, alarms and passages."`
	API         apiCommand         `cmd:"" name:"api" group:"service" help:"Send any request to the API."`
	Sign        signCommand        `cmd:"" group:"service" help:"Run the process that has the private keys, or check its audit."`
	Keys        keysCommand        `cmd:"" group:"service" help:"Show and withdraw the keys that sign passes."`
	Root        rootCommand        `cmd:"" group:"service" help:"Make an offline root's keys and sign what central may do."`
	Register    registerCommand    `cmd:"" group:"service" help:"Find people of the campus, bring files of them in, merge what is one human being."`
	People      peopleCommand      `cmd:"" group:"service" help:"Invite the people of the office, change their roles, end their access."`
	Audit       auditCommand       `cmd:"" group:"service" help:"Verify and export the log of who did what."`
	DevMail     devMailCommand     `cmd:"" name:"dev-mail" group:"service" help:"Catch mail and show it in a page, for demos and tests."`
	Version     versionCommand     `cmd:"" group:"service" help:"Print the version."`
}

// console is what a command may touch of its process.
type console struct {
	in         io.Reader
	out, err   io.Writer
	env        func(string) string
	outIsTerm  bool // draw colours and symbols
	logsAsJSON bool
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	c := console{
		in: os.Stdin, out: os.Stdout, err: os.Stderr, env: os.Getenv,
		outIsTerm:  isatty.IsTerminal(os.Stdout.Fd()) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb",
		logsAsJSON: !isatty.IsTerminal(os.Stderr.Fd()),
	}
	os.Exit(run(ctx, c, os.Args[1:]))
}

// run is the whole program but for its process; it returns the exit code.
func run(ctx context.Context, c console, args []string) int {
	var cl cli
	ended := -1 // set by --help
	k, err := kong.New(&cl, kong.Name("central"), kong.Description("Issues campus passes and keeps the lanes up to date."),
		kong.Writers(c.out, c.err), kong.Vars{"permissions": rights.Set(rights.All()).String()}, kong.Exit(func(code int) { ended = code }), kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
		kong.ExplicitGroups([]kong.Group{{Key: "service", Title: "The service"}, {Key: "passes", Title: "Passes"}, {Key: "lanes", Title: "Lanes and their ledger"}}))
	if err != nil {
		return c.fail(err)
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	parsed, err := k.Parse(args)
	if ended >= 0 {
		return ended
	}
	if err != nil {
		return c.fail(fmt.Errorf("%w: %w (central --help lists commands, central COMMAND --help its flags)", errUsage, err))
	}
	parsed.BindTo(ctx, (*context.Context)(nil))
	return c.fail(parsed.Run(&c, &cl))
}

// fail tells the error and returns the exit code for it.
func (c *console) fail(err error) int {
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, errRefused):
		return exitRefused // verify has printed why
	case errors.Is(err, context.Canceled):
		return exitFailed
	}
	text := strings.TrimPrefix(err.Error(), errUsage.Error()+": ")
	fmt.Fprintln(c.err, "central:", text)
	if errors.Is(err, errUsage) || isConfigError(err) {
		return exitUsage
	}
	return exitFailed
}

// logger returns the program's log on standard error.
func (c *console) logger() *slog.Logger {
	if c.logsAsJSON {
		return slog.New(slog.NewJSONHandler(c.err, nil))
	}
	return slog.New(slog.NewTextHandler(c.err, nil))
}

type versionCommand struct{}

func (versionCommand) Run(c *console, cl *cli) error {
	v := programVersion()
	return c.show(cl, map[string]string{"version": v}, func() { fmt.Fprintln(c.out, "central", v) })
}

// programVersion is what the linker set, else what the build knows of itself.
func programVersion() string {
	if version != "" {
		return version
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && len(s.Value) >= 12 {
			return "devel-" + s.Value[:12]
		}
	}
	return "devel"
}
