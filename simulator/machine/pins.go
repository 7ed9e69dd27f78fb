package machine

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"time"
)

// errPins wraps what QEMU's test socket refused.
var errPins = errors.New("QEMU's pins")

// Change is a level that a pin was driven to, as seen outside of the computer.
type Change struct {
	Pin  int
	High bool
	At   time.Time // the time here, not in the guest
}

// maxChanges bounds what Pins keeps. A guest that changes a pin more often is at
// fault, and the test sees only the first.
const maxChanges = 10_000

// Pins is the world around the GPIO controller (PL061, lines 0 to 7, of which 3
// is the power button). Its methods may be called from any goroutine.
type Pins struct {
	conn    net.Conn
	path    string      // of the controller in QEMU's tree
	asking  sync.Mutex  // held during a command
	answers chan string // to commands

	mu      sync.Mutex // guards the following
	changes []Change
	more    chan struct{} // closed and replaced with each change
}

// attachPins finds the controller and watches it: QEMU lets one be watched.
func (m *Machine) attachPins(ctx context.Context) (*Pins, error) {
	path, err := m.controller()
	if err != nil {
		return nil, err
	}
	conn, err := m.Dial(ctx, "qtest")
	if err != nil {
		return nil, err
	}
	p := &Pins{conn: conn, path: path, answers: make(chan string, 1), more: make(chan struct{})}
	m.wait.Go(p.read)
	if err := p.do("irq_intercept_out " + p.path); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return p, nil
}

// controller returns where the PL061 is in QEMU's tree. The one with the lowest
// number is the guest's; `virt` has another one behind it for the secure world.
func (m *Machine) controller() (string, error) {
	const folder = "/machine/unattached"
	var devices []struct{ Name, Type string }
	if err := m.qmp.do("qom-list", map[string]any{"path": folder}, &devices); err != nil {
		return "", err
	}
	var numbers []int
	for _, d := range devices {
		var n int
		if _, err := fmt.Sscanf(d.Name, "device[%d]", &n); err == nil && d.Type == "child<pl061>" {
			numbers = append(numbers, n)
		}
	}
	if len(numbers) == 0 {
		return "", fmt.Errorf("%w: this computer has no PL061; ARM64 and ARMHF have", errPins)
	}
	return fmt.Sprintf("%s/device[%d]", folder, slices.Min(numbers)), nil
}

// read takes what QEMU says: changes of pins, and answers.
func (p *Pins) read() {
	defer close(p.answers)
	for s := bufio.NewScanner(p.conn); s.Scan(); {
		var level string
		var pin int
		if n, _ := fmt.Sscanf(s.Text(), "IRQ %s %d", &level, &pin); n != 2 {
			p.answers <- s.Text()
			continue
		}
		p.mu.Lock()
		if len(p.changes) < maxChanges {
			p.changes = append(p.changes, Change{pin, level == "raise", time.Now()})
		}
		close(p.more)
		p.more = make(chan struct{})
		p.mu.Unlock()
	}
}

func (p *Pins) do(command string) error {
	p.asking.Lock()
	defer p.asking.Unlock()
	if _, err := fmt.Fprintln(p.conn, command); err != nil {
		return fmt.Errorf("%w: %w", errPins, err)
	}
	if answer := <-p.answers; !strings.HasPrefix(answer, "OK") {
		return fmt.Errorf("%w: %s: %q", errPins, command, answer)
	}
	return nil
}

// Set drives an input from outside.
func (p *Pins) Set(pin int, high bool) error {
	level := 0
	if high {
		level = 1
	}
	return p.do(fmt.Sprintf("set_irq_in %s unnamed-gpio-in %d %d", p.path, pin, level))
}

// Changes returns every change of an output since the start, in order.
func (p *Pins) Changes() []Change {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.changes)
}

// Expect waits until the pin is driven to that level, in the change numbered from
// or later, and returns that change's number.
func (p *Pins) Expect(ctx context.Context, from, pin int, high bool) (int, error) {
	for {
		p.mu.Lock()
		changes, more := p.changes, p.more
		p.mu.Unlock()
		for ; from < len(changes); from++ {
			if changes[from].Pin == pin && changes[from].High == high {
				return from, nil
			}
		}
		select {
		case <-more:
		case <-ctx.Done():
			return from, fmt.Errorf("%w: pin %d is not driven to high=%v: %w", errPins, pin, high, ctx.Err())
		}
	}
}
