package firmware

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"turnstile/firmware-bridge/firmware/board"
)

// The same sources give the same bytes, wherever they are built.
func TestSameBytesTwice(t *testing.T) {
	t.Parallel()
	built := board.Build(t)
	first, err := os.ReadFile(filepath.Join(built, "controller.bin"))
	if err != nil {
		t.Fatal(err)
	}
	source, err := board.Source()
	if err != nil {
		t.Fatal(err)
	}
	elsewhere := filepath.Join(t.TempDir(), "a copy of the sources")
	for _, part := range []string{"Makefile", "core", "lm3s6965"} {
		if err := os.MkdirAll(elsewhere, 0o755); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command("cp", "-r", filepath.Join(source, part), elsewhere).CombinedOutput(); err != nil {
			t.Fatalf("copy %s: %v: %s", part, err, out)
		}
	}
	if err := board.Make(elsewhere, "image"); err != nil {
		t.Fatal(err)
	}
	second, err := os.ReadFile(filepath.Join(elsewhere, "build", "controller.bin"))
	if err != nil {
		t.Fatal(err)
	}
	if len(first) < 4096 || !bytes.Equal(first, second) {
		t.Errorf("two builds of %d and %d bytes differ", len(first), len(second))
	}
}

// The handler of faults uses no stack, for that may be what has failed.
func TestFaultHandlerUsesNoStack(t *testing.T) {
	t.Parallel()
	out, err := exec.Command("arm-none-eabi-objdump", "-d", "--no-show-raw-insn", "--disassemble=fault_interrupt",
		filepath.Join(board.Build(t), board.Product)).Output()
	if err != nil {
		t.Fatal(err)
	}
	stores := 0
	for line := range strings.Lines(string(out)) {
		_, instruction, is := strings.Cut(line, ":\t")
		switch {
		case !is:
		case strings.HasPrefix(instruction, "str"):
			stores++
		case strings.HasPrefix(instruction, "push"), strings.HasPrefix(instruction, "bl"), strings.Contains(instruction, "sp"):
			t.Errorf("it does: %s", strings.TrimSpace(instruction))
		}
	}
	if stores == 0 {
		t.Errorf("it stores nothing: the relay stays on\n%s", out)
	}
}

// The sources keep to the house's rules as far as a machine can tell: short
// files, no allocation, no library, no vendor's header, nothing left over.
func TestSources(t *testing.T) {
	source, err := board.Source()
	if err != nil {
		t.Fatal(err)
	}
	files := 0
	for _, pattern := range []string{"core/*.[ch]", "lm3s6965/*.[ch]"} {
		found, err := filepath.Glob(filepath.Join(source, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range found {
			files++
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			name := filepath.Base(path)
			if n := bytes.Count(text, []byte("\n")); n > 400 {
				t.Errorf("%s has %d lines, at most 400", name, n)
			}
			for line := range strings.Lines(string(text)) {
				include, is := strings.CutPrefix(line, "#include <")
				if is && !strings.Contains("stdbool.h> stddef.h> stdint.h>", strings.TrimSpace(include)) {
					t.Errorf("%s: %s is not freestanding", name, strings.TrimSpace(line))
				}
			}
			for _, word := range []string{"malloc", "TEST", "#ifdef", "TO" + "DO"} {
				if bytes.Contains(text, []byte(word)) {
					t.Errorf("%s has %q", name, word)
				}
			}
		}
	}
	if files < 25 {
		t.Errorf("only %d source files seen", files)
	}
}
