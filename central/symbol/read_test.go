package symbol

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"math"
	"testing"
)

// photo draws the symbol turned by angle (radians) into the middle of a picture
// of side pixels, dark and light being the grey values.
func photo(s *Symbol, side int, module, angle float64, dark, light uint8) *image.Gray {
	img := image.NewGray(image.Rect(0, 0, side, side))
	sin, cos := math.Sincos(angle)
	for i := range img.Pix {
		x, y := float64(i%side)-float64(side)/2, float64(i/side)-float64(side)/2
		u, v := (x*cos+y*sin)/module+float64(s.Size())/2, (y*cos-x*sin)/module+float64(s.Size())/2
		img.Pix[i] = light
		if u >= 0 && v >= 0 && s.Dark(int(u), int(v)) {
			img.Pix[i] = dark
		}
	}
	return img
}

// noisy adds noise that is the same in every run.
func noisy(img *image.Gray, amount int) *image.Gray {
	state := uint32(1)
	for i := range img.Pix {
		state = state*1664525 + 1013904223
		n := int(img.Pix[i]) + int(state>>16)%(2*amount+1) - amount
		img.Pix[i] = uint8(min(max(n, 0), 255))
	}
	return img
}

func TestReadDistorted(t *testing.T) {
	text := codes(t)["live code"]
	s := mustDraw(t, text)
	pictures := map[string]image.Image{
		"straight":           photo(s, 300, 5, 0, 0, 255),
		"turned by 17":       photo(s, 400, 5, 17*math.Pi/180, 0, 255),
		"upside down":        photo(s, 300, 5, math.Pi, 20, 230),
		"light on dark":      photo(s, 300, 5, 0, 255, 0),
		"dim":                photo(s, 300, 5, 0, 40, 62),
		"noisy":              noisy(photo(s, 300, 5, 0, 40, 210), 60),
		"large photo":        photo(s, 2000, 30, 0.1, 10, 240),
		"small in a corner":  inCorner(s, 2400, 1800),
		"transparent margin": transparent(s),
	}
	read := 0
	for name, img := range pictures {
		if got, err := Read(img); err != nil || got != text {
			t.Errorf("%s: %q, %v", name, got, err)
			continue
		}
		read++
	}
	if read < 9 {
		t.Errorf("%d pictures read", read)
	}
}

func inCorner(s *Symbol, w, h int) image.Image {
	img := image.NewGray(image.Rect(100, 100, 100+w, 100+h)) // bounds need not begin at 0
	for i := range img.Pix {
		img.Pix[i] = 200
	}
	small := s.Image(4)
	for i := range small.Pix {
		img.Set(140+i%small.Stride, 160+i/small.Stride, small.Palette[small.Pix[i]])
	}
	return img
}

func transparent(s *Symbol) image.Image {
	img := image.NewNRGBA(image.Rect(0, 0, 300, 300))
	for i := range s.Size() * 5 * s.Size() * 5 {
		x, y := i%(s.Size()*5), i/(s.Size()*5)
		if s.Dark(x/5, y/5) {
			img.Set(40+x, 40+y, color.Black)
		}
	}
	return img
}

func TestReadPictureKnowsThreeFormats(t *testing.T) {
	text := codes(t)["code"]
	img := mustDraw(t, text).Image(6)
	encode := map[string]func(*bytes.Buffer) error{
		"png":  func(b *bytes.Buffer) error { return png.Encode(b, img) },
		"jpeg": func(b *bytes.Buffer) error { return jpeg.Encode(b, img, &jpeg.Options{Quality: 60}) },
		"gif":  func(b *bytes.Buffer) error { return gif.Encode(b, img, nil) },
	}
	for name, f := range encode {
		var b bytes.Buffer
		if err := f(&b); err != nil {
			t.Fatal(err)
		}
		if got, err := ReadPicture(b.Bytes()); err != nil || got != text {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

// bomb is a PNG whose header states a size that its few bytes do not hold.
func bomb(width, height uint32, depth byte) []byte {
	header := append(binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32([]byte("IHDR"), width), height), depth, 0, 0, 0, 0)
	b := append([]byte("\x89PNG\r\n\x1a\n"), 0, 0, 0, 13)
	b = append(b, header...)
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(header))
}

func TestReadPictureRefuses(t *testing.T) {
	var blank bytes.Buffer
	if err := png.Encode(&blank, image.NewGray(image.Rect(0, 0, 64, 64))); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		data []byte
		want error
	}{
		"nothing":             {nil, ErrNotPicture},
		"text":                {[]byte("see the guard"), ErrNotPicture},
		"no code":             {blank.Bytes(), ErrNoSymbol},
		"cut off":             {blank.Bytes()[:60], ErrNotPicture},
		"30000 x 30000":       {bomb(30000, 30000, 8), ErrTooLarge},
		"long and thin":       {bomb(1<<17, 1, 8), ErrTooLarge},
		"16-bit, 20 million":  {bomb(5000, 4000, 16), ErrTooLarge},
		"header without data": {bomb(5000, 4000, 8), ErrNotPicture},
		"file too long":       {make([]byte, MaxPicture+1), ErrTooLarge},
	} {
		if text, err := ReadPicture(c.data); !errors.Is(err, c.want) {
			t.Errorf("%s: %q, %v, want %v", name, text, err, c.want)
		}
	}
}

func TestReadTinyPictures(t *testing.T) {
	for w := range 12 {
		for h := range 12 {
			img := image.NewGray(image.Rect(0, 0, w, h))
			if text, err := Read(img); err == nil {
				t.Errorf("%dx%d: read %q", w, h, text)
			}
		}
	}
}

// FuzzReadPicture: whatever the file, an answer or one of three errors.
func FuzzReadPicture(f *testing.F) {
	s := mustDraw(f, codes(f)["code"])
	data, err := s.PNG(2)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add(data[:len(data)/2])
	f.Add(bomb(30000, 30000, 8))
	f.Add([]byte("GIF89a"))
	f.Add([]byte("\xff\xd8\xff\xe0"))
	f.Fuzz(func(t *testing.T, data []byte) {
		text, err := ReadPicture(data)
		if err == nil && text == "" {
			t.Error("an empty text without an error")
		}
		if err != nil && !errors.Is(err, ErrNoSymbol) && !errors.Is(err, ErrNotPicture) && !errors.Is(err, ErrTooLarge) {
			t.Errorf("error %v is none of the three", err)
		}
	})
}

// FuzzRead gives gozxing pictures that no encoder makes.
func FuzzRead(f *testing.F) {
	img := mustDraw(f, codes(f)["code"]).Image(2)
	pix := make([]byte, len(img.Pix))
	for i, p := range img.Pix {
		pix[i] = 255 - 255*p
	}
	f.Add(pix, uint16(img.Stride))
	f.Add(pix[:2000], uint16(40))
	f.Fuzz(func(t *testing.T, pix []byte, width uint16) {
		w := int(width)
		if w == 0 || len(pix) < w || len(pix) > 1<<16 {
			return
		}
		g := &image.Gray{Pix: pix, Stride: w, Rect: image.Rect(0, 0, w, len(pix)/w)}
		if _, err := Read(g); err != nil && !errors.Is(err, ErrNoSymbol) {
			t.Errorf("error %v", err)
		}
	})
}
