package password

import (
	"bufio"
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// ErrBreached refuses a password that others have lost to thieves already.
var ErrBreached = errors.New("this password is in a list of passwords that were stolen elsewhere")

// Breached is a list of passwords that were stolen elsewhere, as it is published
// for k-anonymity: a folder with a file for each first five digits of a SHA-1
// (00000 to FFFFF, or with .txt), whose lines are the other 35 digits, a colon and
// how often it was seen; or one file of whole hashes in order with the same
// colon. Nothing of a password leaves the machine. SHA-1 is the list's choice and
// guards nothing here. Safe for concurrent use.
type Breached struct {
	path   string
	folder bool
}

// What the list looks like.
const (
	rangeDigits = 5
	hashDigits  = 40
	maxLine     = 64       // bytes of a line
	maxRange    = 16 << 20 // bytes of one file of a folder; those published have some 40 KB
)

// OpenBreached returns the list at a path; "" is an empty one.
func OpenBreached(path string) (*Breached, error) {
	if path == "" {
		return &Breached{}, nil
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("open the list of breached passwords: %w", err)
	}
	return &Breached{path, info.IsDir()}, nil
}

// Holds reports whether a password stands in the list. A range that the folder
// lacks is an error: a list with holes would be taken for a good answer.
func (b *Breached) Holds(password string) (bool, error) {
	if b.path == "" {
		return false, nil
	}
	find := b.inFile
	if b.folder {
		find = b.inFolder
	}
	for _, form := range []string{normal(password), password} { // thieves list what was typed
		found, err := find(hashOf(form))
		if err != nil {
			return false, fmt.Errorf("look in the list of breached passwords: %w", err)
		}
		if found || form == password {
			return found, nil
		}
	}
	return false, nil
}

// hashOf is how the list names a password.
func hashOf(password string) string {
	sum := sha1.Sum([]byte(password))
	return strings.ToUpper(hex.EncodeToString(sum[:]))
}

func (b *Breached) inFolder(hash string) (bool, error) {
	name := filepath.Join(b.path, hash[:rangeDigits])
	f, err := os.Open(name)
	if errors.Is(err, os.ErrNotExist) {
		f, err = os.Open(name + ".txt")
	}
	if err != nil {
		return false, err
	}
	defer f.Close()
	lines := bufio.NewScanner(io.LimitReader(f, maxRange))
	lines.Buffer(make([]byte, 0, maxLine), maxLine)
	for lines.Scan() {
		if digits, count, _ := strings.Cut(lines.Text(), ":"); strings.EqualFold(digits, hash[rangeDigits:]) {
			return seen(count), nil
		}
	}
	return false, lines.Err()
}

// inFile searches by halves: the whole list has some forty gigabytes.
func (b *Breached) inFile(hash string) (bool, error) {
	f, err := os.Open(b.path)
	if err != nil {
		return false, err
	}
	defer f.Close()
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return false, err
	}
	low, high := int64(0), size // the line begins in low..high, if it is there
	for low < high {
		middle := low + (high-low)/2
		at, line, err := lineFrom(f, middle)
		if err != nil {
			return false, err
		}
		digits, count, _ := strings.Cut(line, ":")
		switch {
		case line == "" || strings.ToUpper(digits) > hash:
			high = middle
		case len(digits) != hashDigits:
			return false, fmt.Errorf("%w at byte %d", errNoHash, at)
		case strings.EqualFold(digits, hash):
			return seen(count), nil
		default:
			low = at + int64(len(line)) + 1
		}
	}
	return false, nil
}

// seen tells a count from none: those who publish the list fill ranges up with lines
// that nobody lost, so that their length tells nothing.
func seen(count string) bool { return strings.Trim(count, "0 \r") != "" || count == "" }

var errNoHash = errors.New("a line is no hash")

// lineFrom returns the first whole line that begins at or behind an offset, and
// where; "" if none does.
func lineFrom(f io.ReaderAt, offset int64) (at int64, line string, err error) {
	at = max(offset-1, 0) // a line that begins right here has its newline before
	buffer := make([]byte, 2*maxLine+1)
	n, err := f.ReadAt(buffer, at)
	if err != nil && !errors.Is(err, io.EOF) {
		return 0, "", err
	}
	text := string(buffer[:n])
	if offset > 0 {
		_, rest, found := strings.Cut(text, "\n")
		if !found {
			return at, "", tooLong(n)
		}
		at += int64(len(text) - len(rest))
		text = rest
	}
	line, _, found := strings.Cut(text, "\n")
	if !found && len(line) > maxLine {
		return at, "", errNoHash
	}
	return at, line, nil
}

// tooLong tells the end of a file from a line that is none.
func tooLong(n int) error {
	if n > maxLine {
		return errNoHash
	}
	return nil
}
