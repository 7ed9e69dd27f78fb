package power

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// diskSize is that of a lane's disk: small, because it is copied for each state.
const diskSize = 32 << 20

// dataName is the agent's folder on the disk.
const dataName = "agent"

// format returns a disk with an ext4 file system of Debian's defaults that holds
// what is in folder.
func format(folder, scratch string) ([]byte, error) {
	file := filepath.Join(scratch, "new.img")
	defer os.Remove(file)
	// Without lazy initialisation no kernel thread writes where nobody looks.
	cmd := exec.Command("mkfs.ext4", "-q", "-F", "-J", "size=4", "-E", "lazy_itable_init=0,lazy_journal_init=0", "-d", folder, file, fmt.Sprintf("%dk", diskSize>>10))
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("make file system (Debian's e2fsprogs does): %w: %s", err, out)
	}
	image, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read file system: %w", err)
	}
	return image, nil
}

// errFileSystem says that the file system is damaged beyond what its journal heals.
var errFileSystem = errors.New("file system is damaged")

// extract replays the file system's journal and copies the data folder out of an
// image, to scratch. It returns the folder, and the disk as it was repaired where
// a kernel alone would not mount it.
func extract(image []byte, scratch string) (folder string, healed []byte, err error) {
	file := filepath.Join(scratch, "state.img")
	if err := writeSparse(file, image); err != nil {
		return "", nil, err
	}
	defer os.Remove(file)
	if healed, err = repair(file); err != nil {
		return "", nil, fmt.Errorf("check file system: %w: %w", errFileSystem, err)
	}
	out, err := exec.Command("debugfs", "-R", fmt.Sprintf("rdump /%s %s", dataName, scratch), file).CombinedOutput()
	folder = filepath.Join(scratch, dataName)
	if _, missing := os.Stat(folder); err != nil || missing != nil {
		return "", nil, fmt.Errorf("copy from file system: %w: %w: %s", errFileSystem, errors.Join(err, missing), out)
	}
	return folder, healed, nil
}

// repair does what a computer started with fsck.repair=yes does before it
// mounts. It returns the disk if no kernel mounts it without that: ext4 counts on
// 1024 bytes to be written whole or not at all, in its superblock, which is
// written in place, and in the block that ends a transaction of its journal. A
// transaction whose end is torn was never acknowledged, and is left out.
func repair(file string) (healed []byte, err error) {
	code, said, err := check(file, "-p") // the journal and what a mount does; everything else ends it
	torn := code == unreadable || strings.Contains(said, replayAborted)
	if code == unreadable {
		if code, said, err = check(file, "-y"); err == nil && code <= corrected {
			code, said, err = check(file, "-p")
		}
	}
	switch {
	case err != nil:
		return nil, err
	case code > corrected:
		return nil, fmt.Errorf("e2fsck, code %d: %s", code, said)
	case !torn:
		return nil, nil
	}
	return os.ReadFile(file)
}

// Codes of e2fsck(8), and what it says of a journal whose last transaction is torn.
const (
	corrected     = 1 // or less: all is well now
	unreadable    = 8 // no superblock that describes a file system
	replayAborted = "was corrupt, replay was aborted"
)

// check runs e2fsck and returns its code and what it said.
func check(file, how string) (code int, said string, err error) {
	command := exec.Command("e2fsck", "-f", how, file)
	command.Env = append(os.Environ(), "LC_ALL=C") // what it says is looked at
	out, err := command.CombinedOutput()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode(), string(out), nil
	}
	return 0, string(out), err
}

// writeSparse writes a file without the blocks that are all zero.
func writeSparse(path string, content []byte) (err error) {
	f, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("write image: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if err := f.Truncate(int64(len(content))); err != nil {
		return fmt.Errorf("write image: %w", err)
	}
	const block = 64 << 10
	var zero [block]byte
	for at := 0; at < len(content); at += block {
		b := content[at:min(at+block, len(content))]
		if bytes.Equal(b, zero[:len(b)]) {
			continue
		}
		if _, err := f.WriteAt(b, int64(at)); err != nil {
			return fmt.Errorf("write image: %w", err)
		}
	}
	return nil
}
