package replay

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"turnstile/agent/access"
	"turnstile/agent/cache"
	"turnstile/agent/daemon"
	"turnstile/agent/journal"
	"turnstile/agent/lane"
	"turnstile/agent/presence"
	"turnstile/central/link"
	"turnstile/central/pass"
	"turnstile/firmware-bridge/gate"
	"turnstile/firmware-bridge/gate/controller"
	"turnstile/firmware-bridge/scanner/line"
	"turnstile/firmware-bridge/serialport"
	"turnstile/simulator/device"
	"turnstile/simulator/harm"
	"turnstile/simulator/site"
)

const (
	// walk is how long a person takes here; then the lane is free for the next scan.
	walk = 200 * time.Millisecond
	// window is how long an opened lane waits for somebody who, as recorded, does not come.
	window = time.Second
	// settle bounds the wait for a lane to be done with a scan.
	settle = 5 * time.Second
	// quiet is how long a lane may take to say something to a scan, also to half a code
	// that half a second of silence ends; to some scans, such as the same text again, it
	// says nothing.
	quiet = time.Second
	tick  = 5 * time.Millisecond
	// startLimit bounds the start of the devices.
	startLimit = 30 * time.Second
)

// again is the lane controller that plays the day: the agent's packages, wired as the
// agent wires them, on virtual devices.
type again struct {
	folder  string
	ahead   atomic.Int64 // of its clock before the machine's, nanoseconds of whole seconds
	cache   *cache.Cache
	journal *journal.Journal
	record  *lane.Recorder
	lanes   map[uint8]*steel

	mu      sync.Mutex          // guards the following
	scan    map[uint8]int       // by lane: which of the day's scans it has before it
	then    *link.Entry         // what the journal has of the scan that was sent last
	decided map[int]*link.Entry // by scan
}

// steel is one lane with its devices.
type steel struct {
	*lane.Lane
	controller *device.Controller
	scanners   map[gate.Direction]*device.Scanner
	last       *Scan     // that was sent
	sent       time.Time // when, by the machine's clock
}

// play has all scans decided, and returns the decisions by scan.
func (d *day) play(ctx context.Context, o Options, folder string) (decided map[int]*link.Entry, err error) {
	a := &again{folder: folder, lanes: map[uint8]*steel{}, scan: map[uint8]int{}, decided: map[int]*link.Entry{}}
	a.at(d.from().Add(-time.Second))
	if err := d.open(a, o.Check); err != nil {
		return nil, errors.Join(err, a.close())
	}
	defer func() { err = errors.Join(err, a.close()) }()
	ctx, stop := context.WithCancel(ctx)
	var wait sync.WaitGroup
	defer wait.Wait()
	defer stop()
	wait.Go(func() { a.journal.Run(ctx) }) // ends with ctx
	for number, zone := range d.zones() {
		if err := d.start(ctx, a, number, zone, &wait); err != nil {
			return nil, err
		}
	}
	if err := d.send(ctx, o, a); err != nil {
		return nil, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.decided, nil
}

// at sets the clock.
func (a *again) at(t time.Time) { a.ahead.Store(int64(time.Until(t).Round(time.Second))) }

// now is the clock.
func (a *again) now() time.Time { return harm.Stepped(time.Now(), time.Duration(a.ahead.Load())) }

// open opens what the lanes know: the copy's keys, rules and lists, and of the day
// what was before.
func (d *day) open(a *again, check func(path string) error) (err error) {
	if err := copyFiles(d.folder, a.folder); err != nil {
		return fmt.Errorf("copy data folder: %w", err)
	}
	var r cache.Report
	if a.cache, r, err = cache.Open(filepath.Join(a.folder, cacheFile), cache.Options{Check: check}); err != nil {
		return err
	}
	if r.Lost != nil || r.New {
		return errors.Join(fmt.Errorf("%w: the copy has no usable %s: copy the whole folder", ErrNothing, cacheFile), r.Lost)
	}
	if r.GateLost != nil {
		return fmt.Errorf("%w: the gate keys of the copy cannot be read: %w", ErrNothing, r.GateLost)
	}
	if a.journal, _, err = journal.Open(filepath.Join(a.folder, "again"), journal.Options{}); err != nil {
		return err
	}
	known := presence.New()
	known.Own(a.journal.ID())
	if err := retell(a.journal, known, d.before); err != nil {
		return err
	}
	a.record = &lane.Recorder{Journal: a.journal, Presence: known, Facts: a.facts, Now: a.now, Start: time.Now(), Took: a.took}
	return nil
}

func (a *again) close() (err error) {
	if a.journal != nil {
		err = a.journal.Close()
	}
	if a.cache != nil {
		err = errors.Join(err, a.cache.Close())
	}
	return err
}

// retell writes passages into a journal that is new, in which they have other numbers.
func retell(j *journal.Journal, known *presence.Presence, before []link.Entry) error {
	numbers := map[uint64]uint64{}
	for _, e := range before {
		if e.Type != link.EntryGranted && numbers[e.Grant] == 0 {
			continue // no passage, or one whose begin the copy does not have
		}
		old := e.Seq
		e.Grant = numbers[e.Grant]
		seq, err := j.Append(e)
		if err != nil {
			return err
		}
		e.Seq, numbers[old] = seq, seq
		known.Apply(e)
	}
	return nil
}

// facts are what the lane knows: what the copy has, and of the feed's age and the
// clock what the journal says of the recorded decision.
func (a *again) facts() access.Facts {
	a.mu.Lock()
	then := a.then
	a.mu.Unlock()
	state, bound, age := link.ClockTrusted, time.Duration(0), time.Duration(0)
	if then != nil {
		state, bound, age = then.Clock, time.Duration(then.Bound)*time.Second, time.Duration(then.FeedAge)*time.Second
		if then.FeedAge == noAge {
			age = -time.Second
		}
	}
	f := daemon.FactsOf(a.cache.View(), a.now(), state, bound)
	f.Age = age
	return f
}

// noAge is an entry's word for a feed of which the lane did not know the age.
const noAge = 0xffffffff

// took hears of each entry.
func (a *again) took(e link.Entry) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if i, ok := a.scan[e.Lane]; ok && decision(&e) && a.decided[i] == nil {
		a.decided[i] = &e
	}
}

// Files of a lane controller's data folder that a lane decides by. What else stands
// there, such as the controller's own keys, is not copied.
const (
	cacheFile = "cache.bolt"
	gateFile  = "gatekeys"
)

// maxCopied bounds them, in bytes.
const maxCopied = 1 << 30

// copyFiles copies what a lane decides by; a copy without gate keys knows none.
func copyFiles(from, to string) error {
	if err := os.MkdirAll(to, 0o700); err != nil {
		return err
	}
	for _, name := range []string{cacheFile, gateFile} {
		info, err := os.Stat(filepath.Join(from, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil && (!info.Mode().IsRegular() || info.Size() > maxCopied) {
			err = fmt.Errorf("%w: %s is no file of at most %d bytes", ErrNothing, name, maxCopied)
		}
		if err != nil {
			return err
		}
		b, err := os.ReadFile(filepath.Join(from, name))
		if err == nil {
			err = os.WriteFile(filepath.Join(to, name), b, 0o600)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// start makes a lane and its devices; they end with ctx.
func (d *day) start(ctx context.Context, a *again, number, zone uint8, wait *sync.WaitGroup) error {
	s := &steel{scanners: map[gate.Direction]*device.Scanner{}}
	port := serialport.Config{Path: a.port(number, "gate"), Baud: site.Baud}
	s.controller = device.NewController(device.ControllerConfig{Link: port.Path})
	wait.Go(func() { s.controller.Run(ctx) }) // ends with ctx
	s.controller.State()                      // it is plugged in then
	g, err := controller.New(port)
	if err != nil {
		return err
	}
	setup := lane.Setup{Number: number, Zone: zone, Ref: d.ref(number), Gate: g, Window: window, Record: a.record, Log: slog.New(slog.DiscardHandler)}
	for _, way := range d.directions(number) {
		port := serialport.Config{Path: a.port(number, way.String()), Baud: site.Baud}
		scanner := device.NewScanner(port.Path, port.Baud)
		if err := scanner.Plug(); err != nil {
			return fmt.Errorf("plug scanner: %w", err)
		}
		wait.Go(func() { <-ctx.Done(); scanner.Unplug() })
		reader, err := line.New(port)
		if err != nil {
			return err
		}
		s.scanners[way] = scanner
		setup.Readers = append(setup.Readers, lane.Reader{Name: way.String(), Scanner: reader, Direction: way})
	}
	s.Lane = lane.New(setup)
	wait.Go(func() { s.Lane.Run(ctx) }) // its devices never fail for good
	a.lanes[number] = s
	if !until(ctx, startLimit, s.connected) {
		return errors.Join(fmt.Errorf("lane %d did not find its virtual devices", number), ctx.Err())
	}
	return nil
}

func (a *again) port(lane uint8, what string) string {
	return filepath.Join(a.folder, fmt.Sprintf("%d-%s", lane, what))
}

// ref is the lane's name in supervisor codes, which the copy's status file tells.
func (d *day) ref(number uint8) (r pass.LaneRef) {
	var s daemon.Status
	b, err := os.ReadFile(filepath.Join(d.folder, daemon.StatusFile))
	if err != nil || json.Unmarshal(b, &s) != nil {
		return r // no supervisor code is for it then
	}
	return pass.LaneRefOf(s.Site, s.Agent, number)
}

func (s *steel) connected() bool {
	now := s.Status()
	if !now.Gate.Connected {
		return false
	}
	for _, r := range now.Readers {
		if !r.Stats.Connected {
			return false
		}
	}
	return true
}

// idle reports that nobody is on the way, and nothing is being decided.
func (s *steel) idle() bool {
	state := s.Status().State
	return state == lane.Idle || state == lane.Refused
}

// send sends all scans, each at its time.
func (d *day) send(ctx context.Context, o Options, a *again) error {
	before := d.from()
	for i := range d.scans {
		s := &d.scans[i]
		l, gap := a.lanes[s.Scanner.Lane], s.At.Sub(before)
		rest(ctx, time.Duration(float64(gap)/o.Speed))
		until(ctx, min(gap, settle), l.idle)
		a.unlike(ctx, s, l)
		before = s.At
		if err := d.one(ctx, a, i); err != nil {
			return err
		}
		if o.Progress != nil {
			o.Progress(*s)
		}
	}
	for _, l := range a.lanes {
		until(ctx, settle, l.idle)
	}
	return ctx.Err()
}

// unlike waits until a lane does not take a text that it had before for the same
// passage, if it did not then: that is measured by the machine's clock.
func (a *again) unlike(ctx context.Context, s *Scan, l *steel) {
	r := a.cache.View().Rules
	if r == nil || l.last == nil || !bytes.Equal(l.last.raw, s.raw) {
		l.last, l.sent = s, time.Now()
		return
	}
	if repeat := time.Duration(r.RepeatMS)*time.Millisecond + quiet; s.At.Sub(l.last.At) > repeat {
		rest(ctx, repeat-time.Since(l.sent))
	}
	l.last, l.sent = s, time.Now()
}

// one sends one scan, and waits until the lane is done with it.
func (d *day) one(ctx context.Context, a *again, i int) error {
	s := &d.scans[i]
	l := a.lanes[s.Scanner.Lane]
	l.controller.SetAutoWalk(0)
	if s.walked {
		l.controller.SetAutoWalk(walk)
	}
	a.at(s.At)
	a.mu.Lock()
	a.scan[s.Scanner.Lane], a.then = i, s.then
	a.mu.Unlock()
	if err := l.scanners[s.Scanner.Direction].Burst(ctx, s.raw); err != nil {
		return err
	}
	limit := quiet
	if s.then != nil {
		limit = settle
	}
	until(ctx, limit, func() bool {
		a.mu.Lock()
		done := a.decided[i] != nil
		a.mu.Unlock()
		return done && l.Status().State != lane.Deciding && l.Status().State != lane.Opening
	})
	return ctx.Err()
}

// until waits until something is so, at most so long.
func until(ctx context.Context, limit time.Duration, is func() bool) bool {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for !is() {
		if !rest(ctx, tick) {
			return false
		}
	}
	return true
}

// rest waits, and reports whether ctx still goes on.
func rest(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
