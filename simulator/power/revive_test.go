package power

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"turnstile/agent/daemon"
	"turnstile/agent/lane"
	"turnstile/central/pass"
	"turnstile/firmware-bridge/gate"
	"turnstile/firmware-bridge/gate/gatetest"
	"turnstile/firmware-bridge/scanner/scannertest"
)

// errRevive says that an agent did not go on as it should.
var errRevive = errors.New("the agent does not go on")

// newcomer is the index of a pass that nobody has shown in a recorded run.
const newcomer = 8000

// revive starts the agent in this process on a data folder that a power cut left:
// the gate stays shut until somebody comes; a pass that was used is refused; a new
// one is let in; and what is in the journal then is judged too.
func revive(folder string, c *campus, seen record, f found) (refused bool, err error) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var g *gatetest.Fake
	var s *scannertest.Fake
	var ended <-chan error
	err = unlocked(func() (err error) {
		g, s = gatetest.New(), scannertest.New()
		ended, err = run(ctx, folder, g, s)
		return err
	})
	if err != nil {
		return false, fmt.Errorf("%w: it did not start: %w", errRevive, err)
	}
	refused, number, err := newcomers(g, s, c, seen)
	cancel()
	if err := errors.Join(err, <-ended); err != nil {
		return refused, err
	}
	seen.Known = f.entries
	seen.Starts = append(slices.Clone(seen.Starts), start{})
	seen.Openings = append(slices.Clone(seen.Openings), opening{Pass: pass.ID{Day: c.day(), Index: newcomer}, Number: number, Walked: true, Start: len(seen.Starts) - 1})
	_, err = judge(folder, seen, filepath.Join(programs, "agent"))
	return refused, err
}

// run starts the agent, until ctx ends. It returns when its lane runs, or has ended.
func run(ctx context.Context, folder string, g *gatetest.Fake, s *scannertest.Fake) (<-chan error, error) {
	ready, ended := make(chan string, 1), make(chan error, 1)
	go func() {
		ended <- daemon.Run(ctx, daemon.Config{Data: folder, HTTP: "127.0.0.1:0", Clock: daemon.Clock{TrustSystem: true}, Lanes: []daemon.Lane{{Number: 1}}}, daemon.Options{
			Exe: filepath.Join(programs, "agent"), Notify: func(string) error { return nil }, Ready: func(http string) { ready <- http },
			Devices: func(daemon.Lane) (gate.Gate, []lane.Reader, error) {
				return g, []lane.Reader{{Name: "scanner", Scanner: s, Direction: gate.In}}, nil
			},
		})
	}()
	select {
	case <-ready:
		return ended, nil
	case err := <-ended:
		return nil, err
	}
}

// newcomers shows a used pass, if there is one, and a new one.
func newcomers(g *gatetest.Fake, s *scannertest.Fake, c *campus, seen record) (refused bool, number uint32, err error) {
	if err := shown(g, 0, gate.Idle); err != nil {
		return false, 0, err
	}
	if n := g.Openings(); n > 0 {
		return false, 0, fmt.Errorf("%w: the gate opened %d times, and nobody has come", errRevive, n)
	}
	for _, o := range slices.Backward(seen.Openings) {
		if !o.Walked {
			continue
		}
		before := len(g.Shown())
		if err := errors.Join(scanned(s, c.code(o.Pass)), shown(g, before, usedSignal)); err != nil {
			return false, 0, fmt.Errorf("used pass %d: %w", o.Pass.Index, err)
		}
		refused = true
		break
	}
	if n := g.Openings(); n > 0 {
		return refused, 0, fmt.Errorf("%w: the gate opened for a used pass", errRevive)
	}
	if err := scanned(s, c.code(pass.ID{Day: c.day(), Index: newcomer})); err != nil {
		return refused, 0, err
	}
	late := time.NewTimer(patience)
	defer late.Stop()
	select {
	case grant := <-g.Opened():
		g.Walk(gate.In)
		return refused, grant.Number, nil
	case <-late.C:
		return refused, 0, fmt.Errorf("%w: a new pass was not let in: %v", errRevive, g.Shown())
	}
}

// scanned shows a text to the scanner, as soon as that runs: the gate can be
// ready before it.
func scanned(s *scannertest.Fake, text string) error {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); !s.Scan(text); <-tick.C {
		if time.Now().After(end) {
			return fmt.Errorf("%w: its scanner does not run", errRevive)
		}
	}
	return nil
}

// shown waits until the gate shows a signal, from the n-th one on.
func shown(g *gatetest.Fake, n int, want gate.Signal) error {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); !slices.Contains(g.Shown()[n:], want); <-tick.C {
		if time.Now().After(end) {
			return fmt.Errorf("%w: the gate shows %v and never %v", errRevive, g.Shown()[n:], want)
		}
	}
	return nil
}
