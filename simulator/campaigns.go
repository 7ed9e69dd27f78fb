package main

import (
	"context"
	"errors"
	"fmt"
	"os"

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
