package site

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// Build builds agent, central and simulator of the checkout at root into a new
// folder, for tests that run them. remove takes the folder away.
func Build(root string) (programs string, remove func(), err error) {
	if programs, err = os.MkdirTemp("", "turnstile-programs-"); err != nil {
		return "", nil, fmt.Errorf("make folder for programs: %w", err)
	}
	build := exec.Command("go", "build", "-o", programs, "./agent", "./central", "./simulator")
	build.Dir, build.Env = filepath.FromSlash(root), append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		os.RemoveAll(programs)
		return "", nil, fmt.Errorf("build the programs: %w\n%s", err, out)
	}
	return programs, func() { os.RemoveAll(programs) }, nil
}
