package presence

import (
	"testing"

	"turnstile/central/link"
	"turnstile/central/pass"
	"turnstile/firmware-bridge/gate"
)

// TestCommandsCountForNobody: what a command of central did counts for no pass, is
// resolved like a grant, and comes through a checkpoint.
func TestCommandsCountForNobody(t *testing.T) {
	c := link.Command{Number: 5, Cause: pass.CauseDrill}
	entry := func(typ link.EntryType, seq, grant uint64) link.Entry {
		e := c.EntryOf()
		e.Type, e.Seq, e.Grant, e.Lane, e.Direction, e.Zone, e.Wall = typ, seq, grant, 1, 1, 3, int64(seq)
		return e
	}
	p := New()
	p.Own(link.JournalID{1})
	p.Apply(entry(link.EntryGranted, 1, 0))
	p.Apply(entry(link.EntryPassed, 2, 1))
	refused := entry(link.EntryDenied, 3, 0)
	refused.Reason = pass.Expired
	p.Apply(refused)
	p.Apply(entry(link.EntryShown, 4, 0))
	p.Apply(entry(link.EntryGranted, 5, 0))
	again, err := Decode(p.encode())
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range []*Presence{p, again} {
		if left := p.Unresolved(); len(left) != 1 || left[0] != entry(link.EntryGranted, 5, 0) {
			t.Errorf("unresolved %+v", left)
		}
		p.Apply(entry(link.EntryUnknown, 6, 5))
		past := p.Of(pass.ID{}, 3, gate.In)
		if s := p.Stats(); s.Records+s.Inside+s.Pending+int(s.Overflow) != 0 || past.Used+past.Unknown != 0 || past.Generation != 0 {
			t.Errorf("%+v, %+v", s, past)
		}
	}
}
