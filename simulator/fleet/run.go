package fleet

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"sync"
	"syscall"
	"time"

	"turnstile/central/database"
	"turnstile/central/pass"
	"turnstile/central/server"
	"turnstile/simulator/site"
)

// Options say what to run. The zero value of a field takes the default.
type Options struct {
	Lanes     int
	Seed      uint64        // of who comes to which lane when
	Programs  string        // folder of the programs agent, central and simulator
	Folder    string        // to keep everything in; "": one that is removed
	Mosquitto string        // path of a mosquitto to use in place of central's own broker
	Heads     time.Duration // between central's heads; 0: 10 s
	For       time.Duration // how long the rush hour is played; 0: 30 s
	Rounds    int           // of revocations; 0: 5
	Entries   int           // that each lane has behind it when it sends all at once; 0: 60
	Only      []string      // of storm, revoke and ingest; none: all
	NoBare    bool          // without the bare broker beside
	Progress  io.Writer     // nil: nobody looks
	// Checking is told of each step before its invariants are checked; nil: nobody is.
	Checking func(step string, s *site.Site)
}

// parts are what can be run alone.
var parts = []string{"storm", "revoke", "ingest"}

// What a run can end in, beside its context's error.
var (
	ErrPart   = errors.New("no such part: want storm, revoke or ingest")
	ErrFiles  = errors.New("too few files may be open at once")
	ErrFormat = errors.New("the report is of another version of this program")
)

func (o Options) filled() Options {
	o.Lanes, o.Rounds, o.Entries = max(o.Lanes, 1), or(o.Rounds, 5), or(o.Entries, 60)
	o.Heads, o.For = or(o.Heads, 10*time.Second), or(o.For, 30*time.Second)
	if len(o.Only) == 0 {
		o.Only = parts
	}
	if o.Progress == nil {
		o.Progress = io.Discard
	}
	if o.Checking == nil {
		o.Checking = func(string, *site.Site) {}
	}
	return o
}

func or[T comparable](value, otherwise T) T {
	var zero T
	if value == zero {
		return otherwise
	}
	return value
}

// run is a fleet at work.
type run struct {
	Options
	report *Report
	bar    *bar
	events *events
	random *rand.Rand

	site   *site.Site
	db     *database.DB // central's, beside it
	lanes  lanes
	acked  tally // of entries
	watch  *watch
	shared sync.WaitGroup

	revoked []pass.ID
}

// Run plays the fleet and returns what was measured. A *Violation is a promise that
// was broken; the report then holds what was measured before.
func Run(ctx context.Context, o Options) (*Report, error) {
	o = o.filled()
	for _, p := range o.Only {
		if p != "storm" && p != "revoke" && p != "ingest" {
			return nil, fmt.Errorf("%w: %q", ErrPart, p)
		}
	}
	if err := allowFiles(o.Lanes); err != nil {
		return nil, err
	}
	if o.Folder == "" {
		folder, err := os.MkdirTemp(".", ".fleet-") // here and not in /tmp, which may be memory
		if err != nil {
			return nil, fmt.Errorf("make folder: %w", err)
		}
		defer os.RemoveAll(folder)
		o.Folder = folder
	}
	var err error
	if o.Folder, err = filepath.Abs(o.Folder); err != nil {
		return nil, fmt.Errorf("find folder: %w", err)
	}
	r := &run{Options: o, bar: &bar{out: o.Progress}, events: &events{}, random: rand.New(rand.NewPCG(o.Seed, 6))}
	r.report = newReport(o)
	if !o.NoBare {
		if err := r.bare(ctx); err != nil {
			return r.report, fmt.Errorf("bare broker: %w", err)
		}
	}
	err = r.product(ctx)
	r.bar.end()
	var v *Violation
	if errors.As(err, &v) {
		r.report.Violation = v
	}
	return r.report, err
}

// spare is how many files a process opens beside its connections.
const spare = 300

// allowFiles lets this process, and those that it starts, open a file for each lane.
func allowFiles(lanes int) error {
	want := uint64(lanes + spare)
	var now syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &now); err != nil {
		return fmt.Errorf("read limit of open files: %w", err)
	}
	next := syscall.Rlimit{Cur: max(now.Cur, min(want, now.Max)), Max: now.Max}
	if want > now.Max {
		next = syscall.Rlimit{Cur: want, Max: want} // root may
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &next); err != nil {
		return fmt.Errorf("%w: %d lanes need %d, the limit is %d; raise it as root with \"ulimit -Hn %d\", or take --lanes %d", ErrFiles, lanes, want, now.Max, want, int64(now.Max)-spare)
	}
	return nil
}

// product runs central with all lanes.
func (r *run) product(ctx context.Context) (err error) {
	r.bar.begin("start central", 0)
	r.site, err = site.Start(ctx, site.Config{Programs: r.Programs, Data: filepath.Join(r.Folder, "site"), Mosquitto: r.Mosquitto, Heads: r.Heads})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.close()) }()
	if err := r.enrol(ctx); err != nil {
		return err
	}
	debug.FreeOSMemory()
	looking, stop := context.WithCancel(ctx)
	r.watch = &watch{began: time.Now(), connected: r.lanes.connected, pids: r.pids, told: r.bar.sample}
	before := r.watch.look()
	r.shared.Go(func() { r.watch.run(looking) }) // ends with looking
	defer r.shared.Wait()
	defer stop()
	err = r.steps(ctx, before)
	r.report.Samples = r.watch.samples()
	return err
}

// steps does what was asked for, and checks after each.
func (r *run) steps(ctx context.Context, before Sample) error {
	if err := r.connect(ctx); err != nil {
		return err
	}
	r.settle(ctx, before)
	for _, p := range r.Only {
		var err error
		switch p {
		case "storm":
			err = r.restart(ctx)
		case "revoke":
			err = r.revoke(ctx)
		case "ingest":
			err = errors.Join(r.rush(ctx), r.backlog(ctx))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (r *run) close() error {
	r.bar.begin("stop", 0)
	r.lanes.stop()
	var err error
	if r.db != nil {
		err = r.db.Close()
	}
	r.site.Central().Kill() // the lanes are gone; what it stored is what was checked
	if b := r.site.Broker(); b != nil {
		b.Kill()
	}
	return err
}

func (r *run) pids() (central, broker int) {
	if b := r.site.Broker(); b != nil {
		broker = b.PID()
	}
	return r.site.Central().PID(), broker
}

// enrol makes the lanes and starts central anew, which then knows them.
func (r *run) enrol(ctx context.Context) error {
	r.bar.begin("enrol", r.Options.Lanes)
	e := &Enrolment{Site: r.site, Prefix: "lane-", Told: r.bar.set}
	if err := errors.Join(r.site.Central().Stop(), e.Enrol(ctx, r.Options.Lanes), r.site.StartCentral()); err != nil {
		return err
	}
	conf, err := server.Load(filepath.Join(r.site.Data(), "central", "central.yaml"))
	if err != nil {
		return err
	}
	if r.db, err = conf.OpenDatabase(ctx); err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(r.events, &slog.HandlerOptions{Level: slog.LevelWarn}))
	q := make(queue, atOnce)
	for _, i := range e.Lanes {
		i.Broker = "ssl://" + r.site.BrokerAddr()
		r.lanes.list = append(r.lanes.list, newLight(i, q, log, r.acked.add))
	}
	return nil
}

// settle notes what a connected lane costs at both ends.
func (r *run) settle(ctx context.Context, before Sample) {
	wait(ctx, settled(r.Options.Lanes))
	runtime.GC()
	debug.FreeOSMemory()
	r.report.Memory = memoryOf(before, r.watch.look(), r.Options.Lanes)
}

// settled is when reports and gate keys are where they belong, after the last lane.
func settled(lanes int) time.Duration { return time.Second + time.Duration(lanes)*time.Millisecond }

func wait(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// port is the broker's.
func portIn(addr string) int {
	_, text, err := net.SplitHostPort(addr)
	if err != nil {
		return 0
	}
	n, _ := strconv.Atoi(text) // of an address that was listened on
	return n
}

// patience is how long a step may take; the last of ten thousand lanes comes late.
func (r *run) patience() time.Duration {
	return 2*time.Minute + time.Duration(r.Options.Lanes)*20*time.Millisecond
}

// until polls until count is what is wanted.
func (r *run) until(ctx context.Context, what string, want int, count func() (int, error)) error {
	r.bar.begin(what, want)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	over := time.NewTimer(r.patience())
	defer over.Stop()
	for {
		n, err := count()
		if err != nil {
			return err
		}
		r.bar.set(n)
		if n >= want {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		case <-over.C:
			return r.broken(what, fmt.Sprintf("only %d of %d within %v", n, want, r.patience()))
		}
	}
}
