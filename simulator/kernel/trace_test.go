package kernel

import (
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"turnstile/simulator/machine"
)

// tracing is where the kernel's tracer is in a guest.
const tracing = "/sys/kernel/tracing/"

// moment is something that the kernel saw, by its own clock.
type moment struct {
	at   time.Duration // since the computer started
	what string        // "bytes": a serial driver handed bytes on; "on", "off": a line was driven high or low
	line int           // of GPIO, by its number in the whole computer
}

// watchKernel has the guest's kernel write down when bytes come from a serial
// driver and when a GPIO line is driven: times that no other program and no
// busy machine around it can blur.
func watchKernel(t *testing.T, m *machine.Machine) {
	t.Helper()
	for _, step := range [][2]string{
		{"trace_clock", "mono"},
		{"kprobe_events", "p:lane/bytes tty_flip_buffer_push"},
		{"events/lane/bytes/enable", "1"},
		{"events/gpio/gpio_value/enable", "1"},
	} {
		if err := m.Write(tracing+step[0], []byte(step[1])); err != nil {
			t.Fatal(err)
		}
	}
}

// forget empties the trace.
func forget(t *testing.T, m *machine.Machine) {
	t.Helper()
	if err := m.Write(tracing+"trace", nil); err != nil {
		t.Fatal(err)
	}
}

var traced = regexp.MustCompile(`^.* (\d+)\.(\d{6}): (?:(bytes): .*|gpio_value: (\d+) set ([01]))$`)

// moments returns what the kernel has seen since forget.
func moments(t *testing.T, m *machine.Machine) []moment {
	t.Helper()
	text, err := m.Read(tracing + "trace")
	if err != nil {
		t.Fatal(err)
	}
	var all []moment
	for line := range strings.Lines(string(text)) {
		f := traced.FindStringSubmatch(strings.TrimRight(line, "\n"))
		if f == nil {
			continue
		}
		at, err := time.ParseDuration(f[1] + "s" + f[2] + "us")
		if err != nil {
			t.Fatal(err)
		}
		seen := moment{at: at, what: "bytes"}
		if f[3] == "" {
			seen.what = map[string]string{"0": "off", "1": "on"}[f[5]]
			seen.line, _ = strconv.Atoi(f[4]) // digits
		}
		all = append(all, seen)
	}
	return all
}
