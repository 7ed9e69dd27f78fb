package kernel

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"turnstile/agent/enrol"
	"turnstile/central/link"
	"turnstile/central/office"
	"turnstile/simulator/machine"
	"turnstile/simulator/site"
)

// TestBootsIn1970 starts a computer whose battery is empty. It is enrolled, has
// heard nothing yet, and has a network: central's signed answer alone tells it the
// time. Nobody sets the machine's clock, and after a start anew it is in 1970 again.
func TestBootsIn1970(t *testing.T) {
	t.Parallel()
	s, files := reachable(t)
	c := machine.Config{Arch: machine.AMD64, Files: files, Modules: append([]string{"gpio-sim", "virtio_net"}, usbModules...),
		Devices: append(append(usb(), machine.Network()...), "-rtc", "base=1970-01-01T00:00:00")}
	l := &lane{Machine: computer(t, c), t: t, all: t, arch: c.Arch}
	l.world = newSimulated(t, l.Machine)
	watchKernel(t, l.Machine)
	l.batteryless(s)
	l.plug()
	began := time.Now()
	for boot := uint32(1); boot <= 2; boot++ {
		l.start()
		l.learnsTheTime(s)
		l.admits(s, boot)
		l.end(syscall.SIGKILL)
		if err := l.SetClock(time.Unix(24*3600, 0)); err != nil { // Linux sets none to before it started
			t.Fatal(err)
		}
	}
	l.bothClocks(began)
}

// reachable starts a central that guests reach, and returns the files of a lane
// controller as they are right after it enrolled there.
func reachable(t *testing.T) (*site.Site, map[string]string) {
	t.Helper()
	setup := site.AgentSetup{ID: "lane", Lanes: []site.LaneSetup{{Name: "north"}}}
	s, err := site.Start(t.Context(), site.Config{Programs: filepath.Join(programs, "host"), Data: t.TempDir(), Host: machine.Host, Agents: []site.AgentSetup{setup}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := s.Agents[0].Stop(); err != nil {
		t.Fatal(err)
	}
	files := map[string]string{"/bin/agent": filepath.Join(programs, string(machine.AMD64), "agent")}
	for _, name := range []string{enrol.FileName, enrol.RootFile} {
		from := filepath.Join(s.Agents[0].Data, name)
		if _, err := os.Stat(from); err == nil {
			files[filepath.Join(dataFolder, name)] = from
		} else if name == enrol.FileName || !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
	}
	return s, files
}

// batteryless writes the agent's configuration: of the clock it says nothing.
func (l *lane) batteryless(s *site.Site) {
	l.t.Helper()
	if now := l.now(); now.Year() != 1970 {
		l.t.Fatalf("the computer started at %v", now)
	}
	relay, contact := l.world.names()
	_, port, err := net.SplitHostPort(s.BrokerAddr())
	if err != nil {
		l.t.Fatal(err)
	}
	l.write("/etc/turnstile/agent.yaml", fmt.Sprintf(`data: %s
broker: ssl://%s:%s
lanes:
  - number: 1
    scanners: [{port: %s, baud: 115200}]
    gate: {driver: gpio, relay_in: %q, sensor_in: %q, pulse: %v, window: 4s}
`, dataFolder, machine.Host, port, scannerPath, relay, contact, pulse))
}

// learnsTheTime waits until the lane knows the campus's time by central's answer.
func (l *lane) learnsTheTime(s *site.Site) {
	l.t.Helper()
	began := time.Now()
	until(l.t, "central's answer puts the lane's clock right", func() bool {
		l.alive()
		status, ok := l.status()
		return ok && status.Clock.State == link.ClockTrusted.String() && status.Clock.By == "central"
	})
	status, _ := l.status()
	l.t.Logf("%v after the devices: clock %+v", time.Since(began).Round(time.Millisecond), status.Clock)
	if years := status.Clock.OffsetSec / (365 * 24 * 3600); years < 50 {
		l.t.Errorf("the machine's clock is wrong by %.1f years", years)
	}
	until(l.t, "the lane is up to date", func() bool {
		lanes, err := s.API.Lanes(l.t.Context())
		return err == nil && len(lanes) == 1 && lanes[0].Alive && lanes[0].UpToDate
	})
}

// admits lets somebody in with a code of today, and finds it in the ledger as of today.
func (l *lane) admits(s *site.Site, boot uint32) {
	l.t.Helper()
	p, err := s.API.Issue(l.t.Context(), office.OrderBody{Kind: "ecard", Holder: fmt.Sprint("A000000", boot), Day: site.Today(time.Now()), Zones: []int{0}, Start: "00:00", Length: "25h"})
	if err != nil {
		l.t.Fatal(err)
	}
	forget(l.t, l.Machine)
	if _, err := l.scanner.Write([]byte(p.Code + "\r\n")); err != nil {
		l.t.Fatal(err)
	}
	until(l.t, "the relay is on", func() bool { return count(moments(l.t, l.Machine), "on") == 1 })
	l.walk()
	if now := l.now(); now.Year() != 1970 {
		l.t.Errorf("somebody set the computer's clock: %v", now)
	}
	until(l.t, "central has the passage", func() bool {
		all, err := s.API.Passages(l.t.Context(), 0)
		if err != nil {
			l.t.Fatal(err)
		}
		for _, r := range all {
			if r.Type != "passed" || r.Pass != p.ID {
				continue
			}
			if off := r.Received.Sub(r.Time); r.Boot != boot || r.Clock != link.ClockTrusted.String() || r.ClockBound > 5 || off < -time.Minute || off > patience {
				l.t.Errorf("passed at %v, received %v: %+v", r.Time, r.Received, r)
			}
			return true
		}
		return false
	})
}

// bothClocks reads the journal: what was written before the first answer is of 1970
// and says that nobody knows; the second start knows that it cannot be earlier than
// what central signed before. The monotonic clock is in all entries.
func (l *lane) bothClocks(began time.Time) {
	l.t.Helper()
	all, boots := l.entries(), 0
	var last link.Entry
	for _, e := range all {
		at := time.UnixMilli(e.Wall)
		switch {
		case e.Type == link.EntryBoot && e.Boot == 1:
			boots++
			if at.Year() != 1970 || e.Clock != link.ClockUntrusted || e.Bound != 65535 {
				l.t.Errorf("the first start: %v, clock %v, bound %d", at, e.Clock, e.Bound)
			}
		case e.Type == link.EntryBoot:
			boots++
			if at.Before(began.Add(-time.Hour)) || e.Clock != link.ClockUntrusted {
				l.t.Errorf("the second start: %v, clock %v, bound %d", at, e.Clock, e.Bound)
			}
		case e.Type == link.EntryGranted && (e.Clock != link.ClockTrusted || at.Before(began.Add(-time.Minute)) || at.After(time.Now().Add(time.Minute))):
			l.t.Errorf("granted at %v, clock %v", at, e.Clock)
		}
		if e.Boot == last.Boot && e.Mono < last.Mono {
			l.t.Errorf("entry %d is %d ms after the start, the one before %d", e.Seq, e.Mono, last.Mono)
		}
		last = e
	}
	if boots != 2 || len(all) < 6 {
		l.t.Errorf("%d starts, %d entries", boots, len(all))
	}
}
