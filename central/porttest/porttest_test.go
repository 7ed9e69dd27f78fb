package porttest

import (
	"errors"
	"net"
	"strconv"
	"syscall"
	"testing"
)

// TestKeep: at a port that is kept somebody listens, stops and listens again; between
// and after that nobody answers there.
func TestKeep(t *testing.T) {
	at := "127.0.0.1:" + strconv.Itoa(Keep(t))
	for range 3 {
		if c, err := net.Dial("tcp", at); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Fatal(c, err)
		}
		l, err := net.Listen("tcp", at)
		if err != nil {
			t.Fatal(err)
		}
		c, err := net.Dial("tcp", at)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(c.Close(), l.Close()); err != nil {
			t.Error(err)
		}
	}
}

// TestNobodyElse: who asks for any port does not get one that is kept, of which there
// are enough to be met with by chance.
func TestNobodyElse(t *testing.T) {
	kept := map[int]bool{}
	for range 300 {
		kept[Keep(t)] = true
	}
	if len(kept) != 300 {
		t.Errorf("%d ports", len(kept))
	}
	for range 3000 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		if port := l.Addr().(*net.TCPAddr).Port; kept[port] {
			t.Errorf("%d was given to somebody else", port)
		}
		l.Close()
	}
}
