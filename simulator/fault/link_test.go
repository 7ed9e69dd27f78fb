package fault

import (
	"context"
	"io"
	"net"
	"testing"
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
