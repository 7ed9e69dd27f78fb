package symbol

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	_ "image/gif" // the formats that ReadPicture knows
	_ "image/jpeg"
	_ "image/png"

	"github.com/makiuchi-d/gozxing"
	"github.com/makiuchi-d/gozxing/qrcode"
)

// Bounds of a picture. A progressive JPEG takes up to 16 bytes a pixel while it
// is read, so the pixels bound the memory at 400 MB.
const (
	MaxPicture = 32 << 20   // bytes of the file
	MaxPixels  = 24_000_000 // width times height; 16-bit colours count twice
)

// What can be wrong with a picture.
var (
	ErrNoSymbol   = errors.New("no readable QR code in the picture")
	ErrNotPicture = errors.New("not a PNG, JPEG or GIF picture")
	ErrTooLarge   = errors.New("picture too large")
)

// ReadPicture returns the text of the QR symbol in a PNG, JPEG or GIF file. The
// size that the file states is checked before anything is unpacked.
func ReadPicture(data []byte) (text string, err error) {
	defer guard(&err, ErrNotPicture)
	if len(data) > MaxPicture {
		return "", fmt.Errorf("%w: %d bytes, at most %d: send a smaller one", ErrTooLarge, len(data), MaxPicture)
	}
	c, _, err := image.DecodeConfig(bytes.NewReader(data))
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrNotPicture, err)
	}
	if err := checkSize(c.Width, c.Height, c.ColorModel); err != nil {
		return "", err
	}
	img, _, err := image.Decode(bytes.NewReader(data))
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrNotPicture, err)
	}
	return Read(img)
}

func checkSize(width, height int, m color.Model) error {
	pixels := int64(width) * int64(height)
	switch m {
	case color.RGBA64Model, color.NRGBA64Model, color.Gray16Model:
		pixels *= 2
	}
	if width <= 0 || height <= 0 || width > 1<<16 || height > 1<<16 || pixels > MaxPixels {
		return fmt.Errorf("%w: %d x %d pixels, at most %d million: crop it to the code", ErrTooLarge, width, height, MaxPixels/1_000_000)
	}
	return nil
}

// sides are the sizes to which a large picture is reduced, one after the other:
// the first finds a code that fills the picture, the second one in a corner.
var sides = []int{1280, 2560}

// Read returns the text of the QR symbol in the picture, ErrNoSymbol if it finds
// none, or ErrTooLarge.
func Read(img image.Image) (text string, err error) {
	defer guard(&err, ErrNoSymbol)
	r := img.Bounds()
	if err := checkSize(r.Dx(), r.Dy(), img.ColorModel()); err != nil {
		return "", err
	}
	full := grey(img)
	for _, side := range sides {
		if text, ok := full.reduce(side).read(); ok {
			return text, nil
		}
		if max(full.w, full.h) <= side {
			break
		}
	}
	return "", ErrNoSymbol
}

// plane is a picture in grey, one byte a pixel, row by row.
type plane struct {
	pix  []byte
	w, h int
}

// grey converts a picture; what is transparent becomes white.
func grey(img image.Image) plane {
	r := img.Bounds()
	p := plane{make([]byte, r.Dx()*r.Dy()), r.Dx(), r.Dy()}
	strip := image.NewRGBA(image.Rect(0, 0, p.w, 1))
	for y := range p.h {
		draw.Draw(strip, strip.Rect, image.White, image.Point{}, draw.Src)
		draw.Draw(strip, strip.Rect, img, image.Pt(r.Min.X, r.Min.Y+y), draw.Over)
		row := p.pix[y*p.w : (y+1)*p.w]
		for x := range row {
			c := strip.Pix[4*x : 4*x+3]
			row[x] = byte((299*int(c[0]) + 587*int(c[1]) + 114*int(c[2])) / 1000)
		}
	}
	return p
}

// reduce returns the picture with neither side above the given one; each pixel
// is the mean of the square that it stands for.
func (p plane) reduce(side int) plane {
	n := (max(p.w, p.h) + side - 1) / side
	if n <= 1 {
		return p
	}
	out := plane{make([]byte, max(p.w/n, 1)*max(p.h/n, 1)), max(p.w/n, 1), max(p.h/n, 1)}
	for i := range out.pix {
		out.pix[i] = p.mean(i%out.w*n, i/out.w*n, n)
	}
	return out
}

// mean returns the mean of the n x n square at x, y, as far as it lies inside.
func (p plane) mean(x, y, n int) byte {
	sum, count := 0, 0
	for j := max(y, 0); j < min(y+n, p.h); j++ {
		for i := max(x, 0); i < min(x+n, p.w); i++ {
			sum, count = sum+int(p.pix[j*p.w+i]), count+1
		}
	}
	return byte(sum / max(count, 1))
}

// smooth returns each pixel as the mean of its 3x3 surroundings, against noise.
func (p plane) smooth() plane {
	out := plane{make([]byte, len(p.pix)), p.w, p.h}
	for i := range out.pix {
		out.pix[i] = p.mean(i%p.w-1, i/p.w-1, 3)
	}
	return out
}

// invert returns the negative. gozxing declares ALSO_INVERTED and does not do it.
func (p plane) invert() plane {
	out := plane{make([]byte, len(p.pix)), p.w, p.h}
	for i, v := range p.pix {
		out.pix[i] = 255 - v
	}
	return out
}

// stretch spreads the grey values over the whole range, but for the darkest and
// the lightest fiftieth. The binarizers give up on a picture of low contrast.
func (p plane) stretch() plane {
	var count [256]int
	for _, v := range p.pix {
		count[v]++
	}
	low, high := 0, 255
	for n := count[low]; low < 255 && n*50 < len(p.pix); n += count[low] {
		low++
	}
	for n := count[high]; high > low && n*50 < len(p.pix); n += count[high] {
		high--
	}
	out := plane{make([]byte, len(p.pix)), p.w, p.h}
	for i, v := range p.pix {
		out.pix[i] = byte(min(max(int(v)-low, 0)*255/max(high-low, 1), 255))
	}
	return out
}

// read tries one way after the other, the likeliest first: as it is, against
// noise, light on dark, and with one threshold for the picture of a dim screen.
func (p plane) read() (string, bool) {
	tries := []func() (string, bool){
		func() (string, bool) { return p.decode(gozxing.NewHybridBinarizer) },
		func() (string, bool) { return p.smooth().decode(gozxing.NewHybridBinarizer) },
		func() (string, bool) { return p.invert().decode(gozxing.NewHybridBinarizer) },
		func() (string, bool) { return p.stretch().decode(gozxing.NewGlobalHistgramBinarizer) },
		func() (string, bool) { return p.stretch().invert().decode(gozxing.NewGlobalHistgramBinarizer) },
	}
	for _, try := range tries {
		if text, ok := try(); ok {
			return text, true
		}
	}
	return "", false
}

func (p plane) decode(binarizer func(gozxing.LuminanceSource) gozxing.Binarizer) (text string, ok bool) {
	defer func() {
		if recover() != nil {
			text, ok = "", false // the next way may still read it
		}
	}()
	src, err := gozxing.NewPlanarYUVLuminanceSource(p.pix, p.w, p.h, 0, 0, p.w, p.h, false)
	if err != nil {
		return "", false
	}
	bmp, err := gozxing.NewBinaryBitmap(binarizer(src))
	if err != nil {
		return "", false
	}
	r, err := qrcode.NewQRCodeReader().Decode(bmp, nil)
	if err != nil {
		return "", false
	}
	return r.GetText(), true
}
