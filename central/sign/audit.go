package sign

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

// The audit is a folder of text files, audit-000001.log and on. Each line is the
// chain value in hexadecimal, a space, and a JSON object:
//
//	chain(n) = SHA-256(chain(n-1) || JSON of line n), chain(0) = 32 bytes 0
//
// through all files. It holds what was signed for whom, and no secret. A line is
// written before the signature is handed out and flushed within a second: a kill
// loses none, a power cut at most the last second.

// Line is one line of the audit.
type Line struct {
	At     time.Time `json:"at"`
	UID    int       `json:"uid"`  // of the process that asked; -1: central sign itself
	What   string    `json:"what"` // mint, delta, lane_certificate, refused ...
	Detail string    `json:"detail,omitempty"`
	Count  int       `json:"count,omitempty"` // of many alike in one minute
}

// ErrAudit tells that the audit is not as it was written.
var ErrAudit = errors.New("the audit was changed: keep its folder as evidence, name another one in sign.audit, and start again")

const (
	auditPattern = "audit-*.log"
	maxAuditFile = 64 << 20 // bytes; then the next file begins
	maxAuditLine = 4 << 10
)

// audit appends lines; safe for concurrent use.
type audit struct {
	dir string

	mu    sync.Mutex // guards the following
	file  *os.File
	size  int64
	files int
	chain [sha256.Size]byte
	dirty bool
}

// openAudit checks all files and goes on behind the last whole line; a torn one
// is cut off.
func openAudit(dir string) (*audit, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make audit folder: %w", err)
	}
	a := &audit{dir: dir}
	names, err := auditFiles(dir)
	if err != nil {
		return nil, err
	}
	for n, name := range names {
		whole, err := a.check(name, n == len(names)-1)
		if err != nil {
			return nil, err
		}
		a.files, a.size = n+1, whole
	}
	if a.files == 0 {
		return a, a.next()
	}
	if a.file, err = os.OpenFile(names[len(names)-1], os.O_WRONLY, 0o600); err != nil {
		return nil, fmt.Errorf("open audit: %w", err)
	}
	if err := a.file.Truncate(a.size); err == nil {
		_, err = a.file.Seek(a.size, io.SeekStart)
	}
	if err != nil {
		a.file.Close()
		return nil, fmt.Errorf("open audit: %w", err)
	}
	return a, nil
}

func auditFiles(dir string) ([]string, error) {
	names, err := filepath.Glob(filepath.Join(dir, auditPattern))
	if err != nil {
		return nil, fmt.Errorf("list audit: %w", err)
	}
	slices.Sort(names)
	for n, name := range names {
		if filepath.Base(name) != auditName(n+1) {
			return nil, fmt.Errorf("%w: %s is missing", ErrAudit, auditName(n+1))
		}
	}
	return names, nil
}

func auditName(n int) string { return fmt.Sprintf("audit-%06d.log", n) }

// check follows the chain through a file and returns the length of its whole
// lines. Only the last file may end in a torn line.
func (a *audit) check(name string, last bool) (whole int64, err error) {
	f, err := os.Open(name)
	if err != nil {
		return 0, fmt.Errorf("open audit: %w", err)
	}
	defer f.Close()
	r := bufio.NewReaderSize(f, maxAuditLine)
	for number := 1; ; number++ {
		line, err := r.ReadSlice('\n')
		if errors.Is(err, io.EOF) && (len(line) == 0 || last) {
			return whole, nil
		}
		if err != nil || !a.follows(line) {
			return 0, fmt.Errorf("%w: %s, line %d", ErrAudit, filepath.Base(name), number)
		}
		whole += int64(len(line))
	}
}

// follows moves the chain over a line with its line end, if it is the next one.
func (a *audit) follows(line []byte) bool {
	const sum = 2 * sha256.Size
	if len(line) < sum+2 || line[sum] != ' ' {
		return false
	}
	next := chainOver(a.chain, bytes.TrimSuffix(line[sum+1:], []byte("\n")))
	if hex.EncodeToString(next[:]) != string(line[:sum]) {
		return false
	}
	a.chain = next
	return true
}

func chainOver(before [sha256.Size]byte, text []byte) [sha256.Size]byte {
	return sha256.Sum256(append(before[:], text...))
}

// next begins another file.
func (a *audit) next() error {
	f, err := os.OpenFile(filepath.Join(a.dir, auditName(a.files+1)), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("begin audit file: %w", err)
	}
	if a.file != nil {
		err = errors.Join(a.file.Sync(), a.file.Close())
	}
	a.file, a.size, a.files = f, 0, a.files+1
	return err
}

// add writes a line. What cannot be written down must not be signed.
func (a *audit) add(l Line) error {
	text, err := json.Marshal(l)
	if err != nil {
		return fmt.Errorf("encode audit line: %w", err)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.file == nil {
		return fmt.Errorf("write audit: %w", fs.ErrClosed)
	}
	if a.size >= maxAuditFile {
		if err := a.next(); err != nil {
			return err
		}
	}
	next := chainOver(a.chain, text)
	line := append(hex.AppendEncode(nil, next[:]), ' ')
	line = append(append(line, text...), '\n')
	if _, err := a.file.WriteAt(line, a.size); err != nil { // a torn line is written over by the next
		return fmt.Errorf("write audit: %w", err)
	}
	a.chain, a.size, a.dirty = next, a.size+int64(len(line)), true
	return nil
}

// sync flushes what was written.
func (a *audit) sync() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.dirty || a.file == nil {
		return nil
	}
	a.dirty = false
	return a.file.Sync()
}

func (a *audit) close() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	f := a.file
	a.file = nil
	return errors.Join(f.Sync(), f.Close())
}

// CheckAudit follows the chain through an audit folder and hands each line to
// show. ErrAudit names the file and line where it breaks. What was cut off at
// the end it cannot see: compare the last chain value with one written down before.
func CheckAudit(dir string, show func(Line)) (lines int, chain string, err error) {
	a := &audit{dir: dir}
	names, err := auditFiles(dir)
	if err != nil {
		return 0, "", err
	}
	for _, name := range names {
		n, err := a.show(name, show)
		lines += n
		if err != nil {
			return lines, "", err
		}
	}
	return lines, hex.EncodeToString(a.chain[:]), nil
}

func (a *audit) show(name string, show func(Line)) (lines int, err error) {
	f, err := os.Open(name)
	if err != nil {
		return 0, fmt.Errorf("open audit: %w", err)
	}
	defer f.Close()
	r := bufio.NewReaderSize(f, maxAuditLine)
	for {
		text, err := r.ReadSlice('\n')
		if errors.Is(err, io.EOF) && len(text) == 0 {
			return lines, nil
		}
		var l Line
		if err != nil || !a.follows(text) || json.Unmarshal(text[2*sha256.Size+1:], &l) != nil {
			return lines, fmt.Errorf("%w: %s, line %d", ErrAudit, filepath.Base(name), lines+1)
		}
		show(l)
		lines++
	}
}
