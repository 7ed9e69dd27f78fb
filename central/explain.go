package main

import (
	"encoding/base32"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"turnstile/central/pass"
)

// remedies say what a refusal means to who stands at the lane.
var remedies = map[pass.Reason]string{
	pass.Unreadable:     "Scan again, closer and with the screen brighter.",
	pass.Foreign:        "Show the campus access code; this is some other text or QR code.",
	pass.Malformed:      "Scan again; if it stays so, open or print the code anew.",
	pass.VersionUnknown: "Update this program and the lanes, or issue a new pass.",
	pass.KindUnknown:    "Use a code of a known kind; a newer one needs an update of this program and of the lanes.",
	pass.FlagsUnknown:   "Update this program and the lanes, or issue a new pass.",
	pass.TestPass:       "Issue a pass of another kind.",
	pass.KeyUnknown:     "Check that this is the central that issued it; otherwise issue a new pass.",
	pass.KeyRevoked:     "Issue a new pass.",
	pass.Forged:         "Keep the code as evidence and issue a new pass to its rightful holder.",
	pass.TooEarly:       "Come back when it is valid, or issue a pass for now.",
	pass.Expired:        "Issue a pass for today.",
	pass.Revoked:        "Ask the office why; central release takes it back.",
	pass.Held:           "Ask the office why; central release takes it back.",
	pass.Superseded:     "Show the newer code.",
	pass.NotInside:      "Scan where the holder came in; the guard at the lane can let the holder out.",
	pass.HomeLane:       "Use another lane of the entrance, or mend the network between its lanes.",
	pass.WrongLane:      "Scan it at the lane that its sheet names.",
	pass.LiveMissing:    "Open the pass on the holder's phone and show it from there.",
	pass.LiveStale:      "Open the pass on the holder's phone and show it from there; check the phone's clock.",
}

// decodeText returns the bytes of a text in base32, nil if it is none or has
// another length than a code.
func decodeText(text []byte) []byte {
	if len(text) != pass.TextSize && len(text) != pass.LiveTextSize {
		return nil
	}
	raw, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(string(text))
	if err != nil || len(raw) != pass.Size && len(raw) != pass.LiveSize {
		return nil
	}
	return raw
}

const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"

// formProblem says in words what is wrong with the form of a text.
func formProblem(text []byte, code *pass.Code, reason pass.Reason) string {
	switch reason {
	case pass.VersionUnknown:
		return fmt.Sprintf("byte 0 says version %d; this program knows version %d", text0(text)>>4, pass.Version)
	case pass.KindUnknown:
		if code.Kind == pass.Supervisor {
			return "it is a supervisor code, no pass: central supervisor list shows what became of it"
		}
		return fmt.Sprintf("byte 0 says kind %d, which is none of ecard, guest, staff, test", uint8(code.Kind))
	case pass.FlagsUnknown:
		return fmt.Sprintf("byte 1 is 0x%02x; only bits 0, 1 and 2 have a meaning", uint8(code.Flags))
	}
	if where := strings.IndexFunc(string(text), func(r rune) bool { return !strings.ContainsRune(alphabet, r) }); where >= 0 {
		return "character " + fmt.Sprint(where+1) + " is " + oddCharacter(text[where])
	}
	if n := len(text); n != pass.TextSize && n != pass.LiveTextSize {
		return fmt.Sprintf("%d characters; a code has %d, a live code %d", n, pass.TextSize, pass.LiveTextSize)
	}
	return fieldProblem(text, code)
}

func text0(text []byte) byte {
	if raw := decodeText(text); raw != nil {
		return raw[0]
	}
	return 0
}

func oddCharacter(b byte) string {
	switch {
	case 'a' <= b && b <= 'z':
		return fmt.Sprintf("%q: a code is upper case; something on the way folded it", b)
	case b == ' ' || b == '\t' || b == '\r' || b == '\n':
		return "white space: copy the code without it"
	case b == '0' || b == '1' || b == '8' || b == '9':
		return fmt.Sprintf("%q: a code has the digits 2 to 7 only", b)
	}
	return fmt.Sprintf("%q, which no code has", b)
}

// fieldProblem finds the field for which a text of the right form is malformed.
func fieldProblem(text []byte, code *pass.Code) string {
	raw := decodeText(text)
	switch {
	case raw == nil || base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(raw) != string(text):
		return "the spare bits of the last character are not 0: this is not the one text of its pass"
	case len(raw) == pass.LiveSize && code.Flags&pass.LiveRequired == 0:
		return "it has slot and tag of a live code, and its flags say that it is none"
	case code.Start < pass.MinStart || code.Start > pass.MaxStart:
		return fmt.Sprintf("bytes 9-10 say a start of %d minutes, outside of %d..%d", code.Start, pass.MinStart, pass.MaxStart)
	case code.Length == 0 || code.Length > pass.MaxLength:
		return fmt.Sprintf("byte 11 says a length of %d, outside of 1..%d", code.Length, pass.MaxLength)
	case code.Zones == 0:
		return "bytes 12-13 name no zone"
	}
	return "a field has a value that no pass has"
}

// field is one row of the explanation.
type field struct {
	Bytes   string `json:"bytes"` // such as 2-3
	Name    string `json:"name"`
	Value   string `json:"value"`
	Meaning string `json:"meaning"`
}

// fields explains the bytes in order; none if the text is no base32 of our size.
func (e *explanation) fields(now time.Time) []field {
	if len(e.raw) < pass.Size {
		return nil
	}
	c, b := &e.code, e.raw
	from, until := c.Window()
	hexOf := func(i, j int) string { return hex.EncodeToString(b[i:j]) }
	list := []field{
		{"0", "version", fmt.Sprint(b[0] >> 4), ""},
		{"0", "kind", fmt.Sprint(b[0] & 15), c.Kind.String()},
		{"1", "flags", fmt.Sprintf("0x%02x", b[1]), flagNames(c.Flags)},
		{"2-3", "key id", fmt.Sprint(c.KeyID), "names the key that signed"},
		{"4-5", "day", fmt.Sprint(uint16(c.Day)), c.Day.String()},
		{"6-8", "index", fmt.Sprint(c.Index), "pass " + c.ID().String()},
		{"9-10", "start", fmt.Sprint(c.Start), "valid from " + e.local(from)},
		{"11", "length", fmt.Sprint(c.Length), fmt.Sprintf("%dh%02dm, until %s", c.Length/6, c.Length%6*10, e.local(until))},
		{"12-13", "zones", fmt.Sprintf("0x%04x", c.Zones), "zones " + zoneNumbers(c.Zones)},
		{"14", "generation", fmt.Sprint(c.Generation), ""},
		{"15", "entries", fmt.Sprint(c.Entries), entriesText(c.Entries)},
		{"15", "passback", fmt.Sprint(c.Passback), "anti-passback class"},
		{"16-23", "holder", hexOf(16, 24), "pseudonym of the holder on this day"},
		{"24-87", "signature", hexOf(24, 32) + "...", "Ed25519, of bytes 0-23; see below"},
	}
	if len(b) != pass.LiveSize {
		return list
	}
	live := "of a pass that is not live"
	if c.Live {
		live = "made for " + e.local(int64(e.slot(now))*pass.SlotSeconds)
	}
	return append(list, field{"88-89", "slot", fmt.Sprint(c.Slot), live}, field{"90-95", "tag", hexOf(90, 96), "only a lane can check it: it has the day's gate key"})
}

func flagNames(f pass.Flags) string {
	var list []string
	for _, x := range []struct {
		flag pass.Flags
		name string
	}{{pass.LiveRequired, "live code only"}, {pass.Escort, "with an escort"}, {pass.PassbackExempt, "no anti-passback"}} {
		if f&x.flag != 0 {
			list = append(list, x.name)
		}
	}
	if f > 7 {
		list = append(list, "unknown bits")
	}
	if len(list) == 0 {
		return "no condition"
	}
	return strings.Join(list, ", ")
}

func zoneNumbers(mask uint16) string {
	var list []int
	for z := range 16 {
		if mask&(1<<z) != 0 {
			list = append(list, z)
		}
	}
	return joinInts(list)
}

func entriesText(n uint8) string {
	switch n {
	case 0:
		return "without limit"
	case 1:
		return "single entry"
	}
	return fmt.Sprintf("%d entries", n)
}

// report is the explanation for programs.
type report struct {
	Accepted  bool    `json:"accepted"` // as far as it could be checked
	Reason    string  `json:"reason"`
	Why       string  `json:"why,omitempty"`
	Next      string  `json:"next,omitempty"`
	At        string  `json:"at"`
	Pass      string  `json:"pass,omitempty"`
	Live      bool    `json:"live"`
	Signature string  `json:"signature"`
	Status    string  `json:"status"`
	Fields    []field `json:"fields"`
}

func (e *explanation) report(now time.Time) report {
	r := report{
		Accepted: e.reason == pass.Granted, Reason: e.reason.String(), Why: e.why, Next: remedies[e.reason], At: now.In(e.zone).Format(time.RFC3339),
		Live: e.code.Live, Signature: e.signature, Status: e.status, Fields: e.fields(now),
	}
	if r.Fields != nil {
		r.Pass = e.code.ID().String()
	}
	return r
}

func (c *console) printExplanation(e *explanation, now time.Time) {
	if fields := e.fields(now); fields != nil {
		t := table{heading: []string{"BYTES", "FIELD", "VALUE", "MEANING"}}
		for _, f := range fields {
			t.add(text(f.Bytes), cell{f.Name, bold}, text(f.Value), text(f.Meaning))
		}
		t.print(c)
		fmt.Fprintln(c.out)
	}
	t := table{}
	t.add(cell{"signature", dim}, checkedCell(e.signature))
	t.add(cell{"status", dim}, checkedCell(e.status))
	if e.reason == pass.Granted {
		t.add(cell{"verdict", dim}, cell{"well formed and valid at " + e.local(now.Unix()) + e.proviso(), green})
	} else {
		t.add(cell{"verdict", dim}, cell{"refused as " + e.reason.String() + ": " + e.why, red})
		t.add(cell{"next step", dim}, text(remedies[e.reason]))
	}
	t.print(c)
}

// proviso says what nobody checked.
func (e *explanation) proviso() string {
	if e.feed == nil {
		return "; signature and status were not checked"
	}
	return ""
}

func checkedCell(s string) cell {
	switch {
	case s == "good":
		return cell{s, green}
	case strings.HasPrefix(s, "not checked"), s == "held":
		return cell{s, yellow}
	}
	return cell{s, red}
}
