package camera_test

import (
	"bytes"
	"errors"
	"image"
	"image/color"
	"image/jpeg"
	"math"
	"strings"
	"testing"

	"turnstile/firmware-bridge/camera"
)

// padded returns f's pixels in another format, with rows pad bytes apart more
// than needed.
func padded(f camera.Frame, format camera.Format, pad int) camera.Frame {
	step := 1
	if format == camera.YUYV {
		step = 2
	}
	out := f
	out.Format, out.Stride, out.Pix = format, f.Width*step+pad, nil
	for y := range f.Height {
		for _, v := range f.Pix[y*f.Width:][:f.Width] {
			out.Pix = append(out.Pix, bytes.Repeat([]byte{v}, 1)...)
			out.Pix = append(out.Pix, bytes.Repeat([]byte{0x80}, step-1)...)
		}
		out.Pix = append(out.Pix, bytes.Repeat([]byte{0xAA}, pad)...)
	}
	if format == camera.NV12 || format == camera.YU12 {
		out.Pix = append(out.Pix, bytes.Repeat([]byte{0x80}, f.Width*f.Height/2)...)
	}
	return out
}

// packed returns f as a JPEG frame; a colour one if colour is set.
func packed(t testing.TB, f camera.Frame, colour bool) camera.Frame {
	t.Helper()
	var img image.Image = &image.Gray{Pix: f.Pix, Stride: f.Width, Rect: image.Rect(0, 0, f.Width, f.Height)}
	if colour {
		c := image.NewRGBA(img.Bounds())
		for i, v := range f.Pix {
			c.Set(i%f.Width, i/f.Width, color.RGBA{v, v, v / 2, 255})
		}
		img = c
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, img, &jpeg.Options{Quality: 80}); err != nil {
		t.Fatal(err)
	}
	f.Format, f.Stride, f.Pix = camera.MJPEG, 0, b.Bytes()
	return f
}

// withoutTables cuts the Huffman tables out of a JPEG frame, as many cameras do.
// image/jpeg writes the standard ones, so they can be put back.
func withoutTables(t testing.TB, f camera.Frame) camera.Frame {
	t.Helper()
	cut := 0
	for i := 2; i+4 < len(f.Pix) && f.Pix[i+1] != 0xDA; {
		n := 2 + int(f.Pix[i+2])<<8 + int(f.Pix[i+3])
		if f.Pix[i+1] == 0xC4 {
			f.Pix = append(bytes.Clone(f.Pix[:i]), f.Pix[i+n:]...)
			cut++
			continue
		}
		i += n
	}
	if cut == 0 {
		t.Fatal("there were no tables to cut")
	}
	return f
}

func TestEachFormatIsRead(t *testing.T) {
	text := strings.Repeat("A2", 70)
	f := picture(t, text)
	frames := map[string]camera.Frame{
		"GREY": f, "GREY padded": padded(f, camera.Grey, 64), "NV12": padded(f, camera.NV12, 0), "YU12 padded": padded(f, camera.YU12, 32),
		"YUYV": padded(f, camera.YUYV, 0), "YUYV padded": padded(f, camera.YUYV, 16),
		"MJPG grey": packed(t, f, false), "MJPG": packed(t, f, true),
		"MJPG grey without tables": withoutTables(t, packed(t, f, false)), "MJPG without tables": withoutTables(t, packed(t, f, true)),
	}
	if len(frames) < 10 {
		t.Errorf("%d frames", len(frames))
	}
	for name, f := range frames {
		var d camera.Decoder
		if got, ok, err := d.Read(f); !ok || got != text || err != nil {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

func TestBrokenFrames(t *testing.T) {
	f := picture(t, "A")
	big := packed(t, f, true)
	for name, change := range map[string]func(*camera.Frame){
		"no bytes":        func(f *camera.Frame) { f.Pix = nil },
		"a byte short":    func(f *camera.Frame) { f.Pix = f.Pix[:len(f.Pix)-1] },
		"no width":        func(f *camera.Frame) { f.Width = 0 },
		"negative height": func(f *camera.Frame) { f.Height = -1 },
		"far too wide":    func(f *camera.Frame) { f.Width = 1 << 30 },
		"stride of rows":  func(f *camera.Frame) { f.Stride = f.Width - 1 },
		"huge stride":     func(f *camera.Frame) { f.Stride = math.MaxInt },
		"twice the step":  func(f *camera.Frame) { f.Format = camera.YUYV },
		"no such format":  func(f *camera.Frame) { f.Format = "H264" },
		"no JPEG":         func(f *camera.Frame) { f.Format = camera.MJPEG },
		"half a JPEG":     func(f *camera.Frame) { *f = big; f.Pix = f.Pix[:len(f.Pix)/2] },
		"another size":    func(f *camera.Frame) { *f = big; f.Width = 320 },
	} {
		bad := f
		change(&bad)
		var d camera.Decoder
		if _, ok, err := d.ReadAll(bad); ok || !errors.Is(err, camera.ErrFrame) {
			t.Errorf("%s: read %v, %v, want ErrFrame", name, ok, err)
		}
	}
}

func TestTinyFrames(t *testing.T) {
	for w := 1; w < 12; w++ {
		for h := 1; h < 12; h++ {
			var d camera.Decoder
			f := camera.Frame{Pix: make([]byte, w*h), Format: camera.Grey, Width: w, Height: h, Stride: w}
			if text, ok, err := d.ReadAll(f); ok || err != nil {
				t.Errorf("%d x %d: %q, %v", w, h, text, err)
			}
		}
	}
}

// FuzzFrame: whatever a driver hands over, an answer or ErrFrame.
func FuzzFrame(f *testing.F) {
	small := camera.Frame{Pix: bytes.Repeat([]byte{0, 255}, 32*32/2), Format: camera.Grey, Width: 32, Height: 32, Stride: 32}
	jpg := packed(f, small, true)
	all := []camera.Format{camera.Grey, camera.NV12, camera.YU12, camera.YUYV, camera.MJPEG, ""}
	f.Add(small.Pix, uint8(0), 32, 32, 32)
	f.Add(small.Pix, uint8(3), 16, 32, 32)
	f.Add(jpg.Pix, uint8(4), 32, 32, 0)
	f.Add(withoutTables(f, jpg).Pix, uint8(4), 32, 32, 0)
	f.Add(jpg.Pix[:len(jpg.Pix)/2], uint8(4), 32, 32, 0)
	f.Add([]byte("\xff\xd8\xff\xda\x00\x00"), uint8(4), 32, 32, 0)
	f.Add([]byte(nil), uint8(1), -1, math.MaxInt, 1)
	f.Fuzz(func(t *testing.T, pix []byte, format uint8, w, h, stride int) {
		if w > 256 || h > 256 { // the decoder's time, not the bounds, which TestBrokenFrames has
			w, h = w%256, h%256
		}
		var d camera.Decoder
		text, ok, err := d.Read(camera.Frame{Pix: pix, Format: all[int(format)%len(all)], Width: w, Height: h, Stride: stride})
		if err != nil && (!errors.Is(err, camera.ErrFrame) || ok || text != "") {
			t.Errorf("%q, %v, %v", text, ok, err)
		}
	})
}

// FuzzDecode gives the decoder pictures that no printer makes.
func FuzzDecode(f *testing.F) {
	p := picture(f, "FUZZ")
	var crop []byte
	for y := 160; y < 320; y++ {
		crop = append(crop, p.Pix[y*p.Width+240:][:160]...)
	}
	f.Add(crop, uint8(160))
	f.Add(crop[:80*160], uint8(160))
	f.Add(bytes.Repeat([]byte{0, 0, 255}, 3000), uint8(90))
	f.Fuzz(func(t *testing.T, pix []byte, width uint8) {
		w := int(width)
		if w == 0 || len(pix) < w || len(pix) > 1<<15 {
			return
		}
		var d camera.Decoder
		f := camera.Frame{Pix: pix, Format: camera.Grey, Width: w, Height: len(pix) / w, Stride: w}
		if text, ok, err := d.ReadAll(f); err != nil || !ok && text != "" {
			t.Errorf("%q, %v", text, err)
		}
	})
}

func BenchmarkGrey(b *testing.B) {
	f := picture(b, "A")
	for name, f := range map[string]camera.Frame{"YUYV": padded(f, camera.YUYV, 0), "MJPG": packed(b, f, true)} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(f.Width * f.Height))
			b.ReportAllocs()
			for b.Loop() {
				if err := camera.Convert(f); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
