package photo

import (
	"encoding/binary"
	"image"
	"image/draw"
	"io"
)

// decoder unpacks one kind of picture.
type decoder func(io.Reader) (image.Image, error)

// bounds returns the box that a picture of this orientation is reduced to before
// it is turned.
func bounds(orientation int) image.Point {
	if orientation >= 5 { // lies on its side
		return image.Pt(Height, Width)
	}
	return image.Pt(Width, Height)
}

// reduce returns the picture with neither side above the box's; each pixel is
// the mean of those that it stands for. What is transparent becomes white.
func reduce(img image.Image, box image.Point) *image.RGBA {
	r := img.Bounds()
	w, h := r.Dx(), r.Dy()
	if w > box.X {
		w, h = box.X, max(h*box.X/w, 1)
	}
	if h > box.Y {
		w, h = max(w*box.Y/h, 1), box.Y
	}
	out := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		top, bottom := y*r.Dy()/h, max((y+1)*r.Dy()/h, y*r.Dy()/h+1)
		strip := image.NewRGBA(image.Rect(0, 0, r.Dx(), bottom-top))
		draw.Draw(strip, strip.Rect, image.White, image.Point{}, draw.Src)
		draw.Draw(strip, strip.Rect, img, r.Min.Add(image.Pt(0, top)), draw.Over)
		for x := range w {
			left, right := x*r.Dx()/w, max((x+1)*r.Dx()/w, x*r.Dx()/w+1)
			copy(out.Pix[out.PixOffset(x, y):], mean(strip, left, right))
		}
	}
	return out
}

// mean returns the mean colour of the columns left..right-1 of a strip.
func mean(strip *image.RGBA, left, right int) []byte {
	var sum [4]int
	rows := strip.Rect.Dy()
	for y := range rows {
		for i, v := range strip.Pix[strip.PixOffset(left, y) : strip.PixOffset(right-1, y)+4] {
			sum[i&3] += int(v)
		}
	}
	n := rows * (right - left)
	return []byte{byte(sum[0] / n), byte(sum[1] / n), byte(sum[2] / n), byte(sum[3] / n)}
}

// upright turns a picture whose camera was held so (EXIF 2.3, Orientation 1..8).
func upright(in *image.RGBA, orientation int) *image.RGBA {
	w, h := in.Rect.Dx(), in.Rect.Dy()
	// from returns where the pixel x, y of the upright picture stands.
	from := map[int]func(x, y int) (int, int){
		2: func(x, y int) (int, int) { return w - 1 - x, y },
		3: func(x, y int) (int, int) { return w - 1 - x, h - 1 - y },
		4: func(x, y int) (int, int) { return x, h - 1 - y },
		5: func(x, y int) (int, int) { return y, x },
		6: func(x, y int) (int, int) { return y, h - 1 - x },
		7: func(x, y int) (int, int) { return w - 1 - y, h - 1 - x },
		8: func(x, y int) (int, int) { return w - 1 - y, x },
	}[orientation]
	if from == nil {
		return in
	}
	size := image.Pt(w, h)
	if orientation >= 5 {
		size = image.Pt(h, w)
	}
	out := image.NewRGBA(image.Rectangle{Max: size})
	for y := range out.Rect.Dy() {
		for x := range out.Rect.Dx() {
			out.SetRGBA(x, y, in.RGBAAt(from(x, y)))
		}
	}
	return out
}

// maxSegments bounds the parts of a JPEG file that are looked at.
const maxSegments = 64

// exifOrientation returns how the camera was held, 1 if the file does not say.
func exifOrientation(data []byte) int {
	rest := data[2:]
	for range maxSegments {
		if len(rest) < 4 || rest[0] != 0xff || rest[1] == 0xda { // the pixels begin
			return 1
		}
		n := int(binary.BigEndian.Uint16(rest[2:]))
		if n < 2 || len(rest) < 2+n {
			return 1
		}
		if body := rest[4 : 2+n]; rest[1] == 0xe1 && len(body) > 6 && string(body[:6]) == "Exif\x00\x00" {
			return tiffOrientation(body[6:])
		}
		rest = rest[2+n:]
	}
	return 1
}

const tagOrientation = 0x0112

// tiffOrientation reads the tag from the first directory of a TIFF header.
func tiffOrientation(b []byte) int {
	if len(b) < 8 {
		return 1
	}
	var order binary.ByteOrder = binary.BigEndian
	if string(b[:2]) == "II" {
		order = binary.LittleEndian
	}
	at := uint64(order.Uint32(b[4:]))
	if at+2 > uint64(len(b)) {
		return 1
	}
	n := uint64(order.Uint16(b[at:]))
	for i := range n {
		entry := at + 2 + 12*i
		if entry+12 > uint64(len(b)) {
			return 1
		}
		if order.Uint16(b[entry:]) != tagOrientation {
			continue
		}
		if o := int(order.Uint16(b[entry+8:])); o >= 1 && o <= 8 {
			return o
		}
		return 1
	}
	return 1
}
