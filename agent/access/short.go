package access

import (
	"time"

	"turnstile/central/link"
	"turnstile/central/pass"
)

// Expand returns the pass that a short code stands for, as far as one can be
// told from 64 bits, or why it stands for none: Foreign where the rules admit no
// short codes in the lane's zone. The code that it returns has no signature: it
// is for DecideShort alone.
func Expand(s pass.Short, f *Facts, now time.Time) (pass.Code, pass.Reason) {
	if !f.HasFeed() {
		return pass.Code{}, pass.NoFeed
	}
	if f.Rules.Short>>f.Zone&1 == 0 {
		return pass.Code{}, pass.Foreign
	}
	if !f.ClockUsable() {
		return pass.Code{}, pass.ClockUntrusted
	}
	today, _ := f.Rules.Campus(now.Add(f.Offset).Unix())
	key, ok := f.Gate[today]
	var generation uint8
	if list := f.State.Day(today); list != nil {
		generation = list.Min(s.Index)
	}
	switch {
	case s.Day != uint8(today%4):
		return pass.Code{}, pass.Expired
	case !ok:
		return pass.Code{}, pass.KeyUnknown
	case !s.Verify(key, today, generation):
		return pass.Code{}, pass.Forged
	}
	return pass.Code{Pass: pass.Pass{
		Kind: s.Kind, Day: today, Index: s.Index, Generation: generation, Zones: f.Rules.Short, Entries: 1,
	}}, pass.Granted
}

// DecideShort is Decide for a code of Expand: what a short code cannot say
// (signature, window, live tag, escort) was checked or ruled out there. Nor can
// it name the holder: a blocked one is kept out by the pass's own status alone.
// Which generation it has to be is the list's to say, not what lanes saw: a pass
// that was issued again keeps its short code until central raises its generation,
// and then the tag is another.
func DecideShort(code *pass.Code, f Facts, now time.Time) Decision {
	f.Past.Generation = 0
	j := judge{code: code, f: &f, now: now, at: now.Add(f.Offset).Unix(), sure: true, flags: link.FlagShort}
	r := j.status()
	if r == pass.Granted {
		r = j.place()
	}
	if r == pass.Granted && j.flags&link.FlagFreePassage == 0 {
		r = j.entries()
	}
	return Decision{r, j.flags, 0}
}
