package panel

import (
	"context"
	"errors"
	"os"
	"regexp"
	"slices"
	"strconv"
	"testing"
	"time"

	"turnstile/firmware-bridge/gpioline"
	"turnstile/firmware-bridge/gpioline/gpiolinetest"
	"turnstile/firmware-bridge/wiegand"
)

// chip is one with two outputs, and what was seen on them.
type chip struct {
	lines lines
	edges func() []wiegand.Edge
}

// noted is an output that writes down when it was set.
type noted struct {
	output
	line  int
	edges *[]wiegand.Edge
}

func (n noted) Set(on bool) error {
	*n.edges = append(*n.edges, wiegand.Edge{Line: n.line, Active: on, At: time.Now()})
	return n.output.Set(on)
}

func fakeChip(*testing.T) chip {
	f := gpiolinetest.New("D0", "D1")
	var edges []wiegand.Edge
	open := func(c gpioline.OutputConfig) (output, error) {
		o, err := f.OpenOutput(c)
		return noted{o, int(c.Line[1] - '0'), &edges}, err
	}
	return chip{lines{output: open, clock: hostClock{}}, func() []wiegand.Edge { return edges }}
}

func kernelChip(t *testing.T) chip {
	s, err := gpiolinetest.NewSim(os.Getenv("TURNSTILE_GPIO"), "D0", "D1")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := s.Trace(); err != nil {
		t.Fatal(err)
	}
	return chip{host(), func() []wiegand.Edge { return traced(t) }}
}

// seconds, number and level of a line of the kernel's trace.
var setLine = regexp.MustCompile(`(\d+)\.(\d{6}): gpio_value: (\d+) set ([01])`)

// traced returns what the kernel saw on two outputs, of which D0 has the lower number.
func traced(t *testing.T) (edges []wiegand.Edge) {
	text, err := os.ReadFile("/sys/kernel/tracing/trace")
	if err != nil {
		t.Fatal(err)
	}
	var numbers []int
	for _, m := range setLine.FindAllStringSubmatch(string(text), -1) {
		var v [4]int
		for i := range v {
			if v[i], err = strconv.Atoi(m[i+1]); err != nil {
				t.Fatal(err)
			}
		}
		numbers = append(numbers, v[2])
		at := time.Unix(int64(v[0]), int64(v[1])*1000)
		edges = append(edges, wiegand.Edge{Line: v[2], Active: v[3] == 1, At: at})
	}
	for i := range edges {
		edges[i].Line -= slices.Min(numbers)
	}
	for len(edges) > 0 && !edges[0].Active { // the outputs' first level
		edges = edges[1:]
	}
	return edges
}

// TestOnChip sends cards by this computer's clock. Whatever it does meanwhile,
// no panel sees another card. It always runs on the fake chip. With
// TURNSTILE_GPIO set to the name of a gpio-sim chip to make, as root in a virtual
// machine, it runs on the kernel too, and reads the kernel's own trace.
func TestOnChip(t *testing.T) {
	chips := map[string]func(*testing.T) chip{"fake": fakeChip}
	if os.Getenv("TURNSTILE_GPIO") != "" {
		chips["kernel"] = kernelChip
	}
	for name, make := range chips {
		t.Run(name, func(t *testing.T) { onChip(t, make(t)) })
	}
}

func onChip(t *testing.T, c chip) {
	p, err := c.lines.claimPort(Config{D0: "D0", D1: "D1"})
	if err != nil {
		t.Fatal(err)
	}
	row := mustRow(t, "H10301", 100, 58400)
	var want []string
	var all outcome
	for range 5 {
		err := p.SendCard(context.Background(), row)
		if err != nil && !errors.Is(err, ErrBroken) {
			t.Fatal(err)
		}
		all.count(err)
		if err == nil {
			want = append(want, row.String())
		}
	}
	edges := c.edges()
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	var longest time.Duration
	for i := 0; i+1 < len(edges); i += 2 {
		longest = max(longest, edges[i+1].At.Sub(edges[i].At))
	}
	t.Logf("%+v; %d edges, the longest pulse %v", all, len(edges), longest)
	rows := [][]string{cards(strict(edges), wiegand.Formats())}
	for _, l := range listeners {
		rows = append(rows, cards(l.rows(edges), wiegand.Formats()))
	}
	for i, got := range rows {
		if len(got) < len(want) || len(got) > len(want)+all.unsure || slices.ContainsFunc(got, func(s string) bool { return s != row.String() }) {
			t.Errorf("panel %d saw %q; %+v", i, got, all)
		}
	}
	if len(edges) < 2 {
		t.Error("nothing was sent")
	}
}
