package site

import (
	"net"
	"strconv"
	"sync"
	"testing"
)

// TestFreePorts: what is found can be listened on, is found once, also by many at a time,
// and is nothing that the kernel gives to whoever asks for any port.
func TestFreePorts(t *testing.T) {
	const callers, each = 8, 5
	low, high := givenAway()
	firsts := make([]int, callers)
	var wait sync.WaitGroup
	for i := range callers {
		wait.Go(func() {
			var err error
			if firsts[i], err = FreePorts(each); err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	seen := map[int]bool{}
	for _, first := range firsts {
		for port := first; port < first+each; port++ {
			if seen[port] || port < lowest || port >= low && port <= high {
				t.Errorf("port %d; the kernel gives away %d to %d", port, low, high)
			}
			seen[port] = true
			l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
		}
	}
	if len(seen) != callers*each {
		t.Errorf("%d ports, want %d", len(seen), callers*each)
	}
	if first, err := FreePorts(1 << 16); err == nil {
		t.Errorf("as many ports as there are, from %d on", first)
	}
}
