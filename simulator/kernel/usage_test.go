package kernel

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// usage is what the agent has used since its start.
type usage struct {
	reads int           // system calls that read
	busy  time.Duration // of the processor, in steps of 10 ms
}

// ticks are the units of processor time in /proc: USER_HZ, the same everywhere.
const ticks = 10 * time.Millisecond

// usage asks the guest's kernel.
func (l *lane) usage() (u usage) {
	l.t.Helper()
	io, err := l.Read(fmt.Sprintf("/proc/%d/io", l.pid))
	if err != nil {
		l.t.Fatal(err)
	}
	for line := range strings.Lines(string(io)) {
		if n, found := strings.CutPrefix(line, "syscr: "); found {
			if u.reads, err = strconv.Atoi(strings.TrimSpace(n)); err != nil {
				l.t.Fatal(err)
			}
		}
	}
	stat, err := l.Read(fmt.Sprintf("/proc/%d/stat", l.pid))
	if err != nil {
		l.t.Fatal(err)
	}
	// Behind the name in brackets: field 14 is user time, 15 the kernel's, of proc(5).
	_, rest, _ := strings.Cut(string(stat), ") ")
	fields := strings.Fields(rest)
	if len(fields) < 13 || u.reads == 0 {
		l.t.Fatalf("cannot read the agent's usage: %s %s", io, stat)
	}
	for _, f := range fields[11:13] {
		n, err := strconv.Atoi(f)
		if err != nil {
			l.t.Fatal(err)
		}
		u.busy += time.Duration(n) * ticks
	}
	return u
}
