package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"turnstile/agent/cache"
	"turnstile/simulator/replay"
)

// errReplay ends a replay in which something was decided otherwise for no reason.
var errReplay = errors.New("not everything was decided as recorded; see above")

type replayCmd struct {
	Data  string            `help:"Copy of the lane controller's data folder, taken that day." required:"" type:"path"`
	Scans map[string]string `help:"Captures, by scanner: 1=FILE for the way in of lane 1, 1/out=FILE for the way out." required:"" mapsep:","`
	Speed float64           `help:"How many times as fast as recorded; a passage that is under way is waited for." default:"60"`
	JSON  string            `help:"File to write the report to, for programs." type:"path"`
}

// Run replays and tells what was decided otherwise than recorded.
func (c *replayCmd) Run(ctx context.Context) error {
	o := replay.Options{Data: c.Data, Speed: c.Speed, Captures: map[replay.Scanner]string{}}
	for name, path := range c.Scans {
		s, err := replay.ParseScanner(name)
		if err != nil {
			return err
		}
		o.Captures[s] = path
	}
	o.Progress = func(s replay.Scan) {
		fmt.Printf("\r%s  lane %d %s", s.At.Format("2006-01-02 15:04:05"), s.Scanner.Lane, s.Scanner.Direction)
	}
	exe, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	o.Check = func(path string) error { return cache.CheckInChild(exe, path) }
	r, err := replay.Run(ctx, o)
	fmt.Println()
	if err != nil {
		return err
	}
	r.Text(os.Stdout)
	if err := write(c.JSON, r.JSON); err != nil {
		return err
	}
	if r.Unexplained() > 0 {
		return errReplay
	}
	return nil
}

type checkDBCmd struct {
	Path string `arg:"" type:"path"`
}

// Run reads a cache that may be damaged; a replay runs it in a process of its own.
func (c *checkDBCmd) Run() error { return cache.CheckFile(c.Path) }
