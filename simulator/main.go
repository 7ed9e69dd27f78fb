// Command simulator runs the product on virtual lanes: the same programs, with
// no steel, for security staff to train on and for everybody to test with.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/alecthomas/kong"

	"turnstile/simulator/device"
	"turnstile/simulator/measure"
	"turnstile/simulator/site"
	"turnstile/simulator/stage"
	"turnstile/simulator/web"
)

// version is set by the build.
var version = "unknown"

type commands struct {
	Demo    demo       `cmd:"" help:"Two lanes, central and a page to play on, on this machine."`
	Bench   bench      `cmd:"" help:"Measure the product beside its physical limits."`
	Chaos   chaosCmd   `cmd:"" help:"Break a running campus by a seeded schedule, and check what is promised."`
	Lane    laneCmd    `cmd:"" hidden:"" help:"An agent whose clock lies."`
	Parity  parityCmd  `cmd:"" help:"Decide a simulated day online and offline, and explain each difference."`
	Version versionCmd `cmd:"" help:"Print the version."`
}

func main() {
	var c commands
	k := kong.Parse(&c, kong.Name("simulator"), kong.UsageOnError(), kong.Description("Turnstile on virtual lanes."))
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	k.BindTo(ctx, (*context.Context)(nil))
	k.FatalIfErrorf(k.Run())
}

type versionCmd struct{}

// Run prints the version.
func (versionCmd) Run() error {
	_, err := fmt.Println("simulator", version)
	return err
}

type bench struct {
	Rounds    int    `help:"Rounds of each measure; the median is shown." default:"5"`
	Lanes     int    `help:"Lanes that a revocation has to reach." default:"100"`
	Connected []int  `help:"Lane controllers that are connected for their memory." default:"1000"`
	Rows      int    `help:"Rows of the ledger that is searched; a month of a large campus has 10000000." default:"200000"`
	Only      string `help:"Take one measure." enum:",decision,durable,entries,together,wire,full,gate,revoke,memory,ingest,search" default:""`
	JSON      bool   `help:"Print JSON instead of a table."`
}

// Run measures and prints the table.
func (b *bench) Run(ctx context.Context) error {
	return measure.Run(ctx, measure.Options{Rounds: b.Rounds, Lanes: b.Lanes, Connected: b.Connected, Rows: b.Rows, Only: b.Only, JSON: b.JSON, Out: os.Stdout})
}

type demo struct {
	Data     string `help:"Folder to keep everything in; a new one under the system's temporary folder unless told." type:"path"`
	Listen   string `help:"Address of the page, on loopback." default:"127.0.0.1:0"`
	Programs string `help:"Folder of the programs agent and central; this program's own unless told." type:"path"`
}

// Run plays until it is interrupted.
func (d *demo) Run(ctx context.Context) error {
	if err := d.defaults(); err != nil {
		return err
	}
	page, err := d.listen()
	if err != nil {
		return err
	}
	defer page.Close()
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	st := stage.New(log)
	fmt.Println("starting central and two lanes ...")
	began := time.Now()
	// The site has a context of its own: it is closed in order, agents first.
	s, err := site.Start(context.WithoutCancel(ctx), site.Config{Programs: d.Programs, Data: d.Data, Agents: d.agents(st)})
	if err != nil {
		return fmt.Errorf("%w\nlogs are in %s", err, filepath.Join(d.Data, "logs"))
	}
	office, err := s.Console(ctx, "demo")
	if err != nil {
		return errors.Join(fmt.Errorf("invite to the console: %w", err), s.Close())
	}
	fmt.Printf("ready in %.1f s\n\n  gates    http://%s/\n  office   %s   central's console, with a passkey or a password of yours\n  stop     Ctrl-C\n  data     %s\n\n",
		time.Since(began).Seconds(), page.Addr(), office, d.Data)
	err = errors.Join(serve(ctx, page, st, s, log), s.Close())
	fmt.Printf("\nstopped; nothing is left running. The data is in %s\ngo on with it:  simulator demo --data %s\n", d.Data, d.Data)
	return err
}

// defaults fills in the folders.
func (d *demo) defaults() error {
	if d.Programs == "" {
		own, err := os.Executable()
		if err != nil {
			return fmt.Errorf("find own folder: %w", err)
		}
		d.Programs = filepath.Dir(own)
	}
	if d.Data != "" {
		return nil
	}
	folder, err := os.MkdirTemp("", "turnstile-demo-")
	if err != nil {
		return fmt.Errorf("make data folder: %w", err)
	}
	d.Data = folder
	return nil
}

// listen takes the page's address, which must be on loopback: the page can do
// everything without a password.
func (d *demo) listen() (net.Listener, error) {
	host, _, err := net.SplitHostPort(d.Listen)
	if ip := net.ParseIP(host); err != nil || ip == nil || !ip.IsLoopback() {
		return nil, fmt.Errorf("--listen %s: want a loopback address such as 127.0.0.1:8100", d.Listen)
	}
	l, err := net.Listen("tcp", d.Listen)
	if err != nil {
		return nil, fmt.Errorf("listen for the page: %w; choose another port with --listen 127.0.0.1:0", err)
	}
	return l, nil
}

func (d *demo) agents(st *stage.Stage) []site.AgentSetup {
	lane := func(id, name string) site.AgentSetup {
		watch := func(c device.ControllerState) { st.Watch(id, 1, c) }
		return site.AgentSetup{ID: id, Lanes: []site.LaneSetup{{Name: name, Changed: watch}}}
	}
	return []site.AgentSetup{lane("north", "North"), lane("south", "South")}
}

// serve shows the page until ctx ends.
func serve(ctx context.Context, l net.Listener, st *stage.Stage, s *site.Site, log *slog.Logger) error {
	handler, err := web.New(st, log)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 5 * time.Second, BaseContext: func(net.Listener) context.Context { return ctx }}
	stop := context.AfterFunc(ctx, func() { server.Close() })
	defer stop()
	watched := make(chan error, 1)
	go func() { watched <- st.Run(ctx, s) }()
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve the page: %w", err)
	}
	return <-watched
}
