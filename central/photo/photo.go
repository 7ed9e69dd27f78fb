// Package photo makes a holder's photo out of an upload: its size is checked
// before it is unpacked, and what is kept is a new picture of the same pixels,
// upright and small, without anything else that the file carried.
package photo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
)

// Bounds of an upload. A progressive JPEG takes up to 16 bytes a pixel while it
// is read, so one upload takes 256 MB at most, for a second; a Maker reads one at
// a time.
const (
	MaxUpload = 8 << 20    // bytes
	MaxPixels = 16_000_000 // width times height; 16-bit colours count twice
	MinSide   = 120        // pixels: a guard has to know a face
)

// What is kept fits into this many pixels.
const (
	Width   = 600
	Height  = 800
	quality = 85
)

// What can be wrong with an upload.
var (
	ErrNotPhoto = errors.New("not a JPEG or PNG picture: take the photo again, or save it as JPEG")
	ErrMismatch = errors.New("the file is not what its type says: save it as JPEG and send that")
	ErrTooLarge = errors.New("the picture is too large: send one of at most 8 MB and 16 million pixels")
	ErrTooSmall = errors.New("the picture is too small: send one of at least 120 x 120 pixels")
)

// The types that an upload can have.
const (
	JPEG = "image/jpeg"
	PNG  = "image/png"
)

// Maker makes photos, one at a time. Safe for concurrent use.
type Maker struct{ turn chan struct{} }

// NewMaker returns a Maker.
func NewMaker() *Maker { return &Maker{make(chan struct{}, 1)} }

// Make returns the photo as JPEG of at most Width x Height. declared is the type
// that the sender named, "" for none. One of the errors above, or ctx's.
func (m *Maker) Make(ctx context.Context, data []byte, declared string) (jpg []byte, err error) {
	return m.convert(ctx, data, declared, func(img *image.RGBA) image.Image { return img })
}

// Square is Make with a square cut out, where in a portrait the face is: the middle
// of a wide picture, the upper part of a high one.
func (m *Maker) Square(ctx context.Context, data []byte, declared string) (jpg []byte, err error) {
	return m.convert(ctx, data, declared, func(img *image.RGBA) image.Image {
		b := img.Bounds()
		side := min(b.Dx(), b.Dy())
		x, y := b.Min.X+(b.Dx()-side)/2, b.Min.Y+(b.Dy()-side)/4
		return img.SubImage(image.Rect(x, y, x+side, y+side))
	})
}

// convert makes a small upright picture of an upload, and of that the photo.
func (m *Maker) convert(ctx context.Context, data []byte, declared string, finish func(*image.RGBA) image.Image) (jpg []byte, err error) {
	decode, orientation, err := check(data, declared)
	if err != nil {
		return nil, err
	}
	select {
	case m.turn <- struct{}{}:
		defer func() { <-m.turn }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	img, err := decode(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotPhoto, err)
	}
	var out bytes.Buffer
	if err := jpeg.Encode(&out, finish(upright(reduce(img, bounds(orientation)), orientation)), &jpeg.Options{Quality: quality}); err != nil {
		return nil, fmt.Errorf("write photo: %w", err)
	}
	return out.Bytes(), nil
}

// check looks at everything that can be known before the picture is unpacked.
func check(data []byte, declared string) (decode decoder, orientation int, err error) {
	if len(data) > MaxUpload {
		return nil, 0, fmt.Errorf("%w (%d bytes)", ErrTooLarge, len(data))
	}
	kind, config, decode := "", image.Config{}, decoder(nil)
	switch {
	case bytes.HasPrefix(data, []byte("\xff\xd8\xff")):
		kind, decode, orientation = JPEG, jpeg.Decode, exifOrientation(data)
		config, err = jpeg.DecodeConfig(bytes.NewReader(data))
	case bytes.HasPrefix(data, []byte("\x89PNG\r\n\x1a\n")):
		kind, decode, orientation = PNG, png.Decode, 1
		config, err = png.DecodeConfig(bytes.NewReader(data))
	default:
		return nil, 0, ErrNotPhoto
	}
	if err != nil {
		return nil, 0, fmt.Errorf("%w: %w", ErrNotPhoto, err)
	}
	if declared != "" && declared != kind {
		return nil, 0, fmt.Errorf("%w (%.40q, but it is %s)", ErrMismatch, declared, kind)
	}
	return decode, orientation, checkSize(config)
}

func checkSize(c image.Config) error {
	pixels := int64(c.Width) * int64(c.Height)
	switch c.ColorModel {
	case color.RGBA64Model, color.NRGBA64Model, color.Gray16Model:
		pixels *= 2
	}
	switch {
	case c.Width < MinSide || c.Height < MinSide:
		return fmt.Errorf("%w (%d x %d)", ErrTooSmall, c.Width, c.Height)
	case pixels > MaxPixels || c.Width > 16*c.Height || c.Height > 16*c.Width:
		return fmt.Errorf("%w (%d x %d)", ErrTooLarge, c.Width, c.Height)
	}
	return nil
}
