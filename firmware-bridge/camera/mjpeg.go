package camera

import (
	"bytes"
	"fmt"
	"image"
	"image/jpeg"
)

// standardTables are the Huffman tables of the JPEG standard (ITU-T T.81, Annex
// K.3.3) as one DHT segment. Many cameras leave them out of each frame, as AVI
// files do, and image/jpeg does not know them by itself.
var standardTables = func() []byte {
	dcBits := [2][16]byte{{0, 1, 5, 1, 1, 1, 1, 1, 1}, {0, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1}}
	acBits := [2][16]byte{
		{0, 2, 1, 3, 3, 2, 4, 3, 5, 5, 4, 4, 0, 0, 1, 125},
		{0, 2, 1, 2, 4, 4, 3, 4, 7, 5, 4, 4, 0, 1, 2, 119},
	}
	acValues := [2]string{luminanceAC, chrominanceAC}
	seg := []byte{0xFF, 0xC4, 0, 0}
	for i := range byte(2) {
		seg = append(append(seg, i), dcBits[i][:]...)
		seg = append(seg, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11)
		seg = append(append(seg, 0x10|i), acBits[i][:]...)
		seg = append(seg, acValues[i]...)
	}
	n := len(seg) - 2
	seg[2], seg[3] = byte(n>>8), byte(n)
	return seg
}()

// Values of the AC tables, in the order of their code lengths.
const (
	luminanceAC = "\x01\x02\x03\x00\x04\x11\x05\x12\x21\x31\x41\x06\x13\x51\x61\x07\x22\x71\x14\x32\x81\x91\xa1\x08\x23\x42\xb1\xc1\x15\x52\xd1\xf0" +
		"\x24\x33\x62\x72\x82\x09\x0a\x16\x17\x18\x19\x1a\x25\x26\x27\x28\x29\x2a\x34\x35\x36\x37\x38\x39\x3a\x43\x44\x45\x46\x47\x48\x49" +
		"\x4a\x53\x54\x55\x56\x57\x58\x59\x5a\x63\x64\x65\x66\x67\x68\x69\x6a\x73\x74\x75\x76\x77\x78\x79\x7a\x83\x84\x85\x86\x87\x88\x89" +
		"\x8a\x92\x93\x94\x95\x96\x97\x98\x99\x9a\xa2\xa3\xa4\xa5\xa6\xa7\xa8\xa9\xaa\xb2\xb3\xb4\xb5\xb6\xb7\xb8\xb9\xba\xc2\xc3\xc4\xc5" +
		"\xc6\xc7\xc8\xc9\xca\xd2\xd3\xd4\xd5\xd6\xd7\xd8\xd9\xda\xe1\xe2\xe3\xe4\xe5\xe6\xe7\xe8\xe9\xea\xf1\xf2\xf3\xf4\xf5\xf6\xf7\xf8" +
		"\xf9\xfa"
	chrominanceAC = "\x00\x01\x02\x03\x11\x04\x05\x21\x31\x06\x12\x41\x51\x07\x61\x71\x13\x22\x32\x81\x08\x14\x42\x91\xa1\xb1\xc1\x09\x23\x33\x52\xf0" +
		"\x15\x62\x72\xd1\x0a\x16\x24\x34\xe1\x25\xf1\x17\x18\x19\x1a\x26\x27\x28\x29\x2a\x35\x36\x37\x38\x39\x3a\x43\x44\x45\x46\x47\x48" +
		"\x49\x4a\x53\x54\x55\x56\x57\x58\x59\x5a\x63\x64\x65\x66\x67\x68\x69\x6a\x73\x74\x75\x76\x77\x78\x79\x7a\x82\x83\x84\x85\x86\x87" +
		"\x88\x89\x8a\x92\x93\x94\x95\x96\x97\x98\x99\x9a\xa2\xa3\xa4\xa5\xa6\xa7\xa8\xa9\xaa\xb2\xb3\xb4\xb5\xb6\xb7\xb8\xb9\xba\xc2\xc3" +
		"\xc4\xc5\xc6\xc7\xc8\xc9\xca\xd2\xd3\xd4\xd5\xd6\xd7\xd8\xd9\xda\xe2\xe3\xe4\xe5\xe6\xe7\xe8\xe9\xea\xf2\xf3\xf4\xf5\xf6\xf7\xf8" +
		"\xf9\xfa"
)

// unpack returns the brightness of a JPEG frame. The size that the picture
// states is checked against the one agreed with the device before anything is
// unpacked.
func unpack(f Frame, room []byte) (p plane, err error) {
	defer func() {
		if r := recover(); r != nil {
			p, err = plane{}, fmt.Errorf("%w: %v", ErrFrame, r)
		}
	}()
	data := withTables(f.Pix)
	c, err := jpeg.DecodeConfig(bytes.NewReader(data))
	if err != nil {
		return plane{}, fmt.Errorf("%w: %w", ErrFrame, err)
	}
	if c.Width != f.Width || c.Height != f.Height {
		return plane{}, fmt.Errorf("%w: JPEG of %d x %d pixels, agreed were %d x %d", ErrFrame, c.Width, c.Height, f.Width, f.Height)
	}
	img, err := jpeg.Decode(bytes.NewReader(data))
	if err != nil {
		return plane{}, fmt.Errorf("%w: %w", ErrFrame, err)
	}
	switch img := img.(type) {
	case *image.YCbCr:
		return rows(Frame{Pix: img.Y, Width: f.Width, Height: f.Height, Stride: img.YStride}, 1, room)
	case *image.Gray:
		return rows(Frame{Pix: img.Pix, Width: f.Width, Height: f.Height, Stride: img.Stride}, 1, room)
	}
	return plane{}, fmt.Errorf("%w: JPEG in colours that no camera sends", ErrFrame)
}

// withTables returns data with Huffman tables: as it is if it has some before
// its pixels, else with the standard ones behind its first marker.
func withTables(data []byte) []byte {
	if len(data) < 4 || data[0] != 0xFF || data[1] != 0xD8 {
		return data
	}
	for i := 2; i+4 <= len(data) && data[i] == 0xFF; {
		switch marker := data[i+1]; {
		case marker == 0xC4:
			return data
		case marker == 0xDA:
			return bytes.Join([][]byte{data[:2], standardTables, data[2:]}, nil)
		case marker == 0xFF: // filler
			i++
			continue
		}
		i += 2 + int(data[i+2])<<8 + int(data[i+3])
	}
	return data
}
