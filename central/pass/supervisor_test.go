package pass_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"testing"

	"github.com/makiuchi-d/gozxing/qrcode/decoder"
	"github.com/makiuchi-d/gozxing/qrcode/encoder"

	"turnstile/central/pass"
)

const (
	supervisorFile = "testdata/supervisor.json"
	testSite       = "example"
	testController = "north-1"
)

// sheetCode is a good supervisor code: lane 2 of north-1 opens inwards, once within
// three days from midnight in UTC+8.
func sheetCode() pass.SupervisorCode {
	return pass.SupervisorCode{
		KeyID: keyA, Day: today, Index: 815, Start: -480, Hours: 72,
		Action: pass.ActOpenIn, Cause: pass.CauseOutage, Lane: pass.LaneRefOf(testSite, testController, 2),
	}
}

func ordered(change func(s *pass.SupervisorCode)) pass.SupervisorCode {
	s := sheetCode()
	change(&s)
	return s
}

func sheetText(s pass.SupervisorCode) string { return s.Pass().Text(sign(*s.Pass())) }

// orderBytes signs 24 bytes as they are under a prefix.
func sheetBytes(prefix string, change func(b []byte)) string {
	s := sheetCode()
	b := s.Pass().Body()
	change(b[:])
	return base32Text.EncodeToString(append(b[:], ed25519.Sign(testKey(keyA), append([]byte(prefix), b[:]...))...))
}

const supervisorPrefix = "campus-supervisor/1\x00"

// supervisorVectors is the file; each stage's reason up to the first that refuses.
type supervisorVectors struct {
	Format  string             `json:"format"`
	Site    string             `json:"site"`
	Keys    map[string]string  `json:"keys"`
	Vectors []supervisorVector `json:"vectors"`
}

type supervisorVector struct {
	Name       string            `json:"name"`
	Text       string            `json:"text"`
	Now        int64             `json:"now"`        // Unix seconds
	Controller string            `json:"controller"` // where it is scanned
	Lane       uint8             `json:"lane"`
	Expect     supervisorExpect  `json:"expect"`
	Fields     *supervisorFields `json:"fields,omitempty"`
}

type supervisorExpect struct {
	Parse  string `json:"parse"`
	Verify string `json:"verify,omitempty"`
	Lane   string `json:"lane,omitempty"`
	Window string `json:"window,omitempty"`
}

type supervisorFields struct {
	KeyID  uint16 `json:"key_id"`
	Day    uint16 `json:"day"`
	Index  uint32 `json:"index"`
	Start  int16  `json:"start"`
	Hours  uint8  `json:"hours"`
	Action string `json:"action"`
	Cause  string `json:"cause"`
	Lane   string `json:"lane"`
	From   int64  `json:"from"`
	Until  int64  `json:"until"`
}

func supervisorFieldsOf(s *pass.SupervisorCode) *supervisorFields {
	f := &supervisorFields{
		KeyID: s.KeyID, Day: uint16(s.Day), Index: s.Index, Start: s.Start, Hours: s.Hours,
		Action: s.Action.String(), Cause: s.Cause.String(), Lane: hex.EncodeToString(s.Lane[:]),
	}
	f.From, f.Until = s.Window()
	return f
}

// judgeOrder runs the stages that the vectors have.
func judgeOrder(file *supervisorVectors, v *supervisorVector) (e supervisorExpect, s pass.SupervisorCode) {
	s, r := pass.ParseSupervisor([]byte(v.Text))
	e.Parse = r.String()
	if r != pass.Granted {
		return e, s
	}
	key, known := file.Keys[strconv.Itoa(int(s.KeyID))]
	public, _ := hex.DecodeString(key)
	e.Verify = pass.Granted.String()
	switch {
	case !known:
		e.Verify = pass.KeyUnknown.String()
		return e, s
	case !s.Verify(public):
		e.Verify = pass.Forged.String()
		return e, s
	}
	e.Lane = pass.Granted.String()
	if s.Lane != pass.LaneRefOf(file.Site, v.Controller, v.Lane) {
		e.Lane = pass.WrongLane.String()
		return e, s
	}
	from, until := s.Window()
	switch {
	case v.Now < from:
		e.Window = pass.TooEarly.String()
	case v.Now >= until:
		e.Window = pass.Expired.String()
	default:
		e.Window = pass.Granted.String()
	}
	return e, s
}

// orders collects vectors, one failure each.
type orders struct{ file supervisorVectors }

func (m *orders) at(name, text string, now int64, controller string, lane uint8, want pass.Reason) {
	v := supervisorVector{Name: name, Text: text, Now: now, Controller: controller, Lane: lane}
	e, s := judgeOrder(&m.file, &v)
	if v.Expect = e; e.Parse == pass.Granted.String() {
		v.Fields = supervisorFieldsOf(&s)
	}
	if last := lastStage(e); last != want.String() {
		panic(name + " is refused as " + last)
	}
	m.file.Vectors = append(m.file.Vectors, v)
}

func lastStage(e supervisorExpect) (last string) {
	for _, s := range []string{e.Parse, e.Verify, e.Lane, e.Window} {
		if s != "" {
			last = s
		}
	}
	return last
}

func (m *orders) add(name, text string, want pass.Reason) {
	m.at(name, text, noon, testController, 2, want)
}

// field adds a signed code with one field changed.
func (m *orders) field(name string, want pass.Reason, change func(s *pass.SupervisorCode)) {
	s := ordered(change)
	from, until := s.Window()
	m.at(name, sheetText(s), (from+until)/2, testController, 2, want)
}

func makeOrders() *supervisorVectors {
	m := &orders{supervisorVectors{Format: "campus-supervisor/1", Site: testSite, Keys: map[string]string{}}}
	for _, id := range []uint16{keyA, keyB} {
		m.file.Keys[strconv.Itoa(int(id))] = hex.EncodeToString(public(id))
	}
	m.good()
	m.malformed()
	m.forged()
	m.placed()
	return &m.file
}

func (m *orders) good() {
	for a := pass.ActOpenIn; a <= pass.ActNormal; a++ {
		m.field("good "+a.String(), pass.Granted, func(s *pass.SupervisorCode) { s.Action = a })
	}
	for c := pass.CauseOutage; c <= pass.CauseDrill; c++ {
		m.field("good for "+c.String(), pass.Granted, func(s *pass.SupervisorCode) { s.Cause = c })
	}
	m.field("good index at most", pass.Granted, func(s *pass.SupervisorCode) { s.Index = pass.MaxIndex })
	m.field("good day 65535", pass.Granted, func(s *pass.SupervisorCode) { s.Day = 65535 })
	m.field("good start at least", pass.Granted, func(s *pass.SupervisorCode) { s.Start = pass.MinStart })
	m.field("good start at most", pass.Granted, func(s *pass.SupervisorCode) { s.Start = pass.MaxStart })
	m.field("good 1 hour", pass.Granted, func(s *pass.SupervisorCode) { s.Hours = 1 })
	m.field("good 168 hours", pass.Granted, func(s *pass.SupervisorCode) { s.Hours = pass.MaxHours })
	m.field("good end at most", pass.Granted, func(s *pass.SupervisorCode) { s.Start, s.Hours = 24*60, 168 })
}

func (m *orders) malformed() {
	m.field("start below", pass.Malformed, func(s *pass.SupervisorCode) { s.Start = pass.MinStart - 1 })
	m.field("start above", pass.Malformed, func(s *pass.SupervisorCode) { s.Start = pass.MaxStart + 1 })
	m.field("no hours", pass.Malformed, func(s *pass.SupervisorCode) { s.Hours = 0 })
	m.field("169 hours", pass.Malformed, func(s *pass.SupervisorCode) { s.Hours = 169 })
	m.field("end one minute above", pass.Malformed, func(s *pass.SupervisorCode) { s.Start, s.Hours = 24*60+1, 168 })
	m.field("no action", pass.FlagsUnknown, func(s *pass.SupervisorCode) { s.Action = 0 })
	m.field("action 6", pass.FlagsUnknown, func(s *pass.SupervisorCode) { s.Action = 6 })
	m.field("no cause", pass.FlagsUnknown, func(s *pass.SupervisorCode) { s.Cause = 0 })
	m.field("cause 11", pass.FlagsUnknown, func(s *pass.SupervisorCode) { s.Cause = 11 })
	for _, at := range []int{1, 13, 15} {
		m.add(fmt.Sprintf("byte %d is 1", at), sheetBytes(supervisorPrefix, func(b []byte) { b[at] = 1 }), pass.FlagsUnknown)
	}
	still := sheetText(sheetCode())
	m.add("version 2", sheetBytes(supervisorPrefix, func(b []byte) { b[0] = 2<<4 | 4 }), pass.VersionUnknown)
	m.add("a pass", code(basic()), pass.KindUnknown)
	m.add("kind 5", sheetBytes(supervisorPrefix, func(b []byte) { b[0] = 1<<4 | 5 }), pass.KindUnknown)
	m.add("spare bits", still[:140]+string(still[140]+1), pass.Malformed)
	m.add("half a code", still[:70], pass.Malformed)
	m.add("with the tail of a live code", base32Text.EncodeToString(append(mustDecode(still), make([]byte, 8)...)), pass.Malformed)
	m.add("a poster", "https://www.example.org/", pass.Foreign)
}

func mustDecode(text string) []byte {
	b, err := base32Text.DecodeString(text)
	if err != nil {
		panic(err)
	}
	return b
}

func (m *orders) forged() {
	m.field("key 9", pass.KeyUnknown, func(s *pass.SupervisorCode) { s.KeyID = keyC })
	m.add("signed as a pass", sheetBytes("campus-pass/1\x00", func([]byte) {}), pass.Forged)
	m.add("signed without a prefix", sheetBytes("", func([]byte) {}), pass.Forged)
	damaged := func(name string, at int, bit byte) {
		b := mustDecode(sheetText(sheetCode()))
		b[at] ^= bit
		m.add(name+" changed", base32Text.EncodeToString(b), pass.Forged)
	}
	damaged("key id", 3, keyA^keyB)
	damaged("day", 5, 1)
	damaged("index", 8, 1)
	damaged("start", 10, 1)
	damaged("hours", 11, 1)
	damaged("action", 12, 3)
	damaged("cause", 14, 2)
	damaged("lane", 23, 1)
	damaged("signature", 60, 1)
}

func (m *orders) placed() {
	text := sheetText(sheetCode())
	s := sheetCode()
	from, until := s.Window()
	m.at("the next lane of the controller", text, noon, testController, 3, pass.WrongLane)
	m.at("the same number elsewhere", text, noon, "north-2", 2, pass.WrongLane)
	m.field("a lane of another site", pass.WrongLane, func(s *pass.SupervisorCode) { s.Lane = pass.LaneRefOf("elsewhere", testController, 2) })
	m.at("the second before", text, from-1, testController, 2, pass.TooEarly)
	m.at("the first second", text, from, testController, 2, pass.Granted)
	m.at("the last second", text, until-1, testController, 2, pass.Granted)
	m.at("the second after", text, until, testController, 2, pass.Expired)
}

// TestSupervisorFile keeps the file equal to its generator.
func TestSupervisorFile(t *testing.T) {
	made, err := json.MarshalIndent(makeOrders(), "", " ")
	if err != nil {
		t.Fatal(err)
	}
	made = append(made, '\n')
	if *update {
		if err := os.WriteFile(supervisorFile, made, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(supervisorFile)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(have, made) {
		t.Fatalf("%s is not what its generator makes; if the format changed on purpose, run go generate", supervisorFile)
	}
}

func TestSupervisorVectors(t *testing.T) {
	data, err := os.ReadFile(supervisorFile)
	if err != nil {
		t.Fatal(err)
	}
	var file supervisorVectors
	if err := json.Unmarshal(data, &file); err != nil {
		t.Fatal(err)
	}
	if len(file.Vectors) < 55 {
		t.Fatalf("%d vectors, want at least 55", len(file.Vectors))
	}
	for _, v := range file.Vectors {
		e, s := judgeOrder(&file, &v)
		if e != v.Expect {
			t.Errorf("%s: %+v, want %+v", v.Name, e, v.Expect)
		}
		if v.Fields != nil && *v.Fields != *supervisorFieldsOf(&s) {
			t.Errorf("%s: %+v, want %+v", v.Name, supervisorFieldsOf(&s), v.Fields)
		}
		if c, r := pass.Parse([]byte(v.Text)); r == pass.Granted && c.Kind != pass.ECard {
			t.Errorf("%s passes as a pass", v.Name)
		}
	}
}

func trusted(text string) bool {
	s, r := pass.ParseSupervisor([]byte(text))
	return r == pass.Granted && s.KeyID == keyA && s.Verify(public(keyA))
}

// TestEverySupervisorBitCounts flips each of the 704 bits.
func TestEverySupervisorBitCounts(t *testing.T) {
	good := mustDecode(sheetText(sheetCode()))
	if !trusted(sheetText(sheetCode())) {
		t.Fatal("the code itself is refused")
	}
	for bit := range 8 * pass.Size {
		bad := bytes.Clone(good)
		bad[bit/8] ^= 128 >> (bit % 8)
		if text := base32Text.EncodeToString(bad); trusted(text) || accepted(text) {
			t.Errorf("bit %d flipped is accepted", bit)
		}
	}
}

// TestKindsDoNotMix: neither signature stands for the other, whichever kind the
// byte says and whichever prefix the key was made to sign.
func TestKindsDoNotMix(t *testing.T) {
	if text := sheetText(sheetCode()); accepted(text) {
		t.Error("a supervisor code is a pass")
	}
	if text := code(basic()); trusted(text) {
		t.Error("a pass is a supervisor code")
	}
	for _, prefix := range []string{"campus-pass/1\x00", supervisorPrefix} {
		asPass := sheetBytes(prefix, func(b []byte) { b[0] = 1<<4 | 1 })
		if trusted(asPass) || accepted(asPass) != (prefix != supervisorPrefix) {
			t.Errorf("kind 1 signed as %q: trusted %v, accepted %v", prefix, trusted(asPass), accepted(asPass))
		}
		asOrder := sheetBytes(prefix, func([]byte) {})
		if accepted(asOrder) || trusted(asOrder) != (prefix == supervisorPrefix) {
			t.Errorf("kind 4 signed as %q: trusted %v, accepted %v", prefix, trusted(asOrder), accepted(asOrder))
		}
	}
}

func TestSupervisorNames(t *testing.T) {
	for a := range pass.Action(6) {
		if back, ok := pass.ParseAction(a.String()); ok != (a != 0) || back != a {
			t.Errorf("%s is %d, %v", a, back, ok)
		}
	}
	for c := range pass.Cause(11) {
		if back, ok := pass.ParseCause(c.String()); ok != (c != 0) || back != c {
			t.Errorf("%s is %d, %v", c, back, ok)
		}
	}
	if pass.Action(6).String() != "action(6)" || pass.Cause(11).String() != "cause(11)" {
		t.Error("unknown ones have names")
	}
	if !pass.ActOpenOut.Opens() || pass.ActLockdown.Opens() {
		t.Error("which actions open?")
	}
}

// TestSupervisorCheck: an issuer signs no code that lanes refuse, and nothing
// that a pass's fields cannot be.
func TestSupervisorCheck(t *testing.T) {
	s := sheetCode()
	if r := s.Pass().Check(); r != pass.Granted {
		t.Errorf("good: %s", r)
	}
	for name, change := range map[string]func(p *pass.Pass){
		"zones": func(p *pass.Pass) { p.Zones |= 1 }, "entries": func(p *pass.Pass) { p.Entries = 1 },
		"class": func(p *pass.Pass) { p.Passback = 1 }, "flags": func(p *pass.Pass) { p.Flags = 1 },
		"index": func(p *pass.Pass) { p.Index = pass.MaxIndex + 1 },
	} {
		p := s.Pass()
		if change(p); p.Check() == pass.Granted {
			t.Errorf("%s: granted", name)
		}
	}
}

func TestSupervisorSymbolAndCost(t *testing.T) {
	text := sheetText(sheetCode())
	q, err := encoder.Encoder_encodeWithoutHint(text, decoder.ErrorCorrectionLevel_M)
	if err != nil || len(text) != pass.TextSize || q.GetVersion().GetVersionNumber() != 6 {
		t.Errorf("%d characters, version %v, %v", len(text), q.GetVersion(), err)
	}
	key, scanned := public(keyA), []byte(text)
	if n := testing.AllocsPerRun(20, func() {
		if s, r := pass.ParseSupervisor(scanned); r != pass.Granted || !s.Verify(key) {
			t.Fatal("refused")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// FuzzParseSupervisor holds that one text stands for one code, and for no pass.
func FuzzParseSupervisor(f *testing.F) {
	f.Add([]byte(sheetText(sheetCode())))
	f.Add([]byte(code(basic())))
	f.Add([]byte(sheetBytes(supervisorPrefix, func(b []byte) { b[13] = 1 })))
	f.Add(bytes.Repeat([]byte("CQ"), pass.TextSize/2))
	f.Fuzz(func(t *testing.T, text []byte) {
		s, r := pass.ParseSupervisor(text)
		if r != pass.Granted {
			if r > pass.FlagsUnknown {
				t.Fatalf("reason %s is not ParseSupervisor's", r)
			}
			return
		}
		raw := mustDecode(string(text))
		if got := s.Pass().Text(raw[pass.BodySize:]); got != string(text) {
			t.Fatalf("%q encodes again as %q", text, got)
		}
		if c, r := pass.Parse(text); r == pass.Granted || c.Kind != pass.Supervisor {
			t.Fatalf("%q is a pass: %s", text, r)
		}
	})
}
