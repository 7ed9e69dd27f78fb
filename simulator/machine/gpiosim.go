package machine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// gpioSim is the module's name and place below a processor's folder. Debian builds
// its kernels without it.
const gpioSim = modulesFolder + "/extra/gpio-sim.ko"

// series is the kernel that the packages of Debian 12 for building are named by.
const series = "6.1"

// wanted are the files of the kernel's source that gpio-sim is made of, and what
// they are called beside each other. irq_sim is built in only where something
// else wants it, which is nowhere in Debian's.
var wanted = map[string]string{"drivers/gpio/gpio-sim.c": "sim.c", "drivers/gpio/gpiolib.h": "gpiolib.h", "kernel/irq/irq_sim.c": "irq_sim.c"}

// buildGPIOSim makes the kernel's own simulated GPIO chip as a module, from
// Debian's source package and headers, into folder.
func buildGPIOSim(ctx context.Context, version, folder string) error {
	work := filepath.Join(folder, "build")
	if err := os.MkdirAll(filepath.Join(work, "module"), 0o755); err != nil {
		return fmt.Errorf("build gpio-sim: %w", err)
	}
	defer os.RemoveAll(work)
	index := &index{arch: AMD64, folder: filepath.Join(folder, aptFolder)}
	common := strings.TrimSuffix(version, "-"+string(AMD64)) + "-common"
	packages, err := index.download(ctx, "linux-headers-"+version, "linux-headers-"+common, "linux-kbuild-"+series, "linux-source-"+series)
	if err != nil {
		return err
	}
	for _, p := range packages[:3] {
		if err := unpack(ctx, p, func(name string) string { return filepath.Join(work, "root", name) }); err != nil {
			return fmt.Errorf("unpack headers: %w", err)
		}
	}
	if err := fetchSource(ctx, packages[3], filepath.Join(work, "module")); err != nil {
		return err
	}
	headers := filepath.Join(work, "root/usr/src/linux-headers-"+version)
	if err := reroot(filepath.Join(work, "root"), headers, common); err != nil {
		return fmt.Errorf("build gpio-sim: %w", err)
	}
	return makeModule(ctx, headers, filepath.Join(work, "module"), filepath.Join(folder, gpioSim))
}

// fetchSource takes the wanted files out of the package with the whole source:
// an archive in an archive, of which nothing else touches the disk.
func fetchSource(ctx context.Context, deb, to string) error {
	packed := filepath.Join(to, "source.tar.xz")
	defer os.Remove(packed)
	inner := "usr/src/linux-source-" + series
	err := unpack(ctx, deb, func(name string) string {
		if name == inner+".tar.xz" {
			return packed
		}
		return ""
	})
	if err != nil {
		return fmt.Errorf("unpack kernel source: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	found := 0
	err = piped(exec.CommandContext(ctx, "xz", "--decompress", "--stdout", "--threads=0", packed), func(r io.Reader) error {
		return extract(r, func(name string) string {
			_, inside, _ := strings.Cut(name, "/")
			if wanted[inside] == "" {
				return ""
			}
			found++
			return filepath.Join(to, wanted[inside])
		})
	})
	if err == nil && found != len(wanted) {
		err = errNothing
	}
	if err != nil {
		return fmt.Errorf("unpack kernel source: %w", err)
	}
	return nil
}

// reroot makes unpacked header packages, which point at /usr by absolute paths,
// point at each other.
func reroot(root, headers, common string) error {
	shared := filepath.Join(root, "usr/src/linux-headers-"+common)
	makefile := filepath.Join(headers, "Makefile")
	text, err := os.ReadFile(makefile)
	if err != nil {
		return err
	}
	text = bytes.ReplaceAll(text, []byte("/usr/src/linux-headers-"+common), []byte(shared))
	if err := os.WriteFile(makefile, text, 0o644); err != nil {
		return err
	}
	for _, folder := range []string{headers, shared} {
		for _, tools := range []string{"scripts", "tools"} {
			link := filepath.Join(folder, tools)
			to := filepath.Join(root, "usr/lib/linux-kbuild-"+series, tools)
			if _, err := os.Readlink(link); err != nil {
				continue // this package has no such link
			}
			if err := errors.Join(os.Remove(link), os.Symlink(to, link)); err != nil {
				return err
			}
		}
	}
	return nil
}

// kbuild tells the kernel's build what the module is made of.
const kbuild = "obj-m := gpio-sim.o\ngpio-sim-y := sim.o irq_sim.o\n"

// irq_sim finds an interrupt by a function that modules may not call; the other
// one does the same look-up.
var notExported, exported = []byte("handle_simple_irq(irq_to_desc(irqnum))"), []byte("generic_handle_irq(irqnum)")

// makeModule builds the module in folder.
func makeModule(ctx context.Context, headers, folder, to string) error {
	file := filepath.Join(folder, "irq_sim.c")
	source, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("build gpio-sim: %w", err)
	}
	if bytes.Count(source, notExported) != 1 {
		return fmt.Errorf("build gpio-sim: irq_sim.c of this kernel is another one; look for irq_to_desc in it")
	}
	source = bytes.Replace(source, notExported, exported, 1)
	err = errors.Join(os.WriteFile(file, source, 0o644), os.WriteFile(filepath.Join(folder, "Makefile"), []byte(kbuild), 0o644),
		os.MkdirAll(filepath.Dir(to), 0o755))
	if err != nil {
		return fmt.Errorf("build gpio-sim: %w", err)
	}
	cmd := exec.CommandContext(ctx, "make", "-s", "-C", headers, "M="+folder, "modules")
	// The flags of the make that runs the tests are not for this one.
	cmd.Env = append(os.Environ(), "MAKEFLAGS=", "MAKELEVEL=", "GOFLAGS=")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build gpio-sim (apt-get install gcc make xz-utils libelf1): %w\n%s", err, out)
	}
	if err := os.Rename(filepath.Join(folder, "gpio-sim.ko"), to); err != nil {
		return fmt.Errorf("keep gpio-sim: %w", err)
	}
	return nil
}
