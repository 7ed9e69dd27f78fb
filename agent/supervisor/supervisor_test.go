package supervisor

import (
	"crypto/ed25519"
	"testing"
	"time"

	"turnstile/agent/access"
	"turnstile/central/link"
	"turnstile/central/pass"
	"turnstile/firmware-bridge/gate"
)

const day = pass.Day(2516) // 2026-11-21

var (
	signer  = ed25519.NewKeyFromSeed([]byte("a key of the tests of supervisor"))
	ownLane = pass.LaneRefOf("campus", "north", 1)
	noon    = time.Unix(day.UTC()+4*3600, 0)
)

// scene is all that a decision rests on; each case changes one thing.
type scene struct {
	code  pass.SupervisorCode
	sign  func(p *pass.Pass) []byte
	facts access.Facts
	at    Place
	now   time.Time
}

func good() *scene {
	return &scene{
		code: pass.SupervisorCode{KeyID: 7, Day: day, Index: 99, Start: -480, Hours: 24, Action: pass.ActOpenIn, Cause: pass.CauseOutage, Lane: ownLane},
		sign: func(p *pass.Pass) []byte { return ed25519.Sign(signer, p.Message()) },
		facts: access.Facts{
			Keys:  map[uint16]link.PassKey{7: {ID: 7, Public: signer.Public().(ed25519.PublicKey), Kinds: 1 << pass.Supervisor, From: day, To: day}},
			Clock: link.ClockTrusted,
		},
		at: Place{Lane: ownLane}, now: noon,
	}
}

// decide signs, parses and decides.
func (s *scene) decide(t *testing.T) Decision {
	t.Helper()
	p := s.code.Pass()
	code, r := pass.ParseSupervisor([]byte(p.Text(s.sign(p))))
	if r != pass.Granted {
		t.Fatalf("the code does not parse: %s", r)
	}
	return Decide(&code, &s.facts, s.at, s.now)
}

func state(t *testing.T, events ...link.Event) *link.State {
	t.Helper()
	open := []link.Event{{Type: link.OpenDay, Day: day, Value: 1024}, {Type: link.OpenDay, Day: day + 1, Value: 1024}}
	s, err := link.NewState(1).Apply(append(open, events...))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestReasons(t *testing.T) {
	id := pass.ID{Day: day, Index: 99}
	cases := []struct {
		name   string
		change func(s *scene)
		want   pass.Reason
	}{
		{"good, with nothing but a keyset", func(*scene) {}, pass.Granted},
		{"no keyset", func(s *scene) { s.facts.Keys = nil }, pass.NoFeed},
		{"another key", func(s *scene) { s.code.KeyID = 8 }, pass.KeyUnknown},
		{"withdrawn", func(s *scene) { s.facts.State = state(t, link.Event{Type: link.WithdrawKey, Value: 7}) }, pass.KeyRevoked},
		{"a key for passes", func(s *scene) { k := s.facts.Keys[7]; k.Kinds = 0xffff &^ (1 << pass.Supervisor); s.facts.Keys[7] = k }, pass.KeyRevoked},
		{"a key of another week", func(s *scene) { k := s.facts.Keys[7]; k.To = day - 1; s.facts.Keys[7] = k }, pass.KeyRevoked},
		{"forged", func(s *scene) { s.sign = func(p *pass.Pass) []byte { return make([]byte, 64) } }, pass.Forged},
		{"signed as a pass", func(s *scene) {
			s.sign = func(p *pass.Pass) []byte {
				b := p.Body()
				return ed25519.Sign(signer, append([]byte("campus-pass/1\x00"), b[:]...))
			}
		}, pass.Forged},
		{"another lane of the controller", func(s *scene) { s.at.Lane = pass.LaneRefOf("campus", "north", 2) }, pass.WrongLane},
		{"a lane that does not know which it is", func(s *scene) { s.at.Lane = pass.LaneRef{}; s.code.Lane = pass.LaneRef{} }, pass.WrongLane},
		{"before", func(s *scene) { s.now = time.Unix(day.UTC()-8*3600-1, 0) }, pass.TooEarly},
		{"its first second", func(s *scene) { s.now = time.Unix(day.UTC()-8*3600, 0) }, pass.Granted},
		{"its last second", func(s *scene) { s.now = time.Unix(day.UTC()+16*3600-1, 0) }, pass.Granted},
		{"after", func(s *scene) { s.now = time.Unix(day.UTC()+16*3600, 0) }, pass.Expired},
		{"a clock in holdover still has windows", func(s *scene) {
			s.facts.Clock, s.facts.Bound, s.now = link.ClockHoldover, access.MaxBound, s.now.AddDate(0, 0, 2)
		}, pass.Expired},
		{"a clock in 1970 of which the lane knows the error", func(s *scene) {
			s.facts.Offset, s.now = s.now.Sub(time.Unix(5, 0)), time.Unix(5, 0)
		}, pass.Granted},
		{"a right clock that the lane knows to be 2 days behind", func(s *scene) { s.facts.Offset = 48 * time.Hour }, pass.Expired},
		{"a clock in 1970", func(s *scene) { s.facts.Clock, s.now = link.ClockUntrusted, time.Unix(5, 0) }, pass.Granted},
		{"a clock of next year", func(s *scene) { s.facts.Clock, s.now = link.ClockUntrusted, s.now.AddDate(1, 0, 0) }, pass.Granted},
		{"a clock in 1970, used", func(s *scene) { s.facts.Clock, s.now, s.at.Used = link.ClockUntrusted, time.Unix(5, 0), true }, pass.AlreadyUsed},
		{"revoked in its day's list", func(s *scene) {
			s.facts.State = state(t, link.Event{Type: link.Block, Day: day, Holder: id.RevokedRef()})
		}, pass.Revoked},
		{"revoked in a later day's list", func(s *scene) {
			s.facts.State = state(t, link.Event{Type: link.Block, Day: day + 1, Holder: id.RevokedRef()})
		}, pass.Revoked},
		{"another code revoked", func(s *scene) {
			s.facts.State = state(t, link.Event{Type: link.Block, Day: day, Holder: pass.ID{Day: day, Index: 98}.RevokedRef()})
		}, pass.Granted},
		{"used", func(s *scene) { s.at.Used = true }, pass.AlreadyUsed},
		{"lockdown, closed, an old feed", func(s *scene) {
			s.facts.Rules = &link.Rules{Zones: []link.Zone{{Mode: link.Lockdown, Hours: []link.Hours{{Weekdays: 1, Open: 1, Close: 2}}}}}
			s.facts.Age, s.facts.State = -1, state(t)
		}, pass.Granted},
	}
	tried := map[pass.Reason]bool{}
	for _, c := range cases {
		s := good()
		c.change(s)
		d := s.decide(t)
		tried[c.want] = true
		if d.Reason != c.want {
			t.Errorf("%s: %s, want %s", c.name, d.Reason, c.want)
		}
		if d.Flags&link.FlagAlarm == 0 || (d.Flags&link.FlagStamped != 0) != (s.facts.Clock == link.ClockUntrusted) {
			t.Errorf("%s: flags %b", c.name, d.Flags)
		}
		if !d.Granted() && (d.Direction != 0 || d.Mode != link.Normal) {
			t.Errorf("%s: refused, and does %+v", c.name, d)
		}
	}
	if len(tried) != 10 {
		t.Errorf("%d reasons tried: %v", len(tried), tried)
	}
}

func TestActions(t *testing.T) {
	for a, want := range map[pass.Action]Decision{
		pass.ActOpenIn: {Direction: gate.In}, pass.ActOpenOut: {Direction: gate.Out}, pass.ActLockdown: {Mode: link.Lockdown},
		pass.ActFreePassage: {Mode: link.FreePassage}, pass.ActNormal: {Mode: link.Normal},
	} {
		s := good()
		s.code.Action = a
		if d := s.decide(t); !d.Granted() || d.Direction != want.Direction || d.Mode != want.Mode || (d.Direction != 0) != a.Opens() {
			t.Errorf("%s: %+v", a, d)
		}
	}
}

// TestDamagedCodes: a code damaged anywhere is never admitted.
func TestDamagedCodes(t *testing.T) {
	s := good()
	p := s.code.Pass()
	text := []byte(p.Text(s.sign(p)))
	tried := 0
	for i := range text {
		bad := append([]byte(nil), text...)
		if bad[i] = 'A'; text[i] == 'A' {
			bad[i] = 'B'
		}
		code, r := pass.ParseSupervisor(bad)
		if r != pass.Granted {
			continue
		}
		tried++
		if d := Decide(&code, &s.facts, s.at, s.now); d.Granted() {
			t.Errorf("character %d changed is admitted", i)
		}
	}
	if tried < 100 {
		t.Errorf("%d damaged codes reached the decision", tried)
	}
}

func TestDecideAllocatesNothing(t *testing.T) {
	s := good()
	p := s.code.Pass()
	code, _ := pass.ParseSupervisor([]byte(p.Text(s.sign(p))))
	if n := testing.AllocsPerRun(20, func() {
		if !Decide(&code, &s.facts, s.at, s.now).Granted() {
			t.Fatal("refused")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
