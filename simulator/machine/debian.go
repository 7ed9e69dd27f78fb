package machine

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
)

// ErrFetch wraps the error of packages that cannot be fetched; it says what to do.
var ErrFetch = errors.New("Debian packages cannot be fetched: this needs the package mirror once (try `apt-get update`), afterwards the kernels in .bench-cache serve without a network")

// index is apt's index of the packages for one processor, in a folder of its own:
// the computer's is not touched and nothing is installed.
type index struct {
	arch    Arch
	folder  string
	partial error // of an update that could not read every index
}

// openIndex reads the indexes of the computer's package sources. One that cannot
// be read (of a third party, mostly) is no error unless something is missing later.
func openIndex(ctx context.Context, arch Arch, folder string) (*index, error) {
	for _, f := range []string{"lists/partial", "cache/archives/partial"} {
		if err := os.MkdirAll(filepath.Join(folder, f), 0o755); err != nil {
			return nil, fmt.Errorf("make folder for package index: %w", err)
		}
	}
	i := &index{arch: arch, folder: folder}
	_, i.partial = i.run(ctx, "apt-get", "update", "-oAPT::Update::Error-Mode=any")
	return i, ctx.Err()
}

// apt runs one of apt's programs and returns what it printed.
func (i *index) apt(ctx context.Context, program string, args ...string) (string, error) {
	out, err := i.run(ctx, program, args...)
	if err != nil {
		return "", fmt.Errorf("%w\n%w", ErrFetch, errors.Join(i.partial, err))
	}
	return out, nil
}

// run is apt without what to do.
func (i *index) run(ctx context.Context, program string, args ...string) (string, error) {
	options := []string{"-qq", "-oAPT::Architecture=" + string(i.arch), "-oAPT::Architectures::=" + string(i.arch),
		"-oDir::State::lists=" + filepath.Join(i.folder, "lists"), "-oDir::Cache=" + filepath.Join(i.folder, "cache"),
		"-oDir::State::status=/dev/null", "-oDebug::NoLocking=1", "-oAcquire::Languages=none", "-oAcquire::Retries=2",
		"-oAcquire::http::Timeout=20", "-oAcquire::https::Timeout=20", "-oAPT::Sandbox::User=", "-oAPT::Color=0"}
	cmd := exec.CommandContext(ctx, program, append(options, args...)...)
	cmd.Dir = i.folder
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	var complaints strings.Builder
	cmd.Stderr = &complaints
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w: %s", program, args[0], err, strings.TrimSpace(complaints.String()))
	}
	return string(out), nil
}

// newest returns the package that a metapackage stands for: the first it depends on.
func (i *index) newest(ctx context.Context, meta string) (string, error) {
	out, err := i.apt(ctx, "apt-cache", "depends", meta)
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(out) {
		if name, found := strings.CutPrefix(strings.TrimSpace(line), "Depends: "); found {
			return name, nil
		}
	}
	return "", errors.Join(fmt.Errorf("%w: no package %s in the index", ErrFetch, meta), i.partial)
}

// download fetches packages, whose sums apt checks, and returns their files.
func (i *index) download(ctx context.Context, names ...string) ([]string, error) {
	if _, err := i.apt(ctx, "apt-get", append([]string{"download"}, names...)...); err != nil {
		return nil, err
	}
	var files []string
	for _, name := range names {
		name, _, _ = strings.Cut(name, ":")
		found, err := filepath.Glob(filepath.Join(i.folder, name+"_*.deb"))
		if err != nil || len(found) != 1 {
			return nil, fmt.Errorf("%w: %d files of %s", ErrFetch, len(found), name)
		}
		files = append(files, found[0])
	}
	return files, nil
}

// unpack writes the files of a package to where place says, "" for nowhere.
// It fails when it has written nothing. Links are followed by nobody: place
// chooses files by their names.
func unpack(ctx context.Context, deb string, place func(name string) string) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	return piped(exec.CommandContext(ctx, "dpkg-deb", "--fsys-tarfile", deb), func(r io.Reader) error { return extract(r, place) })
}

// piped runs a command while use reads what it prints, to the end or until use
// has what it wants.
func piped(cmd *exec.Cmd, use func(io.Reader) error) error {
	out, err := cmd.StdoutPipe()
	if err != nil {
		return fmt.Errorf("run %s: %w", cmd.Args[0], err)
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("run %s: %w", cmd.Args[0], err)
	}
	if err = use(out); err == nil {
		_, err = io.Copy(io.Discard, out)
	} else {
		out.Close()
	}
	if ended := cmd.Wait(); err == nil && ended != nil {
		err = fmt.Errorf("run %s: %w", cmd.Args[0], ended)
	}
	return err
}

// errNothing says that an archive had no file that was wanted.
var errNothing = errors.New("nothing of the package was wanted: Debian has changed where its files are")

// extract writes files of a tar archive to where place says.
func extract(r io.Reader, place func(name string) string) error {
	written := 0
	for archive := tar.NewReader(r); ; {
		h, err := archive.Next()
		switch {
		case err == io.EOF && written == 0:
			return errNothing
		case err == io.EOF:
			return nil
		case err != nil:
			return fmt.Errorf("unpack: %w", err)
		}
		to := place(path.Clean(h.Name))
		if to == "" || h.Typeflag != tar.TypeReg && h.Typeflag != tar.TypeSymlink {
			continue
		}
		written++
		if err := write(to, h, archive); err != nil {
			return fmt.Errorf("unpack %s: %w", h.Name, err)
		}
	}
}

// write writes one file or link of an archive.
func write(to string, h *tar.Header, content io.Reader) error {
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	if h.Typeflag == tar.TypeSymlink {
		return os.Symlink(h.Linkname, to)
	}
	f, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, h.FileInfo().Mode().Perm())
	if err != nil {
		return err
	}
	_, err = io.Copy(f, content)
	return errors.Join(err, f.Close())
}
