package camera

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Bounds of a frame. A camera at a gate needs a tenth of this; the bound is for
// a driver that reports nonsense.
const (
	maxSide  = 4096
	maxBytes = 32 << 20
)

// ErrFrame says that a frame's bytes do not fit its format and size. One such
// frame is thrown away; the next one may be whole.
var ErrFrame = errors.New("broken camera frame")

// Format is how a frame's bytes stand for pixels: the kernel's four characters.
type Format string

// The formats that can be read. Of the first four only the brightness is used.
const (
	Grey  Format = "GREY" // 1 byte a pixel
	NV12  Format = "NV12" // brightness, then colour at a quarter of the size
	YU12  Format = "YU12" // the same with two colour planes
	YUYV  Format = "YUYV" // 2 bytes a pixel, the first is the brightness
	MJPEG Format = "MJPG" // a JPEG picture; costs this computer the unpacking
)

// formats are those to ask a device for, the cheapest first.
var formats = []Format{Grey, NV12, YU12, YUYV, MJPEG}

// Frame is one picture as the device delivered it.
type Frame struct {
	Pix           []byte // valid until the next call of Next
	Format        Format
	Width, Height int // pixels
	Stride        int // bytes from one row to the next; 0 for MJPEG
	At            time.Time
}

// Frames delivers pictures of one opened camera. It is used by one goroutine.
type Frames interface {
	// Next waits for a frame that was taken after the call before it returned,
	// or is the newest there is. It returns ctx.Err() when ctx ends, and another
	// error when the camera is gone: close it and open it again.
	Next(ctx context.Context) (Frame, error)
	// Close stops the camera and gives it back.
	Close() error
}

// grey returns the brightness of f as a plane in room, which grows as needed.
func (f Frame) grey(room []byte) (plane, error) {
	if f.Width < 1 || f.Height < 1 || f.Width > maxSide || f.Height > maxSide || len(f.Pix) > maxBytes {
		return plane{}, fmt.Errorf("%w: %d x %d pixels in %d bytes", ErrFrame, f.Width, f.Height, len(f.Pix))
	}
	step := 1
	switch f.Format {
	case MJPEG:
		return unpack(f, room)
	case YUYV:
		step = 2
	case Grey, NV12, YU12:
	default:
		return plane{}, fmt.Errorf("%w: format %q", ErrFrame, string(f.Format))
	}
	return rows(f, step, room)
}

// rows takes each step-th byte of each row. The colours behind the last row of
// brightness are not looked at, so a frame may be cut off there.
func rows(f Frame, step int, room []byte) (plane, error) {
	row := f.Width * step
	if f.Stride < row || f.Stride > maxBytes || len(f.Pix) < (f.Height-1)*f.Stride+row {
		return plane{}, fmt.Errorf("%w: %d bytes for %d rows of %d, %d apart", ErrFrame, len(f.Pix), f.Height, row, f.Stride)
	}
	p := newPlane(room, f.Width, f.Height)
	for y := range f.Height {
		from, to := f.Pix[y*f.Stride:][:row], p.pix[y*f.Width:][:f.Width]
		if step == 1 {
			copy(to, from)
			continue
		}
		for x := range to {
			to[x] = from[x*step]
		}
	}
	return p, nil
}
