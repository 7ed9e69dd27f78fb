// Package daemon is the agent as one call: Config says what there is, Load reads it, Run runs it until its context ends.
//
// It wires and does nothing else: the decision is in access, the lane in lane,
// what must not be lost in journal, what central said in feed and cache.
//
// Start: cache (checked by a child process), journal, presence (checkpoint and
// the entries behind it), an entry for the start and one for each grant that a
// crash cut off, pages, lanes, session with central. Nothing waits for the
// network: with a feed from before, the lanes open gates; without one they
// refuse (NoFeed) and say so.
//
// Stop, within 30 s as the systemd unit allows: the lanes take no scan any more
// and finish the passage under way (window and grace, 18 s at most); then the
// session, the pages and the housekeeping end (5 s); then the checkpoint, the
// journal and the cache are closed.
package daemon

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"

	"turnstile/agent/access"
	"turnstile/agent/cache"
	"turnstile/agent/display"
	"turnstile/agent/enrol"
	"turnstile/agent/health"
	"turnstile/agent/journal"
	"turnstile/agent/lane"
	"turnstile/agent/neighbours"
	"turnstile/agent/presence"
	"turnstile/agent/wallclock"
	"turnstile/central/link"
	"turnstile/central/pass"
	"turnstile/firmware-bridge/gate"
)

// Options are what differs between the program, the simulator and a test.
type Options struct {
	Version string                   // stands in the status and in reports to central
	Log     *slog.Logger             // nil: thrown away
	Now     func() time.Time         // the lane's clock, which may lie; nil: time.Now
	Ticks   func() wallclock.Ticks   // the monotonic clock beside it, where the time is played; nil: the kernel's
	Exe     string                   // program whose "check-db FILE" checks the cache; "": it is opened unchecked
	Devices Devices                  // nil: Hardware without GPIO
	Ready   func(http string)        // called once, when pages and lanes run; http is their address
	Notify  func(state string) error // nil: sd_notify
}

func (o Options) withDefaults() Options {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Devices == nil {
		o.Devices = Hardware(nil, errNoGPIO, o.Log)
	}
	if o.Notify == nil {
		o.Notify = func(state string) error {
			_, err := daemon.SdNotify(false, state)
			return err
		}
	}
	return o
}

// agent is a running agent. All of it is set before Run starts anything.
type agent struct {
	config  Config
	o       Options
	log     *slog.Logger
	started time.Time

	warnings   *health.Set
	cache      *cache.Cache
	journal    *journal.Journal
	presence   *presence.Presence
	keeper     keeper
	record     *lane.Recorder
	central    *central
	neighbours *neighbours.Neighbours
	lanes      []*lane.Lane
	board      *display.Board
	listener   net.Listener
	address    string // of the pages

	// Owned by run, then by housekeep.
	booted bool         // the journal has this start
	cutOff []link.Entry // grants of an earlier start without a result
	begun  error        // why begin has not succeeded yet; nil: it has

	countMu  sync.Mutex // guards the following
	counted  *link.State
	refusals uint32
}

// Run runs the agent until ctx ends; then it stops in order and returns nil. An
// error says why it could not start, or which part of it failed for good.
func Run(ctx context.Context, c Config, o Options) error {
	o = o.withDefaults()
	a := &agent{config: c, o: o, log: o.Log, started: time.Now(), board: display.NewBoard(), warnings: health.New(o.Now)}
	err := a.open(ctx)
	if err == nil {
		err = a.run(ctx)
	} else if ctx.Err() != nil {
		err = nil // it was stopped while it waited for its disk
	}
	return errors.Join(err, a.close())
}

// open opens everything that is on the disk, and takes the pages' address.
func (a *agent) open(ctx context.Context) error {
	if err := os.MkdirAll(a.config.Data, 0o700); err != nil {
		return fmt.Errorf("make data folder: %w", err)
	}
	id, err := enrol.Load(a.config.Data)
	if err != nil {
		return err
	}
	l, err := listen(a.config.HTTP)
	if err != nil {
		return err
	}
	a.listener, a.address = l, "http://"+l.Addr().String()
	floor, err := a.openJournal(ctx)
	if err != nil {
		return err
	}
	if err := a.openCache(floor); err != nil {
		return err
	}
	p, from, gaps, err := restore(a.cache, a.journal, a.log)
	if err != nil {
		return err
	}
	if gaps > 0 {
		a.warnings.Raise(health.JournalDamaged, "", fmt.Sprintf("%d stretches of entries cannot be read; see *.bad in %s", gaps, a.config.Data))
	}
	a.presence, a.keeper = p, keeper{cache: a.cache, journal: a.journal, presence: p, at: from, written: a.started}
	a.central = newCentral(a, id, floor)
	a.journal.AgeBy(a.central.campus)
	if err := a.openNeighbours(id, from > 0); err != nil {
		return err
	}
	a.central.connect()
	a.keeper.others = a.neighbours
	a.record = &lane.Recorder{Journal: a.journal, Presence: p, Facts: a.facts, Now: a.o.Now, Start: a.started, Took: a.neighbours.Took}
	warmUp()
	return a.makeLanes()
}

// warmUp checks one signature for nobody: the first check of a process makes
// tables and touches pages, which the first person at the gate would wait for.
func warmUp() {
	ed25519.Verify(make([]byte, ed25519.PublicKeySize), nil, make([]byte, ed25519.SignatureSize))
}

// openJournal opens the journal and returns its newest floor.
func (a *agent) openJournal(ctx context.Context) (*link.Floor, error) {
	j, r, err := a.openOrWait(ctx)
	if err != nil {
		return nil, err
	}
	a.journal = j
	a.log.Info("journal opened", "id", fmt.Sprintf("%x", j.ID()), "boot", j.Boot(), "last", j.Last(), "acked", j.Acked(), "torn_bytes", r.Torn)
	if r.Torn > 0 {
		a.warnings.Raise(health.JournalTorn, "", fmt.Sprintf("%d bytes were cut from its end", r.Torn))
	}
	if r.Lost != nil {
		a.log.Error("journal is damaged and was set aside; a new one has begun", "as", r.SetAside, "older_removed", r.Removed, "err", r.Lost)
		a.warnings.Raise(health.JournalDamaged, "", fmt.Sprintf("%s: %v", r.SetAside, r.Lost))
	}
	if r.Damaged > 0 {
		a.warnings.Raise(health.JournalDamaged, "", fmt.Sprintf("%d files named *.bad in %s", r.Damaged, a.config.Data))
	}
	return r.Floor, nil
}

// openCache opens the cache after a child process has found it sound. One that is
// behind the journal's floor is set aside.
func (a *agent) openCache(floor *link.Floor) error {
	o := cache.Options{Now: a.o.Now, Floor: floor}
	if a.o.Exe != "" {
		o.Check = func(path string) error { return cache.CheckInChild(a.o.Exe, path) }
	}
	c, r, err := cache.Open(filepath.Join(a.config.Data, cacheFile), o)
	if err != nil {
		return err
	}
	a.cache = c
	if r.Lost != nil {
		a.log.Error("cache cannot be used and was set aside; it is filled again from central", "as", r.SetAside, "err", r.Lost)
		a.warnings.Raise(health.CacheDamaged, "", fmt.Sprintf("%s: %v", r.SetAside, r.Lost))
	}
	if r.GateLost != nil {
		a.log.Error("gate keys cannot be read; central sends them again", "err", r.GateLost)
		a.warnings.Raise(health.GateKeysLost, "", r.GateLost.Error())
	}
	return nil
}

// facts are what a decision needs, as of now.
func (a *agent) facts() access.Facts {
	now := a.o.Now()
	return FactsAt(a.cache.View(), now, a.central.wall.Read(now))
}

func (a *agent) makeLanes() error {
	for _, c := range a.config.Lanes {
		g, readers, err := a.o.Devices(c)
		if err != nil {
			return err
		}
		l := lane.New(lane.Setup{
			Number: uint8(c.Number), Name: c.Name, Zone: uint8(c.Zone), Ref: pass.LaneRefOf(a.central.id.Site, a.central.id.Lane, uint8(c.Number)),
			Gate: g, Readers: readers, Others: a.neighbours,
			Pulse: time.Duration(c.Gate.Pulse), Window: time.Duration(c.Gate.Window),
			Record: a.record, Log: a.log, Changed: func(s lane.Status) { a.board.Set(display.ViewOf(s)) },
		})
		a.board.Set(display.ViewOf(l.Status()))
		a.lanes = append(a.lanes, l)
	}
	return nil
}

// run starts all parts, waits for the end of ctx or of a part that must not
// end, and stops them in order.
func (a *agent) run(ctx context.Context) error {
	a.cutOff = a.presence.Unresolved()
	if n := len(a.cutOff); n > 0 {
		a.log.Warn("passages were cut off by the last stop; they count as unknown", "passages", n)
	}
	a.begun = a.begin()
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	back, stopBack := context.WithCancel(context.WithoutCancel(ctx))
	defer stopBack()
	var lanes, rest sync.WaitGroup
	for name, run := range map[string]func(context.Context) error{
		"journal": a.journal.Run, "session with central": a.central.uplink.Run, "pages": a.serve,
		"housekeeping": a.housekeep, "exchange with neighbours": a.neighbours.Run, "certificate": a.central.renewal().Run,
	} {
		rest.Go(func() {
			if err := run(back); err != nil && back.Err() == nil {
				stop(fmt.Errorf("run %s: %w", name, err))
			}
		})
	}
	for i, l := range a.lanes {
		lanes.Go(func() {
			if err := l.Run(ctx); err != nil {
				a.log.Error("lane ended with a device that cannot work", "lane", a.config.Lanes[i].Number, "err", err)
			}
		})
	}
	a.running()
	<-ctx.Done()
	a.notify(daemon.SdNotifyStopping)
	lanes.Wait()
	stopBack()
	rest.Wait()
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) && !errors.Is(cause, context.DeadlineExceeded) {
		return cause
	}
	return nil
}

// begin writes the entries with which each start begins. A journal that takes
// none, because it is full or its disk is, must not end the agent: only the
// session with central can make room. The lanes refuse, and begin is tried again.
func (a *agent) begin() error {
	if !a.booted {
		if _, err := a.record.Record(link.Entry{Type: link.EntryBoot}); err != nil {
			return fmt.Errorf("write the first entry: %w", err)
		}
		a.booted = true
	}
	left, err := a.record.Recover(a.cutOff)
	a.cutOff = left
	return err
}

// running tells whoever waits that all parts run.
func (a *agent) running() {
	a.notify(daemon.SdNotifyReady)
	a.log.Info("agent runs", "pages", a.address, "lanes", len(a.lanes), "version", a.o.Version)
	if a.o.Ready != nil {
		a.o.Ready(a.address)
	}
}

// notify tells systemd; without systemd there is nobody to tell.
func (a *agent) notify(state string) {
	if err := a.o.Notify(state); err != nil {
		a.log.Warn("systemd was not told", "state", state, "err", err)
	}
}

// serve answers on the pages' address until ctx ends.
func (a *agent) serve(ctx context.Context) error {
	p := &pages{board: a.board, status: a.status, check: a.check}
	s := server(ctx, p.handler())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(a.listener) }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*time.Second)
	defer cancel()
	if err := s.Shutdown(grace); err != nil {
		s.Close()
	}
	<-ended
	return nil
}

// check is what /check answers.
func (a *agent) check(text []byte, number uint8) (CheckResult, bool) {
	for _, l := range a.config.Lanes {
		if int(number) == l.Number || number == 0 {
			past := func(id pass.ID) access.Past { return a.presence.Of(id, uint8(l.Zone), gate.In) }
			return Explain(text, a.facts(), uint8(l.Number), uint8(l.Zone), past, a.o.Now()), true
		}
	}
	return CheckResult{}, false
}

// close writes the checkpoint and closes what open opened, in its reverse order.
func (a *agent) close() error {
	var errs []error
	if a.neighbours != nil {
		errs = append(errs, a.keeper.write(time.Now()))
	}
	if a.cache != nil {
		errs = append(errs, a.cache.Close())
	}
	if a.journal != nil {
		errs = append(errs, a.journal.Close())
	}
	if a.listener != nil {
		a.listener.Close() // serve has closed it already, if it ran
	}
	return errors.Join(errs...)
}
