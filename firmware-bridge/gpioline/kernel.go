package gpioline

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The kernel's structures, include/uapi/linux/gpio.h. Every 64-bit field is at a
// multiple of 8 and so is every size, so that they are alike on amd64, arm64 and
// 32-bit arm, where Go aligns 64-bit fields to 4. The array lines below do not
// compile if a size is wrong.
type (
	chipInfo struct {
		name, label [nameSize]byte
		lines       uint32
	}
	lineInfo struct {
		name, consumer  [nameSize]byte
		offset, attrNum uint32
		flags           uint64
		attrs           [10][2]uint64
		_               [4]uint32
	}
	attribute struct {
		id, _ uint32
		value [8]byte // a u64, or a u32 in its first half
		mask  uint64  // of indexes into offsets
	}
	lineConfig struct {
		flags   uint64
		attrNum uint32
		_       [5]uint32
		attrs   [10]attribute
	}
	lineRequest struct {
		offsets  [maxLines]uint32
		consumer [nameSize]byte
		config   lineConfig
		lines    uint32
		events   uint32
		_        [5]uint32
		fd       int32
	}
	lineValues struct{ bits, mask uint64 }
)

var (
	_ [68]byte  = [unsafe.Sizeof(chipInfo{})]byte{}
	_ [256]byte = [unsafe.Sizeof(lineInfo{})]byte{}
	_ [592]byte = [unsafe.Sizeof(lineRequest{})]byte{}
	_ [16]byte  = [unsafe.Sizeof(lineValues{})]byte{}
)

// eventSize is that of struct gpio_v2_line_event: time stamp u64, id, offset,
// seqno, line_seqno, then 24 bytes of padding.
const eventSize = 48

const (
	flagUsed      = 1 << 0
	flagActiveLow = 1 << 1
	flagInput     = 1 << 2
	flagOutput    = 1 << 3
	flagOpenDrain = 1 << 6
	flagPullUp    = 1 << 8
	flagPullDown  = 1 << 9
	flagNoPull    = 1 << 10

	flagToActive   = 1 << 4 // the kernel's rising edge, which active-low turns round
	flagFromActive = 1 << 5

	attrValues   = 2
	attrDebounce = 3

	rising = 1 // the event's id: to the active level
)

// The ioctls' numbers: direction, size, type 0xB4, number.
const (
	getChipInfo = 2<<30 | 68<<16 | 0xb4<<8 | 0x01
	getLineInfo = 3<<30 | 256<<16 | 0xb4<<8 | 0x05
	getLine     = 3<<30 | 592<<16 | 0xb4<<8 | 0x07
	getValues   = 3<<30 | 16<<16 | 0xb4<<8 | 0x0e
	setValues   = 3<<30 | 16<<16 | 0xb4<<8 | 0x0f
)

// ioctl runs one on f, whose descriptor cannot be closed meanwhile.
func ioctl(f *os.File, number uintptr, arg unsafe.Pointer) error {
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var errno unix.Errno
	if err := raw.Control(func(fd uintptr) {
		for errno = unix.EINTR; errno == unix.EINTR; {
			_, _, errno = unix.Syscall(unix.SYS_IOCTL, fd, number, uintptr(arg))
		}
	}); err != nil {
		return err
	}
	if errno != 0 {
		return errno
	}
	return nil
}

// explain adds to the kernel's error what it means here and what to do.
func explain(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, unix.ENODEV), errors.Is(err, unix.ENXIO), errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%w (%w); plug it in, and name its lines by name: numbers move", ErrChip, err)
	case errors.Is(err, unix.EBUSY):
		return fmt.Errorf("%w (%w); gpioinfo shows by whom", ErrBusy, err)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%w (%w); add this user to the group gpio and see that a udev rule gives it /dev/gpiochip*", ErrAccess, err)
	case errors.Is(err, unix.ENOTTY), errors.Is(err, unix.EINVAL):
		return fmt.Errorf("%w; the kernel has to be 5.10 or newer, and the chip able to do this", err)
	}
	return err
}

// chip is an open GPIO chip.
type chip struct {
	file  *os.File
	name  string
	lines int
}

// openChip opens the chip at path.
func openChip(path string) (*chip, error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, explain(err)
	}
	var info chipInfo
	if err := ioctl(f, getChipInfo, unsafe.Pointer(&info)); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("ask %s what it is: %w", path, explain(err))
	}
	return &chip{f, text(info.name), int(info.lines)}, nil
}

// line returns what the kernel knows about line offset.
func (c *chip) line(offset int) (Info, error) {
	info := lineInfo{offset: uint32(offset)}
	if err := ioctl(c.file, getLineInfo, unsafe.Pointer(&info)); err != nil {
		return Info{}, fmt.Errorf("ask %s:%d what it is: %w", c.name, offset, explain(err))
	}
	consumer := text(info.consumer)
	if consumer == "" && info.flags&flagUsed != 0 {
		consumer = "kernel"
	}
	return Info{text(info.name), c.name, offset, consumer, info.flags&flagOutput != 0}, nil
}

// text is a name of the kernel's up to its zero byte.
func text(b [nameSize]byte) string {
	s, _, _ := strings.Cut(string(b[:]), "\x00")
	return s
}

// chips opens every chip once: a Raspberry Pi 5 has two nodes for one. The
// error joins those of chips that could not be opened.
func chips() (all []*chip, err error) {
	paths, _ := filepath.Glob("/dev/gpiochip*") // the pattern is well-formed
	slices.SortFunc(paths, func(a, b string) int {
		if len(a) != len(b) {
			return len(a) - len(b)
		}
		return strings.Compare(a, b)
	})
	for _, path := range paths {
		c, bad := openChip(path)
		if bad != nil {
			err = errors.Join(err, bad)
			continue
		}
		if slices.ContainsFunc(all, func(o *chip) bool { return o.name == c.name }) {
			_ = c.file.Close()
			continue
		}
		all = append(all, c)
	}
	return all, err
}

// List returns all lines of all chips, none without an error where there is no
// chip. With an error it still returns what could be read.
func List() ([]Info, error) {
	all, err := chips()
	var infos []Info
	for _, c := range all {
		for i := range c.lines {
			info, bad := c.line(i)
			if bad != nil {
				err = errors.Join(err, bad)
				break // the chip is gone
			}
			infos = append(infos, info)
		}
		_ = c.file.Close()
	}
	return infos, err
}

// find looks names up. All have to be of one chip.
func find(names []string) ([]Info, error) {
	var found []Info
	for _, name := range names {
		chip, offset, numbered, err := split(name)
		if err != nil {
			return nil, err
		}
		var matches []Info
		if !numbered {
			matches, err = named(name)
		} else if info, bad := at(chip, offset); bad != nil {
			err = bad
		} else {
			matches = []Info{info}
		}
		switch {
		case len(matches) > 1:
			return nil, fmt.Errorf("%w: %q is the name of %s and %s; write one of these", ErrNoLine, name, matches[0].Where(), matches[1].Where())
		case len(matches) == 1 && len(found) > 0 && matches[0].Chip != found[0].Chip:
			return nil, fmt.Errorf("%w: %q is on %s and %q on %s; lines that are read together have to be of one chip",
				ErrNoLine, names[0], found[0].Chip, name, matches[0].Chip)
		case len(matches) == 1:
			found = append(found, matches[0])
		case err != nil:
			return nil, fmt.Errorf("find line %q: %w", name, err)
		default:
			return nil, fmt.Errorf("%w: %q; gpioinfo lists them", ErrNoLine, name)
		}
	}
	return found, nil
}

// named returns the lines that the kernel calls name.
func named(name string) ([]Info, error) {
	infos, err := List()
	if len(infos) == 0 && err == nil {
		err = fmt.Errorf("%w; see that /dev/gpiochip0 exists", ErrChip)
	}
	return slices.DeleteFunc(infos, func(i Info) bool { return i.Name != name }), err
}

// at returns line offset of the chip.
func at(name string, offset int) (Info, error) {
	c, err := openChip("/dev/" + name)
	if err != nil {
		return Info{}, err
	}
	defer c.file.Close()
	if offset >= c.lines {
		return Info{}, fmt.Errorf("%w: %s has lines 0..%d", ErrNoLine, name, c.lines-1)
	}
	return c.line(offset)
}

// request asks for lines of one chip and returns what they are held by.
func request(names []string, consumer string, config lineConfig) (*os.File, []Info, error) {
	infos, err := find(names)
	if err != nil {
		return nil, nil, err
	}
	c, err := openChip("/dev/" + infos[0].Chip)
	if err != nil {
		return nil, nil, err
	}
	defer c.file.Close()
	if consumer == "" {
		consumer = "turnstile"
	}
	r := lineRequest{config: config, lines: uint32(len(infos)), events: held}
	copy(r.consumer[:nameSize-1], consumer)
	for i, info := range infos {
		r.offsets[i] = uint32(info.Offset)
	}
	if err := ioctl(c.file, getLine, unsafe.Pointer(&r)); err != nil {
		if _, alive := c.line(infos[0].Offset); errors.Is(err, unix.ENODEV) && alive == nil {
			return nil, nil, fmt.Errorf("%w (%w) that can report edges: this one has no interrupt; use another", ErrNoLine, err)
		}
		return nil, nil, explain(err)
	}
	unix.CloseOnExec(int(r.fd))
	if err := unix.SetNonblock(int(r.fd), true); err != nil {
		_ = unix.Close(int(r.fd))
		return nil, nil, fmt.Errorf("set non-blocking: %w", err)
	}
	return os.NewFile(uintptr(r.fd), strings.Join(names, ",")), infos, nil
}

// values asks for or sets the levels of a request's first lines.
func values(f *os.File, number uintptr, lines int, bits uint64) (uint64, error) {
	v := lineValues{bits: bits, mask: ^uint64(0) >> (maxLines - lines)}
	if err := ioctl(f, number, unsafe.Pointer(&v)); err != nil {
		return 0, err
	}
	return v.bits, nil
}

// bit is 1 for true.
func bit(b bool) uint64 {
	if b {
		return 1
	}
	return 0
}

// clock returns what a time stamp of the kernel's is on this program's clock.
// Both run on CLOCK_MONOTONIC. The closest of a few looks counts: a processor
// taken away between the two clocks would move a batch of edges against the next.
func clock() (func(stamp uint64) time.Time, error) {
	const near = 5 * time.Microsecond
	var now time.Time
	var mono int64
	for best, looks := time.Duration(math.MaxInt64), 0; best > near && looks < 8; looks++ {
		var ts unix.Timespec
		before := time.Now()
		if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
			return nil, fmt.Errorf("read clock: %w", err)
		}
		if took := time.Since(before); took < best {
			best, now, mono = took, before, ts.Nano()
		}
	}
	return func(stamp uint64) time.Time { return now.Add(time.Duration(int64(stamp) - mono)) }, nil
}

// decode appends the events in b to edges, up to its capacity. lines maps the chip's numbers to indexes.
func decode(edges []Edge, b []byte, lines []Info, when func(uint64) time.Time, seen *sequence) []Edge {
	for ; len(b) >= eventSize && len(edges) < cap(edges); b = b[eventSize:] {
		word := func(at int) uint32 { return binary.NativeEndian.Uint32(b[at:]) }
		offset := int(word(12))
		line := slices.IndexFunc(lines, func(i Info) bool { return i.Offset == offset })
		if line < 0 {
			continue // not ours: the kernel never does
		}
		edges = append(edges, Edge{
			Line: line, Active: word(8) == rising, At: when(binary.NativeEndian.Uint64(b)), Lost: seen.gap(word(16)),
		})
	}
	return edges
}
