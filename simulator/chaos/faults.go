package chaos

import (
	"context"

	"turnstile/simulator/harm"
	"turnstile/simulator/promise"
	"turnstile/simulator/site"
)

// breaker puts faults on and takes them off.
type breaker struct {
	site  *site.Site
	world *promise.Witness
	clock string // file of the lying clock
	down  map[string]bool
}

// begin puts a fault on.
func (b *breaker) begin(f Fault) error {
	b.world.Note("BEGIN %s", f)
	b.world.Count("fault: "+f.Kind.String(), 1)
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
		return harm.Freeze(a.Process(), true)
	case FreezeCentral:
		return harm.Freeze(b.site.Central(), true)
	case CutLink:
		a.Cable.Cut()
	case HoldLink:
		a.Cable.Hold(true)
	case SlowLink:
		a.Cable.Slow(f.Param)
	case FullDisk:
		return harm.Limit(a.Process(), 0)
	case FullDiskCentral:
		return harm.Limit(b.site.Central(), 0)
	case Clock:
		return harm.SetClock(b.clock, f.Param)
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
	b.world.Note("END %s", f)
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
		return harm.Freeze(a.Process(), false)
	case FreezeCentral:
		return harm.Freeze(b.site.Central(), false)
	case CutLink:
		a.Cable.Join()
	case HoldLink:
		a.Cable.Hold(false)
	case SlowLink:
		a.Cable.Slow(0)
	case FullDisk:
		return harm.Limit(a.Process(), harm.Unlimited)
	case FullDiskCentral:
		return harm.Limit(b.site.Central(), harm.Unlimited)
	case Clock:
		return harm.SetClock(b.clock, 0)
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

// babble has a scanner talk nonsense for as long as the fault is.
func (b *breaker) babble(l *site.Lane, f Fault) {
	ctx, cancel := context.WithTimeout(context.Background(), f.For)
	defer cancel()
	b.world.Note("babble: %v", harm.Babble(ctx, l, uint64(f.At)^uint64(f.For)))
}
