package pass_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"flag"
	"os"
	"strconv"
	"testing"

	"turnstile/central/pass"
)

//go:generate go test -run TestVectorFile|TestSupervisorFile|TestWorkedExamples -update

var update = flag.Bool("update", false, "write the files of testdata and FORMAT.md's worked examples anew")

const vectorFile = "testdata/vectors.json"

// minVectors is the number below which the file does not cover the format.
const minVectors = 150

// vectors is the file. FORMAT.md, "Test vectors", explains its fields.
type vectors struct {
	Format   string            `json:"format"`
	Keys     map[string]string `json:"keys"`      // key id: Ed25519 public key, hex
	GateKeys map[string]string `json:"gate_keys"` // day: gate key, hex
	Vectors  []vector          `json:"vectors"`
}

type vector struct {
	Name      string  `json:"name"`
	Text      *string `json:"text,omitempty"`     // the scan
	Hex       string  `json:"text_hex,omitempty"` // the scan, where it is not ASCII
	Now       int64   `json:"now"`                // Unix seconds
	Tolerance uint32  `json:"tolerance"`          // live slots either way
	Expect    expect  `json:"expect"`
	Fields    *fields `json:"fields,omitempty"` // of what parses
}

// expect has the reason of each stage up to the first that refuses.
type expect struct {
	Parse  string `json:"parse"`
	Verify string `json:"verify,omitempty"`
	Window string `json:"window,omitempty"`
	Live   string `json:"live,omitempty"` // of a pass with LIVE_REQUIRED
}

type fields struct {
	Kind       uint8   `json:"kind"`
	Flags      uint8   `json:"flags"`
	KeyID      uint16  `json:"key_id"`
	Day        uint16  `json:"day"`
	Index      uint32  `json:"index"`
	Start      int16   `json:"start"`
	Length     uint8   `json:"length"`
	Zones      uint16  `json:"zones"`
	Generation uint8   `json:"generation"`
	Entries    uint8   `json:"entries"`
	Passback   uint8   `json:"passback"`
	Holder     string  `json:"holder"`
	From       int64   `json:"from"`
	Until      int64   `json:"until"`
	Slot       *uint16 `json:"slot,omitempty"`
	Tag        string  `json:"tag,omitempty"`
}

func (v *vector) scan(t *testing.T) []byte {
	t.Helper()
	if v.Text != nil {
		return []byte(*v.Text)
	}
	b, err := hex.DecodeString(v.Hex)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func fieldsOf(c *pass.Code) *fields {
	f := &fields{
		Kind: uint8(c.Kind), Flags: uint8(c.Flags), KeyID: c.KeyID, Day: uint16(c.Day), Index: c.Index, Start: c.Start,
		Length: c.Length, Zones: c.Zones, Generation: c.Generation, Entries: c.Entries, Passback: c.Passback,
		Holder: hex.EncodeToString(c.Holder[:]),
	}
	f.From, f.Until = c.Window()
	if c.Live {
		f.Slot, f.Tag = &c.Slot, hex.EncodeToString(c.Tag[:])
	}
	return f
}

// TestVectorFile keeps the file equal to its generator, so that neither changes alone.
func TestVectorFile(t *testing.T) {
	made, err := json.MarshalIndent(makeVectors(t), "", " ")
	if err != nil {
		t.Fatal(err)
	}
	made = append(made, '\n')
	if *update {
		if err := os.WriteFile(vectorFile, made, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(vectorFile)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(have, made) {
		t.Fatalf("%s is not what its generator makes; if the format changed on purpose, run go generate", vectorFile)
	}
}

// TestVectors holds the package to the file.
func TestVectors(t *testing.T) {
	data, err := os.ReadFile(vectorFile)
	if err != nil {
		t.Fatal(err)
	}
	var file vectors
	if err := json.Unmarshal(data, &file); err != nil {
		t.Fatal(err)
	}
	if len(file.Vectors) < minVectors {
		t.Fatalf("%d vectors, want at least %d", len(file.Vectors), minVectors)
	}
	names := map[string]bool{}
	for _, v := range file.Vectors {
		if names[v.Name] {
			t.Errorf("two vectors named %q", v.Name)
		}
		names[v.Name] = true
		t.Run(v.Name, func(t *testing.T) { checkVector(t, &file, &v) })
	}
}

func checkVector(t *testing.T, file *vectors, v *vector) {
	c, r := pass.Parse(v.scan(t))
	got := expect{Parse: r.String()}
	if r == pass.Granted {
		if string(v.scan(t)) != c.Text() {
			t.Errorf("encodes again as %q", c.Text())
		}
		if want, have := v.Fields, fieldsOf(&c); v.Fields == nil || asJSON(t, want) != asJSON(t, have) {
			t.Errorf("fields %s, want %s", asJSON(t, have), asJSON(t, want))
		}
		got = stages(t, file, v, &c)
	}
	if got != v.Expect {
		t.Errorf("got %+v, want %+v", got, v.Expect)
	}
}

// stages runs what comes after Parse up to the first refusal.
func stages(t *testing.T, file *vectors, v *vector, c *pass.Code) (e expect) {
	t.Helper()
	e.Parse = pass.Granted.String()
	key, known := file.Keys[strconv.Itoa(int(c.KeyID))]
	switch {
	case !known:
		e.Verify = pass.KeyUnknown.String()
		return e
	case !c.Verify(unhex(t, key)):
		e.Verify = pass.Forged.String()
		return e
	}
	e.Verify = pass.Granted.String()
	from, until := c.Window()
	switch {
	case v.Now < from:
		e.Window = pass.TooEarly.String()
		return e
	case v.Now >= until:
		e.Window = pass.Expired.String()
		return e
	}
	e.Window = pass.Granted.String()
	if c.Flags&pass.LiveRequired != 0 {
		gate := pass.GateKey(unhex(t, file.GateKeys[strconv.Itoa(int(c.Day))]))
		_, r := c.VerifyLive(gate, pass.SlotAt(v.Now), v.Tolerance)
		e.Live = r.String()
	}
	return e
}

// TestVectorClasses asserts that the file refuses for each reason that the
// format itself can have, more than once, and accepts each kind and flag.
func TestVectorClasses(t *testing.T) {
	reasons, kinds, flags := map[string]int{}, map[uint8]int{}, map[uint8]int{}
	for _, v := range makeVectors(t).Vectors {
		refused := 0
		for _, r := range []string{v.Expect.Parse, v.Expect.Verify, v.Expect.Window, v.Expect.Live} {
			if r != "" {
				reasons[r]++
			}
			if r != "" && r != "GRANTED" {
				refused++
			}
		}
		if refused > 1 {
			t.Errorf("%s fails %d times", v.Name, refused)
		}
		if v.Fields != nil {
			kinds[v.Fields.Kind]++
			flags[v.Fields.Flags]++
		}
	}
	least := map[pass.Reason]int{
		pass.Granted: 40, pass.Foreign: 10, pass.Malformed: 30, pass.VersionUnknown: 3, pass.KindUnknown: 12, pass.FlagsUnknown: 5,
		pass.KeyUnknown: 1, pass.Forged: 20, pass.TooEarly: 2, pass.Expired: 2, pass.LiveMissing: 2, pass.LiveForged: 6, pass.LiveStale: 4,
	}
	for r, n := range least {
		if reasons[r.String()] < n {
			t.Errorf("%d vectors with %s, want at least %d", reasons[r.String()], r, n)
		}
	}
	if len(kinds) != 4 || len(flags) != 8 {
		t.Errorf("%d kinds and %d combinations of flags, want 4 and 8", len(kinds), len(flags))
	}
}

func asJSON(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil || len(b) == 0 {
		t.Fatalf("decode %q: %v", s, err)
	}
	return b
}
