package camera

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// What can be wrong with a device.
var (
	ErrGone    = errors.New("camera is gone")                            // unplugged, or it sends nothing any more: open it again
	ErrBusy    = errors.New("camera is in use")                          // by another program
	ErrAccess  = errors.New("no permission to use camera")               // group video is missing
	ErrNotThis = errors.New("not a camera that frames can be read from") // another kind of device, or none of the formats
)

const (
	goodWidth  = 640 // a code held up fills enough of it, and a decoder is quick on it
	goodHeight = 480
	buffers    = 4 // of the driver: one being filled, one waiting, room for a slow moment
	// slice is how often a wait for a frame looks at its context.
	slice = 100 * time.Millisecond
	// silence without any frame after which a camera counts as gone. Long
	// exposures in the dark take a second.
	silence = 5 * time.Second
	maxEnum = 256 // formats and sizes asked for, in case a driver never ends its list
)

// Device is a V4L2 camera that streams into memory shared with the driver.
type Device struct {
	path   string
	fd     int
	format Format
	pix    pix
	mapped [][]byte
	frame  []byte // copy of the newest one
}

// Open opens the camera at path, asks for the size nearest 640 x 480 in the
// best of the given formats (none: all that can be read) and starts it. Errors
// wrap ErrBusy, ErrAccess, ErrNotThis or fs.ErrNotExist and say what to do.
func Open(path string, want ...Format) (*Device, error) {
	if len(want) == 0 {
		want = formats
	}
	fd, err := unix.Open(path, unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, explain(path, err)
	}
	d := &Device{path: path, fd: fd}
	if err := d.start(want); err != nil {
		_ = d.Close()
		return nil, explain(path, err)
	}
	return d, nil
}

// explain turns what the kernel said about path into what to do next.
func explain(path string, err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, unix.ENXIO), errors.Is(err, unix.ENODEV):
		return fmt.Errorf("open camera %s: %w: plug it in or choose one of %s", path, fs.ErrNotExist, candidates())
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("open camera %s: %w: add this user to the group video and sign in again", path, ErrAccess)
	case errors.Is(err, unix.EBUSY):
		return fmt.Errorf("open camera %s: %w: stop the other program (fuser -v %s)", path, ErrBusy, path)
	case errors.Is(err, unix.ENOTTY), errors.Is(err, unix.EISDIR):
		return fmt.Errorf("open camera %s: %w: choose one of %s", path, ErrNotThis, candidates())
	}
	return fmt.Errorf("open camera %s: %w", path, err)
}

// candidates lists the cameras that are there.
func candidates() string {
	found, _ := filepath.Glob("/dev/v4l/by-id/*") // the patterns are constant and valid
	if len(found) == 0 {
		found, _ = filepath.Glob("/dev/video*")
	}
	if len(found) == 0 {
		return "those that appear in /dev/v4l/by-id once a camera is plugged in (there is none now)"
	}
	return strings.Join(found, ", ")
}

// start checks the device, agrees on a format and begins to stream.
func (d *Device) start(want []Format) error {
	var c capability
	if err := ioctl(d.fd, queryCap, "query capabilities", &c); err != nil {
		return err
	}
	has := c.capabilities
	if has&capDeviceCaps != 0 {
		has = c.node
	}
	if has&capVideoCapture == 0 || has&capStreaming == 0 {
		return fmt.Errorf("%w: %q cannot stream pictures of one plane; choose one of %s", ErrNotThis, text(c.card[:]), candidates())
	}
	if err := d.agree(want); err != nil {
		return err
	}
	if err := d.share(); err != nil {
		return err
	}
	kind := int32(bufTypeCapture)
	return ioctl(d.fd, streamOn, "start stream", &kind)
}

// text returns a string of the kernel's.
func text(b []byte) string {
	b, _, _ = bytes.Cut(b, []byte{0})
	return string(b)
}

// offer is one format and size that a device has.
type offer struct {
	format        Format
	width, height uint32
}

// agree sets the best format and size that the device offers.
func (d *Device) agree(want []Format) error {
	offers, others := d.offers(want)
	if len(offers) == 0 {
		return fmt.Errorf("%w: it offers %s; readable are %v", ErrNotThis, strings.Join(others, ", "), want)
	}
	best := choose(offers, want)
	f := pixFormat{kind: bufTypeCapture}
	f.pix().width, f.pix().height = best.width, best.height
	f.pix().pixelFormat, f.pix().field = fourCC(best.format), fieldNone
	if err := ioctl(d.fd, setFormat, "set format", &f); err != nil {
		return err
	}
	d.format, d.pix = best.format, *f.pix()
	if d.pix.pixelFormat != fourCC(best.format) || d.pix.width-1 >= maxSide || d.pix.height-1 >= maxSide {
		return fmt.Errorf("%w: asked for %s of %d x %d it set format %#x of %d x %d",
			ErrNotThis, best.format, best.width, best.height, d.pix.pixelFormat, d.pix.width, d.pix.height)
	}
	return nil
}

// choose returns the offer whose number of pixels is nearest the good one, and
// of equal ones that of the format first in want.
func choose(offers []offer, want []Format) offer {
	distance := func(o offer) float64 {
		pixels := float64(max(o.width, 1)) * float64(max(o.height, 1))
		return max(pixels/(goodWidth*goodHeight), goodWidth*goodHeight/pixels)
	}
	return slices.MinFunc(offers, func(a, b offer) int {
		if x, y := distance(a), distance(b); x != y {
			if x < y {
				return -1
			}
			return 1
		}
		return slices.Index(want, a.format) - slices.Index(want, b.format)
	})
}

// offers returns what the device has of the wanted formats, and the names of
// its others.
func (d *Device) offers(want []Format) (all []offer, others []string) {
	for i := range uint32(maxEnum) {
		desc := formatDescription{index: i, kind: bufTypeCapture}
		if ioctl(d.fd, enumFormats, "list formats", &desc) != nil {
			break // the end of the list
		}
		k := slices.IndexFunc(want, func(f Format) bool { return fourCC(f) == desc.pixelFormat })
		if k < 0 {
			if len(others) < 8 { // enough for a message
				others = append(others, text(desc.description[:]))
			}
			continue
		}
		all = append(all, d.sizes(want[k])...)
	}
	return all, others
}

// sizes returns the sizes of one format. A driver that does not list them sets
// the nearest it has.
func (d *Device) sizes(f Format) []offer {
	var all []offer
	for i := range uint32(maxEnum) {
		s := frameSize{index: i, pixelFormat: fourCC(f)}
		if ioctl(d.fd, enumFrameSizes, "list sizes", &s) != nil {
			break // the end of the list
		}
		if s.kind != sizeDiscrete {
			w := min(max(goodWidth, s.sizes[0]), s.sizes[1])
			return []offer{{f, w, min(max(goodHeight, s.sizes[3]), s.sizes[4])}}
		}
		all = append(all, offer{f, s.sizes[0], s.sizes[1]})
	}
	if len(all) == 0 {
		all = append(all, offer{f, goodWidth, goodHeight})
	}
	return all
}

// share has the driver make its buffers, maps them and queues them.
func (d *Device) share() error {
	r := requestBuffers{count: buffers, kind: bufTypeCapture, memory: memoryMmap}
	if err := ioctl(d.fd, askBuffers, "ask for buffers", &r); err != nil {
		return err
	}
	if r.count < 1 || r.count > 64 {
		return fmt.Errorf("%w: its driver gives %d buffers", ErrNotThis, r.count)
	}
	for i := range r.count {
		b := buffer{index: i, kind: bufTypeCapture, memory: memoryMmap}
		if err := ioctl(d.fd, queryBuffer, "query buffer", &b); err != nil {
			return err
		}
		if b.length == 0 || b.length > maxBytes {
			return fmt.Errorf("%w: its driver gives buffers of %d bytes", ErrNotThis, b.length)
		}
		m, err := unix.Mmap(d.fd, int64(uint32(b.where)), int(b.length), unix.PROT_READ, unix.MAP_SHARED)
		if err != nil {
			return fmt.Errorf("map buffer: %w", err)
		}
		d.mapped = append(d.mapped, m)
		if err := d.queue(i); err != nil {
			return err
		}
	}
	return nil
}

// queue gives a buffer to the driver.
func (d *Device) queue(i uint32) error {
	return ioctl(d.fd, queueBuffer, "queue buffer", &buffer{index: i, kind: bufTypeCapture, memory: memoryMmap})
}

// String names the camera's path, format and size.
func (d *Device) String() string {
	return fmt.Sprintf("%s, %s of %d x %d", d.path, d.format, d.pix.width, d.pix.height)
}

// Next implements Frames. Frames that came since the last call are dropped but
// for the newest.
func (d *Device) Next(ctx context.Context) (Frame, error) {
	for end := time.Now().Add(silence); ; {
		if err := ctx.Err(); err != nil {
			return Frame{}, err
		}
		found, err := d.newest()
		if err != nil {
			return Frame{}, fmt.Errorf("read camera %s: %w: %w", d.path, ErrGone, err)
		}
		if found {
			return Frame{Pix: d.frame, Format: d.format, Width: int(d.pix.width), Height: int(d.pix.height),
				Stride: int(d.pix.bytesPerLine), At: time.Now()}, nil
		}
		if time.Now().After(end) {
			return Frame{}, fmt.Errorf("read camera %s: %w: no frame for %v; check its plug and cable", d.path, ErrGone, silence)
		}
		if err := d.wait(); err != nil {
			return Frame{}, fmt.Errorf("read camera %s: %w: %w", d.path, ErrGone, err)
		}
	}
}

// wait returns when a frame may be there, after slice at the latest.
func (d *Device) wait() error {
	fds := []unix.PollFd{{Fd: int32(d.fd), Events: unix.POLLIN}}
	_, err := unix.Poll(fds, int(slice/time.Millisecond))
	switch {
	case err == unix.EINTR:
		return nil
	case err != nil:
		return err
	case fds[0].Revents&(unix.POLLERR|unix.POLLHUP|unix.POLLNVAL) != 0:
		return unix.ENODEV
	}
	return nil
}

// newest copies the newest whole frame and gives all buffers back.
func (d *Device) newest() (found bool, err error) {
	for range 2 * len(d.mapped) {
		b := buffer{kind: bufTypeCapture, memory: memoryMmap}
		err := ioctl(d.fd, dequeueBuffer, "take buffer", &b)
		if errors.Is(err, unix.EAGAIN) {
			return found, nil
		}
		if err != nil {
			return false, err
		}
		if int(b.index) >= len(d.mapped) || int(b.used) > len(d.mapped[b.index]) {
			return false, fmt.Errorf("buffer %d with %d bytes: %w", b.index, b.used, unix.EOVERFLOW)
		}
		if b.flags&bufFlagError == 0 && b.used > 0 {
			d.frame = append(d.frame[:0], d.mapped[b.index][:b.used]...)
			found = true
		}
		if err := d.queue(b.index); err != nil {
			return false, err
		}
	}
	return found, nil
}

// Close implements Frames.
func (d *Device) Close() error {
	kind := int32(bufTypeCapture)
	_ = ioctl(d.fd, streamOff, "stop stream", &kind) // it may be gone, or not have begun
	for _, m := range d.mapped {
		_ = unix.Munmap(m)
	}
	d.mapped = nil
	if err := unix.Close(d.fd); err != nil {
		return fmt.Errorf("close camera %s: %w", d.path, err)
	}
	return nil
}
