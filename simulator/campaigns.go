package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"turnstile/simulator/chaos"
	"turnstile/simulator/harm"
	"turnstile/simulator/parity"
)

// errFailed ends a campaign that found something; its report has said what.
var errFailed = errors.New("the campaign found a defect; see the report above")

type parityCmd struct {
	Seed   uint64 `help:"Of the day; the same seed makes the same day." default:"1"`
	Passes int    `help:"How many passes." default:"10000"`
	JSON   string `help:"File to write the report to, for programs." type:"path"`
}

// Run plays a day and prints the report.
func (p *parityCmd) Run(ctx context.Context) error {
	r, err := parity.Run(ctx, parity.Options{Seed: p.Seed, Passes: p.Passes})
	if err != nil {
		return err
	}
	return report(r, p.JSON)
}

type chaosCmd struct {
	Seed      uint64        `help:"Of the schedule; 0: one of the clock."`
	For       time.Duration `help:"How long." default:"2m"`
	Programs  string        `help:"Folder of the programs; this program's own unless told." type:"path"`
	Data      string        `help:"Folder to keep everything in; a temporary one unless told." type:"path"`
	Mosquitto string        `help:"Path of a mosquitto to use in place of central's own broker." type:"path"`
	JSON      string        `help:"File to write the report to, for programs." type:"path"`
}

// Run breaks a campus and prints what became of it.
func (c *chaosCmd) Run(ctx context.Context) error {
	if c.Seed == 0 {
		c.Seed = uint64(time.Now().Unix())
	}
	d := demo{Programs: c.Programs, Data: "unused"}
	if err := d.defaults(); err != nil {
		return err
	}
	fmt.Printf("chaos for %v, seed %d\n", c.For, c.Seed)
	r, err := chaos.Run(ctx, chaos.Options{Seed: c.Seed, For: c.For, Programs: d.Programs, Folder: c.Data, Mosquitto: c.Mosquitto, Progress: os.Stdout})
	if err != nil {
		return err
	}
	return report(r, c.JSON)
}

type laneCmd struct {
	Config string `help:"The agent's configuration." required:"" type:"path"`
	Clock  string `help:"File that says by how much the clock is wrong, such as -24h." required:"" type:"path"`
}

// Run runs an agent whose clock lies, for the campaign.
func (l *laneCmd) Run(ctx context.Context) error { return harm.RunLane(ctx, l.Config, l.Clock) }

// outcome is the report of a campaign.
type outcome interface {
	Text() string
	JSON() ([]byte, error)
	Failed() bool
}

// report prints an outcome and, with a path, writes it as JSON.
func report(r outcome, path string) error {
	fmt.Print(r.Text())
	if path != "" {
		b, err := r.JSON()
		if err == nil {
			err = os.WriteFile(path, b, 0o644)
		}
		if err != nil {
			return fmt.Errorf("write report: %w", err)
		}
	}
	if r.Failed() {
		return errFailed
	}
	return nil
}
