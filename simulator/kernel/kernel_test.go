package kernel

import (
	"os"
	"path"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"turnstile/agent/journal"
	"turnstile/central/link"
	"turnstile/simulator/machine"
)

// TestLane is what a lane goes through, with the agent's own binary on a real
// kernel without a network. Each computer's tests stand in their order. On a
// processor of 32 bits the question is whether GPIO's ioctls fit; what comes
// above them is the same code.
func TestLane(t *testing.T) {
	t.Parallel()
	for _, arch := range archs {
		t.Run(string(arch), func(t *testing.T) {
			t.Parallel()
			l := newLane(t, arch)
			watchKernel(t, l.Machine)
			relay, _ := l.world.names()
			l.configure(relay, pulse)
			l.plug()
			l.start()
			l.step("a code opens", l.aCodeOpens)
			if arch != machine.ARMHF {
				l.step("unplugged and plugged in again", l.replug)
			}
			l.step("stopped", l.stopped)
			l.step("killed", l.killed)
			if s, ok := l.world.(*simulated); ok {
				l.step("chip pulled and plugged in again", func() { l.chip(s) })
			}
			l.step("active low", l.activeLow)
			l.step("journal", l.journal)
		})
	}
}

const (
	// pulse is how long the relay is on.
	pulse = 200 * time.Millisecond
	// aim is how soon after the last byte it is on. A processor of 32 bits takes
	// about that for the signature alone.
	aim = 10 * time.Millisecond
	// openings are how many are measured. A busy machine can disturb one.
	openings = 5
)

// aCodeOpens is the main job: code in at a USB serial driver, relay on at a GPIO
// line, person through.
func (l *lane) aCodeOpens() {
	var reaches, lengths []time.Duration
	for range openings {
		before, _ := l.status()
		reach, length := opening(l.t, l.opens())
		l.t.Logf("%s: last byte to relay %v, relay on for %v, by the guest's kernel", l.arch, reach, length)
		reaches, lengths = append(reaches, reach), append(lengths, length)
		l.walk()
		if s, _ := l.status(); s.Lanes[0].Passed != before.Lanes[0].Passed+1 || s.Lanes[0].Granted != before.Lanes[0].Granted+1 {
			l.t.Errorf("after a passage: %+v", s.Lanes[0])
		}
	}
	slices.Sort(reaches)
	slices.Sort(lengths)
	if reach := reaches[openings/2]; reach > aim && l.arch != machine.ARMHF {
		l.t.Errorf("from the last byte to the relay it takes %v, at most %v", reach, aim)
	}
	if length := lengths[openings/2]; length < pulse*9/10 || length > pulse*11/10 {
		l.t.Errorf("the relay is on for %v, want %v within a tenth", length, pulse)
	}
}

// opening finds the one opening in what the kernel saw: how long after the last
// bytes the line went high, and for how long.
func opening(t *testing.T, seen []moment) (reach, length time.Duration) {
	t.Helper()
	on := slices.IndexFunc(seen, func(m moment) bool { return m.what == "on" })
	if on < 1 || on+2 != len(seen) || seen[on-1].what != "bytes" || seen[on+1].what != "off" {
		t.Fatalf("not bytes, on, off: %v", seen)
	}
	return seen[on].at - seen[on-1].at, seen[on+1].at - seen[on].at
}

// Of an agent whose scanner is gone.
const (
	maxReads = 50   // a second: 20 of them look at the passage contact, the rest for the port
	maxBusy  = 0.05 // of the processor's time, on a computer of 500 million instructions a second
)

// replug pulls the scanner's plug five times: the agent does not spin meanwhile,
// and the next scan opens.
func (l *lane) replug() {
	for range 5 {
		l.unplug()
		l.connected(false)
		before := l.usage()
		from, to := l.elapse(time.Second)
		after := l.usage()
		seconds := to.Sub(from).Seconds()
		reads, busy := float64(after.reads-before.reads)/seconds, (after.busy-before.busy).Seconds()/seconds
		l.t.Logf("%s: without a scanner the agent reads %.1f times a second and is busy for %.1f %%", l.arch, reads, 100*busy)
		if reads > maxReads || busy > maxBusy {
			l.t.Errorf("at most %d reads a second and %.0f %% are right", maxReads, 100*maxBusy)
		}
		l.plug()
		l.connected(true)
		opening(l.t, l.opens())
		l.walk()
	}
}

// stopped stops the agent as its supervisor does, with the relay on.
func (l *lane) stopped() {
	relay, _ := l.world.names()
	l.end(syscall.SIGTERM)
	l.configure(relay, time.Second)
	l.start()
	l.relayOn()
	if code := l.end(syscall.SIGTERM); code != 0 {
		l.t.Errorf("the agent ended with code %d", code)
	}
	if on := l.relay(); on {
		l.t.Error("the relay is on although the agent was stopped")
	}
}

// relayOn scans and waits until the relay is on.
func (l *lane) relayOn() {
	l.t.Helper()
	forget(l.t, l.Machine)
	l.scan()
	until(l.t, "the relay is on", l.relay)
}

func (l *lane) relay() bool {
	l.t.Helper()
	on, err := l.world.relay()
	if err != nil {
		l.t.Fatal(err)
	}
	return on
}

// killed ends the agent with the relay on and no chance to do anything. What the
// line does then is the chip's business, as package gate/gpio says: a PL061
// keeps its level, gpio-sim falls back. After the next start it is off, and was
// at no other level meanwhile.
func (l *lane) killed() {
	for tries := 1; ; tries++ {
		l.start()
		l.relayOn()
		l.end(syscall.SIGKILL)
		l.cutOff++
		if last := moments(l.t, l.Machine); last[len(last)-1].what == "on" {
			break
		} else if tries == 3 {
			l.t.Fatalf("killed too late: %v", last)
		}
	}
	l.elapse(1500 * time.Millisecond) // longer than the pulse
	stays := l.arch != machine.AMD64  // a PL061
	if on := l.relay(); on != stays {
		l.t.Errorf("after SIGKILL the relay is on: %v, and gate/gpio says %v", on, stays)
	}
	forget(l.t, l.Machine)
	l.start()
	if l.relay() {
		l.t.Error("the relay is on after the next start")
	}
	for _, m := range moments(l.t, l.Machine) {
		if m.what == "on" {
			l.t.Errorf("a start switched the relay on: %v", m)
		}
	}
	opening(l.t, l.opens())
	l.walk()
}

// chip pulls the GPIO chip, a USB module, under the running agent, and plugs it
// in again: the gate is found by itself.
func (l *lane) chip(s *simulated) {
	s.unplug(l.t)
	until(l.t, "the agent misses its gate", func() bool { now, ok := l.status(); return ok && !now.Lanes[0].Gate.Connected })
	s.plug(l.t)
	l.connected(true)
	opening(l.t, l.opens())
	l.walk()
}

// activeLow is a relay that is on while its line is low: that the line is never,
// but for an opening.
func (l *lane) activeLow() {
	l.end(syscall.SIGTERM)
	relay, _ := l.world.names()
	l.configure("!"+relay, pulse)
	forget(l.t, l.Machine)
	l.start()
	for _, m := range moments(l.t, l.Machine) {
		if m.what == "off" {
			l.t.Errorf("the start drove the line low: %v", m)
		}
	}
	forget(l.t, l.Machine)
	l.scan()
	until(l.t, "the relay is on and off again", func() bool { return count(moments(l.t, l.Machine), "on") == 1 })
	l.walk()
	if code := l.end(syscall.SIGTERM); code != 0 {
		l.t.Errorf("the agent ended with code %d", code)
	}
	seen := moments(l.t, l.Machine)
	if count(seen, "off") != 1 || seen[len(seen)-1].what != "on" {
		l.t.Errorf("low but for one opening: %v", seen)
	}
}

func count(seen []moment, what string) (n int) {
	for _, m := range seen {
		if m.what == what {
			n++
		}
	}
	return n
}

// journal reads the journal of the lane as somebody else would who has its disk.
func (l *lane) journal() {
	count := map[link.EntryType]int{}
	for _, e := range l.entries() {
		count[e.Type]++
	}
	// Nobody walked when the agent was stopped and when it was killed.
	if passed := l.scanned - 1 - l.cutOff; count[link.EntryGranted] != l.scanned || count[link.EntryPassed] != passed ||
		count[link.EntryNotPassed] != 1 || count[link.EntryUnknown] != l.cutOff {
		l.t.Errorf("%d scans, and the journal has %v", l.scanned, count)
	}
}

// entries are what the journal has.
func (l *lane) entries() (all []link.Entry) {
	l.t.Helper()
	folder := l.t.TempDir()
	files, err := l.List(path.Join(dataFolder, "journal", "*"))
	if err != nil {
		l.t.Fatal(err)
	}
	for _, f := range files {
		b, err := l.Read(f)
		if err != nil {
			l.t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(folder, path.Base(f)), b, 0o600); err != nil {
			l.t.Fatal(err)
		}
	}
	j, _, err := journal.Open(folder, journal.Options{})
	if err != nil {
		l.t.Fatal(err)
	}
	defer j.Close()
	if err = j.Replay(1, func(e link.Entry) error { all = append(all, e); return nil }); err != nil {
		l.t.Fatal(err)
	}
	return all
}
