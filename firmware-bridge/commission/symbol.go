package commission

import (
	"fmt"
	"strings"

	"github.com/makiuchi-d/gozxing/qrcode/decoder"
	"github.com/makiuchi-d/gozxing/qrcode/encoder"
)

// quiet is the empty edge around a QR symbol in modules, as the standard asks.
const quiet = 4

// Symbol is a QR symbol as a square of modules.
type Symbol struct {
	side int // with its quiet zone
	dark []bool
}

// Draw makes the QR symbol of a test code. Error correction is L: on a sheet
// fresh from the printer the size of the modules decides, not their loss.
func Draw(code string) (*Symbol, error) {
	qr, err := encoder.Encoder_encode(code, decoder.ErrorCorrectionLevel_L, nil)
	if err != nil {
		return nil, fmt.Errorf("draw QR symbol of %d characters: %w", len(code), err)
	}
	m := qr.GetMatrix()
	s := &Symbol{side: m.GetWidth() + 2*quiet}
	s.dark = make([]bool, s.side*s.side)
	for y := range m.GetHeight() {
		for x := range m.GetWidth() {
			s.dark[(y+quiet)*s.side+x+quiet] = m.Get(x, y) == 1
		}
	}
	return s, nil
}

// Side is the symbol's width in modules with its quiet zone, and its width in
// columns of a terminal.
func (s *Symbol) Side() int { return s.side }

func (s *Symbol) at(x, y int) bool { return y < s.side && s.dark[y*s.side+x] }

// Terminal draws the symbol in half blocks, two modules a line, black on white
// whatever the terminal's own colours are.
func (s *Symbol) Terminal() string {
	var b strings.Builder
	for y := 0; y < s.side; y += 2 {
		b.WriteString("\x1b[30;107m")
		for x := range s.side {
			switch up, down := s.at(x, y), s.at(x, y+1); {
			case up && down:
				b.WriteString("█")
			case up:
				b.WriteString("▀")
			case down:
				b.WriteString("▄")
			default:
				b.WriteByte(' ')
			}
		}
		b.WriteString("\x1b[0m\n")
	}
	return b.String()
}

// path is the symbol as data of an SVG path, one unit a module.
func (s *Symbol) path() string {
	var b strings.Builder
	for y := range s.side {
		for x := 0; x < s.side; x++ {
			begin := x
			for x < s.side && s.at(x, y) {
				x++
			}
			if x > begin {
				fmt.Fprintf(&b, "M%d %dh%dv1h-%dz", begin, y, x-begin, x-begin)
			}
		}
	}
	return b.String()
}
