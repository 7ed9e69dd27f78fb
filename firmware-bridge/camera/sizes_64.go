//go:build amd64 || arm64 || riscv64

package camera

import "unsafe"

// These do not compile when a layout is not the kernel's.
var (
	_ [104]byte = [unsafe.Sizeof(capability{})]byte{}
	_ [64]byte  = [unsafe.Sizeof(formatDescription{})]byte{}
	_ [44]byte  = [unsafe.Sizeof(frameSize{})]byte{}
	_ [208]byte = [unsafe.Sizeof(pixFormat{})]byte{}
	_ [20]byte  = [unsafe.Sizeof(requestBuffers{})]byte{}
	_ [88]byte  = [unsafe.Sizeof(buffer{})]byte{}
	_ [64]byte  = [unsafe.Offsetof(buffer{}.where)]byte{}
)
