package measure

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"turnstile/central/office"
	"turnstile/simulator/device"
	"turnstile/simulator/site"
)

// passages is how many people walk through in the measure of the gate.
const passages = 40

// gate measures the last byte of a scan to the relay, through the real agent
// process over a pty paced as a wire at 115200 baud.
func (r *rig) gate(ctx context.Context) error {
	openings := make(chan time.Time, 1)
	lane := site.LaneSetup{Name: "Bench", Zone: 1, AutoWalk: 60 * time.Millisecond, Changed: onOpening(openings)}
	s, err := site.Start(ctx, site.Config{
		Programs: r.programs, Data: filepath.Join(r.folder, "gate"),
		Agents: []site.AgentSetup{{ID: "bench", Lanes: []site.LaneSetup{lane}}},
	})
	if err != nil {
		return err
	}
	return errors.Join(r.walk(ctx, s, openings), s.Close())
}

// onOpening sends the moment at which the relay goes on.
func onOpening(to chan<- time.Time) func(device.ControllerState) {
	seen := uint64(0)
	return func(c device.ControllerState) {
		if c.Openings > seen {
			seen = c.Openings
			to <- time.Now()
		}
	}
}

func (r *rig) walk(ctx context.Context, s *site.Site, openings <-chan time.Time) error {
	if err := allUp(ctx, s, 1); err != nil {
		return err
	}
	text, err := benchCode(ctx, s)
	if err != nil {
		return err
	}
	d, err := newDoor()
	if err != nil {
		return err
	}
	file, err := newFlat(filepath.Join(r.folder, "gate-flat"))
	if err != nil {
		return err
	}
	defer file.Close()
	bare, lane := d.bare(), s.Agents[0].Lanes[0]
	var ps, ls, ratios []float64
	for range passages {
		p, err := throughGate(ctx, lane, text, openings)
		if err != nil {
			return err
		}
		l, err := paced(ctx, 1, 100*time.Millisecond, func() error { return errors.Join(bare(), file.append()) })
		if err != nil {
			return err
		}
		ps, ls, ratios = append(ps, p), append(ls, l), append(ratios, p/l)
	}
	wire := float64((len(text) + len("]Q1\r\n")) * 10 * int(time.Second) / site.Baud)
	p := median(ps)
	r.rows = append(r.rows,
		Row{"last byte of a scan to the relay", "one Verify + one flush, paced alike", p, median(ls), "ns", median(ratios), 1.3},
		Row{"last byte of a scan to the relay", "the code's time on the wire", p, wire, "ns", p / wire, 0.05})
	kB, err := procField(fmt.Sprintf("/proc/%d/status", s.Agents[0].Process().PID()), "VmRSS: %d kB")
	r.absolute("memory of the agent's process", "MB", float64(kB)*1024/1e6, 25)
	return err
}

// benchCode issues an eCard code for the zone of the bench.
func benchCode(ctx context.Context, s *site.Site) (string, error) {
	p, err := s.API.Issue(ctx, office.OrderBody{Kind: "ecard", Holder: "bench", Day: site.Today(time.Now()), Zones: []int{1}, Start: "00:00", Length: "25h"})
	return p.Code, err
}

// throughGate scans a code and returns the nanoseconds from its last byte to the
// relay; then it waits until the person has walked.
func throughGate(ctx context.Context, l *site.Lane, text string, openings <-chan time.Time) (float64, error) {
	if err := l.Scanner.Scan(ctx, text); err != nil {
		return 0, err
	}
	sent := time.Now()
	select {
	case opened := <-openings:
		took := float64(opened.Sub(sent).Nanoseconds())
		return took, untilLocked(ctx, l.Controller)
	case <-time.After(5 * time.Second):
		return 0, fmt.Errorf("%w, or the gate did not open: %+v", errRefused, l.Controller.State())
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

func untilLocked(ctx context.Context, c *device.Controller) error {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for n := 0; n < 1000; n++ {
		if s := c.State(); s.Locked && s.Waiting == 0 {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return fmt.Errorf("the gate stays open: %+v", c.State())
}
