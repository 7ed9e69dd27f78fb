package commission

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func testKey(t testing.TB) Key {
	t.Helper()
	k, err := NewKey(bytes.NewReader(bytes.Repeat([]byte{7}, 64)))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// sample is a report with every kind of entry, of hostile devices.
func sample() Report {
	at := time.Date(2026, 11, 22, 9, 30, 0, 5e6, time.UTC)
	n := 12.5
	return Report{
		Form: Form, Lane: `north-1 <script>alert(1)</script>`, Installer: `"An" & 'Installer'`, Computer: "bridge, Linux 6.1, arm64", Tool: "1.0",
		Began: at, Ended: at.Add(time.Minute), Complete: true, Verdict: Bad,
		Devices: []Device{{Subject: "entry", Kind: "scanner", Driver: "line", Path: "/dev/serial/by-id/x", Named: "</td><img src=x onerror=alert(1)>", Rate: 9600}},
		Results: []Result{
			{Step: ScannerRate, Subject: "entry", Outcome: Passed, Next: "raise it", Began: at, Took: 3.2, Values: []Value{{Name: "takes", Number: &n, Unit: "ms"}, {Name: "engine", Text: "{{.}} \u2028 <b>"}}},
			{Step: GateFire, Subject: "gate", Outcome: Failed, Reason: "no fire alarm was seen", Next: "check the wiring", Began: at, Values: []Value{}},
			{Step: GateTamper, Subject: "gate", Outcome: Skipped, Reason: "the installer chose so", Began: at, Values: []Value{}},
			{Step: GateIn, Subject: "gate", Outcome: NotPossible, Reason: "this gate does not open in", Began: at, Values: []Value{}},
		},
	}
}

func sealed(t testing.TB, r Report) []byte {
	t.Helper()
	b, err := testKey(t).Sign(r)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestSignedAndVerified(t *testing.T) {
	file := sealed(t, sample())
	r, s, err := Verify(file, "")
	if err != nil || r.Verdict != Bad || len(r.Results) != 4 || s.Fingerprint != testKey(t).Fingerprint() {
		t.Fatalf("%+v, %+v, %v", r, s, err)
	}
	typed := strings.ToUpper(strings.ReplaceAll(string(s.Fingerprint), "-", " "))
	if _, _, err := Verify(file, Fingerprint(typed)); err != nil {
		t.Errorf("with the fingerprint as people type it: %v", err)
	}
	other, err := NewKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := Verify(file, other.Fingerprint()); !errors.Is(err, ErrStranger) {
		t.Errorf("another's key: %v", err)
	}
	var tight bytes.Buffer
	if err := json.Compact(&tight, file); err != nil {
		t.Fatal(err)
	}
	if _, _, err := Verify(tight.Bytes(), ""); err != nil {
		t.Errorf("white space changed: %v", err)
	}
}

// TestEachChangedCharacterIsSeen changes every byte of the file that is no white space.
func TestEachChangedCharacterIsSeen(t *testing.T) {
	file := sealed(t, sample())
	tried := 0
	for i, c := range file {
		if c == ' ' || c == '\n' {
			continue
		}
		bad := bytes.Clone(file)
		bad[i] ^= 1
		tried++
		if _, _, err := Verify(bad, ""); !errors.Is(err, ErrForgery) && !errors.Is(err, ErrReport) {
			t.Fatalf("byte %d, %q for %q: %v", i, bad[i], c, err)
		}
	}
	if tried < 1400 {
		t.Errorf("only %d bytes tried", tried)
	}
}

func TestOneFormOnly(t *testing.T) {
	file := string(sealed(t, sample()))
	once := func(old, with string) string {
		t.Helper()
		if strings.Count(file, old) < 1 {
			t.Fatalf("no %q in the file", old)
		}
		return strings.Replace(file, old, with, 1)
	}
	for name, c := range map[string]struct {
		file string
		want error
	}{
		"empty":            {"", ErrReport},
		"second report":    {once(`{`, `{"report":{"verdict":"passed"},`), ErrReport},
		"second signature": {once(`{`, `{"signature":{},`), ErrReport},
		"unknown field":    {once(`{`, `{"more":1,`), ErrReport},
		"second verdict":   {once(`"verdict": "failed"`, `"verdict": "passed", "verdict": "failed"`), ErrForgery},
		"other case":       {once(`"report"`, `"Report"`), ErrReport},
		"trailing":         {file + "{}", ErrReport},
		"too large":        {file + strings.Repeat(" ", MaxReport), ErrReport},
		"no signature":     {`{"report":{}}`, ErrReport},
		"wrong print":      {once(string(testKey(t).Fingerprint()), strings.Repeat("0", 39)), ErrForgery},
	} {
		if _, _, err := Verify([]byte(c.file), ""); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

// A key that signs what is no report of ours does not make it one.
func TestSignedNonsenseIsRefused(t *testing.T) {
	later := sample()
	later.Form = "turnstile commissioning report 2"
	if _, _, err := Verify(sealed(t, later), ""); !errors.Is(err, ErrReport) {
		t.Errorf("a form of later: %v", err)
	}
	dirty := sample()
	dirty.Lane = strings.Repeat("long ", 1000) + "\x1b[2J\u202e\xff"
	r, _, err := Verify(sealed(t, dirty), "")
	if err != nil || len(r.Lane) > maxText || strings.ContainsAny(r.Lane, "\x1b\u202e\ufffd") {
		t.Errorf("%q, %v", r.Lane, err)
	}
}

func TestKeyFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "installer.pem")
	k, err := NewKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if err := k.Save(path); err != nil {
		t.Fatal(err)
	}
	if s, err := os.Stat(path); err != nil || s.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", s.Mode(), err)
	}
	again, err := LoadKey(path)
	if err != nil || again.Fingerprint() != k.Fingerprint() || again.PublicKey() != k.PublicKey() {
		t.Errorf("%v, %v", again, err)
	}
	if err := k.Save(path); !errors.Is(err, os.ErrExist) {
		t.Errorf("written over: %v", err)
	}
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadKey(path); !errors.Is(err, ErrKey) {
		t.Errorf("a key that others read: %v", err)
	}
	if _, err := LoadKey(filepath.Join(t.TempDir(), "none")); !errors.Is(err, ErrKey) {
		t.Errorf("no file: %v", err)
	}
	for _, text := range []string{"", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil || os.Chmod(path, 0o600) != nil {
			t.Fatal(err)
		}
		if _, err := LoadKey(path); !errors.Is(err, ErrKey) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func FuzzVerify(f *testing.F) {
	file := sealed(f, sample())
	f.Add(file)
	f.Add([]byte(`{"report":{},"signature":{"algorithm":"Ed25519","publicKey":"","fingerprint":"","value":""}}`))
	f.Add([]byte(`{"report":`))
	good, _, err := Verify(file, "")
	if err != nil {
		f.Fatal(err)
	}
	want, err := json.Marshal(good)
	if err != nil {
		f.Fatal(err)
	}
	public := testKey(f).Fingerprint()
	f.Fuzz(func(t *testing.T, b []byte) {
		r, _, err := Verify(b, public)
		if err != nil {
			if !errors.Is(err, ErrReport) && !errors.Is(err, ErrForgery) && !errors.Is(err, ErrStranger) {
				t.Fatalf("an error without a kind: %v", err)
			}
			return
		}
		if got, err := json.Marshal(r); err != nil || !bytes.Equal(got, want) {
			t.Fatalf("forged: %s", got)
		}
		if _, err := Page(b); err != nil {
			t.Fatalf("no page: %v", err)
		}
	})
}
