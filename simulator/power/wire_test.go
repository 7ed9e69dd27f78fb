package power

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"turnstile/firmware-bridge/frame"
	"turnstile/firmware-bridge/gate"
	"turnstile/simulator/device"
)

// walkAfter is how soon a person walks once the gate is open.
const walkAfter = 20 * time.Millisecond

// turnstile is the gate's controller, which keeps its power, and the wire to it on
// which all is seen that the agent asks for.
type turnstile struct {
	*device.Controller
	ledger *ledger
	mark   func() int
	near   *os.File    // the controller's serial port
	heard  chan answer // what the agent asked for last
	stop   func() error

	mu     sync.Mutex // guards the following
	host   net.Conn   // the computer's serial port; nil while it is off
	signal int        // number of the last signal, -1 for none
	walks  bool       // the next person walks
}

// answer is what a person at the gate sees of a scan.
type answer struct {
	open   uint32      // number that the gate is asked to open for, 0 if it is not
	signal gate.Signal // if it does not open
}

func newTurnstile(t *testing.T, l *ledger, mark func() int) *turnstile {
	t.Helper()
	link := filepath.Join(room(t), "gate")
	v := &turnstile{Controller: device.NewController(device.ControllerConfig{Link: link, AutoWalk: walkAfter}), ledger: l, mark: mark,
		heard: make(chan answer, 64), signal: -1, walks: true}
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	all.Go(func() {
		if err := v.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	v.State() // it is plugged in then
	var err error
	if v.near, err = os.OpenFile(link, os.O_RDWR, 0); err != nil {
		t.Fatal(err)
	}
	all.Go(v.toHost)
	t.Cleanup(func() {
		v.near.Close()
		cancel()
		all.Wait()
	})
	return v
}

// toHost carries what the controller says to the computer; to nobody while that is off.
func (v *turnstile) toHost() {
	b := make([]byte, 512)
	for {
		n, err := v.near.Read(b)
		if err != nil {
			return
		}
		v.mu.Lock()
		host := v.host
		v.mu.Unlock()
		if host != nil {
			host.Write(b[:n]) // a computer that is going off hears nothing
		}
	}
}

// connect plugs the computer in and carries what it says, until disconnect.
func (v *turnstile) connect(host net.Conn) (wait func()) {
	v.mu.Lock()
	v.host, v.signal = host, -1
	v.mu.Unlock()
	done := make(chan struct{})
	go func() {
		defer close(done)
		var d frame.Decoder
		b := make([]byte, 512)
		for {
			n, err := host.Read(b)
			if err != nil {
				return
			}
			d.Feed(b[:n], v.see)
			v.near.Write(b[:n])
		}
	}()
	return func() {
		v.mu.Lock()
		v.host = nil
		v.mu.Unlock()
		host.Close()
		<-done
	}
}

// see looks at a frame before the controller gets it.
func (v *turnstile) see(f frame.Frame) {
	m, err := frame.Read(f)
	if err != nil {
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	switch m := m.(type) {
	case frame.Open:
		if v.ledger.opened(m.Number, v.walks, v.mark()) {
			v.tell(answer{open: m.Number})
		}
	case frame.Signal:
		fresh := v.signal != int(m.Number)
		v.signal = int(m.Number)
		switch s := gate.Signal(m.Pattern); {
		case fresh && (s == gate.Denied || s == gate.Guard || s == gate.Again || s == gate.Closed || s == gate.OutOfOrder):
			v.tell(answer{signal: s})
		}
	}
}

// tell passes an answer on; one that nobody waits for is as good as none.
func (v *turnstile) tell(a answer) {
	select {
	case v.heard <- a:
	default:
	}
}

// walking says whether the next person walks.
func (v *turnstile) walking(on bool) {
	v.mu.Lock()
	v.walks = on
	v.mu.Unlock()
	after := walkAfter
	if !on {
		after = 0
	}
	v.SetAutoWalk(after)
}

// forget drops answers that came before.
func (v *turnstile) forget() {
	for {
		select {
		case <-v.heard:
		default:
			return
		}
	}
}

// usedSignal is what the gate shows for a pass that is used up.
const usedSignal = gate.Guard

// errSilent says that a scan had no answer.
var errSilent = errors.New("the lane does not answer")

// await waits for the next answer.
func (v *turnstile) await(ctx context.Context, limit time.Duration) (answer, error) {
	late := time.NewTimer(limit)
	defer late.Stop()
	select {
	case a := <-v.heard:
		if a.open == 0 && a.signal == usedSignal {
			v.ledger.refused(v.mark())
		}
		return a, nil
	case <-late.C:
		return answer{}, fmt.Errorf("%w within %v", errSilent, limit)
	case <-ctx.Done():
		return answer{}, ctx.Err()
	}
}
