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
//
// A file of 64 MiB is full; the next one begins with a line "continues", which
// holds the chain value before it. Then full files go that ended longer ago than
// DefaultKeep, or what is configured: each with a line "removed" that names it, so
// that what lacks before the oldest file left is told by the chain. Files go by age, not to make room: who floods the audit cannot
// push his trace out of it. On a full disk nothing more is signed.

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

// DefaultKeep is how long files of the audit stay: a year, and time to look at it.
const DefaultKeep = 400 * 24 * time.Hour

const (
	auditPattern = "audit-*.log"
	auditForm    = "audit-%06d.log"
	maxAuditFile = 64 << 20 // bytes; then the next file begins
	maxAuditLine = 4 << 10
	// maxRemoved bounds the files that go when a new one begins: a clock that is a
	// year ahead does not cost the whole audit.
	maxRemoved = 2
)

// What central sign writes of the audit itself.
const (
	lineContinues = "continues"
	lineRemoved   = "removed"
)

// audit appends lines; safe for concurrent use.
type audit struct {
	dir  string
	keep time.Duration

	mu     sync.Mutex // guards the following
	file   *os.File
	size   int64
	trail  // up to the newest line
	dirty  bool
	tidied int // number of the newest file when old ones were removed
}

// trail is a chain that was followed through files.
type trail struct {
	first, last int // numbers of the files, 0: none
	chain       [sha256.Size]byte
	removed     int // number of the newest file that a line says was removed
}

// openAudit checks all files and goes on behind the last whole line; a torn one
// is cut off.
func openAudit(dir string, keep time.Duration) (*audit, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make audit folder: %w", err)
	}
	a := &audit{dir: dir, keep: keep}
	names, err := a.files(dir)
	if err != nil {
		return nil, err
	}
	for n, name := range names {
		if a.size, err = a.check(name, n == len(names)-1); err != nil {
			return nil, err
		}
	}
	if err := a.complete(); err != nil {
		return nil, err
	}
	if len(names) == 0 {
		a.first = 1
		return a, a.begin()
	}
	if a.file, err = os.OpenFile(names[len(names)-1], os.O_WRONLY, 0o600); err != nil {
		return nil, fmt.Errorf("open audit: %w", err)
	}
	if err := a.file.Truncate(a.size); err != nil {
		a.file.Close()
		return nil, fmt.Errorf("open audit: %w", err)
	}
	return a, nil
}

// files lists the audit's files, which must be numbered without a gap.
func (t *trail) files(dir string) ([]string, error) {
	names, err := filepath.Glob(filepath.Join(dir, auditPattern))
	if err != nil {
		return nil, fmt.Errorf("list audit: %w", err)
	}
	slices.Sort(names)
	for n, name := range names {
		if n == 0 {
			if _, err := fmt.Sscanf(filepath.Base(name), auditForm, &t.first); err != nil || t.first < 1 {
				return nil, fmt.Errorf("%w: %s is no file of the audit", ErrAudit, filepath.Base(name))
			}
		}
		t.last = t.first + n
		if filepath.Base(name) != auditName(t.last) {
			return nil, fmt.Errorf("%w: %s is missing", ErrAudit, auditName(t.last))
		}
	}
	return names, nil
}

func auditName(n int) string { return fmt.Sprintf(auditForm, n) }

// complete returns an error if a file before the first one is missing, and no line
// says that it was removed.
func (t *trail) complete() error {
	if t.first > 1 && t.removed < t.first-1 {
		return fmt.Errorf("%w: %s is missing", ErrAudit, auditName(t.first-1))
	}
	return nil
}

// check follows the chain through a file and returns the length of its whole
// lines. Only the last file may end in a torn line.
func (t *trail) check(name string, last bool) (whole int64, err error) {
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
		if err != nil || !t.follows(line) {
			return 0, fmt.Errorf("%w: %s, line %d", ErrAudit, filepath.Base(name), number)
		}
		whole += int64(len(line))
	}
}

// follows moves the chain over a line with its line end, if it is the next one.
func (t *trail) follows(line []byte) bool {
	const sum = 2 * sha256.Size
	if len(line) < sum+2 || line[sum] != ' ' {
		return false
	}
	text := bytes.TrimSuffix(line[sum+1:], []byte("\n"))
	if !t.own(text) {
		return false
	}
	next := chainOver(t.chain, text)
	if hex.EncodeToString(next[:]) != string(line[:sum]) {
		return false
	}
	t.chain = next
	return true
}

// own looks at the lines of the audit itself. The chain of an audit whose first
// files were removed begins where its oldest one says.
func (t *trail) own(text []byte) bool {
	continues, removed := bytes.Contains(text, []byte(`"what":"`+lineContinues+`"`)), bytes.Contains(text, []byte(`"what":"`+lineRemoved+`"`))
	if !continues && !removed {
		return true
	}
	var l Line
	if json.Unmarshal(text, &l) != nil {
		return false
	}
	if removed {
		_, err := fmt.Sscanf(l.Detail, auditForm, &t.removed)
		return err == nil
	}
	before, err := hex.DecodeString(l.Detail)
	if err != nil || len(before) != len(t.chain) {
		return false
	}
	if t.first > 1 && t.chain == [sha256.Size]byte{} {
		copy(t.chain[:], before)
	}
	return bytes.Equal(before, t.chain[:])
}

func chainOver(before [sha256.Size]byte, text []byte) [sha256.Size]byte {
	return sha256.Sum256(append(before[:], text...))
}

// begin begins the next file.
func (a *audit) begin() error {
	f, err := os.OpenFile(filepath.Join(a.dir, auditName(a.last+1)), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("begin audit file: %w", err)
	}
	if a.file != nil {
		err = errors.Join(a.file.Sync(), a.file.Close())
	}
	a.file, a.size, a.last = f, 0, a.last+1
	return err
}

// tidy removes old files, once for each file that has begun.
func (a *audit) tidy(now time.Time) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.file == nil || a.tidied == a.last {
		return nil
	}
	a.tidied = a.last
	for range maxRemoved {
		if more, err := a.removeOldest(now); err != nil || !more {
			return err
		}
	}
	return nil
}

// removeOldest removes the oldest file if what follows it began long enough ago.
// The line that says so is on the disk before it goes.
func (a *audit) removeOldest(at time.Time) (more bool, err error) {
	if a.first >= a.last {
		return false, nil
	}
	next, err := firstLine(filepath.Join(a.dir, auditName(a.first+1)))
	if err != nil || next.What != lineContinues || at.Sub(next.At) < a.keep {
		return false, err
	}
	err = a.append(Line{At: at, UID: -1, What: lineRemoved, Detail: auditName(a.first) + ", older than " + at.Add(-a.keep).Format(time.DateOnly)})
	if err = errors.Join(err, a.file.Sync()); err != nil {
		return false, fmt.Errorf("write audit: %w", err)
	}
	if err := os.Remove(filepath.Join(a.dir, auditName(a.first))); err != nil {
		return false, fmt.Errorf("remove old audit file: %w", err)
	}
	a.first, a.removed = a.first+1, a.first
	return true, nil
}

func firstLine(name string) (l Line, err error) {
	f, err := os.Open(name)
	if err != nil {
		return l, fmt.Errorf("open audit: %w", err)
	}
	defer f.Close()
	text, err := bufio.NewReaderSize(f, maxAuditLine).ReadSlice('\n')
	if err != nil || len(text) < 2*sha256.Size+1 || json.Unmarshal(text[2*sha256.Size+1:], &l) != nil {
		return l, fmt.Errorf("%w: %s, line 1", ErrAudit, filepath.Base(name))
	}
	return l, nil
}

// add writes a line. What cannot be written down must not be signed.
func (a *audit) add(l Line) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.file == nil {
		return fmt.Errorf("write audit: %w", fs.ErrClosed)
	}
	if a.size >= maxAuditFile {
		if err := a.begin(); err != nil {
			return err
		}
	}
	if a.size == 0 && a.last > 1 { // also when a kill tore that line
		err := a.append(Line{At: l.At, UID: -1, What: lineContinues, Detail: hex.EncodeToString(a.chain[:])})
		if err != nil {
			return err
		}
	}
	return a.append(l)
}

func (a *audit) append(l Line) error {
	text, err := json.Marshal(l)
	if err != nil {
		return fmt.Errorf("encode audit line: %w", err)
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
	var t trail
	names, err := t.files(dir)
	if err != nil {
		return 0, "", err
	}
	for _, name := range names {
		n, err := t.show(name, show)
		lines += n
		if err != nil {
			return lines, "", err
		}
	}
	return lines, hex.EncodeToString(t.chain[:]), t.complete()
}

func (t *trail) show(name string, show func(Line)) (lines int, err error) {
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
		if err != nil || !t.follows(text) || json.Unmarshal(text[2*sha256.Size+1:], &l) != nil {
			return lines, fmt.Errorf("%w: %s, line %d", ErrAudit, filepath.Base(name), lines+1)
		}
		show(l)
		lines++
	}
}
