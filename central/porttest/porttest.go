// Package porttest gives tests TCP ports that stay theirs.
//
// A port that was free a moment ago, or at which something has just stopped, may be
// given to another test or program in the next one. Here a socket that listens to
// nobody keeps it: whoever asks for any free port is given another, who connects is
// refused, and who asks for this one by its number may listen there, as often as the
// test likes.
package porttest

import (
	"net"
	"strconv"
	"syscall"
	"testing"
)

// Keep returns a port of 127.0.0.1 that is the test's until it ends.
func Keep(t testing.TB) (port int) {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Close(fd) })
	// With this option two may be bound to a port as long as one at most listens.
	if err := syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	bound, err := syscall.Getsockname(fd)
	at, ok := bound.(*syscall.SockaddrInet4)
	if err != nil || !ok {
		t.Fatal(bound, err)
	}
	return at.Port
}

// Listen listens at a port that is the test's until it ends.
func Listen(t testing.TB) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(Keep(t)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}
