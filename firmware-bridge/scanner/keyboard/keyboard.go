// Package keyboard finds scanners that pose as USB keyboards, and refuses them with the reason and the way out.
//
// Such a scanner types: 3 to 20 ms for each character, so that a pass of 141
// characters takes 0.3 to 3 s, garbled by the keyboard layout and mixed with
// what any other keyboard types. And any keyboard that somebody plugs in could
// type a pass. So a lane reads scanners on serial lines only, and each maker's
// guide has a set-up code that changes the scanner over: "USB COM port
// emulation", "USB CDC", "USB serial", on a DE2120 POR232.
package keyboard

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"path/filepath"
	"strconv"
	"strings"
)

// ErrKeyboard says that a scanner is a keyboard.
var ErrKeyboard = errors.New("a scanner in keyboard mode is not used")

// why is the reason and the next step, after ErrKeyboard.
const why = "it takes 0.3 to 3 s to type one code, and any keyboard could type one; " +
	"scan the maker's set-up code for a USB COM port (CDC; on a DE2120 POR232), plug it in again, and name the port that appears in /dev/serial/by-id"

// Refuse returns an error that wraps ErrKeyboard if port is an input or HID
// device instead of a serial port, also behind links. Any other path is nil,
// whether it is there or not.
func Refuse(port string) error {
	names := []string{filepath.Clean(port)}
	if device, err := filepath.EvalSymlinks(port); err == nil {
		names = append(names, device)
	}
	for _, name := range names {
		if strings.HasPrefix(name, "/dev/input/") || strings.HasPrefix(name, "/dev/hidraw") {
			return fmt.Errorf("use %s as a scanner: %w: %s", port, ErrKeyboard, why)
		}
	}
	return nil
}

// Found is a keyboard that the kernel knows.
type Found struct {
	Name    string // what it calls itself; cut to 80 bytes
	Vendor  uint16 // USB ids
	Product uint16
	Event   string // such as /dev/input/event3; "" if it has none
	// Hint says why this one may be a scanner: its vendor makes scanners, or its
	// name says so. "" is no proof that it is none, and a hint no proof that it is.
	Hint string
}

// Refusal says what to do about f, as an error that wraps ErrKeyboard.
func (f Found) Refusal() error {
	return fmt.Errorf("%s (%04x:%04x, %s): %w: %s", f.Name, f.Vendor, f.Product, f.Event, ErrKeyboard, why)
}

// devices is where the kernel lists them, below the root.
const devices = "proc/bus/input/devices"

// limit bounds what is read of the list, and most what is found in it.
const (
	limit = 256 << 10
	most  = 64
)

// Find lists the keyboards in root, which is os.DirFS("/") outside of tests: all
// that can type letters and Enter, those with a hint first. A system without
// the list has none.
func Find(root fs.FS) ([]Found, error) {
	f, err := root.Open(devices)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list keyboards: %w", err)
	}
	defer f.Close()
	return parse(f)
}

// parse reads blocks of lines; an empty line ends one.
func parse(r io.Reader) ([]Found, error) {
	var hinted, others []Found
	var block []string
	finish := func() {
		if f, ok := keyboard(block); ok && len(hinted)+len(others) < most {
			if f.Hint != "" {
				hinted = append(hinted, f)
			} else {
				others = append(others, f)
			}
		}
		block = block[:0]
	}
	lines := bufio.NewScanner(io.LimitReader(r, limit))
	for lines.Scan() {
		if lines.Text() == "" {
			finish()
			continue
		}
		if len(block) < 32 {
			block = append(block, lines.Text())
		}
	}
	finish()
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("list keyboards: %w", err)
	}
	return append(hinted, others...), nil
}

// keyboard makes one of a block, if it is a keyboard.
func keyboard(block []string) (Found, bool) {
	var f Found
	types := false
	for _, line := range block {
		switch {
		case strings.HasPrefix(line, "I: "):
			f.Vendor, f.Product = id(line, "Vendor="), id(line, "Product=")
		case strings.HasPrefix(line, "N: Name="):
			f.Name = clean(strings.TrimPrefix(line, "N: Name="))
		case strings.HasPrefix(line, "H: Handlers="):
			for _, handler := range strings.Fields(strings.TrimPrefix(line, "H: Handlers=")) {
				if strings.HasPrefix(handler, "event") {
					f.Event = path.Join("/dev/input", path.Base(handler))
				}
			}
		case strings.HasPrefix(line, "B: KEY="):
			types = typesText(strings.Fields(strings.TrimPrefix(line, "B: KEY=")))
		}
	}
	f.Hint = hint(f)
	return f, types
}

// typesText reports whether the bitmap of keys, most significant word first, has
// the letters Q and M and the Enter key (codes 16, 50 and 28), which a power button
// or a remote control has not.
func typesText(words []string) bool {
	if len(words) == 0 {
		return false
	}
	low, err := strconv.ParseUint(words[len(words)-1], 16, 64)
	if err != nil {
		return false
	}
	const letters = 1<<16 | 1<<28
	if low&letters != letters {
		return false
	}
	if low>>32 != 0 || len(words) < 2 { // words of 64 bits
		return low&(1<<50) != 0
	}
	next, err := strconv.ParseUint(words[len(words)-2], 16, 64)
	return err == nil && next&(1<<(50-32)) != 0
}

// id reads the hexadecimal number behind key.
func id(line, key string) uint16 {
	_, rest, _ := strings.Cut(line, key)
	digits, _, _ := strings.Cut(rest, " ")
	n, err := strconv.ParseUint(digits, 16, 16)
	if err != nil {
		return 0
	}
	return uint16(n)
}

// clean makes a device's own name fit to be shown.
func clean(name string) string {
	name = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7F || r == '"' || r == '\uFFFD' {
			return -1
		}
		return r
	}, name)
	if len(name) > 80 {
		name = strings.ToValidUTF8(name[:80], "")
	}
	return name
}

// makers are USB vendors that make scanners, some of them nothing else. It is
// a hint: Datalogic and Zebra also make keyboards, and the ids of cheap modules
// are not registered to anybody.
var makers = map[uint16]string{
	0x05E0: "Zebra/Symbol", 0x0C2E: "Honeywell/Metrologic", 0x05F9: "Datalogic/PSC", 0x080C: "Datalogic", 0x1EAB: "Newland",
	0x065A: "Opticon", 0x11FA: "Code", 0x067E: "Intermec", 0x6666: "unregistered id of QR modules", 0x324F: "Sunmi's engines",
}

// words in a name that a scanner uses of itself.
var words = []string{"scanner", "barcode", "bar code", "qr", "imager", "symbol", "honeywell", "datalogic", "newland", "zebra", "gm65", "de2120", "hid pos"}

func hint(f Found) string {
	if maker := makers[f.Vendor]; maker != "" {
		return fmt.Sprintf("vendor %04x is %s", f.Vendor, maker)
	}
	name := strings.ToLower(f.Name)
	for _, word := range words {
		if strings.Contains(name, word) {
			return fmt.Sprintf("its name has %q", word)
		}
	}
	return ""
}
