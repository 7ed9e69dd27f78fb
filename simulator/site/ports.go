package site

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"strconv"
	"sync"
)

// ephemeral is where Linux says from where to where it gives ports away.
const ephemeral = "/proc/sys/net/ipv4/ip_local_port_range"

// lowest is the first port that is taken for a program: what is below has names.
const lowest = 15000

// triesForPorts is how many places are looked at.
const triesForPorts = 100

var errNoPorts = errors.New("no free ports")

// given are the ports that this process has found, whose programs may not listen yet.
var given = struct {
	sync.Mutex
	ports map[int]bool
}{ports: map[int]bool{}}

// FreePorts returns the first of n ports of 127.0.0.1 that follow each other and that
// nobody listens on. The kernel gives none of them away: a program that is ended and
// started again finds its port, whoever called or listened meanwhile.
func FreePorts(n int) (first int, err error) {
	low, high := givenAway()
	from, to := lowest, low
	if to-from < n {
		from, to = high+1, 1<<16
	}
	if to-from < n {
		return 0, fmt.Errorf("%w: the kernel gives away %d to %d", errNoPorts, low, high)
	}
	given.Lock()
	defer given.Unlock()
	for range triesForPorts {
		first = from + rand.IntN(to-from-n+1)
		if err = listenable(first, n); err == nil {
			for port := first; port < first+n; port++ {
				given.ports[port] = true
			}
			return first, nil
		}
	}
	return 0, fmt.Errorf("%w: %d behind each other: %w", errNoPorts, n, err)
}

// givenAway is the range of ports for who asks for any; what Linux begins with where
// that cannot be read.
func givenAway() (low, high int) {
	b, err := os.ReadFile(ephemeral)
	if err == nil {
		_, err = fmt.Sscan(string(b), &low, &high)
	}
	if err != nil {
		return 32768, 60999
	}
	return low, high
}

// listenable reports why one of n ports cannot be listened on. given is locked.
func listenable(first, n int) error {
	for port := first; port < first+n; port++ {
		if given.ports[port] {
			return fmt.Errorf("port %d is given away", port)
		}
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err != nil {
			return err
		}
		if err := l.Close(); err != nil {
			return err
		}
	}
	return nil
}
