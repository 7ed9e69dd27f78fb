package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"turnstile/simulator/scenario"
)

// errScenarios ends a run in which something was not as expected.
var errScenarios = errors.New("not everything was as expected; see above")

// errNothing ends a run that tried nothing.
var errNothing = errors.New("nothing was played: all of it can only be played the other way; run with --real, or without it")

type runCmd struct {
	Files     []string `arg:"" optional:"" type:"path" help:"Scenario files; without any, the library."`
	Real      bool     `help:"The programs as processes, at the pace of life; otherwise in one process, by a played clock." xor:"way"`
	Speed     bool     `help:"By a played clock; the default." xor:"way"`
	Only      string   `help:"Of the library, the scenarios whose name contains this."`
	Keep      string   `help:"New folder for what a campus leaves, of each scenario one: data folders and logs, and a capture of each scanner, as simulator replay takes them." type:"path"`
	Programs  string   `help:"Folder of the programs; this program's own unless told." type:"path"`
	Mosquitto string   `help:"With --real: path of a mosquitto to use in place of central's own broker." type:"path"`
	JUnit     string   `name:"junit" help:"File to write a report to, as CI systems read it." type:"path"`
	JSON      string   `help:"File to write a report to, for programs." type:"path"`
}

// Run plays scenarios, one after the other, and tells what became of them.
func (c *runCmd) Run(ctx context.Context) error {
	list, err := c.scenarios()
	if err != nil {
		return err
	}
	d := demo{Programs: c.Programs, Data: "unused"}
	if err := d.defaults(); err != nil {
		return err
	}
	began := time.Now()
	var r scenario.Report
	for _, s := range list {
		if ctx.Err() != nil {
			break
		}
		fmt.Printf("%s: %s\n", s.Name, s.Title)
		r.Results = append(r.Results, scenario.Run(ctx, s, scenario.Options{Real: c.Real, Programs: d.Programs, Mosquitto: c.Mosquitto, Keep: c.keep(s)}))
	}
	r.Duration = time.Since(began)
	r.Text(os.Stdout)
	if err := errors.Join(write(c.JUnit, r.JUnit), write(c.JSON, r.JSON), ctx.Err()); err != nil {
		return err
	}
	switch {
	case r.Failed() > 0:
		return errScenarios
	case r.Played() == 0:
		return errNothing
	}
	return nil
}

// keep is where a scenario's campus is kept, "" if it is not.
func (c *runCmd) keep(s *scenario.Scenario) string {
	if c.Keep == "" {
		return ""
	}
	return filepath.Join(c.Keep, strings.TrimSuffix(s.Name, ".txt"))
}

// scenarios reads what is to be played; all mistakes of all files are told at once.
func (c *runCmd) scenarios() (list []*scenario.Scenario, err error) {
	if len(c.Files) == 0 {
		all, err := scenario.Library()
		for _, s := range all {
			if strings.Contains(s.Name, c.Only) {
				list = append(list, s)
			}
		}
		if err == nil && len(list) == 0 {
			err = fmt.Errorf("the library has no scenario with %q in its name", c.Only)
		}
		return list, err
	}
	var errs []error
	for _, f := range c.Files {
		s, err := load(f)
		list, errs = append(list, s), append(errs, err)
	}
	return list, errors.Join(errs...)
}

func load(path string) (*scenario.Scenario, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open scenario: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, scenario.MaxSize+1))
	if err != nil {
		return nil, fmt.Errorf("read scenario %s: %w", filepath.Base(path), err)
	}
	return scenario.Parse(filepath.Base(path), string(text))
}

// write writes a report to a file, if one is named.
func write(path string, report func(io.Writer) error) error {
	if path == "" {
		return nil
	}
	f, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return errors.Join(report(f), f.Close())
}
