package serialport

import (
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"
)

// Found is a serial port that is there now.
type Found struct {
	Path   string // stable if the kernel gives one: /dev/serial/by-id/...
	Device string // the node behind it, such as /dev/ttyUSB0
	Usable bool   // this user may open it
}

// List returns the serial ports of this computer without opening any, because
// opening one can restart the board behind it. Ports with a stable name come first.
func List() []Found {
	var all []Found
	named := map[string]bool{}
	for _, pattern := range []string{"/dev/serial/by-id/*", "/dev/ttyUSB*", "/dev/ttyACM*", "/dev/ttyAMA*", "/dev/serial[0-9]", "/dev/ttyS*"} {
		paths, _ := filepath.Glob(pattern) // the patterns are constant and valid
		slices.Sort(paths)
		for _, path := range paths {
			device, err := filepath.EvalSymlinks(path)
			if err != nil || named[device] {
				continue
			}
			named[device] = true
			all = append(all, Found{path, device, unix.Access(path, unix.R_OK|unix.W_OK) == nil})
		}
	}
	return all
}
