package chart

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"
	"time"
)

// elements parses a drawing strictly and counts its elements.
func elements(t *testing.T, svg string) map[string]int {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(svg))
	n := map[string]int{}
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return n
		}
		if err != nil {
			t.Fatalf("%v in\n%s", err, svg)
		}
		if s, ok := token.(xml.StartElement); ok {
			n[s.Name.Local]++
			for _, a := range s.Attr {
				if a.Name.Local == "style" || strings.HasPrefix(a.Name.Local, "on") {
					t.Errorf("<%s %s>: the pages' policy forbids it", s.Name.Local, a.Name.Local)
				}
				if strings.Contains(a.Value, "NaN") || strings.Contains(a.Value, "Inf") {
					t.Errorf("<%s %s=%q>", s.Name.Local, a.Name.Local, a.Value)
				}
			}
		}
	}
}

func TestBars(t *testing.T) {
	b := Bars{ID: "hours", Title: `<script>"x"`, Text: "a & b", Categories: []string{"08", "09", "<i>"},
		Series: []Series{{"Granted", []int{5, 0, 1}}, {"</svg><script>", []int{1, 0}}}}
	svg := string(b.SVG())
	n := elements(t, svg)
	// Three segments: two plain, one with its pattern over it.
	if n["rect"] != 4 || n["pattern"] != 1 || n["title"] != 4 || n["desc"] != 1 || n["script"] != 0 {
		t.Errorf("%v in\n%s", n, svg)
	}
	for _, want := range []string{"08, Granted: 5", "&lt;i&gt;, Granted: 1", "&lt;/svg&gt;&lt;script&gt;: 1", `role="img"`, "a &amp; b"} {
		if !strings.Contains(svg, want) {
			t.Errorf("no %s in\n%s", want, svg)
		}
	}
	if b.Total(0) != 6 || b.Series[0].Sum() != 6 || b.Total(2) != 1 {
		t.Error("sums are wrong")
	}
	elements(t, string(b.Swatch(1)))
}

func TestEmptyAndLargeBars(t *testing.T) {
	elements(t, string((&Bars{ID: "a"}).SVG()))
	big := Bars{ID: "b", Series: make([]Series, 12)}
	for i := range 2400 {
		big.Categories = append(big.Categories, "x")
		for s := range big.Series {
			big.Series[s].Values = append(big.Series[s].Values, i)
		}
	}
	n := elements(t, string(big.SVG()))
	if n["pattern"] != MaxSeries-1 || n["text"] > 40 {
		t.Errorf("%v", n)
	}
	if Class(11) != "s7" {
		t.Errorf("class %s", Class(11))
	}
}

func TestCeiling(t *testing.T) {
	for n, want := range map[int]int{0: 4, 4: 4, 5: 8, 9: 12, 13: 20, 21: 40, 1000: 1200, 1201: 2000} {
		if got := ceiling(n); got != want {
			t.Errorf("ceiling of %d: %d, want %d", n, got, want)
		}
	}
}

func TestTimeline(t *testing.T) {
	at := time.Date(2026, 11, 21, 8, 59, 0, 0, time.UTC)
	line := Timeline{ID: "life", Title: "Pass", Text: "what happened", Zone: time.FixedZone("HKT", 8*3600),
		Valid: Span{at.Add(-time.Hour), at.Add(30 * time.Second), "valid"},
		Rows: []Row{
			{"Office", []Mark{{At: at, Shape: Diamond, Text: "issued <b>"}}},
			{"a lane with a name that has no room at all", []Mark{{At: at.Add(time.Minute), Shape: Tick, Here: true}, {At: at.Add(2 * time.Minute), Shape: Cross}, {At: at.Add(2 * time.Minute), Shape: Ring}, {At: at, Shape: Dot}}},
			{"nothing here", nil},
		}}
	svg := string(line.SVG())
	n := elements(t, svg)
	if n["circle"] != 1 || n["rect"] != 1 || !strings.Contains(svg, "issued &lt;b&gt;") || !strings.Contains(svg, "17:00") || !strings.Contains(svg, "…") {
		t.Errorf("%v in\n%s", n, svg)
	}
	for _, class := range []string{"diamond", "tick", "cross", "ring", "dot"} {
		if strings.Count(svg, `class="`+class+`"`) != 1 {
			t.Errorf("no %s", class)
		}
	}
	if (&Timeline{ID: "x", Zone: time.UTC, Rows: []Row{{"a", nil}}}).SVG() != "" {
		t.Error("a timeline without marks is drawn")
	}
}

// TestTimelineSpans draws every length of time, with few enough labels.
func TestTimelineSpans(t *testing.T) {
	at := time.Date(2026, 11, 21, 8, 59, 7, 0, time.UTC)
	for span := time.Millisecond; span < 20*365*24*time.Hour; span *= 3 {
		line := Timeline{ID: "x", Zone: time.UTC, Rows: []Row{{"a", []Mark{{At: at}, {At: at.Add(span)}}}}}
		if n := elements(t, string(line.SVG()))["text"]; n < 2 || n > 14 {
			t.Errorf("%s: %d texts", span, n)
		}
	}
}
