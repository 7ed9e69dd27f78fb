package access

import (
	"testing"
	"time"

	"turnstile/central/link"
	"turnstile/central/pass"
	"turnstile/firmware-bridge/gate"
)

// short is a scene with a short code that makes a grant.
func short() (*scene, pass.Short) {
	s := newScene()
	s.modify = func(r *link.Rules) { r.Short = 1 << 3 }
	return s, gateKey.Short(pass.Guest, pass.ID{Day: testDay, Index: testIndex}, 0)
}

// decideShort is decide for a short code.
func (s *scene) decideShort(t *testing.T, code pass.Short) Decision {
	t.Helper()
	f := s.facts
	f.Rules = s.rules()
	state, err := link.NewState(1).Apply(s.events)
	if err != nil {
		t.Fatal(err)
	}
	f.State = state
	c, r := Expand(code, &f, s.now)
	if r != pass.Granted {
		return Decision{Reason: r}
	}
	return DecideShort(&c, f, s.now)
}

func TestShortCodeGranted(t *testing.T) {
	s, code := short()
	if d := s.decideShort(t, code); d != (Decision{Flags: link.FlagShort | link.FlagLast}) {
		t.Errorf("got %+v", d)
	}
}

func TestShortCodeRefused(t *testing.T) {
	other := gateKey
	other[5]++
	tests := map[string]struct {
		want  pass.Reason
		spoil func(s *scene, code *pass.Short)
	}{
		"rules that do not speak of it": {pass.Foreign, func(s *scene, _ *pass.Short) { s.modify = nil }},
		"rules that name another zone":  {pass.Foreign, func(s *scene, _ *pass.Short) { s.modify = func(r *link.Rules) { r.Short = 1 << 4 } }},
		"no feed":                       {pass.NoFeed, func(s *scene, _ *pass.Short) { s.facts.Head = 0 }},
		"a clock that nobody trusts":    {pass.ClockUntrusted, func(s *scene, _ *pass.Short) { s.facts.Clock = link.ClockUntrusted }},
		"yesterday's code":              {pass.Expired, func(s *scene, _ *pass.Short) { s.now = s.now.AddDate(0, 0, 1) }},
		"no gate key":                   {pass.KeyUnknown, func(s *scene, _ *pass.Short) { s.facts.Gate = nil }},
		"another key":                   {pass.Forged, func(_ *scene, c *pass.Short) { *c = other.Short(c.Kind, pass.ID{Day: testDay, Index: c.Index}, 0) }},
		"a guess":                       {pass.Forged, func(_ *scene, c *pass.Short) { c.Tag ^= 1 }},
		"revoked": {pass.Revoked, func(s *scene, _ *pass.Short) {
			s.event(link.Event{Type: link.Revoke, Value: testIndex})
		}},
		"never issued":       {pass.Revoked, func(_ *scene, c *pass.Short) { *c = gateKey.Short(c.Kind, pass.ID{Day: testDay, Index: 1 << 13}, 0) }},
		"no list of the day": {pass.StatusUnknown, func(s *scene, _ *pass.Short) { s.events = nil }},
		"closed":             {pass.Closed, func(s *scene, _ *pass.Short) { s.now = s.now.Add(11 * time.Hour) }},
		"lockdown":           {pass.Lockdown, func(s *scene, _ *pass.Short) { s.zone(func(z *link.Zone) { z.Mode = link.Lockdown }) }},
		"used once":          {pass.AlreadyUsed, func(s *scene, _ *pass.Short) { s.facts.Past.Used = 1 }},
		"perhaps used":       {pass.AlreadyUsed, func(s *scene, _ *pass.Short) { s.facts.Past.Unknown = 1 }},
		"an older generation's": {pass.Forged, func(s *scene, _ *pass.Short) {
			s.event(link.Event{Type: link.Raise, Value: testIndex, Generation: 1})
		}},
	}
	for name, c := range tests {
		s, code := short()
		c.spoil(s, &code)
		if d := s.decideShort(t, code); d.Reason != c.want {
			t.Errorf("%s: %v, want %v", name, d.Reason, c.want)
		}
	}
}

// TestShortCodeOfAPassIssuedAgain: the new pass was seen here already, and the
// holder's short code is the same one until central raises the generation.
func TestShortCodeOfAPassIssuedAgain(t *testing.T) {
	for raised, want := range []pass.Reason{pass.Granted, pass.Forged} {
		s, code := short()
		s.facts.Past.Generation = 1
		if raised > 0 {
			s.event(link.Event{Type: link.Raise, Value: testIndex, Generation: 1})
			again := gateKey.Short(code.Kind, pass.ID{Day: testDay, Index: testIndex}, 1)
			if d := s.decideShort(t, again); !d.Granted() {
				t.Errorf("the new short code: %v", d.Reason)
			}
		}
		if d := s.decideShort(t, code); d.Reason != want {
			t.Errorf("raised to %d: %v, want %v", raised, d.Reason, want)
		}
	}
}

func TestShortCodeLetsOutAfterUse(t *testing.T) {
	s, code := short()
	s.facts.Direction, s.facts.Past.Used = gate.Out, 1
	if d := s.decideShort(t, code); !d.Granted() {
		t.Errorf("got %+v", d)
	}
}
