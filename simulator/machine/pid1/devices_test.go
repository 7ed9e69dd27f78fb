package main

import "testing"

func TestFacts(t *testing.T) {
	f := facts([]byte("add@/devices/x\x00ACTION=add\x00DEVNAME=ttyUSB0\x00SUBSYSTEM=tty\x00EMPTY=\x00"))
	if f["ACTION"] != "add" || f["DEVNAME"] != "ttyUSB0" || f["SUBSYSTEM"] != "tty" || len(f) != 4 {
		t.Errorf("%v", f)
	}
}

func TestPlain(t *testing.T) {
	if got := plain("QEMU USB/SERIAL é-1.2"); got != "QEMU_USB_SERIAL__-1.2" {
		t.Errorf("%q", got)
	}
}

// FuzzFacts: no event of a kernel stops PID 1.
func FuzzFacts(f *testing.F) {
	f.Add([]byte("add@/x\x00ACTION=add\x00"))
	f.Add([]byte("==\x00=\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(facts(b)) > len(b) {
			t.Error("more facts than bytes")
		}
	})
}
