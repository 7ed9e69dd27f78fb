// Package replay plays a recorded day of a real lane controller again: what its
// scanners sent, as captures have it, is decided anew and held against what its
// journal says was decided then.
//
// What is needed is a copy of the controller's data folder, taken that day, and a
// capture of each scanner (`firmware-bridge listen --capture`). The copy is not
// changed. The lanes that play are the agent's own, on virtual scanners and gates, with
// the copy's keys, rules and status lists, a journal of their own, and no network; their
// clock, its state and the age of the feed are as the journal has them for each scan.
//
// Status lists, rules and keys are those of the moment of the copy. A pass that was
// revoked after its scan is therefore refused in the replay; such a difference is
// explained by the feed that the lane's entry names, and is no finding. One that
// nothing explains is.
package replay

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"turnstile/firmware-bridge/gate"
)

// Scanner names one scanner of a controller.
type Scanner struct {
	Lane      uint8
	Direction gate.Direction
}

// ErrScanner is wrapped by what ParseScanner says.
var ErrScanner = errors.New("no scanner")

// ParseScanner reads a lane's number, or a number and a direction: 1, 2/out.
func ParseScanner(text string) (Scanner, error) {
	number, way, _ := strings.Cut(text, "/")
	n, err := strconv.ParseUint(number, 10, 8)
	d, ok := map[string]gate.Direction{"": gate.In, "in": gate.In, "out": gate.Out}[way]
	if err != nil || n == 0 || !ok {
		return Scanner{}, fmt.Errorf("%w: %q; want a lane's number of 1 to 255, such as 1 or 2/out", ErrScanner, text)
	}
	return Scanner{uint8(n), d}, nil
}

// Options say what is played.
type Options struct {
	Data     string             // copy of the controller's data folder
	Captures map[Scanner]string // paths
	Speed    float64            // pauses between scans are divided by it; a passage under way is waited for
	Progress func(Scan)         // told of each scan when the lane is done with it; may be nil
	// Check reads a cache whole in a process of its own, for a damaged one can end the
	// process that opens it: cache.CheckInChild.
	Check func(path string) error
}

// ErrNothing says that there is nothing to play.
var ErrNothing = errors.New("nothing to play")

// Run plays a day and compares. An error says what is wrong with the recording; what
// was decided otherwise stands in the report.
func Run(ctx context.Context, o Options) (_ *Report, err error) {
	if !(o.Speed > 0) {
		return nil, fmt.Errorf("%w: speed must be above 0; 1 is as recorded", ErrNothing)
	}
	scratch, err := os.MkdirTemp("", "turnstile-replay-")
	if err != nil {
		return nil, fmt.Errorf("make folder: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(scratch)) }()
	d, err := load(o, scratch)
	if err != nil {
		return nil, err
	}
	began := time.Now()
	decided, err := d.play(ctx, o, filepath.Join(scratch, "again"))
	if err != nil {
		return nil, err
	}
	r := d.compare(decided)
	r.Took = time.Since(began)
	return r, nil
}
