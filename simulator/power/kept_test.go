package power

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// keep writes a disk and what was seen of its lane, and returns how to judge it again.
func keep(t *testing.T, path string, image []byte, seen record) string {
	t.Helper()
	b, err := json.Marshal(seen)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(writeSparse(path, image), os.WriteFile(path+".json", b, 0o600)); err != nil {
		t.Fatal(err)
	}
	full, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("kept; judge it again: go test -count=1 -v -run 'TestKept$' ./simulator/power -kept %s", full)
}

// load reads what keep wrote.
func load(t *testing.T, path string) (image []byte, seen record) {
	t.Helper()
	image, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path + ".json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &seen); err != nil {
		t.Fatal(err)
	}
	return image, seen
}

// TestKept judges a disk that an earlier run kept, named by -kept, and starts an agent on it; without one, a
// disk of its own, once with a record that fits and once with one that does not.
func TestKept(t *testing.T) {
	if *kept != "" {
		image, seen := load(t, *kept)
		folder := room(t)
		f, err := judgeImage(image, seen, folder)
		t.Logf("%d entries, %d bytes torn, %d openings seen, judged: %v", len(f.entries), f.torn, len(seen.Openings), err)
		if err == nil {
			_, err = revive(filepath.Join(folder, dataName), newCampus(), seen, f)
		}
		if err != nil {
			t.Error(err)
		}
		return
	}
	c := newCampus()
	disk := image(t, c.memory(t, rand.New(rand.NewPCG(*seed, 0)), true))
	f, err := judgeImage(disk, record{}, room(t))
	if err != nil || len(f.entries) < entriesOfSegment-50 {
		t.Fatalf("%d entries, %v", len(f.entries), err)
	}
	fits := record{Known: f.entries, Starts: []start{{0, never}}}
	lacks := fits
	id, _ := c.pass()
	lacks.Openings = []opening{{Pass: id, Number: 1, Walked: true, Settled: never}}
	for _, test := range []struct {
		seen record
		want error
	}{{fits, nil}, {lacks, errLost}} {
		path := filepath.Join(room(t), "kept.img")
		if how := keep(t, path, disk, test.seen); !strings.Contains(how, path) {
			t.Errorf("%s does not name %s", how, path)
		}
		image, seen := load(t, path)
		if !bytes.Equal(image, disk) || !reflect.DeepEqual(seen, test.seen) {
			t.Error("not kept as it was")
		}
		if _, err := judgeImage(image, seen, room(t)); !errors.Is(err, test.want) || (err == nil) != (test.want == nil) {
			t.Errorf("judged %v, want %v", err, test.want)
		}
	}
}

// TestTornSuperblock: half of a superblock is no end of a lane whose computer
// repairs its file system at the start; a damaged folder is not passed over.
func TestTornSuperblock(t *testing.T) {
	const superblock = 1024 // bytes from the start
	disk := image(t, newCampus().memory(t, rand.New(rand.NewPCG(*seed, 0)), false))
	if _, healed, err := extract(disk, room(t)); err != nil || healed != nil {
		t.Fatalf("a sound disk: healed %v, %v", healed != nil, err)
	}
	torn := bytes.Clone(disk)
	clear(torn[superblock+512 : superblock+1024])
	folder, healed, err := extract(torn, room(t))
	if err != nil || healed == nil {
		t.Fatalf("a torn superblock: healed %v, %v", healed != nil, err)
	}
	if _, err := judge(folder, record{}, filepath.Join(programs, "agent")); err != nil {
		t.Error(err)
	}
	if _, again, err := extract(healed, room(t)); err != nil || again != nil {
		t.Errorf("a healed disk: healed %v, %v", again != nil, err)
	}
	clear(disk[:len(disk)/2])
	if _, _, err := extract(disk, room(t)); !errors.Is(err, errFileSystem) {
		t.Errorf("half a disk: %v", err)
	}
}

// TestTornCommit: a transaction of the file system's journal whose last block is
// torn stops a kernel's mount; the computer leaves the transaction out and goes on.
func TestTornCommit(t *testing.T) {
	disk := image(t, newCampus().memory(t, rand.New(rand.NewPCG(*seed, 0)), false))
	file := filepath.Join(room(t), "journal.img")
	if err := writeSparse(file, disk); err != nil {
		t.Fatal(err)
	}
	commands := filepath.Join(room(t), "commands") // a transaction that writes zeros over a free block
	script := "jo -c\njw -b 32000 /dev/zero\njc\n"
	if err := os.WriteFile(commands, []byte(script), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("debugfs", "-w", "-f", commands, file).CombinedOutput(); err != nil {
		t.Fatalf("write a transaction: %v: %s", err, out)
	}
	unclean, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if _, healed, err := extract(unclean, room(t)); err != nil || healed != nil {
		t.Fatalf("a whole transaction: healed %v, %v", healed != nil, err)
	}
	end := lastCommit(unclean)
	unclean[end+512] ^= 1 // the second sector is what was there before
	if _, healed, err := extract(unclean, room(t)); err != nil || healed == nil {
		t.Errorf("a torn transaction: healed %v, %v", healed != nil, err)
	}
}

// lastCommit finds the last block that ends a transaction: a magic number and
// the block's type, big-endian, as include/linux/jbd2.h of Linux has them.
func lastCommit(disk []byte) int {
	mark := []byte{0xc0, 0x3b, 0x39, 0x98, 0, 0, 0, 2}
	last := -1
	for at := 0; at < len(disk); at += 1024 {
		if bytes.HasPrefix(disk[at:], mark) {
			last = at
		}
	}
	return last
}
