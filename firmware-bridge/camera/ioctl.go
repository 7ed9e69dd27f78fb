package camera

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// What follows is the part of <linux/videodev2.h> that reading one camera
// takes. Sizes are part of the request numbers, so a wrong layout is refused by
// the kernel; sizes_*.go state them for each word size.

// Values of <linux/videodev2.h>.
const (
	bufTypeCapture  = 1
	memoryMmap      = 1
	fieldNone       = 1 // whole pictures, not every other row
	capVideoCapture = 0x00000001
	capStreaming    = 0x04000000
	capDeviceCaps   = 0x80000000
	sizeDiscrete    = 1
	bufFlagError    = 0x0040
)

type capability struct {
	driver                      [16]byte
	card, bus                   [32]byte
	version, capabilities, node uint32
	reserved                    [3]uint32
}

type formatDescription struct {
	index, kind, flags  uint32
	description         [32]byte
	pixelFormat, mbCode uint32
	reserved            [3]uint32
}

type frameSize struct {
	index, pixelFormat, kind uint32
	// discrete: width, height; else least and greatest width and step, then height
	sizes    [6]uint32
	reserved [2]uint32
}

// pixFormat is struct v4l2_format with its union read as v4l2_pix_format. The
// union is aligned as a pointer is, because one of its members holds some.
type pixFormat struct {
	kind  uint32
	union [200 / unsafe.Sizeof(uintptr(0))]uintptr
}

// pix is struct v4l2_pix_format, which begins the union.
type pix struct {
	width, height, pixelFormat, field, bytesPerLine, sizeImage uint32
	more                                                       [6]uint32
}

func (f *pixFormat) pix() *pix { return (*pix)(unsafe.Pointer(&f.union)) }

type requestBuffers struct {
	count, kind, memory, capabilities uint32
	flags                             uint32
}

// buffer is struct v4l2_buffer. unix.Timeval has 32-bit seconds on 32-bit arm;
// kernels from 5.6 on know that layout by its size, and older ones only that.
type buffer struct {
	index, kind, used, flags, field uint32
	at                              unix.Timeval
	timecode                        [4]uint32
	sequence, memory                uint32
	where                           uintptr // the offset for mmap is its low 32 bits
	length, reserved, request       uint32
}

// Directions of a request, from the program's side.
const (
	writes = 1
	reads  = 2
	both   = reads | writes
)

// request is the number of request nr with an argument of the given size.
func request(direction, nr, size uintptr) uintptr {
	return direction<<30 | size<<16 | 'V'<<8 | nr
}

var (
	queryCap       = request(reads, 0, unsafe.Sizeof(capability{}))
	enumFormats    = request(both, 2, unsafe.Sizeof(formatDescription{}))
	setFormat      = request(both, 5, unsafe.Sizeof(pixFormat{}))
	askBuffers     = request(both, 8, unsafe.Sizeof(requestBuffers{}))
	queryBuffer    = request(both, 9, unsafe.Sizeof(buffer{}))
	queueBuffer    = request(both, 15, unsafe.Sizeof(buffer{}))
	dequeueBuffer  = request(both, 17, unsafe.Sizeof(buffer{}))
	streamOn       = request(writes, 18, unsafe.Sizeof(int32(0)))
	streamOff      = request(writes, 19, unsafe.Sizeof(int32(0)))
	enumFrameSizes = request(both, 74, unsafe.Sizeof(frameSize{}))
)

// ioctl does one request, again when a signal came between.
func ioctl[T any](fd int, number uintptr, name string, arg *T) error {
	for range 100 {
		_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), number, uintptr(unsafe.Pointer(arg)))
		if errno == 0 {
			return nil
		}
		if errno != unix.EINTR {
			return fmt.Errorf("%s: %w", name, errno)
		}
	}
	return fmt.Errorf("%s: %w", name, unix.EINTR)
}

// fourCC is the kernel's number of a format.
func fourCC(f Format) uint32 {
	n := uint32(0)
	for i := range min(len(f), 4) {
		n |= uint32(f[i]) << (8 * i)
	}
	return n
}
