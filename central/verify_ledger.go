package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"turnstile/central/ledger"
)

// errLedger tells scripts that some journal's chain does not close.
var errLedger = errors.New("the ledger is not what the lanes sent; compare it with a backup and with the lanes' journals")

type ledgerReport struct {
	Lane    string      `json:"lane"`
	Journal string      `json:"journal"`
	Last    uint64      `json:"last"`
	Entries uint64      `json:"entries"`
	Lost    []lostRange `json:"lost"`
	Erased  *erasedTo   `json:"erased,omitempty"`
	Error   string      `json:"error,omitempty"`
}

// erasedTo is what the retention took out: all entries up to a number.
type erasedTo struct {
	To      uint64    `json:"to"`
	Entries uint64    `json:"entries"`
	Last    time.Time `json:"last"` // when that was, the last time
}

// lostRange is entries that a lane declared lost to damage.
type lostRange struct {
	From uint64 `json:"from"`
	To   uint64 `json:"to"`
}

// verifyLedger computes the chains of all journals in the data folder again,
// also beside a central that runs on it.
func (x *verifyCommand) verifyLedger(ctx context.Context, c *console, cl *cli) error {
	conf, err := x.load(c, cl)
	if err != nil {
		return err
	}
	if _, err := os.Stat(conf.DatabaseName()); err != nil && conf.Database == "" {
		return fmt.Errorf("%w: no ledger in %s; name central's data folder with --data", errUsage, conf.Data)
	}
	db, err := conf.OpenDatabase(ctx)
	if err != nil {
		return err
	}
	verdicts, err := ledger.Verify(ctx, db)
	if err := errors.Join(err, db.Close()); err != nil {
		return err
	}
	reports, broken := reportsOf(verdicts)
	if err := c.show(cl, reports, func() { c.printLedger(reports) }); err != nil {
		return err
	}
	if broken {
		return errLedger
	}
	return nil
}

func reportsOf(verdicts []ledger.Verdict) (reports []ledgerReport, broken bool) {
	reports = []ledgerReport{}
	for _, v := range verdicts {
		r := ledgerReport{Lane: v.Lane, Journal: fmt.Sprintf("%x", v.Journal), Last: v.Last, Entries: v.Entries, Lost: []lostRange{}}
		for _, g := range v.Gaps {
			r.Lost = append(r.Lost, lostRange{g.From, g.To})
		}
		if e := v.Erased; e.Last > 0 {
			r.Erased = &erasedTo{e.Last, e.Count, time.UnixMilli(e.At)}
		}
		if v.Err != nil {
			r.Error, broken = v.Err.Error(), true
		}
		reports = append(reports, r)
	}
	return reports, broken
}

func (c *console) printLedger(reports []ledgerReport) {
	for _, r := range reports {
		said := "the chain closes"
		if r.Error != "" {
			said = r.Error
		}
		fmt.Fprintf(c.out, "lane %s, journal %.8s: %d entries up to %d: %s\n", r.Lane, r.Journal, r.Entries, r.Last, said)
		if e := r.Erased; e != nil {
			fmt.Fprintf(c.out, "  %d entries up to %d were erased after the time that they are kept, last on %s\n", e.Entries, e.To, e.Last.Format(time.DateOnly))
		}
		for _, l := range r.Lost {
			fmt.Fprintf(c.out, "  entries %d to %d were lost on the lane's disk\n", l.From, l.To)
		}
	}
	fmt.Fprintf(c.out, "%d journals checked\n", len(reports))
}
