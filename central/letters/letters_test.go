package letters

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"turnstile/central/database"
)

var update = flag.Bool("update", false, "write the golden files anew")

const (
	number = "40718265"
	page   = "https://ecard.example/x"
	office = "alumni@campus.example"
)

// sample is one letter of each kind.
type sample struct {
	make func(Language) Letter
	// typed: it carries a code that is typed somewhere.
	typed bool
}

func samples() []sample {
	at := time.Date(2026, 11, 22, 15, 4, 0, 0, time.FixedZone("HKT", 8*3600))
	until := at.Add(10 * time.Minute)
	link := func(f func(Language) Letter) sample { return sample{make: f} }
	code := func(f func(Language, string, time.Time) Letter) sample {
		return sample{func(l Language) Letter { return f(l, number, until) }, true}
	}
	return []sample{
		code(OneTime), code(ConfirmAddress), code(ConfirmChange), code(ResetCode),
		link(func(l Language) Letter { return NotRegistered(l, page) }),
		link(func(l Language) Letter { return AddressChanging(l, "tai.man@example.org", at, page) }),
		link(func(l Language) Letter { return AddressChanged(l, "tai.man@example.org", at, office) }),
		link(func(l Language) Letter {
			return AddressRefused(l, "tai.man@example.org", "The office cannot tell who asked.", office)
		}),
		link(func(l Language) Letter { return MethodAdded(l, "Passkey", "通行密鑰", at, page) }),
		link(func(l Language) Letter {
			return GuestCode(l, Guest{Host: "CHAN Tai Man", Link: page, From: at, Until: at.Add(3 * time.Hour), Place: "Main & North", PlaceZH: "主入口", PNG: []byte("png")})
		}),
		link(func(l Language) Letter { return GuestsApproved(l, at, page) }),
		link(func(l Language) Letter { return GuestsRejected(l, at, "Too many <at once>", page) }),
		link(func(l Language) Letter {
			return PassCode(l, Pass{"2517/4711", "2026-11-22", at, until, []string{"Main"}, []string{"主入口"}, []byte("png"), "pass-2517-4711.png"})
		}),
		link(func(l Language) Letter { return CardReady(l, page) }),
		link(func(l Language) Letter { return CardRejected(l, "", page) }),
		link(func(l Language) Letter { return CardExpired(l, page) }),
		link(func(l Language) Letter { return CardWithdrawn(l, "Lent to <at once>", office) }),
		link(func(l Language) Letter { return CardReturned(l, page) }),
		link(func(l Language) Letter { return NetIDDone(l, "tmchan", "tai-man.chan@campus.example", page) }),
		link(func(l Language) Letter { return NetIDForgotten(l, []string{"tmchan", "12345678d"}, page) }),
		link(func(l Language) Letter { return NetIDNone(l, page) }),
		link(func(l Language) Letter { return PasswordChanged(l, at, office) }),
		link(func(l Language) Letter { return Advice(l, at, page) }),
		link(func(l Language) Letter { return Reminder(l, at, page) }),
	}
}

// each runs f on every letter in both languages and in both at once.
func each(t *testing.T, f func(t *testing.T, s sample, l Letter)) {
	t.Helper()
	seen := map[string]bool{}
	for _, s := range samples() {
		for _, lang := range []Language{English, Chinese, Both} {
			l := s.make(lang)
			name := l.Kind + "." + string(lang)
			if seen[name] {
				t.Fatalf("%s: two letters of one kind", name)
			}
			seen[name] = true
			t.Run(name, func(t *testing.T) { f(t, s, l) })
		}
	}
	if len(seen) < 60 {
		t.Fatalf("only %d letters", len(seen))
	}
}

// TestGolden: the words are those that somebody has read. After a change on
// purpose: go test ./central/letters -update, and read the difference.
func TestGolden(t *testing.T) {
	each(t, func(t *testing.T, _ sample, l Letter) {
		if l.Lang == Both {
			return // put together from the two
		}
		path := filepath.Join("testdata", l.Kind+"."+string(l.Lang)+".txt")
		text := "Subject: " + l.Subject + "\n\n" + l.Text + "\n---- HTML\n" + l.HTML
		if *update {
			if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if string(want) != text {
			t.Errorf("%s is not what the letter says:\n%s", path, text)
		}
	})
}

// TestCodesHaveNoLinks: where a code is typed there is nothing to press, and where
// there is something to press there is no code.
func TestCodesHaveNoLinks(t *testing.T) {
	codes := 0
	each(t, func(t *testing.T, s sample, l Letter) {
		whole := l.Subject + l.Text + l.HTML
		linked := strings.Contains(whole, "http") || strings.Contains(whole, "href")
		if s.typed {
			codes++
			if linked || !strings.Contains(l.Text, "\n    "+number+"\n") || !strings.Contains(l.HTML, ">"+number+"<") {
				t.Errorf("linked %v: %s", linked, l.Text)
			}
			if strings.Contains(l.Subject, number) {
				t.Error("the code is in the subject, which a locked phone shows")
			}
			if l.Until.IsZero() {
				t.Error("the code is sent after its time too")
			}
		} else if strings.Contains(whole, number) {
			t.Error("a code beside a link")
		}
	})
	if codes != 12 {
		t.Errorf("%d letters with codes", codes)
	}
}

// remote is what a reader of mail would fetch, or run.
var remote = regexp.MustCompile(`(?i)src="?(https?:|//)|<script|<link|url\(|@import|<form|<iframe`)

// TestNothingBeyondNeed: no letter tells a whole address, fetches anything, or has
// a line of its own from what people typed.
func TestNothingBeyondNeed(t *testing.T) {
	each(t, func(t *testing.T, _ sample, l Letter) {
		whole := l.Text + l.HTML
		if strings.Contains(whole, "tai.man@") {
			t.Error("another address in full")
		}
		if found := remote.FindString(l.HTML); found != "" {
			t.Errorf("the page has %q", found)
		}
		if strings.Contains(l.Subject, "\n") || strings.Contains(l.Text, "\nBcc:") || strings.Contains(l.HTML, "<at once>") {
			t.Errorf("%q\n%s", l.Subject, whole)
		}
		for _, bad := range []string{"%!", "{{", "\r"} {
			if strings.Contains(l.Subject+whole, bad) {
				t.Errorf("%q in the letter", bad)
			}
		}
		if l.Text == "" || l.Subject == "" || !strings.Contains(l.HTML, "<html lang=") {
			t.Errorf("%+v", l)
		}
	})
}

// han finds Chinese.
var han = regexp.MustCompile(`\p{Han}`)

func TestLanguages(t *testing.T) {
	each(t, func(t *testing.T, _ sample, l Letter) {
		english := strings.Contains(l.HTML, `<div lang="en">`)
		chinese := strings.Contains(l.HTML, `<div lang="zh-Hant">`)
		if english != (l.Lang != Chinese) || chinese != (l.Lang != English) {
			t.Errorf("English %v, Chinese %v", english, chinese)
		}
		if found := han.MatchString(l.Subject + l.Text); found != (l.Lang != English) {
			t.Errorf("Chinese %v: %s", found, l.Text)
		}
	})
}

func TestMask(t *testing.T) {
	for address, want := range map[string]string{"tai.man@example.org": "t…@example.org", "大文@example.org": "大…@example.org", "": "…", "@x": "…", "x": "…"} {
		if got := Mask(address); got != want {
			t.Errorf("%s: %s", address, got)
		}
	}
}

// turned is a box for tests that binds to the purpose.
type turned struct{}

var errTurned = errors.New("another purpose")

func (turned) Seal(purpose string, secret []byte) []byte {
	return append([]byte(purpose+"\x00"), secret...)
}

func (turned) Open(purpose string, sealed []byte) ([]byte, error) {
	rest, ok := strings.CutPrefix(string(sealed), purpose+"\x00")
	if !ok {
		return nil, errTurned
	}
	return []byte(rest), nil
}

func TestSeal(t *testing.T) {
	now := time.Date(2026, 11, 22, 7, 0, 0, 0, time.UTC)
	for i, l := range []Letter{OneTime(Chinese, number, now.Add(time.Minute)), GuestCode(Both, Guest{PNG: []byte{0, 1, 2}, From: now, Until: now}), CardReady(English, page)} {
		row, err := Seal(turned{}, l, "a@example.org", "test", now)
		if err != nil {
			t.Fatal(err)
		}
		want := database.Letter{ID: row.ID, Kind: l.Kind, Lang: string(l.Lang), Address: "a@example.org", By: "test", At: now.UnixMilli(), Sealed: row.Sealed}
		if !l.Until.IsZero() {
			want.Until = l.Until.UnixMilli()
		}
		if !reflect.DeepEqual(row, want) || len(row.ID) < 20 {
			t.Errorf("%d: %+v", i, row)
		}
		back, err := Open(turned{}, row.ID, row.Sealed)
		if err != nil || fmt.Sprint(back) != fmt.Sprint(l) {
			t.Errorf("%d: %+v, %v", i, back, err)
		}
		if _, err := Open(turned{}, "another", row.Sealed); !errors.Is(err, ErrUnreadable) || !errors.Is(err, errTurned) {
			t.Errorf("in another row: %v", err)
		}
	}
	if _, err := Open(turned{}, "x", turned{}.Seal(purpose("x"), []byte("no JSON"))); !errors.Is(err, ErrUnreadable) {
		t.Errorf("no letter: %v", err)
	}
}
