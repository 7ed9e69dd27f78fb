// Package symbol draws a code as a QR symbol, and reads one from a picture.
//
// A code is base32, which QR's alphanumeric mode holds in 5.5 bits a character:
// at level M both forms of a code are a version 6 symbol, 41 modules wide, and
// on paper or a phone every module is as large as it can be.
package symbol

import (
	"bytes"
	"errors"
	"fmt"
	"html"
	"image"
	"image/color"
	"image/png"
	"strings"

	"github.com/makiuchi-d/gozxing/qrcode/decoder"
	"github.com/makiuchi-d/gozxing/qrcode/encoder"
)

// QuietZone is the white margin on each side, in modules (ISO/IEC 18004, 6.3.8).
const QuietZone = 4

// MaxText bounds what Draw takes, in bytes. A live code has 154.
const MaxText = 512

// MaxModule bounds the size of a module in PNG, in pixels.
const MaxModule = 64

// ErrText means that a text cannot be drawn.
var ErrText = errors.New("text does not fit into a symbol")

// Symbol is a drawn QR symbol. It does not change.
type Symbol struct {
	size    int // modules on a side
	version int
	dark    []bool // row by row
}

// Draw returns the symbol of a text, 1..MaxText bytes, at level M. ErrText if it
// has another length or does not fit.
func Draw(text string) (s *Symbol, err error) {
	defer guard(&err, ErrText)
	if text == "" || len(text) > MaxText {
		return nil, fmt.Errorf("%w: %d characters, want 1 to %d", ErrText, len(text), MaxText)
	}
	q, err := encoder.Encoder_encode(text, decoder.ErrorCorrectionLevel_M, nil)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrText, err)
	}
	m := q.GetMatrix()
	s = &Symbol{m.GetWidth(), q.GetVersion().GetVersionNumber(), make([]bool, m.GetWidth()*m.GetHeight())}
	for i := range s.dark {
		s.dark[i] = m.Get(i%s.size, i/s.size) == 1
	}
	return s, nil
}

// guard turns a panic of gozxing into an error of the kind. Its maintainers know
// of panics on odd input (gozxing#52, #70); no picture may end a program.
func guard(err *error, kind error) {
	if r := recover(); r != nil {
		*err = fmt.Errorf("%w: %v", kind, r)
	}
}

// Size returns the modules on a side, without quiet zone.
func (s *Symbol) Size() int { return s.size }

// Version returns the QR version, 1..40.
func (s *Symbol) Version() int { return s.version }

// Dark reports whether the module in column x and row y is dark; outside of
// the symbol everything is light.
func (s *Symbol) Dark(x, y int) bool {
	return x >= 0 && y >= 0 && x < s.size && y < s.size && s.dark[y*s.size+x]
}

// SVG returns the symbol with its quiet zone as an SVG document that scales. The
// colours are stated, so that no style sheet of a dark page turns them round.
func (s *Symbol) SVG() []byte { return s.svg("QR code", ` style="fill:#fff"`, ` style="fill:#000"`) }

// Part returns the SVG as a part of a page that names it, in its own language. It has
// no style of its own: the policy of a page that shows codes stops such.
func (s *Symbol) Part(name string) []byte { return s.svg(html.EscapeString(name), "", "") }

func (s *Symbol) svg(name, light, dark string) []byte {
	w := s.size + 2*QuietZone
	var b bytes.Buffer
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" shape-rendering="crispEdges" role="img" aria-label="%s">`, w, w, name)
	fmt.Fprintf(&b, `<rect width="%d" height="%d" fill="#fff"%s/><path fill="#000"%s d="`, w, w, light, dark)
	for y := range s.size {
		s.svgRow(&b, y)
	}
	b.WriteString(`"/></svg>`)
	return b.Bytes()
}

// svgRow draws each run of dark modules as one bar.
func (s *Symbol) svgRow(b *bytes.Buffer, y int) {
	for x := 0; x < s.size; x++ {
		run := 0
		for s.Dark(x+run, y) {
			run++
		}
		if run > 0 {
			fmt.Fprintf(b, "M%d %dh%dv1h-%dz", x+QuietZone, y+QuietZone, run, run)
			x += run
		}
	}
}

// Image returns the symbol with its quiet zone, each module a square of the
// given pixels (1..MaxModule, otherwise the nearest of them).
func (s *Symbol) Image(module int) *image.Paletted {
	module = min(max(module, 1), MaxModule)
	w := (s.size + 2*QuietZone) * module
	img := image.NewPaletted(image.Rect(0, 0, w, w), color.Palette{color.White, color.Black})
	for i := range img.Pix {
		if s.Dark(i%w/module-QuietZone, i/w/module-QuietZone) {
			img.Pix[i] = 1
		}
	}
	return img
}

// PNG returns Image(module) as a PNG file.
func (s *Symbol) PNG(module int) ([]byte, error) {
	var b bytes.Buffer
	if err := png.Encode(&b, s.Image(module)); err != nil {
		return nil, fmt.Errorf("encode symbol: %w", err)
	}
	return b.Bytes(), nil
}

// The absolute black and white of the 256-colour palette, which themes leave alone.
const (
	blackOnWhite = "\x1b[38;5;16;48;5;231m"
	reset        = "\x1b[0m"
)

// Terminal returns the symbol with its quiet zone as lines of half blocks, two
// modules to a character, black on white whatever the terminal's theme.
func (s *Symbol) Terminal() string {
	var b strings.Builder
	for y := -QuietZone; y < s.size+QuietZone; y += 2 {
		b.WriteString(blackOnWhite)
		for x := -QuietZone; x < s.size+QuietZone; x++ {
			b.WriteString(halfBlock(s.Dark(x, y), s.Dark(x, y+1)))
		}
		b.WriteString(reset + "\n")
	}
	return b.String()
}

func halfBlock(upper, lower bool) string {
	switch {
	case upper && lower:
		return "█"
	case upper:
		return "▀"
	case lower:
		return "▄"
	}
	return " "
}
