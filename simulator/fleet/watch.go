package fleet

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Usage is what a process holds and has used.
type Usage struct {
	RSS   int64   `json:"rss"` // bytes
	PSS   int64   `json:"pss"` // bytes; shared pages count by their share
	CPU   float64 `json:"cpu"` // seconds since its start
	Files int     `json:"files"`
}

// usageOf reads what the kernel says about a process.
func usageOf(pid int) (u Usage, err error) {
	at := fmt.Sprintf("/proc/%d/", pid)
	rollup, err := os.ReadFile(at + "smaps_rollup")
	if err != nil {
		return u, fmt.Errorf("read memory of process %d: %w", pid, err)
	}
	for line := range strings.Lines(string(rollup)) {
		f := strings.Fields(line)
		if len(f) < 2 {
			continue
		}
		if to := map[string]*int64{"Rss:": &u.RSS, "Pss:": &u.PSS}[f[0]]; to != nil {
			kb, err := strconv.ParseInt(f[1], 10, 64)
			if err != nil {
				return u, fmt.Errorf("read memory of process %d: %w", pid, err)
			}
			*to = kb << 10
		}
	}
	stat, err := os.ReadFile(at + "stat")
	if err != nil {
		return u, fmt.Errorf("read time of process %d: %w", pid, err)
	}
	_, behind, _ := strings.Cut(string(stat), ") ") // the name may have blanks
	f := strings.Fields(behind)
	if len(f) < 13 {
		return u, fmt.Errorf("read time of process %d: %q", pid, stat)
	}
	for _, ticks := range f[11:13] { // of user and system, a hundredth of a second each
		n, _ := strconv.ParseFloat(ticks, 64)
		u.CPU += n / 100
	}
	files, err := os.ReadDir(at + "fd")
	u.Files = len(files)
	return u, err
}

// Sample is how things stood at one moment.
type Sample struct {
	At        float64 `json:"at"` // seconds since the lanes began
	Connected int     `json:"connected"`
	Central   Usage   `json:"central"`
	Broker    Usage   `json:"broker"` // a process of its own, or zero
	Lanes     Usage   `json:"lanes"`  // this process
}

// watch takes samples until it is stopped.
type watch struct {
	began     time.Time
	connected func() int
	pids      func() (central, broker int) // 0: there is none
	told      func(Sample)

	mu   sync.Mutex // guards the following
	list []Sample
}

// watchEvery is how often a sample is taken: reading the memory of a large process
// stops it for milliseconds.
const watchEvery = time.Second

func (w *watch) run(ctx context.Context) {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			w.look()
		}
	}
}

// look takes one sample. A process that is being started has nothing to tell.
func (w *watch) look() Sample {
	s := Sample{At: time.Since(w.began).Seconds(), Connected: w.connected()}
	central, broker := w.pids()
	s.Lanes, _ = usageOf(os.Getpid())
	if central != 0 {
		s.Central, _ = usageOf(central)
	}
	if broker != 0 {
		s.Broker, _ = usageOf(broker)
	}
	w.mu.Lock()
	w.list = append(w.list, s)
	w.mu.Unlock()
	w.told(s)
	return s
}

func (w *watch) samples() []Sample {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]Sample(nil), w.list...)
}

// Wire is what went over the connections of this process to the broker, with TLS,
// without the headers of TCP.
type Wire struct {
	Up   uint64 `json:"up"`   // bytes from the lanes
	Down uint64 `json:"down"` // bytes to them
}

// wire asks the kernel about each connection that stands to a port.
func wire(port int) (w Wire) {
	files, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return w
	}
	for _, f := range files {
		fd, err := strconv.Atoi(f.Name())
		if err != nil {
			continue
		}
		peer, err := unix.Getpeername(fd)
		if err != nil || portOf(peer) != port {
			continue
		}
		if t, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO); err == nil {
			w.Up, w.Down = w.Up+t.Bytes_acked, w.Down+t.Bytes_received
		}
	}
	return w
}

func portOf(a unix.Sockaddr) int {
	switch a := a.(type) {
	case *unix.SockaddrInet4:
		return a.Port
	case *unix.SockaddrInet6:
		return a.Port
	}
	return 0
}

func (w Wire) since(before Wire) Wire { return Wire{w.Up - before.Up, w.Down - before.Down} }
