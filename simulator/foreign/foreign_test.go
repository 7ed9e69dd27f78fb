// Package foreign runs what `make build` made under the processors it was made
// for, which qemu plays.
package foreign

import (
	"crypto/ed25519"
	"debug/elf"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"turnstile/agent/cache"
	"turnstile/central/link"
	"turnstile/central/pass"
)

// foreign maps the folders that `make build` fills to what runs their programs here.
var foreign = map[string][]string{
	"amd64": nil,
	"arm64": {"qemu-aarch64"},
	"arm":   {"qemu-arm", "-cpu", "cortex-a7"},
}

// programs are the ones that make build makes for a processor: on 32 bits, those of a lane.
func programs(arch string) []string {
	if arch == "arm" {
		return []string{"agent", "firmware-bridge"}
	}
	return []string{"agent", "central", "firmware-bridge", "simulator"}
}

// maxAgent is the mark for the agent's size on arm64, in bytes.
const maxAgent = 10_000_000

// TestCrossBuilt runs the static programs of all three processors.
func TestCrossBuilt(t *testing.T) {
	for arch, runner := range foreign {
		for _, name := range programs(arch) {
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

// on runs a program of one processor with something on its standard input.
func on(t *testing.T, arch, name, input string, args ...string) string {
	t.Helper()
	command := append(append(append([]string{}, foreign[arch]...), filepath.Join("../../bin", arch, name)), args...)
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Stdin = strings.NewReader(input)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%v: %v\n%s", command, err, out)
	}
	return string(out)
}

// TestForeignWork lets each processor open a cache file, and that of an office read a
// code. The agent reads codes on an armv7 in simulator/kernel.
func TestForeignWork(t *testing.T) {
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now().UTC()
	p := pass.Pass{Kind: pass.ECard, KeyID: 1, Day: pass.DayOf(now), Index: 4711, Length: 144, Zones: 1}
	code := p.Text(ed25519.Sign(private, p.Message()))
	file := filepath.Join(t.TempDir(), "cache.bolt")
	c, _, err := cache.Open(file, cache.Options{})
	if err != nil {
		t.Fatal(err)
	}
	keys := &link.Keyset{Version: 1, Keys: []link.PassKey{{ID: 1, Public: public}}}
	if err := errors.Join(c.Apply(cache.Update{Keys: keys}), c.Close()); err != nil {
		t.Fatal(err)
	}
	for arch := range foreign {
		if slices.Contains(programs(arch), "central") {
			if out := on(t, arch, "central", code+"\n", "verify", "--offline", "-"); !strings.Contains(out, p.ID().String()) {
				t.Errorf("central of %s does not see pass %s:\n%s", arch, p.ID(), out)
			}
		}
		on(t, arch, "agent", "", "check-db", file)
	}
}
