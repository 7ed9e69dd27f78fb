package power

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"turnstile/simulator/machine"
)

// The counts of CI. `make power` gives larger ones.
var (
	cuts   = flag.Int("cuts", 20, "power cuts")
	states = flag.Int("states", 100, "states that a power cut could have left")
	seed   = flag.Uint64("seed", 1, "of everything that is drawn")
	kept   = flag.String("kept", "", "judge this disk, which an earlier run kept, in TestKept")
	report = flag.String("report", filepath.Join(results, "summary.json"), "file for the counts, as JSON; those of the tests that did not run stay")
)

const (
	// kernels is where the kernels are kept from one run to the next.
	kernels = "../../.bench-cache"
	// results is where consoles' logs, the counts and disks that failed are.
	results = "../../.bench-cache/power"
)

// Made once for all tests.
var (
	programs string // folder of what was built from this checkout
	scratch  string // folder in memory, if there is enough of it
	resume   string // snapshot of a computer that is up and has touched no disk
	total    counts
)

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(prepareAndRun(m))
}

func prepareAndRun(m *testing.M) int {
	began := time.Now()
	var err error
	if scratch, err = os.MkdirTemp(memoryFolder(), "turnstile-power-"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(scratch)
	programs = filepath.Join(scratch, "programs")
	fetched := make(chan error, 1)
	go func() {
		fetched <- machine.Kernels{Folder: kernels, Progress: os.Stderr}.Prepare(context.Background(), machine.AMD64)
	}()
	err = build()
	if err := errors.Join(err, <-fetched, os.MkdirAll(results, 0o755)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if err := snapshot(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Fprintf(os.Stderr, "power: prepared in %.0f s\n", time.Since(began).Seconds())
	code := m.Run()
	if err := total.write(*report, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

// memoryFolder is where thousands of disks are written and thrown away: in
// memory if 2 GB are free there, else wherever temporary files are.
func memoryFolder() string {
	const folder, enough = "/dev/shm", 2 << 30
	var s unix.Statfs_t
	if unix.Statfs(folder, &s) == nil && uint64(s.Bavail)*uint64(s.Bsize) > enough && unix.Access(folder, unix.W_OK) == nil {
		return folder
	}
	return ""
}

// build builds what runs in the guest; the agent runs here as well.
func build() error {
	cmd := exec.Command("go", "build", "-ldflags=-s -w", "-o", programs+"/", "./agent", "./simulator/machine/pid1", "./simulator/power/gatekeys")
	cmd.Dir, cmd.Env = "../..", append(os.Environ(), machine.AMD64.Go()...)
	if err := os.MkdirAll(programs, 0o755); err != nil {
		return err
	}
	if text, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build programs: %w\n%s", err, text)
	}
	return nil
}

// patience is how long anything may take; a busy machine is slow, not wrong.
const patience = 180 * time.Second

// dataFolder is where the agent keeps its data in the guest, and diskFolder is
// where the disk is.
const (
	diskFolder = "/var/lib/turnstile"
	dataFolder = diskFolder + "/" + dataName
)

// agentConfig is the lane: a scanner and a gate on the computer's serial ports.
const agentConfig = `data: ` + dataFolder + `
clock: {trust_system: true}
lanes:
  - number: 1
    scanners: [{port: /dev/ttyS1, baud: 115200}]
    gate: {driver: controller, port: /dev/ttyS2, baud: 115200, window: 1s}
`

// computer is the configuration of a computer with the disk at an NBD socket.
func computer(socket, log string) machine.Config {
	c := machine.Config{Arch: machine.AMD64, Kernels: kernels, PID1: filepath.Join(programs, "pid1"), Log: log, Resume: resume,
		Modules: []string{"virtio_blk", "crc32c_generic", "ext4"},
		Files: map[string]string{"/bin/agent": filepath.Join(programs, "agent"), "/bin/gatekeys": filepath.Join(programs, "gatekeys"),
			"/etc/turnstile/agent.yaml": filepath.Join(scratch, "agent.yaml")}}
	c.Devices = machine.Disk(socket)
	for _, line := range []string{"scanner", "gate"} {
		c.Devices = append(append(c.Devices, machine.Socket(line)...), "-serial", "chardev:"+line)
	}
	return c
}

// snapshot starts the one computer that all others go on from. Its disk is empty.
func snapshot() (err error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := os.WriteFile(filepath.Join(scratch, "agent.yaml"), []byte(agentConfig), 0o600); err != nil {
		return err
	}
	d, err := plugDisk(make([]byte, diskSize))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.unplug()) }()
	m, err := machine.Start(ctx, computer(d.socket, filepath.Join(results, "snapshot.log")))
	if err != nil {
		return err
	}
	// The kernel writes back what no program flushes after a tenth of a second
	// instead of 30: the more is under way when the power goes.
	for _, setting := range []string{"dirty_writeback_centisecs", "dirty_expire_centisecs"} {
		err = errors.Join(err, m.Write("/proc/sys/vm/"+setting, []byte("10")))
	}
	file := filepath.Join(scratch, "snapshot")
	err = errors.Join(err, m.Snapshot(ctx, file), m.Close())
	resume = file
	return err
}
