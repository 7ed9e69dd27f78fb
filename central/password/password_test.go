package password

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

const good = "a walrus in the library"

func TestPasswordPolicy(t *testing.T) {
	for password, want := range map[string]error{
		good: nil, "short": ErrShort, "elevenchars": ErrShort, "": ErrShort, "Qwertyuiop123": ErrCommon, "aaaaaaaaaaaaaaaa": ErrCommon,
		"chanchanchan": ErrCommon, "turnstilechan1": ErrCommon, strings.Repeat("walrus ", 19): ErrLong, strings.Repeat("x", 100_000): ErrLong,
		"陳大文在圖書館看見海象先生": nil, "        spaces count    ": nil,
	} {
		if err := Check(password, "chan"); !errors.Is(err, want) || want == nil && err != nil {
			t.Errorf("%.30q: %v, want %v", password, err, want)
		}
	}
	if n := bytes.Count(commonest, []byte("\n")); n < 80 {
		t.Errorf("%d common passwords", n)
	}
	for line := range bytes.Lines(commonest) {
		if n := len(bytes.TrimSpace(line)); n < Min && n > 0 {
			t.Errorf("%q is too short to be of use", line)
		}
	}
}

// FuzzPassword judges whatever as a new password.
func FuzzPassword(f *testing.F) {
	for _, s := range []string{good, "", "\xff\xfe", "ﬁﬁﬁﬁﬁﬁﬁﬁﬁﬁﬁﬁ", strings.Repeat("\u0300", 200), "password1234"} {
		f.Add(s, "chan")
	}
	f.Fuzz(func(t *testing.T, password, account string) {
		if err := Check(password, account); err == nil && (utf8.RuneCountInString(password) > 4*Max || len(password) < Min/4) {
			t.Errorf("%q is good", password)
		}
	})
}

func TestMatch(t *testing.T) {
	ctx := t.Context()
	h := New(Cheap())
	hash, err := h.Hash(ctx, "ﬁne walruses of the library")
	if err != nil || !strings.HasPrefix(hash, "$argon2id$v=19$") {
		t.Fatal(hash, err)
	}
	for typed, want := range map[string]bool{"fine walruses of the library": true, "Fine walruses of the library": false, "": false} {
		if ok, stale, err := h.Match(ctx, typed, hash); ok != want || stale || err != nil {
			t.Errorf("%q: %v %v %v", typed, ok, stale, err)
		}
	}
	if ok, _, err := h.Match(ctx, "", ""); ok || err != nil {
		t.Errorf("nobody's password is right: %v", err)
	}
	stronger := Cheap()
	stronger.Iterations = 2
	if ok, stale, err := New(stronger).Match(ctx, "fine walruses of the library", hash); !ok || !stale || err != nil {
		t.Errorf("%v %v %v", ok, stale, err)
	}
	if _, _, err := h.Match(ctx, good, "no hash"); err == nil {
		t.Error("what is no hash matches nothing, and says so")
	}
}

// TestTurns: who comes while all cores hash waits, and gives up with its request; no
// more are hashed at once than there are cores, however many come.
func TestTurns(t *testing.T) {
	h := New(Cheap())
	for range cap(h.slots) {
		h.slots <- struct{}{}
	}
	ctx, gone := context.WithCancel(t.Context())
	answers := make(chan error, 100)
	for n := range cap(answers) {
		go func() {
			err := error(nil)
			if n%2 == 0 {
				_, err = h.Hash(ctx, good)
			} else {
				_, _, err = h.Match(ctx, good, "")
			}
			answers <- err
		}()
	}
	gone()
	for range cap(answers) {
		if err := <-answers; !errors.Is(err, context.Canceled) {
			t.Errorf("hashed out of turn: %v", err)
		}
	}
	for range cap(h.slots) {
		<-h.slots
	}
	if ok, _, err := h.Match(t.Context(), good, ""); ok || err != nil || len(h.slots) != 0 {
		t.Errorf("%v, %v, %d turns are not given back", ok, err, len(h.slots))
	}
}

// TestBreached finds a password in each form of the list. The hashes are SHA-1 of
// the texts beside them.
func TestBreached(t *testing.T) {
	folder := t.TempDir()
	write := func(name, text string) string {
		t.Helper()
		path := filepath.Join(folder, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	write("5BAA6", "0018A45C4D1DEF81644B54AB7F969B88D65:1\r\n1E4C9B93F3F0682250B6CF8331B7EE68FD8:9545824\r\n") // password
	write("7C4A8.txt", "d09ca3762af61e59520943dc26494f8941b:37359195\n")                                       // 123456
	write("B1B37", "")                                                                                         // qwerty, which this list does not have
	whole := write("whole.txt", "5BAA61E4C9B93F3F0682250B6CF8331B7EE68FD8:9545824\r\n7C4A8D09CA3762AF61E59520943DC26494F8941B:37359195\nB1B3773A05C0ED0176787A4F1574FF0075F7521E:1\n")
	for path, qwerty := range map[string]bool{folder: false, whole: true} {
		b, err := OpenBreached(path)
		if err != nil {
			t.Fatal(err)
		}
		for word, want := range map[string]bool{"password": true, "123456": true, "qwerty": qwerty} {
			if got, err := b.Holds(word); got != want || err != nil {
				t.Errorf("%s in %s: %v %v", word, path, got, err)
			}
		}
	}
	b, err := OpenBreached(folder)
	if err != nil {
		t.Fatal(err)
	}
	const odd = "ﬁne walruses" // as it was typed where it was stolen
	for text, count := range map[string]string{odd: "2", "fine walruses": "0", "filler": "0", "bare": ""} {
		hash := hashOf(text)
		write(hash[:rangeDigits], strings.TrimSuffix(hash[rangeDigits:]+":"+count, ":")+"\r\n")
	}
	for text, want := range map[string]bool{odd: true, "fine walruses": false, "filler": false, "bare": true} {
		if got, err := b.Holds(text); got != want || err != nil {
			t.Errorf("%q: %v %v", text, got, err)
		}
	}
	if _, err := b.Holds(good); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a range that lacks: %v", err)
	}
	none, err := OpenBreached("")
	if err != nil {
		t.Fatal(err)
	}
	if found, err := none.Holds("password"); found || err != nil {
		t.Error(found, err)
	}
	if _, err := OpenBreached(filepath.Join(folder, "none")); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}

// TestBreachedSearch finds each line of a longer file, and nothing beside them.
func TestBreachedSearch(t *testing.T) {
	var lines []string
	words := []string{}
	for n := range 300 {
		words = append(words, strings.Repeat("w", n%7)+string(rune('a'+n%26))+strings.Repeat("z", n/26))
	}
	seen := map[string]bool{}
	for _, w := range words {
		if h := hashOf(w); !seen[h] {
			seen[h] = true
			lines = append(lines, h+":"+strings.Repeat("7", 1+len(lines)%6))
		}
	}
	slices.Sort(lines)
	path := filepath.Join(t.TempDir(), "list")
	if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")), 0o600); err != nil { // without a newline at the end
		t.Fatal(err)
	}
	b, err := OpenBreached(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range words {
		if found, err := b.Holds(w); !found || err != nil {
			t.Fatalf("%q: %v %v", w, found, err)
		}
		if found, err := b.Holds(w + "!"); found || err != nil {
			t.Fatalf("%q!: %v %v", w, found, err)
		}
	}
	if len(lines) < 100 {
		t.Errorf("%d lines", len(lines))
	}
}

// FuzzBreached searches whatever as a list.
func FuzzBreached(f *testing.F) {
	f.Add([]byte("5BAA61E4C9B93F3F0682250B6CF8331B7EE68FD8:1\n"), "password")
	f.Add([]byte("\n\n\n"), "")
	f.Add(bytes.Repeat([]byte("A"), 300), "x")
	path := filepath.Join(f.TempDir(), "list")
	f.Fuzz(func(t *testing.T, list []byte, word string) {
		if err := os.WriteFile(path, list, 0o600); err != nil {
			t.Fatal(err)
		}
		b, err := OpenBreached(path)
		if err != nil {
			t.Fatal(err)
		}
		if found, err := b.Holds(word); found && (err != nil || !bytes.Contains(bytes.ToUpper(list), []byte(hashOf(normal(word)))) && !bytes.Contains(bytes.ToUpper(list), []byte(hashOf(word)))) {
			t.Errorf("found %q: %v", word, err)
		}
	})
}
