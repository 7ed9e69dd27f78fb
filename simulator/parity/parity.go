// Package parity decides a simulated day twice, once with a fresh feed and once
// with the network cut, and explains each difference by the stated policy.
//
// Two lane controllers, made of the agent's own packages, see the same people
// at the same moments. Central's own packages sign what they are told. In the
// evening the network of one of them is cut, for more than 24 hours. From then
// on a decision may differ only where the freshness policy says so (kind of
// pass, form, age of the feed), where the office changed the pass after the
// cut, where the lane's clock is in holdover, or where one of these has left
// the two with different memories of a pass. Everything else is a defect.
package parity

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"time"

	"turnstile/central/link"
	"turnstile/central/pass"
	"turnstile/central/status"
)

// Options of a run.
type Options struct {
	Seed   uint64
	Passes int    // 0: 10,000
	Folder string // for the files; "": a temporary one
	// Stated is the policy that differences are explained by; nil: the one that
	// the lanes have, link.DefaultPolicies.
	Stated []link.KindPolicy
}

// hoursOff is how long the network is gone when the day ends.
const hoursOff = 26 * time.Hour

// headEvery is what heads promise, and fresh after how long the lane with a
// network hears from central at the latest: FORMAT.md calls a feed of less than
// two minutes fresh.
const (
	headEvery = time.Minute
	fresh     = 100 * time.Second
)

// day is one run.
type day struct {
	Options
	clock           *clock
	office          *office
	online, offline *controller
	crowd           *crowd
	judge           *judge
	heard           time.Time // when the last head came
	today           pass.Day
	report          Report
}

// Run plays one day. The error says that it could not be played; whether the
// decisions agree is in the report.
func Run(ctx context.Context, o Options) (*Report, error) {
	if o.Passes == 0 {
		o.Passes = 10000
	}
	if o.Folder == "" {
		folder, err := os.MkdirTemp(quick(), "turnstile-parity-")
		if err != nil {
			return nil, fmt.Errorf("make data folder: %w", err)
		}
		defer os.RemoveAll(folder)
		o.Folder = folder
	}
	began := time.Now()
	d := &day{Options: o, clock: &clock{}}
	if err := d.open(ctx); err != nil {
		return nil, err
	}
	err := d.play(ctx)
	if err := errors.Join(err, d.close()); err != nil {
		return nil, err
	}
	d.finish(began)
	return &d.report, nil
}

// quick is a folder in memory where there is one: the campaign is about
// decisions, and each of its 40,000 entries would wait for a disk.
func quick() string {
	if info, err := os.Stat("/dev/shm"); err == nil && info.IsDir() {
		return "/dev/shm"
	}
	return ""
}

// Rules are those of the simulated campus: three zones with soft, hard and no
// anti-passback, the last with opening hours.
func Rules() link.Rules {
	r := status.DefaultRules()
	r.RepeatMS, r.TestPass = 0, false
	r.Zones = []link.Zone{
		{ID: 0, Name: "Main", Passback: link.PassbackSoft},
		{ID: hardZone, Name: "Library", Passback: link.PassbackHard},
		{ID: 2, Name: "Laboratories", Hours: []link.Hours{{Weekdays: 127, Open: 7 * 60, Close: 21 * 60}}},
	}
	return r
}

// hardZone is the one with hard anti-passback.
const hardZone = 1

// cut is when the network goes: a Friday, 20:00 on the campus.
var cut = time.Date(2026, 11, 20, 20, 0, 0, 0, campus)

func (d *day) open(ctx context.Context) error {
	d.clock.set(cut.Add(-2 * time.Hour))
	var err error
	if d.online, err = newController("online", d.clock); err != nil {
		return err
	}
	if d.offline, err = newController("offline", d.clock); err != nil {
		return err
	}
	var lanes []status.Lane
	for _, c := range []*controller{d.online, d.offline} {
		lanes = append(lanes, status.Lane{ID: c.id, SealKey: c.seal.PublicKey(), Enrolled: cut.Add(-24 * time.Hour)})
	}
	if d.office, err = openOffice(ctx, d.Folder, d.clock, Rules(), lanes); err != nil {
		return err
	}
	for _, c := range []*controller{d.online, d.offline} {
		if err := os.MkdirAll(filepath.Join(d.Folder, c.id), 0o700); err != nil {
			return fmt.Errorf("make data folder: %w", err)
		}
		if err := c.open(ctx, d.Folder, d.office.keys.Root()); err != nil {
			return err
		}
	}
	if d.Stated == nil {
		d.Stated = link.DefaultPolicies()
	}
	d.judge = newJudge(d.Stated, cut)
	d.today = d.office.feed.Today()
	d.crowd = &crowd{Rand: rand.New(rand.NewPCG(d.Seed, 0)), office: d.office, cut: cut, evening: d.today, day: d.today + 1}
	d.office.take() // said before anybody listened; Online says it again
	return d.head(ctx)
}

func (d *day) close() error {
	return errors.Join(d.online.close(), d.offline.close(), d.office.close())
}

// play issues the passes and goes through the visits and changes in time order.
func (d *day) play(ctx context.Context) error {
	if err := d.crowd.gather(ctx, d.Passes); err != nil {
		return err
	}
	steps := d.steps()
	for _, s := range steps {
		if s.at.Sub(cut) > hoursOff {
			break
		}
		if err := d.advance(ctx, s.at); err != nil {
			return err
		}
		if err := s.do(ctx); err != nil {
			return fmt.Errorf("at %s: %w", s.at.In(campus).Format(time.DateTime), err)
		}
	}
	return nil
}

// step is one thing that happens.
type step struct {
	at time.Time
	do func(context.Context) error
}

// steps are all changes and visits, ordered; of one moment the changes first.
func (d *day) steps() []step {
	var steps []step
	for _, h := range d.crowd.holders {
		for _, ch := range h.changes {
			steps = append(steps, step{ch.at, func(ctx context.Context) error { return d.change(ctx, h, ch) }})
		}
	}
	for _, v := range d.crowd.visits {
		steps = append(steps, step{v.at, func(ctx context.Context) error { return d.visit(ctx, v) }})
	}
	slices.SortStableFunc(steps, func(a, b step) int { return a.at.Compare(b.at) })
	return steps
}

// advance brings the clock to t; the network goes at the cut, and whoever is
// connected hears from central often enough.
func (d *day) advance(ctx context.Context, t time.Time) error {
	if !d.offline.offline.Load() && !t.Before(cut) {
		d.clock.set(cut)
		if err := d.head(ctx); err != nil {
			return err
		}
		d.offline.offline.Store(true)
	}
	d.clock.set(t)
	if today := d.office.feed.Today(); today != d.today {
		d.today = today
		if err := d.office.turn(ctx); err != nil {
			return err
		}
		d.heard = time.Time{}
	}
	if t.Sub(d.heard) < fresh {
		return nil
	}
	return d.head(ctx)
}

// head has central say everything that it keeps for lanes, and a new head.
func (d *day) head(ctx context.Context) error {
	if err := d.office.feed.Online(ctx); err != nil {
		return err
	}
	d.heard = d.clock.Now()
	return d.hear()
}

func (d *day) hear() error {
	said := d.office.take()
	return errors.Join(d.online.hear(said), d.offline.hear(said))
}

func (d *day) change(ctx context.Context, h *holder, ch change) error {
	if err := d.office.set(ctx, h.row.ID(), ch.to); err != nil {
		return err
	}
	d.report.Changes++
	return d.hear()
}

// visit has both lanes decide.
func (d *day) visit(ctx context.Context, v *visit) error {
	text, err := d.crowd.text(v)
	if err != nil {
		return err
	}
	on, err := d.online.scan(ctx, v, text)
	if err != nil {
		return err
	}
	off, err := d.offline.scan(ctx, v, text)
	if err != nil {
		return err
	}
	d.report.Scans++
	d.report.count(on.reason, off.reason)
	if v.at.Before(cut) {
		return nil
	}
	if why := d.judge.compare(v, on, off); why != "" {
		d.report.unexplained(v, why)
	}
	return nil
}

// finish completes the report.
func (d *day) finish(began time.Time) {
	r := &d.report
	r.Seed, r.Passes, r.Took = d.Seed, d.Passes, time.Since(began).Round(time.Millisecond).String()
	r.Granted = [2]uint64{d.online.grants, d.offline.grants}
	for _, c := range []*controller{d.online, d.offline} {
		for _, s := range c.lanes {
			r.Opened += s.gate.opened.Load()
		}
	}
	for _, c := range d.judge.cells {
		r.Cells = append(r.Cells, *c)
	}
	r.sum()
}
