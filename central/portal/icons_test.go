package portal

import (
	"bytes"
	"flag"
	"image"
	"image/color"
	"image/png"
	"math"
	"os"
	"testing"
)

var update = flag.Bool("update", false, "draw the icons anew")

// TestIcons holds the icons of the home screen to their drawing.
func TestIcons(t *testing.T) {
	for name, icon := range map[string]drawing{"icon-192.png": {192, .2, 1}, "icon-512.png": {512, .2, 1}, "icon-maskable.png": {512, 0, .72}, "icon-180.png": {180, 0, .86}} {
		want, path := icon.draw(), "static/"+name
		if *update {
			var out bytes.Buffer
			encoder := png.Encoder{CompressionLevel: png.BestCompression}
			if err := encoder.Encode(&out, want); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, out.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		got, err := png.Decode(bytes.NewReader(data))
		if err != nil || got.Bounds() != want.Bounds() {
			t.Fatalf("%s: %v, %v", name, got.Bounds(), err)
		}
		for i := range want.Pix {
			x, y := i/4%icon.size, i/4/icon.size
			if g := color.NRGBAModel.Convert(got.At(x, y)).(color.NRGBA); g != want.NRGBAAt(x, y) {
				t.Fatalf("%s is not its drawing at %d, %d: draw it anew with -update", name, x, y)
			}
		}
	}
}

// drawing is the gate of icon.svg.
type drawing struct {
	size   int
	corner float64 // radius of the ground, of the side; phones cut maskable ones themselves
	scale  float64 // of the gate: a maskable one stays within the middle
}

// draw computes each pixel from its distance to the lines: smooth at any size.
func (d drawing) draw() *image.NRGBA {
	lines := [][4]float64{{128, 112, 128, 400}, {384, 112, 384, 400}, {256, 256, 152, 256}, {256, 256, 360, 256}, {256, 256, 256, 360}}
	img := image.NewNRGBA(image.Rect(0, 0, d.size, d.size))
	unit := 512 / float64(d.size)
	for i := 0; i < d.size*d.size; i++ {
		x, y := (float64(i%d.size)+.5)*unit, (float64(i/d.size)+.5)*unit
		at := math.Inf(1)
		for _, l := range lines {
			at = math.Min(at, distance((x-256)/d.scale+256, (y-256)/d.scale+256, l)*d.scale)
		}
		white := math.Max(0, math.Min(1, (20*d.scale-at)/unit+.5))
		mix := func(ground float64) uint8 { return uint8(math.Round(ground + (255-ground)*white)) }
		img.SetNRGBA(i%d.size, i/d.size, color.NRGBA{mix(0x0b), mix(0x4f), mix(0x4a), uint8(math.Round(255 * d.ground(x, y, unit)))})
	}
	return img
}

// ground is how much of a pixel lies within the rounded square.
func (d drawing) ground(x, y, unit float64) float64 {
	r := d.corner * 512
	if r == 0 {
		return 1
	}
	dx, dy := math.Max(math.Abs(x-256)-(256-r), 0), math.Max(math.Abs(y-256)-(256-r), 0)
	return math.Max(0, math.Min(1, (r-math.Hypot(dx, dy))/unit+.5))
}

func distance(x, y float64, l [4]float64) float64 {
	dx, dy := l[2]-l[0], l[3]-l[1]
	t := math.Max(0, math.Min(1, ((x-l[0])*dx+(y-l[1])*dy)/(dx*dx+dy*dy)))
	return math.Hypot(x-l[0]-t*dx, y-l[1]-t*dy)
}
