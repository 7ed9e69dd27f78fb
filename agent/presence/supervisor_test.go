package presence

import (
	"testing"

	"turnstile/central/link"
	"turnstile/central/pass"
	"turnstile/firmware-bridge/gate"
)

// byHand appends a grant of a supervisor code and returns its number.
func (l *log) byHand(index uint32) uint64 {
	return l.add(link.Entry{Type: link.EntryGranted, Lane: 1, Zone: 3, Direction: 1, Kind: pass.Supervisor,
		Gen: 9, Pass: pass.ID{Day: today, Index: index}})
}

func (l *log) mode(mode link.Mode, index uint32, rules uint64) {
	l.add(link.Entry{Type: link.EntryMode, Lane: 1, Kind: pass.Supervisor, Pass: pass.ID{Day: today, Index: index},
		Detail: uint16(mode), Grant: rules, Wall: 1234})
}

// TestSupervisorCodeIsUsed by what became of its opening; it is nobody's presence.
func TestSupervisorCodeIsUsed(t *testing.T) {
	for result, want := range map[link.EntryType]bool{link.EntryPassed: true, link.EntryNotPassed: false, link.EntryUnknown: true} {
		l := &log{p: New()}
		id := pass.ID{Day: today, Index: 5}
		if l.p.Used(id) {
			t.Error("used before its use")
		}
		n := l.byHand(5)
		if !l.p.Used(id) {
			t.Error("not used while its use is under way")
		}
		l.add(link.Entry{Type: result, Grant: n})
		if l.p.Used(id) != want || l.p.Used(pass.ID{Day: today, Index: 6}) {
			t.Errorf("%d: used %v", result, !want)
		}
		if s := l.p.Stats(); s.Inside != 0 || s.Records != 0 || l.p.Of(id, 3, gate.In).Generation != 0 {
			t.Errorf("%d: %+v", result, s)
		}
	}
}

func TestModeByHand(t *testing.T) {
	l := &log{p: New()}
	if _, by := l.p.Hand(1); by {
		t.Error("a mode by hand from nothing")
	}
	l.mode(link.Lockdown, 1, 7)
	h, by := l.p.Hand(1)
	if want := (Hand{link.Lockdown, 1234, 7, pass.ID{Day: today, Index: 1}}); !by || h != want {
		t.Errorf("%+v, want %+v", h, want)
	}
	if _, other := l.p.Hand(2); other || !l.p.Used(h.Code) {
		t.Error("another lane's mode, or a code that is not used up")
	}
	l.mode(link.FreePassage, 2, 7)
	if h, _ := l.p.Hand(1); h.Mode != link.FreePassage {
		t.Errorf("%+v", h)
	}
	l.mode(link.Normal, 3, 7)
	if _, by := l.p.Hand(1); by || !l.p.Used(pass.ID{Day: today, Index: 3}) {
		t.Error("normal left a mode, or its code")
	}
	l.mode(link.Lockdown, 4, 7)
	l.add(link.Entry{Type: link.EntryMode, Lane: 1}) // newer rules
	if _, by := l.p.Hand(1); by || l.p.Used(pass.ID{}) {
		t.Error("the end without a code left a mode, or used a code")
	}
}

// TestSupervisorCheckpoint: codes, one under way, and modes come back.
func TestSupervisorCheckpoint(t *testing.T) {
	l := &log{p: New()}
	l.mode(link.Lockdown, 70000, 1<<40)
	l.mode(link.FreePassage, 2, 7)
	n := l.byHand(3)
	data, _ := l.p.Checkpoint(func() uint64 { return 0 })
	p, err := Decode(data)
	if err != nil {
		t.Fatal(err)
	}
	for _, index := range []uint32{2, 3, 70000} {
		if !p.Used(pass.ID{Day: today, Index: index}) {
			t.Errorf("%d is unused again", index)
		}
	}
	if h, by := p.Hand(1); !by || h.Mode != link.FreePassage || h.Rules != 7 {
		t.Errorf("%+v", h)
	}
	p.Apply(link.Entry{Type: link.EntryNotPassed, Grant: n})
	if p.Used(pass.ID{Day: today, Index: 3}) {
		t.Error("not given back")
	}
	for i := range data { // each byte counts
		bad := append([]byte(nil), data...)
		bad[i] ^= 1
		if _, err := Decode(bad); err == nil {
			t.Errorf("byte %d changed is accepted", i)
		}
	}
}

// TestSupervisorPartIsCanonical: what decodes encodes as itself.
func TestSupervisorPartIsCanonical(t *testing.T) {
	good := supervisor{
		used:  map[pass.ID]struct{}{{Day: 1, Index: 2}: {}, {Day: 1, Index: 3}: {}},
		hands: map[uint8]Hand{1: {Mode: link.Lockdown}, 2: {Mode: link.FreePassage}},
	}
	data := good.append(nil)
	again := newSupervisor()
	if !again.decode(data) || string(again.append(nil)) != string(data) {
		t.Fatal("not the same again")
	}
	for name, damage := range map[string]func(b []byte) []byte{
		"nothing":        func(b []byte) []byte { return nil },
		"short":          func(b []byte) []byte { return b[:len(b)-1] },
		"long":           func(b []byte) []byte { return append(b, 0) },
		"huge count":     func(b []byte) []byte { b[0] = 255; return b },
		"codes twice":    func(b []byte) []byte { b[codesHead+codeSize+5] = 2; return b },
		"index too high": func(b []byte) []byte { b[codesHead+codeSize+2] = 1; return b },
		"lane twice":     func(b []byte) []byte { b[codesHead+2*codeSize+handSize] = 1; return b },
		"mode normal":    func(b []byte) []byte { b[codesHead+2*codeSize+1] = 0; return b },
		"mode 3":         func(b []byte) []byte { b[codesHead+2*codeSize+1] = 3; return b },
		"code's index":   func(b []byte) []byte { b[codesHead+2*codeSize+20] = 1; return b },
	} {
		s := newSupervisor()
		if s.decode(damage(append([]byte(nil), data...))) {
			t.Errorf("%s is accepted", name)
		}
	}
}

// TestCodesAreForgotten when their window is over, and not with the passes.
func TestCodesAreForgotten(t *testing.T) {
	l := &log{p: New()}
	l.mode(link.Normal, 1, 0)
	id := pass.ID{Day: today, Index: 1}
	from := pass.SupervisorCode{Day: today, Start: 24 * 60, Hours: pass.MaxHours} // the latest end
	_, until := from.Window()
	for d := today; d.UTC()-14*3600 < until; d++ { // campus day d has begun somewhere on Earth
		if l.p.Forget(d); !l.p.Used(id) {
			t.Fatalf("forgotten on %s, valid for %d more seconds", d, until-d.UTC())
		}
	}
	if l.p.Forget(today + codeDays + 1); l.p.Used(id) {
		t.Error("never forgotten")
	}
}

func TestTooManyCodes(t *testing.T) {
	p := New()
	for i := range uint32(MaxCodes) {
		p.codes.used[pass.ID{Day: today + pass.Day(i&1), Index: i}] = struct{}{}
	}
	p.Apply(link.Entry{Type: link.EntryMode, Kind: pass.Supervisor, Pass: pass.ID{Day: today + 2, Index: 9}})
	if p.Used(pass.ID{Day: today, Index: 0}) || !p.Used(pass.ID{Day: today + 1, Index: 1}) || !p.Used(pass.ID{Day: today + 2, Index: 9}) || p.Stats().Overflow != 1 {
		t.Errorf("%+v", p.Stats())
	}
}
