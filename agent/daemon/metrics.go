package daemon

import (
	"bytes"
	"fmt"
	"maps"
	"net/http"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
)

// metrics writes the agent's numbers in the text format of Prometheus (version
// 0.0.4). They are taken from the status at each request, so there is nothing
// to keep in step. A library is not used: the small one prints to standard
// error whenever a program starts on a kernel without pressure stall
// information, which single-board computers have switched off; the large one
// costs a quarter of the binary.
func (p *pages) metrics(w http.ResponseWriter, _ *http.Request) {
	s := p.status()
	var m exposition
	m.agent(&s)
	for i := range s.Lanes {
		m.lane(&s.Lanes[i])
	}
	m.process()
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	w.Write(m.text()) // the client may have gone
}

// exposition gathers samples by metric, because those of one metric stand together.
type exposition map[string][]string

// put adds a sample; labels are names and values in turn. A name that ends in
// _total is a counter, any other a gauge.
func (m *exposition) put(name string, value float64, labels ...string) {
	if *m == nil {
		*m = exposition{}
	}
	var list []string
	for i := 0; i+1 < len(labels); i += 2 {
		list = append(list, labels[i]+`="`+escape.Replace(labels[i+1])+`"`)
	}
	sample := name
	if len(list) > 0 {
		sample += "{" + strings.Join(list, ",") + "}"
	}
	(*m)[name] = append((*m)[name], sample+" "+strconv.FormatFloat(value, 'g', -1, 64))
}

var escape = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)

func (m exposition) text() []byte {
	var b bytes.Buffer
	for _, name := range slices.Sorted(maps.Keys(m)) {
		kind := "gauge"
		if strings.HasSuffix(name, "_total") {
			kind = "counter"
		}
		fmt.Fprintf(&b, "# TYPE %s %s\n", name, kind)
		for _, sample := range slices.Sorted(slices.Values(m[name])) {
			b.WriteString(sample + "\n")
		}
	}
	return b.Bytes()
}

func (m *exposition) agent(s *Status) {
	m.put("turnstile_agent_info", 1, "version", s.Version, "agent", s.Agent, "site", s.Site)
	m.put("turnstile_boot", float64(s.Boot))
	m.put("turnstile_feed_connected", number(s.Feed.Connected))
	m.put("turnstile_feed_usable", number(s.Feed.Has))
	m.put("turnstile_feed_seq", float64(s.Feed.Seq))
	m.put("turnstile_feed_age_seconds", float64(s.Feed.AgeSec))
	m.put("turnstile_feed_refused_passes", float64(s.Feed.Refused))
	m.put("turnstile_clock_state", 1, "state", s.Clock.State)
	m.put("turnstile_clock_bound_seconds", float64(s.Clock.BoundSec))
	m.put("turnstile_clock_offset_seconds", s.Clock.OffsetSec)
	m.neighbours(s)
	m.put("turnstile_journal_last", float64(s.Journal.Last))
	m.put("turnstile_journal_waiting_entries", float64(s.Journal.Waiting))
	m.put("turnstile_journal_level_percent", float64(s.Journal.Level))
	m.put("turnstile_presence_passes", float64(s.Presence.Records))
	m.put("turnstile_presence_inside", float64(s.Presence.Inside))
	m.put("turnstile_presence_overflow_total", float64(s.Presence.Overflow))
	for _, w := range s.Warnings {
		m.put("turnstile_warning", 1, "code", w.Code, "subject", w.Subject, "severity", w.Severity)
	}
}

func (m *exposition) neighbours(s *Status) {
	c := s.Neighbours.Counts
	for name, n := range map[string]uint64{
		"taken": c.Taken, "messages": c.Messages, "repeated": c.Repeated, "strangers": c.Strangers, "forged": c.Forged, "malformed": c.Malformed,
		"foreign": c.Foreign, "old": c.Old, "busy": c.Busy, "sent": c.Sent, "published": c.Published, "unpublished": c.Unpublished,
	} {
		m.put("turnstile_neighbours_"+name+"_total", float64(n))
	}
	for _, z := range s.Neighbours.Zones {
		zone := strconv.Itoa(int(z.Zone))
		m.put("turnstile_zone_apart", number(z.Apart), "zone", zone)
		m.put("turnstile_zone_controllers", float64(len(z.Peers)), "zone", zone)
	}
}

func (m *exposition) lane(l *LaneStatus) {
	lane := strconv.Itoa(int(l.Number))
	for name, n := range map[string]uint64{
		"scans": l.Scans, "repeats": l.Repeats, "stale_scans": l.Stale, "garbled_scans": l.Garbled, "granted": l.Granted,
		"passed": l.Passed, "not_passed": l.NotPassed, "unknown": l.Unknown, "gate_faults": l.GateFaults,
		"alarms": l.Alarms, "unwritten_entries": l.Unwritten, "modes_by_hand": l.Modes, "given_up_entries": l.GivenUp,
	} {
		m.put("turnstile_lane_"+name+"_total", float64(n), "lane", lane)
	}
	for reason, n := range l.Denied {
		m.put("turnstile_lane_denied_total", float64(n), "lane", lane, "reason", reason)
	}
	m.put("turnstile_lane_state", 1, "lane", lane, "state", l.State)
	m.put("turnstile_gate_connected", number(l.Gate.Connected), "lane", lane)
	for _, s := range l.Scanners {
		m.put("turnstile_scanner_connected", number(s.Connected), "lane", lane, "direction", s.Direction)
	}
}

// process adds what the kernel and the runtime say of this process.
func (m *exposition) process() {
	m.put("go_goroutines", float64(runtime.NumGoroutine()))
	if data, err := os.ReadFile("/proc/self/statm"); err == nil {
		var size, resident float64
		if n, _ := fmt.Sscan(string(data), &size, &resident); n == 2 {
			m.put("process_resident_memory_bytes", resident*float64(os.Getpagesize()))
		}
	}
	if fds, err := os.ReadDir("/proc/self/fd"); err == nil {
		m.put("process_open_fds", float64(len(fds)))
	}
}

func number(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
