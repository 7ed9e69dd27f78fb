package machine

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// errUnsound says that a folder has not what Prepare left in it.
var errUnsound = errors.New("the kernel's files are not as they were made")

// sums returns one line for each file below folder: its SHA-256 and its name.
func sums(folder string) ([]byte, error) {
	var out bytes.Buffer
	err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || d.Name() == sumsFile {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(folder, path)
		fmt.Fprintf(&out, "%x  %s\n", sha256.Sum256(content), name)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("sum up files: %w", err)
	}
	return out.Bytes(), nil
}

// seal writes down what is in folder.
func seal(folder, version string) error {
	list, err := sums(folder)
	if err != nil {
		return err
	}
	list = append(fmt.Appendf(nil, "# recipe %s, kernel %s\n", recipe, version), list...)
	if err := os.WriteFile(filepath.Join(folder, sumsFile), list, 0o644); err != nil {
		return fmt.Errorf("write sums: %w", err)
	}
	return nil
}

// sound returns nil if folder was made by this recipe and nothing of it changed.
func sound(folder string) error {
	written, err := os.ReadFile(filepath.Join(folder, sumsFile))
	if err != nil {
		return fmt.Errorf("read sums: %w", err)
	}
	head, rest, _ := bytes.Cut(written, []byte("\n"))
	if !bytes.HasPrefix(head, []byte("# recipe "+recipe+", ")) {
		return fmt.Errorf("%w: %s", errUnsound, head)
	}
	list, err := sums(folder)
	if err != nil {
		return err
	}
	if !bytes.Equal(list, rest) || len(list) == 0 {
		return errUnsound
	}
	return nil
}
