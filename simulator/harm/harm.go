// Package harm is what breaks a running campus that cables and switches of the
// virtual steel do not: processes that stand still, disks without room, clocks that
// lie, scanners that babble.
package harm

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"syscall"

	"golang.org/x/sys/unix"

	"turnstile/simulator/site"
)

// ErrPlayed: what is played within this process is no process of its own, and a
// signal to it would be one to us.
var ErrPlayed = errors.New("it is played within this process: run the programs as processes")

// Unlimited is no limit of a file's size.
const Unlimited = ^uint64(0)

// Limit lets a running process write nothing beyond the first size bytes of any
// file: a full disk that needs no file system of its own, as any user. Go
// ignores the signal; the program sees an error at each write.
func Limit(p *site.Process, size uint64) error {
	if p.Played() {
		return fmt.Errorf("limit files of %s: %w", p.Name, ErrPlayed)
	}
	var old unix.Rlimit
	if err := unix.Prlimit(p.PID(), unix.RLIMIT_FSIZE, nil, &old); err != nil {
		return fmt.Errorf("read limits of %s: %w", p.Name, err)
	}
	if err := unix.Prlimit(p.PID(), unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: min(size, old.Max), Max: old.Max}, nil); err != nil {
		return fmt.Errorf("limit files of %s: %w", p.Name, err)
	}
	return nil
}

// Freeze stops a process where it stands, and lets it go on.
func Freeze(p *site.Process, on bool) error {
	if p.Played() {
		return fmt.Errorf("freeze %s: %w", p.Name, ErrPlayed)
	}
	s := syscall.SIGCONT
	if on {
		s = syscall.SIGSTOP
	}
	if err := syscall.Kill(p.PID(), s); err != nil {
		return fmt.Errorf("signal %s: %w", p.Name, err)
	}
	return nil
}

// nonsense is how much a babbling scanner sends, in bytes.
const nonsense = 600

// Babble sends bytes that no scanner sends, and a line's end, at the wire's pace;
// the same ones for the same seed.
func Babble(ctx context.Context, l *site.Lane, seed uint64) error {
	r := rand.New(rand.NewPCG(seed, 0xbabb1e))
	raw := make([]byte, nonsense)
	for i := range raw {
		raw[i] = byte(r.Uint32())
	}
	return l.Scanner.Send(ctx, append(raw, "\r\n"...))
}
