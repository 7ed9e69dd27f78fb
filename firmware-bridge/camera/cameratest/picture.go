// Package cameratest draws what a camera sees of a QR code, and has the suite that every source of frames passes.
package cameratest

import (
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/makiuchi-d/gozxing"
	"github.com/makiuchi-d/gozxing/qrcode/decoder"
	"github.com/makiuchi-d/gozxing/qrcode/encoder"

	"turnstile/firmware-bridge/camera"
)

// Size of the pictures, in pixels.
const (
	Width  = 640
	Height = 480
)

// Look is how a code stands before the camera.
type Look struct {
	Module      float64    // pixels a module in the middle of the symbol
	Turn        float64    // radians
	Skew        float64    // shear: 0 is none
	Keystone    [2]float64 // how much nearer one side is than the other, across and down: 0 is none
	Shift       [2]float64 // of the symbol's middle from the picture's, in pixels
	Blur        float64    // standard deviation, in pixels
	Noise       float64    // standard deviation, in grey values
	Dark, Light float64    // grey values of the modules; Dark above Light is an inverted code
	Shade       float64    // how much darker the right edge is than the left: 0 is none, 0.5 is half
}

// Straight is a code that every decoder reads.
func Straight() Look { return Look{Module: 7, Dark: 20, Light: 230} }

// Random returns a look with every distortion a little and one of them much,
// sometimes two, as at a gate: a phone held at an angle, too far, too dim, in motion.
func Random(r *rand.Rand) Look {
	between := func(low, high float64) float64 { return low + (high-low)*r.Float64() }
	l := Look{
		Module: between(4, 7), Turn: between(0, 2*math.Pi), Skew: between(-0.05, 0.05),
		Keystone: [2]float64{between(-0.06, 0.06), between(-0.06, 0.06)},
		Shift:    [2]float64{between(-30, 30), between(-20, 20)},
		Blur:     between(0, 0.8), Noise: between(0, 8),
		Dark: between(10, 50), Light: between(180, 240), Shade: between(0, 0.3),
	}
	l.worsen(r.IntN(7), between)
	if r.IntN(3) == 0 {
		l.worsen(r.IntN(7), between)
	}
	return l
}

// worsen makes one distortion a strong one.
func (l *Look) worsen(which int, between func(low, high float64) float64) {
	switch which {
	case 0:
		l.Module = between(2.4, 3.2)
	case 1:
		l.Skew = between(0.1, 0.25)
	case 2:
		l.Keystone = [2]float64{between(-0.2, 0.2), between(-0.2, 0.2)}
	case 3:
		l.Blur = l.Module * between(0.2, 0.45)
	case 4:
		l.Noise = between(20, 50)
	case 5:
		l.Dark, l.Light = between(30, 50), between(70, 100)
	case 6:
		l.Dark, l.Light = l.Light, l.Dark
	}
}

// Symbol is a QR code, module by module, true where it is dark.
type Symbol [][]bool

// Draw returns the symbol of text at level M.
func Draw(text string) (Symbol, error) {
	code, err := encoder.Encoder_encode(text, decoder.ErrorCorrectionLevel_M, map[gozxing.EncodeHintType]any{})
	if err != nil {
		return nil, fmt.Errorf("draw QR code: %w", err)
	}
	m := code.GetMatrix()
	s := make(Symbol, m.GetHeight())
	for y := range s {
		s[y] = make([]bool, m.GetWidth())
		for x := range s[y] {
			s[y][x] = m.Get(x, y) == 1
		}
	}
	return s, nil
}

// Picture returns what a camera sees of s. The noise is r's.
func Picture(s Symbol, l Look, r *rand.Rand) camera.Frame {
	light := l.light(s)
	blur(light, l.Blur)
	pix := make([]byte, len(light))
	for i, v := range light {
		v *= float32(1 - l.Shade*float64(i%Width)/Width)
		if l.Noise > 0 {
			v += float32(l.Noise * r.NormFloat64())
		}
		pix[i] = byte(min(max(v, 0), 255))
	}
	return camera.Frame{Pix: pix, Format: camera.Grey, Width: Width, Height: Height, Stride: Width}
}

// light returns the picture before the lens: each pixel is the mean of 3 x 3
// points within it.
func (l Look) light(s Symbol) []float32 {
	const points = 3
	sin, cos := math.Sincos(l.Turn)
	middle := float64(len(s)) / 2
	light := make([]float32, Width*Height)
	share := float32(l.Dark-l.Light) / (points * points)
	for i := range light {
		light[i] = float32(l.Light)
	}
	for j := range Height * points {
		y := ((float64(j)+0.5)/points - Height/2 - l.Shift[1]) / l.Module
		for i := range Width * points {
			x := ((float64(i)+0.5)/points - Width/2 - l.Shift[0]) / l.Module
			near := 1 + (l.Keystone[0]*x+l.Keystone[1]*y)/25 // 25 modules are about half a symbol
			if near < 0.1 {
				continue // behind the camera
			}
			v := (y*cos - x*sin) / near
			u := (x*cos+y*sin)/near + l.Skew*v
			if s.dark(u+middle, v+middle) {
				light[j/points*Width+i/points] += share
			}
		}
	}
	return light
}

// dark is false outside of the symbol: its quiet zone has no end.
func (s Symbol) dark(u, v float64) bool {
	if !(u >= 0 && v >= 0 && u < float64(len(s)) && v < float64(len(s))) {
		return false
	}
	return s[int(v)][int(u)]
}

// blur spreads light by a Gaussian of the given standard deviation, in pixels.
func blur(light []float32, sigma float64) {
	if sigma < 0.2 {
		return
	}
	n := int(2.5*sigma) + 1
	kernel := make([]float32, 2*n+1)
	sum := float32(0)
	for i := range kernel {
		d := float64(i - n)
		kernel[i] = float32(math.Exp(-d * d / (2 * sigma * sigma)))
		sum += kernel[i]
	}
	across := make([]float32, len(light))
	for y := range Height {
		from, to := light[y*Width:][:Width], across[y*Width:][:Width]
		for x := range to {
			v := float32(0)
			for j, k := range kernel {
				v += k * from[min(max(x+j-n, 0), Width-1)]
			}
			to[x] = v / sum
		}
	}
	for y := range Height {
		to := light[y*Width:][:Width]
		clear(to)
		for j, k := range kernel {
			from := across[min(max(y+j-n, 0), Height-1)*Width:][:Width]
			for x := range to {
				to[x] += k / sum * from[x]
			}
		}
	}
}
