package pass_test

import (
	"bytes"
	"crypto/ed25519"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"turnstile/central/pass"
)

// The places of the worked examples.
const (
	exampleBegin    = "<!-- example -->\n"
	exampleEnd      = "<!-- /example -->\n"
	supervisorBegin = "<!-- supervisor example -->\n"
	supervisorEnd   = "<!-- /supervisor example -->\n"
)

// supervisorExample is the worked example of a supervisor code.
func supervisorExample() string {
	s := sheetCode()
	p := s.Pass()
	body := p.Body()
	from, until := s.Window()
	var b strings.Builder
	line := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "%-11s "+format+"\n", append([]any{name}, args...)...)
	}
	b.WriteString("```\n")
	line("code", "2026-11-21/000815: version 1, kind 4, key id %d, day %d, index %d", s.KeyID, s.Day, s.Index)
	line("window", "start %d, %d hours: %d <= t < %d", s.Start, s.Hours, from, until)
	line("action", "%d (%s), cause %d (%s)", uint8(s.Action), s.Action, uint8(s.Cause), s.Cause)
	line("lane", "%x, of site %q, controller %q, lane 2", s.Lane, testSite, testController)
	wrapped(line, "lane input", []byte("campus-lane/1\x00"+testSite+"\x00"+testController+"\x00\x02"))
	wrapped(line, "body", body[:])
	wrapped(line, "message", p.Message())
	wrapped(line, "signature", sign(*p))
	line("text", "%s", sheetText(s))
	b.WriteString("```\n")
	return b.String()
}

// example is the worked example, with all that lies between.
func example() string {
	p := live()
	body, signature, gate := p.Body(), sign(p), testGateKey(p.Day)
	key := gate.LiveKey(body)
	tag := key.Tag(body, slotNow)
	from, until := p.Window()
	var b strings.Builder
	line := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "%-11s "+format+"\n", append([]any{name}, args...)...)
	}
	b.WriteString("```\n")
	line("version", "1, kind 1 (ecard), flags 1 (LIVE_REQUIRED), key id %d", p.KeyID)
	line("day", "%d (%s), index %d, start %d, length %d", p.Day, p.Day, p.Index, p.Start, p.Length)
	line("zones", "0x%04x, generation %d, entries %d, passback class %d", p.Zones, p.Generation, p.Entries, p.Passback)
	line("holder", "%x", p.Holder)
	line("window", "%d <= t < %d", from, until)
	wrapped(line, "body", body[:])
	wrapped(line, "message", p.Message())
	wrapped(line, "public key", testKey(p.KeyID).Public().(ed25519.PublicKey))
	wrapped(line, "signature", signature)
	line("code", "%s", p.Text(signature))
	b.WriteString("\n")
	line("now", "%d, full slot %d = 0x%08x, in the code 0x%04x", noon, slotNow, slotNow, uint16(slotNow))
	wrapped(line, "gate key", gate[:])
	wrapped(line, "live key", key[:])
	line("tag input", "%x || body", append([]byte("campus-live/1\x00"), byte(slotNow>>24), byte(slotNow>>16), byte(slotNow>>8), byte(slotNow)))
	line("tag", "%x", tag)
	line("live code", "%s", p.LiveText(signature, key, slotNow))
	b.WriteString("```\n")
	return b.String()
}

// wrapped prints bytes 32 a line.
func wrapped(line func(string, string, ...any), name string, b []byte) {
	for ; len(b) > 0; name = "" {
		n := min(32, len(b))
		line(name, "%x", b[:n])
		b = b[n:]
	}
}

// keepExample keeps what stands between two marks of FORMAT.md true.
func keepExample(t *testing.T, begin, end, want string) {
	t.Helper()
	text, err := os.ReadFile("FORMAT.md")
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := bytes.Cut(text, []byte(begin))
	old, after, closed := bytes.Cut(rest, []byte(end))
	if !ok || !closed {
		t.Fatal("FORMAT.md has no place for the example")
	}
	if *update {
		all := bytes.Join([][]byte{before, []byte(begin), []byte(want), []byte(end), after}, nil)
		if err := os.WriteFile("FORMAT.md", all, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if string(old) != want {
		t.Errorf("the example is\n%s\nwant\n%s", old, want)
	}
}

// TestWorkedExamples keeps FORMAT.md's examples true.
func TestWorkedExamples(t *testing.T) {
	keepExample(t, exampleBegin, exampleEnd, example())
	keepExample(t, supervisorBegin, supervisorEnd, supervisorExample())
	c, r := pass.Parse([]byte(liveCode(live(), slotNow)))
	if r != pass.Granted || !c.Verify(public(keyA)) {
		t.Error("the example itself is refused")
	}
}

// TestReasonTable compares the table of FORMAT.md with the code.
func TestReasonTable(t *testing.T) {
	text, err := os.ReadFile("FORMAT.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := regexp.MustCompile(`(?m)^\| (\d+) \| ([A-Z_]+) \| `).FindAllStringSubmatch(string(text), -1)
	if len(rows) != len(pass.Reasons()) {
		t.Fatalf("%d rows, there are %d reasons", len(rows), len(pass.Reasons()))
	}
	for i, row := range rows {
		if n, err := strconv.Atoi(row[1]); err != nil || n != i || row[2] != pass.Reason(i).String() {
			t.Errorf("row %d is %s %s, want %s", i, row[1], row[2], pass.Reason(i))
		}
	}
}
