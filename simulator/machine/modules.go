package machine

import (
	"debug/elf"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// ErrModule says that a kernel has no such module.
var ErrModule = errors.New("the kernel has no such module")

// Below a folder of Prepare for one processor.
const (
	modulesFolder = "modules"         // *.ko
	builtinFile   = "modules.builtin" // the kernel's own list of what is part of it
)

// resolve returns the files of modules and of all that they need, in the order
// to load them. It reads what the modules say of themselves, so that nobody has
// to run depmod.
func resolve(kernels string, names []string) ([]string, error) {
	known, err := available(kernels)
	if err != nil {
		return nil, err
	}
	var order []string
	seen := map[string]bool{}
	var add func(name string) error
	add = func(name string) error {
		name = plain(name)
		if seen[name] {
			return nil
		}
		seen[name] = true
		file, ok := known[name]
		if !ok {
			return fmt.Errorf("%w: %s; if Debian's kernel has it, add its folder to kept in kernel.go", ErrModule, name)
		}
		if file == "" {
			return nil // part of the kernel
		}
		needs, err := dependencies(file)
		if err != nil {
			return err
		}
		for _, n := range needs {
			if err := add(n); err != nil {
				return fmt.Errorf("%s needs %w", name, err)
			}
		}
		order = append(order, file)
		return nil
	}
	for _, n := range names {
		if err := add(n); err != nil {
			return nil, err
		}
	}
	return order, nil
}

// plain is the one of a module's two spellings that the kernel uses.
func plain(name string) string { return strings.ReplaceAll(name, "-", "_") }

// available maps the names of all modules to their files, "" for those that are
// part of the kernel.
func available(kernels string) (map[string]string, error) {
	known := map[string]string{}
	name := func(file string) string { return plain(strings.TrimSuffix(filepath.Base(file), ".ko")) }
	builtin, err := os.ReadFile(filepath.Join(kernels, builtinFile))
	if err != nil {
		return nil, fmt.Errorf("list modules: %w", err)
	}
	for line := range strings.Lines(string(builtin)) {
		known[name(strings.TrimSpace(line))] = ""
	}
	err = filepath.WalkDir(filepath.Join(kernels, modulesFolder), func(file string, d fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(file, ".ko") {
			known[name(file)] = file
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list modules: %w", err)
	}
	return known, nil
}

// dependencies reads "depends=a,b" out of a module.
func dependencies(file string) ([]string, error) {
	f, err := elf.Open(file)
	if err != nil {
		return nil, fmt.Errorf("read module: %w", err)
	}
	defer f.Close()
	section := f.Section(".modinfo")
	if section == nil {
		return nil, fmt.Errorf("%w: %s says nothing of itself", ErrModule, filepath.Base(file))
	}
	info, err := section.Data()
	if err != nil {
		return nil, fmt.Errorf("read module: %w", err)
	}
	for _, fact := range strings.Split(string(info), "\x00") {
		if list, found := strings.CutPrefix(fact, "depends="); found {
			return strings.FieldsFunc(list, func(r rune) bool { return r == ',' }), nil
		}
	}
	return nil, nil
}
