package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"turnstile/simulator/fleet"
)

type fleetCmd struct {
	Lanes     int           `help:"How many lanes, in one process." default:"1000"`
	Seed      uint64        `help:"Of who comes to which lane when; 0: one of the clock."`
	Mosquitto string        `help:"Path of a mosquitto to use in place of central's own broker." type:"path"`
	HTML      string        `name:"html" help:"File to write a page with charts to." type:"path"`
	JSON      string        `name:"json" help:"File to write the report to, for programs and for --against." type:"path"`
	Against   string        `help:"JSON of an earlier run, which is shown beside this one." type:"existingfile"`
	Only      []string      `help:"Of storm, revoke and ingest, what to do."`
	For       time.Duration `help:"How long the rush hour is played." default:"30s"`
	Rounds    int           `help:"Of revocations." default:"5"`
	Entries   int           `help:"That each lane has behind it when all send at once." default:"60"`
	Heads     time.Duration `help:"Between central's heads." default:"10s"`
	NoBare    bool          `help:"Without the bare broker with as many clients beside."`
	Programs  string        `help:"Folder of the programs; this program's own unless told." type:"path"`
}

// Run plays the fleet and prints what was measured.
func (c *fleetCmd) Run(ctx context.Context) error {
	if c.Seed == 0 {
		c.Seed = uint64(time.Now().Unix())
	}
	d := demo{Programs: c.Programs, Data: "unused"}
	if err := d.defaults(); err != nil {
		return err
	}
	var old *fleet.Report
	if c.Against != "" {
		var err error
		if old, err = fleet.ReadReport(c.Against); err != nil {
			return err
		}
	}
	r, err := fleet.Run(ctx, fleet.Options{Lanes: c.Lanes, Seed: c.Seed, Programs: d.Programs, Mosquitto: c.Mosquitto, Heads: c.Heads, For: c.For,
		Rounds: c.Rounds, Entries: c.Entries, Only: c.Only, NoBare: c.NoBare, Progress: os.Stderr})
	if ctx.Err() != nil {
		return fmt.Errorf("stopped; nothing is left running: %w", ctx.Err())
	}
	if r == nil || len(r.Steps) == 0 && r.Violation == nil {
		return err
	}
	fmt.Print(r.Text(old))
	err = errors.Join(err, keep(c.JSON, r.JSON), keep(c.HTML, func() ([]byte, error) { return r.HTML(old) }))
	if r.Violation != nil {
		return errFailed
	}
	return err
}

// keep writes a report to a file; without a path it does nothing.
func keep(path string, make func() ([]byte, error)) error {
	if path == "" {
		return nil
	}
	b, err := make()
	if err != nil {
		return err
	}
	if err := os.WriteFile(path, b, 0o644); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return nil
}

type brokerCmd struct {
	Folder string `arg:"" help:"With the keys." type:"path"`
}

// Run serves a broker and nothing else, beside which a fleet is measured.
func (b *brokerCmd) Run(ctx context.Context) error { return fleet.ServeBare(ctx, b.Folder) }
