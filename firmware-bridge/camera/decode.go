package camera

import (
	"unicode/utf8"

	"github.com/makiuchi-d/gozxing"
	"github.com/makiuchi-d/gozxing/qrcode"

	"turnstile/firmware-bridge/scanner"
)

// way is one try to read a picture.
type way struct {
	name   string
	view   func(*views) plane
	binary func(gozxing.LuminanceSource) gozxing.Binarizer
}

// ladder are the ways, the likeliest first; each reads some codes that none of
// the others does. gozxing's TRY_HARDER is not among them: it costs time and
// reads nothing more.
var ladder = []way{
	{"as it is", func(v *views) plane { return v.plain }, gozxing.NewHybridBinarizer},
	{"clear", (*views).clear, gozxing.NewHybridBinarizer},
	{"light on dark", func(v *views) plane { return v.clear().invert() }, gozxing.NewHybridBinarizer},
	{"one threshold", func(v *views) plane { return v.clear().stretch() }, gozxing.NewGlobalHistgramBinarizer},
	{"half size", func(v *views) plane { return v.plain.half() }, gozxing.NewHybridBinarizer},
	{"half size, light on dark", func(v *views) plane { return v.plain.half().invert() }, gozxing.NewHybridBinarizer},
	{"twice the size", func(v *views) plane { return v.plain.smooth().sharpen(2).double() }, gozxing.NewHybridBinarizer},
}

// views are a picture and what was made of it so far.
type views struct {
	plain   plane
	cleared plane
}

// clear returns the picture without noise, and sharp again.
func (v *views) clear() plane {
	if v.cleared.pix == nil {
		v.cleared = v.plain.smooth().smooth().sharpen(4)
	}
	return v.cleared
}

// Decoder reads QR symbols. It is for one goroutine; the zero value is ready.
type Decoder struct {
	next int // in ladder: what the next frame is tried with
	best int // what read the last code: light and screens change seldom
}

// frameTries is how many ways one frame is tried, which bounds its time.
const frameTries = 2

// Read tries a frame in two ways, others for each frame: a code is held up for
// many of them. It returns the text of a symbol, false if it found none.
func (d *Decoder) Read(f Frame) (string, bool, error) {
	p, err := f.grey(nil)
	if err != nil {
		return "", false, err
	}
	text, ok := d.read(p, frameTries)
	return text, ok, nil
}

// ReadAll tries all ways on one frame.
func (d *Decoder) ReadAll(f Frame) (string, bool, error) {
	p, err := f.grey(nil)
	if err != nil {
		return "", false, err
	}
	text, ok := d.read(p, len(ladder))
	return text, ok, nil
}

// read tries the best way and then others, tries in all.
func (d *Decoder) read(p plane, tries int) (string, bool) {
	v := &views{plain: p}
	if text, ok := ladder[d.best].read(v); ok {
		return text, true
	}
	for range tries - 1 {
		if d.next = (d.next + 1) % len(ladder); d.next == d.best {
			d.next = (d.next + 1) % len(ladder)
		}
		if text, ok := ladder[d.next].read(v); ok {
			d.best = d.next
			return text, true
		}
	}
	return "", false
}

// read tries one way. The decoder has never been seen to panic; what a visitor
// holds up must not be the first to try.
func (w way) read(v *views) (text string, ok bool) {
	defer func() {
		if recover() != nil {
			text, ok = "", false
		}
	}()
	p := w.view(v)
	src, err := gozxing.NewPlanarYUVLuminanceSource(p.pix, p.w, p.h, 0, 0, p.w, p.h, false)
	if err != nil {
		return "", false
	}
	bmp, err := gozxing.NewBinaryBitmap(w.binary(src))
	if err != nil {
		return "", false
	}
	r, err := qrcode.NewQRCodeReader().Decode(bmp, nil)
	if err != nil {
		return "", false
	}
	return r.GetText(), true
}

// sendable reports whether a lane's scanner may say text: within its bound,
// valid UTF-8 and without control characters, which would end its line early.
func sendable(text string) bool {
	if text == "" || len(text) > scanner.MaxText || !utf8.ValidString(text) {
		return false
	}
	for _, r := range text {
		if r < ' ' || r >= 0x7F && r < 0xA0 {
			return false
		}
	}
	return true
}
