package fault

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"
)

// echo serves on loopback until the test ends.
func echo(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { io.Copy(c, c); c.Close() }()
		}
	}()
	return l.Addr().String()
}

// ask sends a word over the link and returns what came back.
func ask(l *Link, word string) (net.Conn, string) {
	c, err := net.Dial("tcp", l.Addr())
	if err != nil {
		return nil, ""
	}
	c.Write([]byte(word))
	b := make([]byte, len(word))
	n, _ := io.ReadFull(c, b)
	return c, string(b[:n])
}

func TestLinkCutAndJoined(t *testing.T) {
	l, err := NewLink(echo(t))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- l.Run(ctx) }()
	c, got := ask(l, "open")
	if got != "open" {
		t.Fatalf("came back: %q", got)
	}
	l.Cut()
	if n, err := c.Read(make([]byte, 1)); err == nil {
		t.Errorf("a cut connection gave %d bytes", n)
	}
	if _, got := ask(l, "shut"); got != "" || !l.IsCut() {
		t.Errorf("came through a cut link: %q", got)
	}
	l.Join()
	if _, got := ask(l, "again"); got != "again" {
		t.Errorf("after joining: %q", got)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// TestLinkHeldAndSlow holds a piece back, delivers it, and delays the next.
func TestLinkHeldAndSlow(t *testing.T) {
	l, err := NewLink(echo(t))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- l.Run(ctx) }()
	c, got := ask(l, "first")
	if got != "first" {
		t.Fatalf("came back: %q", got)
	}
	l.Hold(true)
	c.Write([]byte("held"))
	c.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	if n, err := c.Read(make([]byte, 8)); n > 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a held link gave %d bytes, %v", n, err)
	}
	l.Hold(false)
	c.SetReadDeadline(time.Now().Add(30 * time.Second))
	b := make([]byte, 4)
	if _, err := io.ReadFull(c, b); err != nil || string(b) != "held" {
		t.Errorf("after the hold came %q, %v", b, err)
	}
	l.Slow(30 * time.Millisecond)
	began := time.Now()
	c.Write([]byte("slow"))
	if _, err := io.ReadFull(c, b); err != nil || string(b) != "slow" || time.Since(began) < 60*time.Millisecond {
		t.Errorf("over a slow link came %q, %v", b, err)
	}
	l.Hold(true)
	c.Write([]byte("left behind"))
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
