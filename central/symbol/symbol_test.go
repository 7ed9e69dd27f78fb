package symbol

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"regexp"
	"strings"
	"testing"

	"turnstile/central/pass"
)

// codes returns both forms of a code, with a signature that nobody made: what
// counts here is the length and the alphabet.
func codes(t testing.TB) map[string]string {
	p := pass.Pass{Kind: pass.Guest, Flags: pass.LiveRequired, KeyID: 513, Day: 2516, Index: 4711, Start: -480, Length: 144, Zones: 1, Holder: [8]byte{1, 2, 3}}
	signature := make([]byte, 64)
	for i := range signature {
		signature[i] = byte(i * 37)
	}
	list := map[string]string{
		"code":      p.Text(signature),
		"live code": p.LiveText(signature, pass.LiveKey{9}, 118_800_000),
	}
	if len(list["code"]) != pass.TextSize || len(list["live code"]) != pass.LiveTextSize {
		t.Fatalf("the codes have %d and %d characters", len(list["code"]), len(list["live code"]))
	}
	return list
}

func mustDraw(t testing.TB, text string) *Symbol {
	t.Helper()
	s, err := Draw(text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestBothFormsAreVersion6(t *testing.T) {
	for name, text := range codes(t) {
		s := mustDraw(t, text)
		if s.Version() != 6 || s.Size() != 41 {
			t.Errorf("%s: version %d with %d modules, want 6 with 41", name, s.Version(), s.Size())
		}
		if level := formatLevel(s); level != 0b00 {
			t.Errorf("%s: error correction bits %02b, want 00 (M)", name, level)
		}
	}
	if s := mustDraw(t, strings.ToLower(codes(t)["code"])); s.Version() == 6 {
		t.Error("lower case is version 6 too: the test would not notice that alphanumeric mode is lost")
	}
}

// formatLevel reads the error correction level out of the format information
// beside the upper left finder: bits 14 and 13, without their mask of 10.
func formatLevel(s *Symbol) (bits int) {
	for x := range 2 {
		bits <<= 1
		if s.Dark(x, 8) {
			bits |= 1
		}
	}
	return bits ^ 0b10
}

func TestPNGIsReadBack(t *testing.T) {
	for name, text := range codes(t) {
		for _, module := range []int{2, 3, 8} {
			data, err := mustDraw(t, text).PNG(module)
			if err != nil {
				t.Fatal(err)
			}
			c, err := png.DecodeConfig(bytes.NewReader(data))
			if err != nil || c.Width != 49*module {
				t.Fatalf("%s: %d pixels wide (%v), want %d", name, c.Width, err, 49*module)
			}
			got, err := ReadPicture(data)
			if err != nil || got != text {
				t.Errorf("%s at %d pixels a module: %q, %v", name, module, got, err)
			}
		}
	}
}

func TestQuietZoneIsWhite(t *testing.T) {
	const module = 3
	s := mustDraw(t, codes(t)["code"])
	img := s.Image(module)
	edge, dark := QuietZone*module, 0
	for i, p := range img.Pix {
		x, y := i%img.Stride, i/img.Stride
		inside := x >= edge && y >= edge && x < img.Stride-edge && y < img.Stride-edge
		if p != 0 && !inside {
			t.Fatalf("pixel %d,%d of the quiet zone is dark", x, y)
		}
		dark += int(p)
	}
	if dark < 1000 {
		t.Errorf("%d dark pixels only", dark)
	}
}

// TestPart: a page's own symbol is the same drawing under the page's name for it, and
// has no style that a strict policy stops.
func TestPart(t *testing.T) {
	s := mustDraw(t, codes(t)["live code"])
	part, plain := string(s.Part(`通行碼 "<b>`)), string(s.SVG())
	if strings.Contains(part, "style") || !strings.Contains(part, `aria-label="通行碼 &#34;&lt;b&gt;"`) {
		t.Errorf("%.300s", part)
	}
	if path := func(svg string) string { return svg[strings.Index(svg, ` d="`):] }; path(part) != path(plain) {
		t.Error("another symbol is drawn")
	}
}

func TestSVGDrawsTheSameModules(t *testing.T) {
	s := mustDraw(t, codes(t)["live code"])
	svg := s.SVG()
	for _, want := range []string{`fill="#000"`, `fill="#fff"`, `shape-rendering="crispEdges"`, `viewBox="0 0 49 49"`} {
		if !bytes.Contains(svg, []byte(want)) {
			t.Errorf("no %s in the SVG", want)
		}
	}
	if err := xml.Unmarshal(svg, new(struct{})); err != nil {
		t.Fatal(err)
	}
	drawn := map[image.Point]bool{}
	for _, m := range regexp.MustCompile(`M(\d+) (\d+)h(\d+)v1h-(\d+)z`).FindAllStringSubmatch(string(svg), -1) {
		var x, y, run, back int
		fmt.Sscan(strings.Join(m[1:], " "), &x, &y, &run, &back)
		if run != back {
			t.Fatalf("bar %s is not closed", m[0])
		}
		for i := range run {
			drawn[image.Pt(x+i-QuietZone, y-QuietZone)] = true
		}
	}
	for i := range s.Size() * s.Size() {
		p := image.Pt(i%s.Size(), i/s.Size())
		if drawn[p] != s.Dark(p.X, p.Y) {
			t.Fatalf("module %v: drawn %v, is %v", p, drawn[p], s.Dark(p.X, p.Y))
		}
	}
}

func TestTerminalIsReadBack(t *testing.T) {
	text := codes(t)["code"]
	out := mustDraw(t, text).Terminal()
	lines := strings.Split(strings.TrimSuffix(out, "\n"), "\n")
	const cell = 6
	img := image.NewGray(image.Rect(0, 0, 49*cell, 50*cell))
	for i := range img.Pix {
		img.Pix[i] = 255
	}
	for row, line := range lines {
		line, ok := strings.CutPrefix(line, blackOnWhite)
		line, ok2 := strings.CutSuffix(line, reset)
		if !ok || !ok2 {
			t.Fatalf("row %d does not state its colours", row)
		}
		for x, c := range []rune(line) {
			paint(img, x*cell, row*2*cell, cell, c == '▀' || c == '█')
			paint(img, x*cell, (row*2+1)*cell, cell, c == '▄' || c == '█')
		}
	}
	if got, err := Read(img); err != nil || got != text {
		t.Errorf("read %q, %v", got, err)
	}
}

func paint(img *image.Gray, x, y, n int, dark bool) {
	for i := range n * n {
		if dark {
			img.SetGray(x+i%n, y+i/n, color.Gray{})
		}
	}
}

func TestDrawRefuses(t *testing.T) {
	for _, text := range []string{"", strings.Repeat("A", MaxText+1)} {
		if _, err := Draw(text); !errors.Is(err, ErrText) {
			t.Errorf("%d characters: %v, want ErrText", len(text), err)
		}
	}
}
