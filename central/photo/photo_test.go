package photo

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"testing"
)

// scene is a picture with a red top left, green top right, blue bottom left and
// white bottom right quarter.
func scene(w, h int) *image.RGBA {
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			img.SetRGBA(x, y, map[[2]bool]color.RGBA{
				{false, false}: {255, 0, 0, 255}, {true, false}: {0, 255, 0, 255}, {false, true}: {0, 0, 255, 255}, {true, true}: {255, 255, 255, 255},
			}[[2]bool{x >= w/2, y >= h/2}])
		}
	}
	return img
}

func asJPEG(t testing.TB, img image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := jpeg.Encode(&b, img, nil); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func asPNG(t testing.TB, img image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// withExif puts a camera's note behind the start of a JPEG file.
func withExif(data []byte, order binary.AppendByteOrder, orientation uint16) []byte {
	tiff := []byte("MM\x00\x2a")
	if order == binary.LittleEndian {
		tiff = []byte("II\x2a\x00")
	}
	tiff = order.AppendUint32(tiff, 8)
	tiff = order.AppendUint16(tiff, 2)
	for _, tag := range []uint16{0x010f, tagOrientation} {
		tiff = order.AppendUint16(tiff, tag)
		tiff = order.AppendUint16(tiff, 3)
		tiff = order.AppendUint32(tiff, 1)
		tiff = order.AppendUint16(tiff, orientation)
		tiff = order.AppendUint16(tiff, 0)
	}
	body := append([]byte("Exif\x00\x00"), tiff...)
	body = append(body, "GPS 22.3045N 114.1797E"...)
	segment := binary.BigEndian.AppendUint16([]byte{0xff, 0xe1}, uint16(len(body)+2))
	return append(append(append([]byte{}, data[:2]...), append(segment, body...)...), data[2:]...)
}

func make1(t testing.TB, data []byte, declared string) (image.Image, []byte) {
	t.Helper()
	out, err := NewMaker().Make(t.Context(), data, declared)
	if err != nil {
		t.Fatal(err)
	}
	img, err := jpeg.Decode(bytes.NewReader(out))
	if err != nil {
		t.Fatal(err)
	}
	return img, out
}

func TestSizes(t *testing.T) {
	for _, x := range []struct{ w, h, wantW, wantH int }{{120, 120, 120, 120}, {600, 800, 600, 800}, {4000, 3000, 600, 450}, {1000, 4000, 200, 800}, {601, 800, 600, 798}} {
		img, _ := make1(t, asPNG(t, scene(x.w, x.h)), "")
		if got := img.Bounds().Size(); got != image.Pt(x.wantW, x.wantH) {
			t.Errorf("%d x %d became %v, want %d x %d", x.w, x.h, got, x.wantW, x.wantH)
		}
	}
}

// near compares a colour after JPEG.
func near(c color.Color, want color.RGBA) bool {
	r, g, b, _ := c.RGBA()
	off := func(a uint32, b uint8) bool { return max(int(a>>8), int(b))-min(int(a>>8), int(b)) > 24 }
	return !off(r, want.R) && !off(g, want.G) && !off(b, want.B)
}

// TestOrientations: what a camera noted is applied, and the note is gone.
func TestOrientations(t *testing.T) {
	red, green, blue, white := color.RGBA{255, 0, 0, 255}, color.RGBA{0, 255, 0, 255}, color.RGBA{0, 0, 255, 255}, color.RGBA{255, 255, 255, 255}
	want := map[uint16][4]color.RGBA{ // top left, top right, bottom left, bottom right
		1: {red, green, blue, white}, 2: {green, red, white, blue}, 3: {white, blue, green, red}, 4: {blue, white, red, green},
		5: {red, blue, green, white}, 6: {blue, red, white, green}, 7: {white, green, blue, red}, 8: {green, white, red, blue}, 9: {red, green, blue, white},
	}
	for o, corners := range want {
		for _, order := range []binary.AppendByteOrder{binary.BigEndian, binary.LittleEndian} {
			img, out := make1(t, withExif(asJPEG(t, scene(400, 200)), order, o), JPEG)
			size := img.Bounds().Size()
			if turned := o >= 5 && o <= 8; turned != (size == image.Pt(200, 400)) {
				t.Errorf("orientation %d: %v", o, size)
			}
			for i, c := range corners {
				if at := img.At(size.X/4+i%2*size.X/2, size.Y/4+i/2*size.Y/2); !near(at, c) {
					t.Errorf("orientation %d, quarter %d: %v, want %v", o, i, at, c)
				}
			}
			if bytes.Contains(out, []byte("Exif")) || bytes.Contains(out, []byte("GPS")) {
				t.Errorf("orientation %d: the photo still tells where it was taken", o)
			}
		}
	}
}

func TestTransparentIsWhite(t *testing.T) {
	img, _ := make1(t, asPNG(t, image.NewNRGBA(image.Rect(0, 0, 200, 200))), PNG)
	if !near(img.At(100, 100), color.RGBA{255, 255, 255, 255}) {
		t.Errorf("transparent became %v", img.At(100, 100))
	}
}

// bomb is a PNG header that claims a size, with hardly any pixels behind it.
func bomb(w, h uint32, depth byte) []byte {
	head := binary.BigEndian.AppendUint32([]byte("IHDR"), w)
	head = binary.BigEndian.AppendUint32(head, h)
	head = append(head, depth, 2, 0, 0, 0)
	out := binary.BigEndian.AppendUint32([]byte("\x89PNG\r\n\x1a\n"), 13)
	out = append(out, head...)
	return binary.BigEndian.AppendUint32(out, crc32.ChecksumIEEE(head))
}

func TestRefused(t *testing.T) {
	good := asJPEG(t, scene(200, 200))
	for name, x := range map[string]struct {
		data     []byte
		declared string
		want     error
	}{
		"nothing":             {nil, "", ErrNotPhoto},
		"text":                {[]byte("<script>alert(1)</script>"), JPEG, ErrNotPhoto},
		"a GIF":               {[]byte("GIF89a\x01\x00\x01\x00\x80\x00\x00"), JPEG, ErrNotPhoto},
		"an SVG":              {[]byte(`<svg xmlns="http://www.w3.org/2000/svg"/>`), PNG, ErrNotPhoto},
		"a JPEG named PNG":    {good, PNG, ErrMismatch},
		"a PNG named JPEG":    {asPNG(t, scene(200, 200)), JPEG, ErrMismatch},
		"a JPEG named a page": {good, "text/html", ErrMismatch},
		"half a JPEG":         {good[:len(good)/2], JPEG, ErrNotPhoto},
		"a start alone":       {good[:3], JPEG, ErrNotPhoto},
		"a bomb":              {bomb(60000, 60000, 8), PNG, ErrTooLarge},
		"a small bomb of 16":  {bomb(3000, 3000, 16), PNG, ErrTooLarge},
		"a ribbon":            {asPNG(t, scene(4000, 130)), PNG, ErrTooLarge},
		"a stamp":             {asPNG(t, scene(119, 200)), PNG, ErrTooSmall},
		"too many bytes":      {append(bytes.Clone(good), make([]byte, MaxUpload)...), JPEG, ErrTooLarge},
	} {
		if out, err := NewMaker().Make(t.Context(), x.data, x.declared); !errors.Is(err, x.want) || out != nil {
			t.Errorf("%s: %d bytes, %v; want %v", name, len(out), err, x.want)
		}
	}
}

// FuzzMake: no upload ends the program, and what is kept is small and a JPEG.
func FuzzMake(f *testing.F) {
	f.Add(asJPEG(f, scene(130, 130)), JPEG)
	f.Add(withExif(asJPEG(f, scene(130, 140)), binary.LittleEndian, 6), "")
	f.Add(asPNG(f, scene(121, 122)), PNG)
	f.Add(bomb(130, 130, 8), "")
	f.Add([]byte("\xff\xd8\xff\xe1\x00\x08Exif\x00\x00"), JPEG)
	f.Add([]byte("\xff\xd8\xff\xe1\x00\x10Exif\x00\x00MM\x00\x2a\xff\xff\xff\xff"), JPEG)
	m := NewMaker()
	f.Fuzz(func(t *testing.T, data []byte, declared string) {
		if c, err := jpeg.DecodeConfig(bytes.NewReader(data)); err == nil && c.Width*c.Height > 1_000_000 {
			return // the bound is TestRefused's; here it only costs time
		}
		out, err := m.Make(t.Context(), data, declared)
		if err != nil {
			return
		}
		c, err := jpeg.DecodeConfig(bytes.NewReader(out))
		if err != nil || c.Width > Width || c.Height > Height || c.Width < 1 || c.Height < 1 {
			t.Errorf("%v, %v", c, err)
		}
	})
}
