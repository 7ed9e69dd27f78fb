package machine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Recipe is raised when Prepare makes something else than before.
const recipe = "3"

// Below a folder of Prepare for one processor; all are made in one go.
const (
	kernelFile = "kernel"
	sumsFile   = "SHA256SUMS" // first line: recipe and the kernel's version
	aptFolder  = "apt"        // gone when the rest is there
)

// kept are the folders of a kernel's modules that guests use. All of them would
// be 400 MB.
var kept = []string{"drivers/usb/", "drivers/virtio/", "drivers/char/", "drivers/media/", "fs/configfs/",
	"drivers/block/virtio_blk", "fs/ext4/", "fs/jbd2/", "fs/mbcache", "lib/crc16", "crypto/crc32c_generic",
	"drivers/net/virtio_net", "drivers/net/net_failover", "net/core/failover"}

// Kernels is a folder of kernels, each in a folder by its processor's name.
type Kernels struct {
	Folder   string    // made if it is not there
	Progress io.Writer // is told what takes its time
}

// Prepare fetches Debian's kernel for each processor, unless it is there
// already, and builds what that kernel lacks. The processors are done side by
// side; who comes second waits for the first. It needs apt's package indexes and
// about 200 MB to be fetched, 40 s and 150 MB of disk; without a network its error
// says what to do.
func (k Kernels) Prepare(ctx context.Context, archs ...Arch) error {
	folder, err := filepath.Abs(k.Folder) // apt and make work in folders of their own
	if err != nil {
		return fmt.Errorf("find folder of kernels: %w", err)
	}
	k.Folder = folder
	if err := os.MkdirAll(k.Folder, 0o755); err != nil {
		return fmt.Errorf("make folder of kernels: %w", err)
	}
	errs := make([]error, len(archs))
	var all sync.WaitGroup
	for i, arch := range slices.Compact(slices.Sorted(slices.Values(archs))) {
		all.Go(func() {
			if err := k.prepare(ctx, arch); err != nil {
				errs[i] = fmt.Errorf("prepare kernel for %s: %w", arch, err)
			}
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

func (k Kernels) of(arch Arch) string { return filepath.Join(k.Folder, string(arch)) }

// prepare makes one kernel in a folder beside its own and moves it there whole.
func (k Kernels) prepare(ctx context.Context, arch Arch) error {
	h, err := arch.hardware()
	if err != nil {
		return err
	}
	unlock, err := lock(ctx, k.of(arch)+".lock")
	if err != nil {
		return err
	}
	defer unlock()
	if sound(k.of(arch)) == nil {
		return nil
	}
	began, fresh := time.Now(), k.of(arch)+".new"
	k.say("fetching Debian's kernel for %s", arch)
	if err := errors.Join(os.RemoveAll(fresh), os.RemoveAll(k.of(arch)), os.MkdirAll(fresh, 0o755)); err != nil {
		return fmt.Errorf("clear folder: %w", err)
	}
	defer os.RemoveAll(fresh)
	version, err := fetchKernel(ctx, arch, h, fresh)
	if err != nil {
		return err
	}
	if arch == AMD64 { // the others have a controller that QEMU plays
		k.say("building gpio-sim for %s", version)
		if err := buildGPIOSim(ctx, version, fresh); err != nil {
			return err
		}
	}
	if err := errors.Join(os.RemoveAll(filepath.Join(fresh, aptFolder)), seal(fresh, version)); err != nil {
		return err
	}
	if err := os.Rename(fresh, k.of(arch)); err != nil {
		return fmt.Errorf("keep kernel: %w", err)
	}
	k.say("kernel %s is ready after %.0f s", version, time.Since(began).Seconds())
	return nil
}

func (k Kernels) say(format string, args ...any) {
	if k.Progress != nil {
		fmt.Fprintf(k.Progress, format+"\n", args...)
	}
}

// fetchKernel unpacks the newest kernel that the package index has into folder,
// and returns its version, such as 6.1.0-50-amd64.
func fetchKernel(ctx context.Context, arch Arch, h hardware, folder string) (string, error) {
	index, err := openIndex(ctx, arch, filepath.Join(folder, aptFolder))
	if err != nil {
		return "", err
	}
	name, err := index.newest(ctx, "linux-image-"+h.flavour)
	if err != nil {
		return "", err
	}
	version := strings.TrimPrefix(name, "linux-image-")
	packages, err := index.download(ctx, name)
	if err != nil {
		return "", err
	}
	if err := unpack(ctx, packages[0], kernelParts(version, folder)); err != nil {
		return "", err
	}
	boot := filepath.Join(folder, "boot")
	if arch != AMD64 {
		err = os.Rename(boot, filepath.Join(folder, kernelFile))
	} else {
		err = errors.Join(unpackKernel(ctx, boot, filepath.Join(folder, kernelFile)), os.Remove(boot))
	}
	if err != nil {
		return "", fmt.Errorf("keep kernel: %w", err)
	}
	return version, nil
}

// kernelParts says where a file of a kernel's package goes, "" for nowhere.
func kernelParts(version, folder string) func(string) string {
	modules := "lib/modules/" + version + "/"
	return func(name string) string {
		name = strings.TrimPrefix(name, "usr/")
		switch inside, isModule := strings.CutPrefix(name, modules+"kernel/"); {
		case name == "boot/vmlinuz-"+version:
			return filepath.Join(folder, "boot")
		case name == modules+builtinFile:
			return filepath.Join(folder, builtinFile)
		case isModule && slices.ContainsFunc(kept, func(k string) bool { return strings.HasPrefix(inside, k) }):
			return filepath.Join(folder, modulesFolder, filepath.FromSlash(inside))
		}
		return ""
	}
}

// lock takes a lock among processes; a crash releases it.
func lock(ctx context.Context, file string) (unlock func(), err error) {
	f, err := os.OpenFile(file, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("open lock: %w", err)
	}
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return func() { f.Close() }, nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil, errors.Join(fmt.Errorf("wait for another process that prepares %s: %w", file, ctx.Err()), f.Close())
		}
	}
}
