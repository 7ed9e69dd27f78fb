package lane

import (
	"testing"
	"testing/synctest"

	"turnstile/agent/access"
	"turnstile/central/link"
	"turnstile/central/pass"
)

// card shows a card number to the reader outside.
func (p *place) card(bits int, digits string) {
	p.Helper()
	if !p.in.Card(bits, digits) {
		p.Fatal("the reader is not there")
	}
	synctest.Wait()
}

func TestShortCodeOpensWhereTheRulesSaySo(t *testing.T) {
	at(t, func(p *place) {
		gateKey := pass.GateKey{7: 7}
		code := gateKey.Short(pass.Guest, pass.ID{Day: testDay, Index: 55}, 0).String()
		p.card(pass.ShortBits, code)
		p.is(Refused, pass.Foreign, 0)
		p.change(func(f *access.Facts) {
			rules := *f.Rules
			rules.Short = 1 << testZone
			f.Rules, f.Gate = &rules, map[pass.Day]pass.GateKey{testDay: gateKey}
		})
		p.after(defaultRepeatMS * 1e6)
		p.card(pass.ShortBits, code)
		p.is(Passage, pass.Granted, 1)
		p.wrote(link.EntryDenied, grantedEntry)
		e := p.journal.about()[1]
		if e.Flags&link.FlagShort == 0 || e.Pass != (pass.ID{Day: testDay, Index: 55}) || e.Kind != pass.Guest {
			t.Errorf("entry %+v", e)
		}
	})
}

// Anybody can copy a card number: no other one opens anything, and no code does
// whose text comes as a card number.
func TestCardNumberOpensNothing(t *testing.T) {
	at(t, func(p *place) {
		p.change(func(f *access.Facts) {
			rules := *f.Rules
			rules.Short = 1 << testZone
			f.Rules = &rules
		})
		p.card(26, "2020002")
		p.is(Refused, pass.Foreign, 0)
		p.card(64, codeOf(1, nil))
		p.is(Refused, pass.Foreign, 0)
	})
}

// FORMAT.md promises that nobody guesses more than one short code a second: a
// wire on a Wiegand reader could send thirty.
func TestShortCodesAreGuessedSlowly(t *testing.T) {
	at(t, func(p *place) {
		gateKey := pass.GateKey{7: 7}
		p.change(func(f *access.Facts) {
			rules := *f.Rules
			rules.Short = 1 << testZone
			f.Rules, f.Gate = &rules, map[pass.Day]pass.GateKey{testDay: gateKey}
		})
		good := gateKey.Short(pass.Guest, pass.ID{Day: testDay, Index: 55}, 0)
		guess := good
		guess.Tag ^= 1
		p.card(pass.ShortBits, guess.String())
		p.is(Refused, pass.Forged, 0)
		p.after(guessPause - 1)
		p.card(pass.ShortBits, good.String())
		p.is(Refused, pass.Unreadable, 0)
		p.after(defaultRepeatMS * 1e6)
		p.card(pass.ShortBits, good.String())
		p.is(Passage, pass.Granted, 1)
	})
}

// Card numbers that nobody made fill no journal, whatever they are refused for:
// a wire carries thirty a second.
func TestMadeUpShortCodesAreBounded(t *testing.T) {
	at(t, func(p *place) {
		p.change(func(f *access.Facts) {
			rules := *f.Rules
			rules.Short = 1 << testZone
			f.Rules = &rules
		})
		for i := range uint64(garbageBurst + 20) {
			yesterday := pass.Short{Kind: pass.Guest, Day: uint8((testDay + 3) % 4), Index: 1, Tag: i}
			p.card(pass.ShortBits, yesterday.String())
		}
		p.is(Refused, pass.Expired, 0)
		if n := len(p.journal.about()); n != garbageBurst {
			t.Errorf("%d entries, want %d", n, garbageBurst)
		}
		if s := p.lane.Status(); s.Last.Known {
			t.Errorf("a made-up pass is shown as one: %+v", s.Last)
		}
	})
}
