//go:build arm || 386

package camera

import "unsafe"

// These do not compile when a layout is not the kernel's.
var (
	_ [104]byte = [unsafe.Sizeof(capability{})]byte{}
	_ [64]byte  = [unsafe.Sizeof(formatDescription{})]byte{}
	_ [44]byte  = [unsafe.Sizeof(frameSize{})]byte{}
	_ [204]byte = [unsafe.Sizeof(pixFormat{})]byte{}
	_ [20]byte  = [unsafe.Sizeof(requestBuffers{})]byte{}
	_ [68]byte  = [unsafe.Sizeof(buffer{})]byte{}
	_ [52]byte  = [unsafe.Offsetof(buffer{}.where)]byte{}
)
