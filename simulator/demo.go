package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"turnstile/simulator/campus"
	"turnstile/simulator/drill"
	"turnstile/simulator/scenario"
	"turnstile/simulator/web"
)

type demo struct {
	Data      string `help:"Folder to keep everything in; a new one under the system's temporary folder unless told." type:"path"`
	Listen    string `help:"Address of the page, on loopback." default:"127.0.0.1:0"`
	Programs  string `help:"Folder of the programs agent and central; this program's own unless told." type:"path"`
	Played    bool   `help:"By a played clock that can be moved, with central and lane controllers in this process; some faults need them as processes."`
	Mosquitto string `help:"Path of a mosquitto to use in place of central's own broker, which falls only with central." type:"path"`
	crowdFlags
}

// Run plays until it is interrupted.
func (d *demo) Run(ctx context.Context) error {
	page, err := d.listen()
	if err != nil {
		return err
	}
	defer page.Close()
	if err := d.defaults(); err != nil { // behind what can be refused: it makes a folder
		return err
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	lanes := d.lanes()
	fmt.Println("starting central and the lanes ...")
	began := time.Now()
	k, err := campus.Open(ctx, campus.Config{Real: !d.Played, Programs: d.Programs, Mosquitto: d.Mosquitto, Data: d.Data, Lanes: lanes, Walk: d.walk(),
		Portal: &campus.Portal{Frames: frames(page)}, Log: log})
	if err != nil {
		return fmt.Errorf("%w\nlogs are in %s", err, filepath.Join(d.Data, "logs"))
	}
	office, err := k.Console(ctx, "demo")
	if err != nil {
		return errors.Join(fmt.Errorf("invite to the console: %w", err), k.Close())
	}
	options := web.Options{Log: log, Office: office, Holders: k.Holders(), Recorder: scenario.NewRecorder(k, lanes)}
	people, err := d.people(k, &options)
	if err != nil {
		return errors.Join(err, k.Close())
	}
	fmt.Printf("ready in %.1f s\n\n", time.Since(began).Seconds())
	d.greet(address(page), &options)
	trainer, err := drill.NewTrainer(k, drill.Options{Log: log})
	if err != nil {
		return errors.Join(err, k.Close())
	}
	options.Pages = append(options.Pages, drill.Pages(trainer))
	err = together(ctx, d.watch(k, scenario.NewRecorder(k, lanes)), trainer.Run, people, func(ctx context.Context) error { return serve(ctx, page, k, options) })
	err = errors.Join(err, k.Close())
	fmt.Printf("\nstopped; nothing is left running. The data is in %s\ngo on with it:  simulator demo --data %s\n", d.Data, d.Data)
	return err
}

// greet says where everything is.
func (d *demo) greet(gates string, o *web.Options) {
	for _, line := range [][3]string{
		{"gates", gates + "/", ""}, {"phone", o.Holders.Portal + "/", "the holders' pages; *Your phone* on the page of the gates has them too"},
		{"mails", o.Holders.Mails + "/", "what the campus mails: nothing leaves this machine"},
		{"office", o.Office, "central's console, with a passkey or a password of yours"}, {"stop", "Ctrl-C", ""}, {"data", d.Data, ""},
	} {
		fmt.Println(strings.TrimRight(fmt.Sprintf("  %-8s %s   %s", line[0], line[1], line[2]), " "))
	}
	fmt.Println()
}

// watch holds the campus to what is promised, whatever is done on it; what was done is
// kept for whoever looks for the reason.
func (d *demo) watch(k *campus.Campus, r *scenario.Recorder) func(context.Context) error {
	r.Start()
	return func(ctx context.Context) error {
		err := k.Watch(ctx)
		if err == nil {
			return nil
		}
		way, path := "--real", filepath.Join(d.Data, "broken.txt")
		if d.Played {
			way = "--speed"
		}
		if err := os.WriteFile(path, []byte(r.Stop()), 0o600); err != nil {
			return fmt.Errorf("write what was done: %w", err)
		}
		return fmt.Errorf("%w\nplay again what was done:  simulator run %s %s", err, way, path)
	}
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

// address is the page's origin as browsers have to ask for it. Where it can it has the
// holders' pages' name: in a frame of another name's page they would have no cookies.
func address(l net.Listener) string {
	host, port, err := net.SplitHostPort(l.Addr().String())
	if err == nil && slices.Contains([]string{"127.0.0.1", "::1"}, host) {
		return "http://" + net.JoinHostPort("localhost", port)
	}
	return "http://" + l.Addr().String()
}

// frames are the origins that may show the holders' pages: the page's, if it has their
// name.
func frames(l net.Listener) []string {
	if origin := address(l); strings.HasPrefix(origin, "http://localhost:") {
		return []string{origin}
	}
	return nil
}

// serve shows the pages until ctx ends.
func serve(ctx context.Context, l net.Listener, k *campus.Campus, o web.Options) error {
	handler, err := web.New(k, o)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 5 * time.Second, BaseContext: func(net.Listener) context.Context { return ctx }}
	stop := context.AfterFunc(ctx, func() { server.Close() })
	defer stop()
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve the page: %w", err)
	}
	return nil
}
