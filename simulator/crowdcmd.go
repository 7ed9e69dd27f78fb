package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"turnstile/simulator/campus"
	"turnstile/simulator/crowd"
	"turnstile/simulator/web"
)

type crowdCmd struct {
	People int           `help:"How many." default:"2000"`
	Seed   uint64        `help:"Of the day; the same seed makes the same day." default:"1"`
	Slot   time.Duration `help:"The clock is moved by so much at a time." default:"10m"`
	Check  int           `help:"Check the promises each time so many acts are done." default:"500"`
	Plan   bool          `help:"Print the day as a written scenario, and play nothing."`
	Only   string        `help:"With --plan: the day of one person, such as holder-0042."`
	JSON   string        `help:"File to write the report to, for programs." type:"path"`
}

// Run plays a day of a whole campus by a played clock, as fast as it goes.
func (c *crowdCmd) Run(ctx context.Context) error {
	p, err := crowd.New(crowd.Options{Seed: c.Seed, People: c.People, Slot: c.Slot})
	if err != nil {
		return err
	}
	if c.Plan {
		_, err := fmt.Print(p.Text(c.Only))
		return err
	}
	fmt.Printf("%d people, seed %d: %d acts at %d lanes\n", c.People, c.Seed, p.Acts(), len(p.Lanes))
	r, err := crowd.Run(ctx, p, crowd.RunOptions{Check: c.Check, Told: func(s string) { fmt.Println(s) }})
	if err != nil {
		return err
	}
	return report(r, c.JSON)
}

// crowdFlags put people on the campus of a demo.
type crowdFlags struct {
	Crowd int           `help:"So many people come and go, whose statistics are on a page of their own; nobody unless told." default:"0"`
	Day   time.Duration `help:"How long the crowd's day takes." default:"20m"`
	Seed  uint64        `help:"Of the crowd's day." default:"1"`
}

// lanes are as many as the crowd needs; nil, the usual ones, without a crowd.
func (f *crowdFlags) lanes() []campus.LaneSpec {
	if f.Crowd == 0 {
		return nil
	}
	return crowd.Lanes(f.Crowd)
}

// quickly is how long people of a day that is pressed together take through a lane.
const quickly = 250 * time.Millisecond

// walk is how long people take; 0: as long as usual.
func (f *crowdFlags) walk() time.Duration {
	if f.Crowd == 0 {
		return 0
	}
	return quickly
}

// people plans the crowd's day and adds its page; it returns what plays the day, nil if
// nobody is to come.
func (f *crowdFlags) people(k *campus.Campus, o *web.Options) (func(context.Context) error, error) {
	if f.Crowd == 0 {
		return nil, nil
	}
	l, err := crowd.NewLive(k, crowd.LiveOptions{Seed: f.Seed, People: f.Crowd, Lanes: f.lanes(), Day: f.Day, Log: o.Log})
	if err != nil {
		return nil, err
	}
	o.Pages = append(o.Pages, l.Page())
	return l.Run, nil
}

// together runs parts side by side until one of them ends; then it ends the others. A
// nil part is none.
func together(ctx context.Context, parts ...func(context.Context) error) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	parts = slices.DeleteFunc(parts, func(run func(context.Context) error) bool { return run == nil })
	ended := make(chan error, len(parts))
	for _, run := range parts {
		go func() {
			defer stop()
			ended <- run(ctx)
		}()
	}
	var errs []error
	for range parts {
		errs = append(errs, <-ended)
	}
	return errors.Join(errs...)
}
