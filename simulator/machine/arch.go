package machine

import "fmt"

// Arch is the processor of a guest, by Debian's name.
type Arch string

// The three processors that the product is built for.
const (
	AMD64 Arch = "amd64"
	ARM64 Arch = "arm64"
	ARMHF Arch = "armhf"
)

// hardware is how QEMU plays a computer with that processor.
type hardware struct {
	flavour string   // of Debian's kernel package
	program string   // QEMU's
	machine []string // board and processor
	console string   // kernel parameters for the first serial port
	goarch  []string // environment of go build
}

var boards = map[Arch]hardware{
	// Half of the start would be the calibration of a timer (nolapic_timer).
	AMD64: {"amd64", "qemu-system-x86_64", []string{"-M", "pc", "-cpu", "max"},
		"console=ttyS0 no_timer_check nolapic_timer tsc=reliable mitigations=off", []string{"GOARCH=amd64"}},
	ARM64: {"arm64", "qemu-system-aarch64", []string{"-M", "virt", "-cpu", "cortex-a53"},
		"console=ttyAMA0", []string{"GOARCH=arm64"}},
	ARMHF: {"armmp", "qemu-system-arm", []string{"-M", "virt,highmem=off", "-cpu", "cortex-a15"},
		"console=ttyAMA0", []string{"GOARCH=arm", "GOARM=7"}},
}

// hardware returns how to play a, or an error that names what can be played.
func (a Arch) hardware() (hardware, error) {
	h, ok := boards[a]
	if !ok {
		return h, fmt.Errorf("no computer with processor %q: use %s, %s or %s", a, AMD64, ARM64, ARMHF)
	}
	return h, nil
}

// Go returns the environment in which go build makes programs for a, all static.
func (a Arch) Go() []string {
	return append([]string{"CGO_ENABLED=0", "GOOS=linux"}, boards[a].goarch...)
}
