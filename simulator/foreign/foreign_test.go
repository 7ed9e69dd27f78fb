// Package foreign runs what `make build` made under the processors it was made
// for, which qemu plays.
package foreign

import (
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// foreign maps the folders that `make build` fills to what runs their programs here.
var foreign = map[string][]string{
	"amd64": nil,
	"arm64": {"qemu-aarch64"},
	"arm":   {"qemu-arm", "-cpu", "cortex-a7"},
}

// maxAgent is the mark for the agent's size on arm64, in bytes.
const maxAgent = 10_000_000

// TestCrossBuilt runs the static programs of all three processors.
func TestCrossBuilt(t *testing.T) {
	for arch, runner := range foreign {
		for _, name := range []string{"agent", "central", "firmware-bridge", "simulator"} {
			t.Run(arch+"/"+name, func(t *testing.T) {
				path := filepath.Join("../../bin", arch, name)
				static(t, path)
				command := append(append([]string{}, runner...), path, "version")
				out, err := exec.Command(command[0], command[1:]...).CombinedOutput()
				if err != nil || !strings.HasPrefix(string(out), name+" ") {
					t.Errorf("%v: %v\n%s", command, err, out)
				}
			})
		}
	}
}

// static fails unless the program needs no loader and no library.
func static(t *testing.T, path string) {
	t.Helper()
	f, err := elf.Open(path)
	if err != nil {
		t.Fatalf("%v; run make build first", err)
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			t.Errorf("%s is not static", path)
		}
	}
}

func TestAgentIsSmall(t *testing.T) {
	info, err := os.Stat("../../bin/arm64/agent")
	if err != nil {
		t.Fatalf("%v; run make build first", err)
	}
	t.Logf("the agent has %d bytes on arm64", info.Size())
	if info.Size() > maxAgent {
		t.Errorf("the agent has %d bytes on arm64, at most %d", info.Size(), maxAgent)
	}
}
