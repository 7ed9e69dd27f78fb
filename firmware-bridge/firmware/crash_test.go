package firmware

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"syscall"
	"testing"
	"time"

	"turnstile/firmware-bridge/firmware/board"
	"turnstile/firmware-bridge/frame"
	"turnstile/firmware-bridge/gate"
	"turnstile/firmware-bridge/gate/controller"
	"turnstile/firmware-bridge/gate/gatetest"
	"turnstile/firmware-bridge/serialport"
)

// hostVariable names a serial port for which this program is a host that opens
// the gate and then waits to be killed.
const hostVariable = "TURNSTILE_FIRMWARE_TEST_HOST"

func TestMain(m *testing.M) {
	if link := os.Getenv(hostVariable); link != "" {
		fmt.Fprintln(os.Stderr, beHost(link))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// beHost opens the gate for as long as it goes, says so, and runs on.
func beHost(link string) error {
	g, err := controller.New(serialport.Config{Path: link, Baud: 115200})
	if err != nil {
		return err
	}
	go func() {
		for e := range g.Events() {
			if e.Kind != gate.Found {
				continue
			}
			err := g.Open(context.Background(), gate.Grant{Number: 1, Direction: gate.In, Pulse: gate.MaxPulse, Window: gate.MaxWindow})
			if errors.Is(err, gate.ErrUnsure) { // on a busy machine; the relay tells
				err = nil
			}
			fmt.Println(err)
		}
	}()
	return g.Run(context.Background())
}

// startHost starts a host process and returns it once it has opened the gate.
func startHost(t *testing.T, b *board.Board) *os.Process {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), hostVariable+"="+b.Link())
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "<nil>\n" {
		t.Fatalf("the host could not open: %q %v", line, err)
	}
	return cmd.Process
}

// A host that is killed while the relay is on leaves a closed gate: the pulse
// ends by itself, and where the relay holds the gate open, the silence ends it.
func TestKilledHost(t *testing.T) {
	t.Parallel()
	for _, potential := range []bool{false, true} {
		t.Run(fmt.Sprint("potential=", potential), func(t *testing.T) {
			t.Parallel()
			b := power(t, board.Product, board.Config{Exact: true, Potential: potential}) // else a busy machine loses ticks of its silence, and none of its window
			host := startHost(t, b)
			on := b.Await(t, board.RelayIn, 1)
			if err := host.Signal(syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			killed := time.Now()
			if !b.High(board.RelayIn) {
				t.Fatal("the relay was off before the host was killed: nothing is proven")
			}
			off := b.Await(t, board.RelayIn, 2)
			t.Logf("relay off %v after it went on, %v after the kill", off.At.Sub(on.At).Round(time.Millisecond), off.At.Sub(killed).Round(time.Millisecond))
			if open := off.At.Sub(on.At); open > gate.MaxWindow-3*time.Second {
				t.Errorf("off after %v: the window ended it, not the silence", open)
			}
			if b.High(board.RelayIn) || b.Raises(board.RelayIn) != 1 {
				t.Error("the relay went on again")
			}
			h := connect(t, b)
			h.say(frame.Lock{}) // or the window would go on for this host
			if e := h.told(); e.Kind != frame.NotPassed || e.Grant != 1 {
				t.Errorf("the next host is told %+v", e)
			}
		})
	}
}

// told returns the next event, but for faults: this process moves the lock, and a busy
// machine is late with it.
func (h *host) told() frame.Event {
	h.t.Helper()
	e := must(h, anyOf[frame.Event])
	for e.Kind == frame.Fault {
		h.say(frame.Seen{Event: e.Number})
		e = must(h, func(next frame.Event) bool { return next.Number != e.Number })
	}
	return e
}

// A main loop that hangs or faults while the relay is on: the timer ends the
// pulse all the same, the watchdog's warning or the fault's handler ends what the
// timer would not end soon, and the watchdog starts anew.
func TestBrokenMainLoop(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		image     string
		potential bool
	}{{board.Hang, false}, {board.Hang, true}, {board.Fault, false}, {board.Fault, true}} {
		t.Run(fmt.Sprintf("%s,potential=%v", c.image, c.potential), func(t *testing.T) {
			t.Parallel()
			b := power(t, c.image, board.Config{Potential: c.potential})
			h := connect(t, b)
			boot := b.Boot()
			h.say(frame.Open{Number: 1, Direction: 1, Pulse: 200, Window: 15000})
			on, off := b.Await(t, board.RelayIn, 1), b.Await(t, board.RelayIn, 2)
			if b.Boot() != boot {
				t.Error("it restarted before the relay was off")
			}
			gatetest.Until(t, "the watchdog has restarted it", func() bool { return b.Boot() != boot })
			t.Logf("relay on for %v, restarted %v after it went on", off.At.Sub(on.At).Round(time.Millisecond), time.Since(on.At).Round(time.Millisecond))
			if b.High(board.RelayIn) || b.Raises(board.RelayIn) != 1 {
				t.Error("the relay went on again")
			}
			if w := h.greet(); w.LastGrant != 0 {
				t.Errorf("after the restart: %+v", w)
			}
		})
	}
}

// The end of a pulse is the timer's interrupt and nothing else: it comes with a main loop that hangs, without a
// watchdog and without the cap.
func TestTimerAlone(t *testing.T) {
	t.Parallel()
	for _, potential := range []bool{false, true} {
		b := power(t, board.Alone, board.Config{Potential: potential})
		h := connect(t, b)
		h.say(frame.Open{Number: 1, Direction: 2, Pulse: 200, Window: 1000})
		b.Await(t, board.RelayOut, 1)
		b.Await(t, board.RelayOut, 2)
		if w := h.greet(); w.LastGrant != 1 {
			t.Errorf("it restarted: %+v", w)
		}
	}
}

// When the timer that ends a pulse fails, the cap ends it.
func TestCap(t *testing.T) {
	t.Parallel()
	b := power(t, board.DeafTimer, board.Config{})
	h := connect(t, b)
	if code := h.open(frame.Open{Number: 1, Direction: 1, Pulse: 200, Window: 15000}); code != frame.Opened {
		t.Fatal(code)
	}
	on, off := b.Await(t, board.RelayIn, 1), b.Await(t, board.RelayIn, 2)
	length := off.At.Sub(on.At)
	t.Logf("asked for 200 ms, on for %v", length.Round(time.Millisecond))
	if length < 500*time.Millisecond || length > 10*time.Second {
		t.Errorf("on for %v: that was not the cap", length)
	}
}

// Garbage, cut frames and flipped bits open nothing and are counted as the host
// counts them; a flood does not keep the relay on.
func TestGarbage(t *testing.T) {
	t.Parallel()
	b := power(t, board.Product, board.Config{})
	h := connect(t, b)
	random := rand.New(rand.NewPCG(5, 3))
	var mirror frame.Decoder
	unfit := 0
	for range 150 {
		mess := spoil(random)
		mirror.Feed(mess, func(f frame.Frame) {
			if m, err := frame.Read(f); err != nil || f.Type&0x80 != 0 {
				unfit++
			} else if _, opens := m.(frame.Open); opens {
				t.Fatalf("% x holds a good OPEN: choose another seed", mess)
			}
		})
		h.raw(mess)
		h.say(frame.Beat{})
		mirror.Feed([]byte{0}, func(frame.Frame) {})
		bad, _ := mirror.Garbled()
		want := int(bad) + unfit
		if s := must(h, func(s frame.State) bool { return int(s.Garbled) >= want }); int(s.Garbled) != want {
			t.Fatalf("after % x it counts %d frames dropped, want %d", mess, s.Garbled, want)
		}
	}
	if bad, _ := mirror.Garbled(); bad < 100 || unfit < 5 {
		t.Errorf("only %d and %d bad frames tried", bad, unfit)
	}
	if n := b.Raises(board.RelayIn) + b.Raises(board.RelayOut); n != 0 {
		t.Fatalf("garbage opened the gate %d times", n)
	}
	if code := h.open(frame.Open{Number: 1, Direction: 1, Pulse: 200, Window: 1000}); code != frame.Opened {
		t.Fatal(code)
	}
	for range 30 { // more than a line of 115200 baud carries in the two seconds of silence
		h.raw(slices.Repeat([]byte{0xA5}, 1000))
	}
	h.raw([]byte{0})
	b.Await(t, board.RelayIn, 2)
	if w := h.greet(); w.LastGrant != 1 {
		t.Errorf("after the flood: %+v", w)
	}
}

// spoil returns at most 200 bytes that are no good OPEN.
func spoil(random *rand.Rand) []byte {
	good := frame.Encode(nil, uint8(random.Uint32()), frame.Open{Number: 9, Direction: 1, Pulse: 1000, Window: 5000})
	switch random.IntN(5) {
	case 0: // half a frame
		return good[:2+random.IntN(len(good)-4)]
	case 1: // a flipped bit
		good[1+random.IntN(len(good)-2)] ^= 1 << random.IntN(8)
		return good
	case 2: // what a controller says, or a type of the future
		return frame.Append(nil, frame.Frame{Type: frame.Type(0x0A + random.IntN(0xF0)), Body: good[1:5]})
	case 3: // a byte lost
		at := 1 + random.IntN(len(good)-2)
		return slices.Delete(good, at, at+1)
	}
	noise := make([]byte, random.IntN(200))
	for i := range noise {
		noise[i] = byte(random.Uint32())
	}
	return noise
}
