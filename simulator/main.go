// Command simulator runs the product on virtual lanes: the same programs, with
// no steel, for security staff to train on and for everybody to test with.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"

	"turnstile/simulator/measure"
)

// version is set by the build.
var version = "unknown"

type commands struct {
	Demo    demo       `cmd:"" help:"Three lanes, central and pages to play on, on this machine."`
	Bench   bench      `cmd:"" help:"Measure the product beside its physical limits."`
	Chaos   chaosCmd   `cmd:"" help:"Break a running campus by a seeded schedule, and check what is promised."`
	Crowd   crowdCmd   `cmd:"" help:"Play a day of a campus full of people by a seed, and stop at the first verdict that was not planned."`
	Lane    laneCmd    `cmd:"" hidden:"" help:"An agent whose clock lies."`
	Run     runCmd     `cmd:"" help:"Play written scenarios on a campus, and tell what was not as expected."`
	Acts    actsCmd    `cmd:"" help:"List what can be done on a campus, as scenarios say it."`
	Replay  replayCmd  `cmd:"" help:"Play a recorded day of a real lane again, and tell what is decided otherwise."`
	Parity  parityCmd  `cmd:"" help:"Decide a simulated day online and offline, and explain each difference."`
	Fleet   fleetCmd   `cmd:"" help:"Ten thousand light lanes in one process: storms, revocations and journals, measured and checked."`
	CheckDB checkDBCmd `cmd:"" hidden:"" name:"check-db" help:"Read the cache of a lane whole."`
	Broker  brokerCmd  `cmd:"" hidden:"" help:"A broker and nothing else."`
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
