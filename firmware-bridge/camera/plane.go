package camera

// plane is a picture in grey, one byte a pixel, row by row.
type plane struct {
	pix  []byte
	w, h int
}

// newPlane makes a plane in room if it is large enough. Its content is undefined.
func newPlane(room []byte, w, h int) plane {
	if cap(room) < w*h {
		room = make([]byte, w*h)
	}
	return plane{room[:w*h], w, h}
}

// smooth returns each pixel as the mean of its 3 x 3 surroundings, against
// noise. At the edges the outermost pixels count again.
func (p plane) smooth() plane {
	out := newPlane(nil, p.w, p.h)
	sums := make([]uint16, p.w) // of three rows, column by column
	for y := range p.h {
		above, here, below := p.row(y-1), p.row(y), p.row(y+1)
		for x := range sums {
			sums[x] = uint16(above[x]) + uint16(here[x]) + uint16(below[x])
		}
		to := out.row(y)
		for x := range to {
			left, right := sums[max(x-1, 0)], sums[min(x+1, p.w-1)]
			to[x] = byte((uint32(left+sums[x]+right) * 7282) >> 16) // a ninth
		}
	}
	return out
}

// row returns row y, or the nearest one that there is.
func (p plane) row(y int) []byte {
	y = min(max(y, 0), p.h-1)
	return p.pix[y*p.w : (y+1)*p.w]
}

// invert returns the negative. gozxing declares ALSO_INVERTED and does not do it.
func (p plane) invert() plane {
	out := newPlane(nil, p.w, p.h)
	for i, v := range p.pix {
		out.pix[i] = 255 - v
	}
	return out
}

// half returns the picture at half its size, each pixel the mean of four.
func (p plane) half() plane {
	if p.w < 2 || p.h < 2 {
		return p
	}
	out := newPlane(nil, p.w/2, p.h/2)
	for y := range out.h {
		a, b, to := p.row(2*y), p.row(2*y+1), out.row(y)
		for x := range to {
			to[x] = byte((int(a[2*x]) + int(a[2*x+1]) + int(b[2*x]) + int(b[2*x+1]) + 2) / 4)
		}
	}
	return out
}

// double returns the picture at twice its size, with the pixels between taken
// as means: a symbol of two pixels a module is more than the detector can hold.
func (p plane) double() plane {
	out := newPlane(nil, 2*p.w, 2*p.h)
	for y := range out.h {
		a, b, to := p.row(y/2), p.row((y+1)/2), out.row(y)
		for x := range to {
			l, r := x/2, min((x+1)/2, p.w-1)
			to[x] = byte((int(a[l]) + int(a[r]) + int(b[l]) + int(b[r]) + 2) / 4)
		}
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
	var table [256]byte
	for v := range table {
		table[v] = byte(min(max(v-low, 0)*255/max(high-low, 1), 255))
	}
	out := newPlane(nil, p.w, p.h)
	for i, v := range p.pix {
		out.pix[i] = table[v]
	}
	return out
}

// sharpen adds to each pixel the given times its difference from its
// surroundings, against a picture out of focus.
func (p plane) sharpen(times int) plane {
	out := p.smooth().smooth()
	for i, v := range p.pix {
		out.pix[i] = byte(min(max(int(v)+times*(int(v)-int(out.pix[i])), 0), 255))
	}
	return out
}
