package machine

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"
)

const patience = 10 * time.Second

func soon(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

func TestConsole(t *testing.T) {
	near, far := net.Pipe()
	ended := make(chan struct{})
	c := newConsole(ended)
	var log strings.Builder
	done := make(chan struct{})
	go func() { c.read(near, &log); close(done) }()
	fmt.Fprint(far, "first\r\nsecond word\r\n")
	if line, err := c.Expect(soon(t), 0, "word"); line != "second word" || err != nil {
		t.Errorf("%q, %v", line, err)
	}
	mark := c.Mark()
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Expect(over, mark, "first"); !errors.Is(err, ErrSilent) || !errors.Is(err, context.Canceled) {
		t.Errorf("what was there before the mark: %v", err)
	}
	later := make(chan error, 1)
	go func() { _, err := c.Expect(soon(t), mark, "third"); later <- err }()
	fmt.Fprint(far, "third\n")
	if err := <-later; err != nil {
		t.Error(err)
	}
	close(ended)
	if _, err := c.Expect(soon(t), c.Mark(), "fourth"); !errors.Is(err, ErrSilent) {
		t.Errorf("of a computer that is off: %v", err)
	}
	far.Close()
	<-done
	if c.Tail(1) != "third" || log.String() != "first\r\nsecond word\r\nthird\n" {
		t.Errorf("tail %q, log %q", c.Tail(1), log.String())
	}
}

// monitor plays QEMU's monitor: it answers each command with the next line.
func monitor(t *testing.T, answers ...string) net.Conn {
	near, far := net.Pipe()
	t.Cleanup(func() { near.Close(); far.Close() })
	go func() {
		fmt.Fprintln(far, answers[0])
		s := bufio.NewScanner(far)
		for _, a := range answers[1:] {
			if !s.Scan() {
				return
			}
			fmt.Fprintln(far, a)
		}
		far.Close()
	}()
	return near
}

func TestQMP(t *testing.T) {
	const greeting, done = `{"QMP":{"version":{}}}`, `{"return":{}}`
	q, err := newQMP(monitor(t, greeting, done, `{"event":"RESUME"}`+"\n"+`{"return":[{"name":"a","type":"b"}]}`, `{"error":{"class":"GenericError","desc":"no"}}`))
	if err != nil {
		t.Fatal(err)
	}
	var list []struct{ Name, Type string }
	if err := q.do("qom-list", map[string]any{"path": "/"}, &list); err != nil || len(list) != 1 || list[0].Name != "a" {
		t.Errorf("%v, %v", list, err)
	}
	if err := q.do("device_del", nil, nil); !errors.Is(err, ErrMonitor) {
		t.Errorf("refused: %v", err)
	}
	if err := q.do("quit", nil, nil); err == nil {
		t.Error("an answer from a monitor that is gone")
	}
	if _, err := newQMP(monitor(t, "{}")); !errors.Is(err, ErrMonitor) {
		t.Errorf("a greeting of somebody else: %v", err)
	}
}

func TestPins(t *testing.T) {
	near, far := net.Pipe()
	p := &Pins{conn: near, path: "/chip", answers: make(chan string, 1), more: make(chan struct{})}
	done := make(chan struct{})
	go func() { p.read(); close(done) }()
	asked := make(chan string, 2)
	go func() {
		s := bufio.NewScanner(far)
		for s.Scan() {
			asked <- s.Text()
			fmt.Fprint(far, "IRQ raise 1\nOK 0\nIRQ lower 1\n")
		}
	}()
	if err := p.Set(0, true); err != nil {
		t.Fatal(err)
	}
	if a := <-asked; a != "set_irq_in /chip unnamed-gpio-in 0 1" {
		t.Errorf("asked %q", a)
	}
	on, err := p.Expect(soon(t), 0, 1, true)
	if err != nil {
		t.Fatal(err)
	}
	off, err := p.Expect(soon(t), on, 1, false)
	if err != nil || off != on+1 || len(p.Changes()) != 2 {
		t.Errorf("on %d, off %d, %v, %v", on, off, p.Changes(), err)
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := p.Expect(over, 0, 2, true); !errors.Is(err, errPins) {
		t.Errorf("a pin that nobody drives: %v", err)
	}
	far.Close()
	<-done
	if err := p.Set(0, true); !errors.Is(err, errPins) {
		t.Errorf("a computer that is off: %v", err)
	}
}
