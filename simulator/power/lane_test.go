package power

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"syscall"
	"testing"
	"time"

	"turnstile/agent/daemon"
	agentlane "turnstile/agent/lane"
	"turnstile/central/pass"
	"turnstile/simulator/machine"
	"turnstile/simulator/machine/guest"
)

// controller is a lane controller's computer with its disk and its gate. One goroutine
// uses it at a time.
type controller struct {
	*campus
	disk   *plugged
	ledger *ledger
	gate   *turnstile
	rand   *rand.Rand
	log    string // file of the console
	mark   func() int

	computer *machine.Machine
	scanner  net.Conn
	unplug   func() // takes the gate's wire off
	pid      int    // of the agent
}

// newController makes a lane whose computer is off.
func newController(t *testing.T, r *rand.Rand, history bool, log string) *controller {
	t.Helper()
	l := &controller{campus: newCampus(), ledger: &ledger{}, rand: r, log: log, mark: func() int { return 0 }}
	d, err := plugDisk(image(t, l.memory(t, r, history)))
	if err != nil {
		t.Fatal(err)
	}
	l.disk = d
	l.gate = newTurnstile(t, l.ledger, func() int { return l.mark() })
	t.Cleanup(func() {
		if err := errors.Join(l.off(), d.unplug()); err != nil {
			t.Error(err)
		}
	})
	return l
}

// on gives the computer power. Nothing has looked at its disk yet.
func (l *controller) on(ctx context.Context) error {
	m, err := machine.Start(ctx, computer(l.disk.socket, l.log))
	if err != nil {
		return err
	}
	l.computer = m
	if l.scanner, err = m.Dial(ctx, "scanner"); err != nil {
		return err
	}
	wire, err := m.Dial(ctx, "gate")
	if err != nil {
		return err
	}
	l.unplug = l.gate.connect(wire)
	return m.SetClock(time.Now())
}

// off takes the computer's power, however it is; its disk is not asked.
func (l *controller) off() error {
	if l.computer == nil {
		return nil
	}
	return l.detach(l.computer.Close())
}

// detach takes the wires off a computer that is closed; err is how that went.
func (l *controller) detach(err error) error {
	if l.scanner != nil {
		l.scanner.Close() // its other side is gone
	}
	if l.unplug != nil {
		l.unplug()
	}
	l.computer, l.scanner, l.unplug = nil, nil, nil
	return err
}

// mount attaches the disk.
func (l *controller) mount() error {
	return l.computer.Mount(guest.Mount{Device: "/dev/vda", Kind: "ext4", At: diskFolder})
}

// start starts the agent and waits until its devices answer.
func (l *controller) start(ctx context.Context) error {
	l.ledger.began(l.mark())
	pid, err := l.computer.Start(guest.Command{Args: []string{"/bin/agent", "run"}})
	if err != nil {
		return err
	}
	l.pid = pid
	err = l.until(ctx, "gate and scanner answer", func(s daemon.Status) bool {
		return s.Lanes[0].State == agentlane.Idle.String() && s.Lanes[0].Scanners[0].Connected // a gate that is found is not ready yet
	})
	if err == nil {
		l.ledger.ready(l.mark())
		l.gate.forget()
	}
	return err
}

// stop ends the agent as its supervisor does.
func (l *controller) stop() error {
	if err := l.computer.Kill(guest.Signal{PID: l.pid, Number: int(syscall.SIGTERM)}); err != nil {
		return err
	}
	r, err := l.computer.Wait(patience, l.pid)
	if err == nil && r.Code != 0 {
		err = fmt.Errorf("the agent ended with code %d", r.Code)
	}
	return err
}

var errAgent = errors.New("the agent has ended by itself")

// until asks the agent for its status until ok.
func (l *controller) until(ctx context.Context, what string, ok func(daemon.Status) bool) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	over := time.NewTimer(patience)
	defer over.Stop()
	for {
		answer, err := l.computer.Get("http://127.0.0.1:8090/status")
		var s daemon.Status
		if err == nil {
			if err := json.Unmarshal(answer, &s); err != nil || len(s.Lanes) != 1 || len(s.Lanes[0].Scanners) != 1 {
				return fmt.Errorf("decode status %s: %w", answer, err)
			}
			if ok(s) {
				return nil
			}
		}
		if found, err := l.computer.List(fmt.Sprintf("/proc/%d/maps", l.pid)); err != nil || len(found) == 0 {
			return errors.Join(errAgent, err)
		}
		select {
		case <-tick.C:
		case <-over.C:
			return fmt.Errorf("waited %v in vain: %s: %+v", patience, what, s.Lanes)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// show shows a pass to the scanner and waits for the answer; may says that the
// gate may open for it.
func (l *controller) show(ctx context.Context, id pass.ID, may bool, limit time.Duration) (answer, error) {
	l.gate.forget()
	l.ledger.ask(id, may)
	if _, err := io.WriteString(l.scanner, l.code(id)+"\r\n"); err != nil {
		return answer{}, err
	}
	return l.gate.await(ctx, limit)
}

// errClosed says that a lane that works let nobody in.
var errClosed = errors.New("a new pass was not let in")

// visit lets a new person in; one in eight does not walk.
func (l *controller) visit(ctx context.Context) error {
	walks := l.rand.IntN(8) > 0
	l.gate.walking(walks)
	defer l.gate.walking(true)
	id, _ := l.pass()
	a, err := l.show(ctx, id, true, patience)
	if err != nil {
		return err
	}
	if a.open == 0 {
		return fmt.Errorf("%w: pass %d: %v", errClosed, id.Index, a.signal)
	}
	return l.over(ctx, a.open)
}

// over waits until the passage with this number is over for the gate, and the
// agent has heard of it.
func (l *controller) over(ctx context.Context, number uint32) error {
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for {
		if s := l.gate.State(); s.LastGrant == number && s.Grant == 0 && s.Waiting == 0 {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// again shows a pass that was used before; the gate must not open.
func (l *controller) again(ctx context.Context, id pass.ID) error {
	a, err := l.show(ctx, id, false, patience)
	if err == nil && a.open == 0 && a.signal != usedSignal {
		err = fmt.Errorf("%w: used pass %d: %v", errClosed, id.Index, a.signal)
	}
	return err
}

// used returns a pass that somebody walked with, the n-th last one; those whose
// result was cut off count as used as well.
func (l *controller) used(n int) (pass.ID, bool) {
	all := l.ledger.at(never).Openings
	for i := len(all) - 1; i >= 0; i-- {
		if all[i].Walked {
			if n--; n < 0 {
				return all[i].Pass, true
			}
		}
	}
	return pass.ID{}, false
}
