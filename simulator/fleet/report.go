package fleet

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"text/tabwriter"
	"time"
)

// format is the version of a report's JSON.
const format = 1

// Report is what a run measured. Times are milliseconds, sizes bytes.
type Report struct {
	Format  int       `json:"format"`
	Lanes   int       `json:"lanes"`
	Seed    uint64    `json:"seed"`
	Broker  string    `json:"broker"`
	Begun   time.Time `json:"begun"`
	Machine string    `json:"machine"`
	Heads   float64   `json:"heads"` // seconds between central's heads
	State   string    `json:"state"` // where lanes keep theirs

	Steps      []Step `json:"steps"`
	Bare       []Step `json:"bare"` // of a broker alone with as many clients
	Memory     Memory `json:"memory"`
	BareMemory Memory `json:"bare_memory"`

	Checks    int        `json:"checks"`  // of all invariants
	Entries   int        `json:"entries"` // that central had once, in order
	Samples   []Sample   `json:"samples"`
	Violation *Violation `json:"violation,omitempty"`
}

// Step is one thing that was done.
type Step struct {
	Name    string  `json:"name"`
	Title   string  `json:"title"`
	Seconds float64 `json:"seconds"`
	Rate    float64 `json:"rate"` // entries a second, 0: none were sent
	Central float64 `json:"cpu_central"`
	Broker  float64 `json:"cpu_broker"` // seconds, of a broker of its own
	Lanes   float64 `json:"cpu_lanes"`
	Wire    Wire    `json:"wire"`
	Last    Latency `json:"last"` // of the rounds' last lanes
	Curves  []Curve `json:"curves"`
	Note    string  `json:"note,omitempty"`
}

// Curve is a distribution with its name; runs are compared by Key.
type Curve struct {
	Key     string  `json:"key"`
	Title   string  `json:"title"`
	Latency Latency `json:"latency"`
}

// Memory is what lanes cost when all are connected and nothing happens.
type Memory struct {
	Before  Sample `json:"before"` // central knows the lanes, none is there
	After   Sample `json:"after"`
	Central int64  `json:"central"` // bytes per lane of central, and of a broker of its own with it
	Lane    int64  `json:"lane"`    // bytes per lane in this process
}

func memoryOf(before, after Sample, lanes int) Memory {
	per := func(a, b Usage) int64 { return (a.RSS - b.RSS) / int64(lanes) }
	return Memory{before, after, per(after.Central, before.Central) + per(after.Broker, before.Broker), per(after.Lanes, before.Lanes)}
}

func newReport(o Options) *Report {
	r := &Report{Format: format, Lanes: o.Lanes, Seed: o.Seed, Broker: "central's own", Begun: time.Now(), Heads: o.Heads.Seconds(),
		Machine: fmt.Sprintf("%d processors, %s/%s, %s", runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, runtime.Version()),
		State:   "in memory: journal and cache are not flushed, a lane would forget them in a power cut"}
	if o.Mosquitto != "" {
		out, _ := exec.Command(o.Mosquitto, "-h").Output() // its exit code is 1
		r.Broker, _, _ = strings.Cut(string(out), "\n")
	}
	return r
}

func noteUp(d time.Duration) string {
	return fmt.Sprintf("Central was down for %.1f s of it, and every lane had people pass before, and while it was down.", d.Seconds())
}

// ReadReport reads the JSON of an earlier run.
func ReadReport(path string) (*Report, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read report: %w", err)
	}
	var r Report
	if err := json.Unmarshal(b, &r); err != nil {
		return nil, fmt.Errorf("read report %s: %w; give the file that --json wrote", path, err)
	}
	if r.Format != format {
		return nil, fmt.Errorf("read report %s: %w: version %d, this is %d", path, ErrFormat, r.Format, format)
	}
	return &r, nil
}

// JSON returns the report for programs.
func (r *Report) JSON() ([]byte, error) { return json.MarshalIndent(r, "", " ") }

// curve finds a curve of a step; nil if there is none.
func curve(steps []Step, step, key string) *Latency {
	for i := range steps {
		if steps[i].Name != step {
			continue
		}
		for k := range steps[i].Curves {
			if steps[i].Curves[k].Key == key {
				return &steps[i].Curves[k].Latency
			}
		}
	}
	return nil
}

func stepNamed(steps []Step, name string) *Step {
	for i := range steps {
		if steps[i].Name == name {
			return &steps[i]
		}
	}
	return nil
}

// Text returns the report as a table; old, beside which it stands, may be nil.
func (r *Report) Text(old *Report) string {
	var out strings.Builder
	fmt.Fprintf(&out, "%d lanes, %s broker, seed %d, %s\nlanes' state %s\n\n", r.Lanes, r.Broker, r.Seed, r.Machine, r.State)
	w := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "milliseconds\tn\tp50\tp95\tp99\tmax\tbare p50\tbare max\tbefore p50\tbefore max\t")
	for _, s := range r.Steps {
		for _, c := range s.Curves {
			l := c.Latency
			fmt.Fprintf(w, "%s: %s\t%d\t%s\t%s\t%s\t%s\t%s\t%s\t\n", s.Name, c.Title, l.N, ms(l.P50), ms(l.P95), ms(l.P99), ms(l.Max),
				pair(curve(r.Bare, s.Name, c.Key)), pair(old.curve(s.Name, c.Key)))
		}
	}
	w.Flush()
	out.WriteString("\n")
	r.costs(&out)
	fmt.Fprintf(&out, "\nmemory of each lane: %s at central, %s in the lanes' process; of a bare client %s at its broker, %s in its process\n",
		size(r.Memory.Central), size(r.Memory.Lane), size(r.BareMemory.Central), size(r.BareMemory.Lane))
	fmt.Fprintf(&out, "%d checks of all invariants; %d entries, each at central once\n", r.Checks, r.Entries)
	if r.Violation != nil {
		fmt.Fprintf(&out, "\n%v\n", r.Violation)
	}
	return out.String()
}

func (r *Report) costs(out *strings.Builder) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "step\tseconds\tCPU s central\tbroker\tlanes\tMB up\tMB down\tentries/s\tbare\t")
	for _, s := range r.Steps {
		fmt.Fprintf(w, "%s\t%.1f\t%.1f\t%.1f\t%.1f\t%.1f\t%.1f\t", s.Name, s.Seconds, s.Central, s.Broker, s.Lanes, mb(s.Wire.Up), mb(s.Wire.Down))
		if s.Rate > 0 {
			fmt.Fprintf(w, "%.0f\t", s.Rate)
			if b := stepNamed(r.Bare, s.Name); b != nil {
				fmt.Fprintf(w, "%.0f\t", b.Rate)
			}
		}
		fmt.Fprintln(w)
	}
	w.Flush()
}

// curve is that of an earlier run, nil without one.
func (r *Report) curve(step, key string) *Latency {
	if r == nil {
		return nil
	}
	return curve(r.Steps, step, key)
}

func pair(l *Latency) string {
	if l == nil {
		return "-\t-"
	}
	return ms(l.P50) + "\t" + ms(l.Max)
}

func ms(v float64) string {
	switch {
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.2f", v)
}

func mb(n uint64) float64 { return float64(n) / (1 << 20) }

func size(n int64) string { return fmt.Sprintf("%d KB", n>>10) }
