package power

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"turnstile/simulator/machine/disk"
)

const (
	// statesOfRun is how many states are made of one recorded run.
	statesOfRun = 1000
	// workers is how many states are judged at a time.
	workers = 2
	// interesting is the share of states that are taken where a write is in the
	// disk's cache; the others lie anywhere.
	interesting = 0.8
	// revivals: an agent is started on one state in so many.
	revivals = 4
	// liars is how many states of a run are judged as if flushes had been ignored.
	liars = 8
)

// TestStates records a life of the agent once and judges a great many states
// that a power cut in it could have left.
func TestStates(t *testing.T) {
	began := time.Now()
	for run := 0; run*statesOfRun < *states; run++ {
		r := newRecording(t, run)
		r.judgeAll(min(statesOfRun, *states-run*statesOfRun))
		r.liar()
	}
	total.add("states", func(n *tally) { n.Seed, n.Seconds = *seed, time.Since(began).Seconds() })
	n := total.of("states")
	t.Log(n)
	if n.Cuts != *states || n.Lost+n.Twice+n.Spoilt > 0 {
		t.Errorf("%d of %d states; lost %d, twice %d, spoilt %d", n.Cuts, *states, n.Lost, n.Twice, n.Spoilt)
	}
	if *states >= 50 && (n.Unflushed*2 < n.Cuts || n.Torn == 0 || n.Openings < n.Cuts || n.Results == 0 || n.Revived < n.Cuts/revivals/2 || n.UsedRefused == 0) {
		t.Errorf("these states have nothing of interest: %s", n)
	}
}

// recording is one run with all that was written to its disk.
type recording struct {
	t      *testing.T
	run    int
	log    *disk.Log
	campus *campus
	ledger *ledger
}

// newRecording lets people come to a lane on a recording disk. Every second lane
// has a journal whose first segment is nearly full.
func newRecording(t *testing.T, run int) *recording {
	t.Helper()
	draw := rand.New(rand.NewPCG(*seed, 1<<63|uint64(run)))
	l := newController(t, draw, run%2 == 0, filepath.Join(results, fmt.Sprintf("states-%d.log", run)))
	log := l.disk.Record()
	l.mark = log.Len
	ctx, cancel := context.WithTimeout(t.Context(), 4*patience)
	defer cancel()
	if err := l.record(ctx); err != nil {
		t.Fatalf("record run %d: %v", run, err)
	}
	if err := l.off(); err != nil {
		t.Fatal(err)
	}
	total.add("states", func(n *tally) { n.Runs++ })
	return &recording{t, run, log, l.campus, l.ledger}
}

// record is a life without a power cut: enough people to fill a segment, and
// an agent that is stopped and started three times.
func (l *controller) record(ctx context.Context) error {
	if err := errors.Join(l.on(ctx), l.mount()); err != nil {
		return err
	}
	for range 3 {
		if err := l.start(ctx); err != nil {
			return err
		}
		for range 16 {
			if err := l.visit(ctx); err != nil {
				return err
			}
		}
		if id, ok := l.used(l.rand.IntN(8)); ok {
			if err := l.again(ctx, id); err != nil {
				return err
			}
		}
		if err := l.stop(); err != nil {
			return err
		}
	}
	return nil
}

// state is a disk that a power cut could have left.
type state struct {
	number, at int // at: operations that were done
	image      []byte
	loss       disk.Loss
}

// moments draws where the cuts fall, in order.
func (r *recording) moments(draw *rand.Rand, n int) []int {
	var unflushed []int
	p := r.log.Replay(false)
	for at := range r.log.Len() + 1 {
		p.To(at)
		if p.Unflushed() > 0 {
			unflushed = append(unflushed, at)
		}
	}
	var all []int
	for range n {
		at := draw.IntN(r.log.Len() + 1)
		if draw.Float64() < interesting && len(unflushed) > 0 {
			at = unflushed[draw.IntN(len(unflushed))]
		}
		all = append(all, at)
	}
	slices.Sort(all)
	return all
}

// draw is the random source of one purpose in this run.
func (r *recording) draw(purpose uint64) *rand.Rand {
	return rand.New(rand.NewPCG(*seed, 1<<62|uint64(r.run)<<32|purpose))
}

// judgeAll judges n states.
func (r *recording) judgeAll(n int) {
	r.t.Helper()
	made := make(chan state)
	var all sync.WaitGroup
	for range workers {
		all.Go(func() {
			for s := range made {
				if err := r.judge(s); err != nil {
					path := filepath.Join(results, fmt.Sprintf("states-seed%d-run%d-at%d-number%d.img", *seed, r.run, s.at, s.number))
					r.t.Errorf("state %d after %d of %d operations, %+v: %v\n%s", s.number, s.at, r.log.Len(), s.loss, err, keep(r.t, path, s.image, r.ledger.at(s.at)))
				}
			}
		})
	}
	p := r.log.Replay(false)
	for i, at := range r.moments(r.draw(0), n) {
		p.To(at)
		image, loss := p.State(r.draw(1 + uint64(i)))
		made <- state{i, at, image, loss}
	}
	close(made)
	all.Wait()
}

// judge judges one state and, for one in a few, starts an agent on it.
func (r *recording) judge(s state) error {
	folder, err := os.MkdirTemp(scratch, "state-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	seen := r.ledger.at(s.at)
	f, err := judgeImage(s.image, seen, folder)
	total.add("states", func(n *tally) { n.cut(s.loss); n.AtStart += one(!seen.isReady()); n.verdict(f, seen, err) })
	if err != nil || s.number%revivals > 0 {
		return err
	}
	refused, err := revive(filepath.Join(folder, dataName), r.campus, seen, f)
	total.add("states", func(n *tally) {
		n.Revived += one(err == nil)
		n.UsedRefused += one(refused)
		n.Spoilt += one(err != nil)
	})
	return err
}

// judgeImage takes the data folder out of a disk, below scratch, and judges it.
func judgeImage(image []byte, seen record, scratch string) (found, error) {
	folder, healed, err := extract(image, scratch)
	if err != nil {
		return found{}, err
	}
	f, err := judge(folder, seen, filepath.Join(programs, "agent"))
	f.healed = healed
	return f, err
}

// liar judges states of the same run on a disk that ignored flushes: the harness
// must find them out.
func (r *recording) liar() {
	r.t.Helper()
	draw := r.draw(1 << 31)
	caught, first := 0, ""
	p := r.log.Replay(true)
	for i := range liars {
		at := r.log.Len() * (liars + i) / (2 * liars) // in the second half: there is something to lose
		p.To(at)
		image, _ := p.State(draw)
		if _, err := judgeImage(image, r.ledger.at(at), room(r.t)); err != nil {
			caught, first = caught+1, strings.SplitN(err.Error(), "\n", 2)[0]
		}
	}
	r.t.Logf("a disk that ignored flushes was found out in %d of %d states; the last: %s", caught, liars, first)
	if caught < liars/2 {
		r.t.Errorf("a disk that ignored flushes was found out in %d of %d states", caught, liars)
	}
}
