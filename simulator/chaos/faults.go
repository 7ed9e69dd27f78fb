package chaos

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"turnstile/simulator/site"
)

// breaker puts faults on and takes them off.
type breaker struct {
	site  *site.Site
	world *world
	clock string // file of the lying clock
	down  map[string]bool
}

// unlimited is no limit of a file's size.
const unlimited = ^uint64(0)

// begin puts a fault on.
func (b *breaker) begin(f Fault) error {
	b.world.note("BEGIN %s", f)
	b.world.count("fault: "+f.Kind.String(), 1)
	a := b.site.Agents[f.Agent]
	l := a.Lanes[f.Lane]
	switch f.Kind {
	case KillAgent:
		b.down[a.ID] = true
		a.Process().Kill()
	case KillCentral:
		b.down["central"] = true
		b.site.Central().Kill()
	case KillBroker:
		b.down["broker"] = true
		b.site.Broker().Kill()
	case FreezeAgent:
		return b.signal(a.Process(), syscall.SIGSTOP)
	case FreezeCentral:
		return b.signal(b.site.Central(), syscall.SIGSTOP)
	case CutLink:
		a.Cable.Cut()
	case HoldLink:
		a.Cable.Hold(true)
	case SlowLink:
		a.Cable.Slow(f.Param)
	case FullDisk:
		return limit(a.Process(), 0)
	case FullDiskCentral:
		return limit(b.site.Central(), 0)
	case Clock:
		return b.setClock(f.Param)
	case NoScanner:
		l.Scanner.Unplug()
	case NoGate:
		l.Controller.Unplug()
	case RestartGate:
		l.Controller.PowerCut()
	case StuckGate:
		l.Controller.Jam(true)
	case GarbledGate:
		l.Controller.Noise(f.Every)
	case GarbledScanner:
		b.babble(l, f)
	case Fire:
		l.Controller.Fire(true)
	}
	return nil
}

// end takes a fault off.
func (b *breaker) end(f Fault) error {
	b.world.note("END %s", f)
	a := b.site.Agents[f.Agent]
	l := a.Lanes[f.Lane]
	switch f.Kind {
	case KillAgent:
		delete(b.down, a.ID)
		return a.Launch()
	case KillCentral:
		delete(b.down, "central")
		return b.site.StartCentral()
	case KillBroker:
		delete(b.down, "broker")
		return b.site.StartBroker()
	case FreezeAgent:
		return b.signal(a.Process(), syscall.SIGCONT)
	case FreezeCentral:
		return b.signal(b.site.Central(), syscall.SIGCONT)
	case CutLink:
		a.Cable.Join()
	case HoldLink:
		a.Cable.Hold(false)
	case SlowLink:
		a.Cable.Slow(0)
	case FullDisk:
		return limit(a.Process(), unlimited)
	case FullDiskCentral:
		return limit(b.site.Central(), unlimited)
	case Clock:
		return b.setClock(0)
	case NoScanner:
		return l.Scanner.Plug()
	case NoGate:
		return l.Controller.Plug()
	case StuckGate:
		l.Controller.Jam(false)
	case GarbledGate:
		l.Controller.Noise(0)
	case Fire:
		l.Controller.Fire(false)
	}
	return nil
}

func (b *breaker) signal(p *site.Process, s syscall.Signal) error {
	if err := syscall.Kill(p.PID(), s); err != nil {
		return fmt.Errorf("signal %s: %w", p.Name, err)
	}
	return nil
}

// limit lets a running process write nothing beyond the first size bytes of any
// file: a full disk that needs no file system of its own, as any user. Go
// ignores the signal; the program sees an error at each write.
func limit(p *site.Process, size uint64) error {
	var old unix.Rlimit
	if err := unix.Prlimit(p.PID(), unix.RLIMIT_FSIZE, nil, &old); err != nil {
		return fmt.Errorf("read limits of %s: %w", p.Name, err)
	}
	if err := unix.Prlimit(p.PID(), unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: min(size, old.Max), Max: old.Max}, nil); err != nil {
		return fmt.Errorf("limit files of %s: %w", p.Name, err)
	}
	return nil
}

// setClock has the lying clock differ by d. The file changes in one step.
func (b *breaker) setClock(d time.Duration) error {
	if err := os.WriteFile(b.clock+".new", []byte(d.String()), 0o600); err != nil {
		return fmt.Errorf("set clock: %w", err)
	}
	if err := os.Rename(b.clock+".new", b.clock); err != nil {
		return fmt.Errorf("set clock: %w", err)
	}
	return nil
}

// babble sends bytes that no scanner sends, at the wire's pace.
func (b *breaker) babble(l *site.Lane, f Fault) {
	ctx, cancel := context.WithTimeout(context.Background(), f.For)
	defer cancel()
	r := rand.New(rand.NewPCG(uint64(f.At), uint64(f.For)))
	raw := make([]byte, 600)
	for i := range raw {
		raw[i] = byte(r.Uint32())
	}
	err := l.Scanner.Send(ctx, append(raw, "\r\n"...))
	b.world.note("babble: %v", err)
}

// scratch is where journals are copied to.
func scratch(folder string) string { return filepath.Join(folder, "copies") }
