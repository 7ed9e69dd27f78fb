// Package measure holds the product's figures against physical limits that are
// measured in the same run, interleaved with it: machines are noisy, ratios less so.
package measure

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"text/tabwriter"
	"time"
)

// Options say how much to measure.
type Options struct {
	Rounds    int    // of each measure; the median is reported
	Lanes     int    // that a revocation has to reach
	Connected []int  // numbers of lane controllers that are connected for their memory, ascending
	Rows      int    // of the ledger that is searched
	Only      string // the one measure to take; "": all
	JSON      bool
	Out       io.Writer
}

// Row is one measure beside its limit. Figures are nanoseconds or, where Unit
// says so, bytes or others.
type Row struct {
	Measure string  `json:"measure"`
	Limit   string  `json:"limit"`
	Product float64 `json:"product"`
	Bound   float64 `json:"bound"` // the limit's figure
	Unit    string  `json:"unit"`  // ns, B, allocs, flushes
	Ratio   float64 `json:"ratio"` // median of the rounds' ratios, not of the figures
	Mark    float64 `json:"mark"`  // what the ratio is to be at most
}

// rig is what the measures share.
type rig struct {
	Options
	folder   string // for files, on a real disk
	programs string // folder of the binaries
	rows     []Row
}

// Run measures everything and prints a table. Programs that are needed stand
// beside the running one.
func Run(ctx context.Context, o Options) error {
	own, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find own folder: %w", err)
	}
	folder, err := os.MkdirTemp(".", ".bench-") // here and not in /tmp, which may be memory
	if err != nil {
		return fmt.Errorf("make folder: %w", err)
	}
	defer os.RemoveAll(folder)
	if folder, err = filepath.Abs(folder); err != nil {
		return fmt.Errorf("make folder: %w", err)
	}
	r := &rig{Options: o, folder: folder, programs: filepath.Dir(own)}
	for _, m := range r.measures() {
		if o.Only != "" && o.Only != m.name {
			continue
		}
		if err := m.take(ctx); err != nil {
			return err
		}
		fmt.Fprintf(os.Stderr, "%d rows\n", len(r.rows))
	}
	return r.print()
}

// measure is a part of the table.
type measure struct {
	name string
	take func(context.Context) error
}

func (r *rig) measures() []measure {
	return []measure{{"decision", r.decision}, {"durable", r.durable}, {"entries", r.entries}, {"together", r.together}, {"wire", r.wire},
		{"full", r.full}, {"gate", r.gate}, {"revoke", r.revoke}, {"memory", r.memory}, {"ingest", r.ingest}, {"search", r.search}}
}

// compare times product and limit in turn, n calls each a round, and adds a row
// per call. Rounds take turns so that a slow moment of the machine hits both.
func (r *rig) compare(row Row, n int, product, limit func() error) error {
	var ps, ls, ratios []float64
	for range r.Rounds {
		p, err := timed(n, product)
		if err != nil {
			return fmt.Errorf("%s: %w", row.Measure, err)
		}
		l, err := timed(n, limit)
		if err != nil {
			return fmt.Errorf("%s, its limit: %w", row.Measure, err)
		}
		ps, ls, ratios = append(ps, p), append(ls, l), append(ratios, p/l)
	}
	row.Product, row.Bound, row.Ratio, row.Unit = median(ps), median(ls), median(ratios), "ns"
	r.rows = append(r.rows, row)
	return nil
}

// timed returns nanoseconds per call.
func timed(n int, f func() error) (float64, error) {
	began := time.Now()
	for range n {
		if err := f(); err != nil {
			return 0, err
		}
	}
	return float64(time.Since(began).Nanoseconds()) / float64(n), nil
}

// paced returns the median nanoseconds of n calls with a pause before each: a
// disk answers a lone flush ten times slower than one in a tight loop.
func paced(ctx context.Context, n int, pause time.Duration, f func() error) (float64, error) {
	tick := time.NewTicker(pause)
	defer tick.Stop()
	var took []float64
	for range n {
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-tick.C:
		}
		t, err := timed(1, f)
		if err != nil {
			return 0, err
		}
		took = append(took, t)
	}
	return median(took), nil
}

func median(list []float64) float64 {
	slices.Sort(list)
	return list[len(list)/2]
}

func (r *rig) print() error {
	if r.JSON {
		e := json.NewEncoder(r.Out)
		e.SetIndent("", "  ")
		return e.Encode(r.rows)
	}
	w := tabwriter.NewWriter(r.Out, 2, 0, 2, ' ', 0)
	fmt.Fprintln(w, "measure\tproduct\theld against\tlimit\tratio\tmark\t")
	for _, row := range r.rows {
		verdict := "reached"
		if row.Ratio > row.Mark {
			verdict = "MISSED"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%.3f\t<= %.2f\t%s\n", row.Measure, row.figure(row.Product), row.Limit, row.figure(row.Bound), row.Ratio, row.Mark, verdict)
	}
	return w.Flush()
}

func (row Row) figure(v float64) string {
	if row.Unit == "ns" {
		return time.Duration(v).Round(time.Duration(max(1, v/1000))).String()
	}
	return fmt.Sprintf("%.4g %s", v, row.Unit)
}
