package link_test

import (
	"errors"
	"testing"

	"turnstile/central/link"
	"turnstile/central/pass"
)

func TestCommandCheck(t *testing.T) {
	if err := exampleCommand().Check(); err != nil {
		t.Fatal(err)
	}
	for what, change := range map[string]func(c *link.Command){
		"no lane controller":      func(c *link.Command) { c.Lane = "" },
		"an impossible id":        func(c *link.Command) { c.Lane = "north/1" },
		"number 0":                func(c *link.Command) { c.Number = 0 },
		"number 2^63":             func(c *link.Command) { c.Number = 1 << 63 },
		"no action":               func(c *link.Command) { c.Action = 0 },
		"lane 0":                  func(c *link.Command) { c.Index = 0 },
		"open, no direction":      func(c *link.Command) { c.Direction = 0 },
		"open, direction 3":       func(c *link.Command) { c.Direction = 3 },
		"identify, a direction":   func(c *link.Command) { c.Action = link.CommandIdentify },
		"no life":                 func(c *link.Command) { c.Expires = c.Issued },
		"a life of 30,001 ms":     func(c *link.Command) { c.Expires++ },
		"a life that overflows":   func(c *link.Command) { c.Expires = -1 << 63 },
		"issued before 1970":      func(c *link.Command) { c.Issued, c.Expires = -5, 5 },
		"the longest of all ints": func(c *link.Command) { c.Issued, c.Expires = -1<<63, 1<<63-1 },
		"no start":                func(c *link.Command) { c.Start = link.Nonce{} },
	} {
		c := exampleCommand()
		change(c)
		wantError(t, what, c.Check(), link.ErrMalformed)
	}
	c := exampleCommand()
	c.Action, c.Direction = 77, 0 // of a newer central: the lane answers it
	if err := c.Check(); err != nil || c.Action.String() != "action(77)" {
		t.Error(err, c.Action)
	}
}

// TestCommandEntry: entries about a command name it, and nothing else does.
func TestCommandEntry(t *testing.T) {
	c := exampleCommand()
	e := c.EntryOf()
	e.Type, e.Seq = link.EntryGranted, 5
	back, rest, err := link.ParseEntry(e.Append(nil))
	if err != nil || len(rest) != 0 || back.Kind != pass.Command || back.Gen != uint8(pass.CauseAssistance) || back.Pass != (pass.ID{}) {
		t.Fatalf("%+v, %v", back, err)
	}
	if n, ok := back.Command(); !ok || n != c.Number {
		t.Errorf("command %d, %v", n, ok)
	}
	if back.IsUse() {
		t.Error("a command is told to other lanes as a use")
	}
	for _, e := range exampleEntries() {
		if n, ok := e.Command(); ok {
			t.Errorf("entry of type %d is about command %d", e.Type, n)
		}
	}
}

// TestCommandStart: a start of another length is no start.
func TestCommandStart(t *testing.T) {
	for _, n := range []int{0, 15, 17} {
		wire := seal(t, signer("status"), link.TypeCommand, map[int]any{1: lane, 2: 5, 3: 1, 4: 1, 5: 1, 6: 1000, 7: 2000, 9: make([]byte, n)})
		_, err := link.Open[link.Command](wire, link.TypeCommand, site, link.KeysOf(signer("status").public()), link.MaxCommand)
		wantError(t, "a start of another length", err, link.ErrMalformed)
	}
}

func FuzzCommand(f *testing.F) {
	f.Add(lane, uint64(1795233609000), uint8(1), uint8(1), uint8(1), int64(1795233609000), int64(1795233639000))
	f.Add("n", uint64(1<<63), uint8(2), uint8(0), uint8(2), int64(-1<<63), int64(1<<63-1))
	f.Fuzz(func(t *testing.T, id string, number uint64, action, index, direction uint8, issued, expires int64) {
		c := link.Command{Lane: id, Number: number, Action: link.CommandAction(action), Index: index, Direction: direction, Issued: issued, Expires: expires,
			Start: link.Nonce{1}}
		err := c.Check()
		if err != nil {
			if !errors.Is(err, link.ErrMalformed) {
				t.Fatal(err)
			}
			return
		}
		if life := expires - issued; life <= 0 || life > link.MaxCommandLife.Milliseconds() || issued < 0 || number == 0 || index == 0 || !link.ValidID(id) {
			t.Fatalf("taken: %+v", c)
		}
		e := c.EntryOf()
		e.Type = link.EntryGranted
		if n, ok := e.Command(); !ok || n != number || e.IsUse() {
			t.Fatalf("entry %+v", e)
		}
	})
}
