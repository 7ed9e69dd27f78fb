// Package panel drives a lane that stands in front of an existing access panel: a verified code goes out as a card number.
//
// To the panel the lane is one more card reader. On Open it sends one row of
// Wiegand bits; the panel knows that card and opens its lock. The passage
// contacts, and the panel's own relay and the gate's ready contact where they
// are wired, say what became of it. The lane opens no lock itself, so all the
// panel's rules stay in force: schedules, interlocks, fire.
//
// # What a broken frame can be
//
// The pulses are made by this program, and the kernel may take the processor
// away at any time. A frame is never another card because of that:
//
//   - Bits leave in order, each pulse on the line of its value. A preemption makes
//     a pulse or a pause longer; it changes no value and no order.
//   - Each pulse is measured from before it began to after it ended, each pause
//     from pulse to pulse. After the first one out of bounds nothing more of the
//     frame is sent. So what a panel sees of a broken frame is its beginning,
//     one bit less if it passes over long pulses, perhaps in two parts: fewer bits
//     than its format has.
//   - Then both lines rest for twice the longest silence that ends a frame, and
//     the whole row is sent anew, five times at most. Only the last pulse is
//     special: if it came out long the panel may have taken the card, so it is
//     not sent again, and the grant is unsure until somebody walks or nobody does.
//
// What has fewer bits is no card to a panel whose port is set to one format;
// set it so. To a panel that takes several formats at one port the beginning of
// a long card can be a short card by chance: Check refuses a fixed number of
// which that is true (wiegand.Cut). For the numbers of passes it cannot be
// avoided, but by H10301, than which there is no shorter format.
//
// # Wiring
//
// A panel's D0 and D1 are pulled up to 5 V inside it. A GPIO of 3.3 V must not
// be joined with them: put a transistor with open collector (or an opto-coupler)
// between each, common ground, with 10 kOhm from its base to ground, so that
// the lines stay high while the computer starts. On is then the high level.
//
// A wire cut between lane and panel is somebody's way in: whoever reaches it can
// send the fixed card at any time. Lay it inside of the secured side, give the
// card rights at this one door only, and let the panel log it as "verified by
// turnstile". A program that is killed in a pulse can leave a line on until it
// starts again; a line that stays low is no card.
package panel

import (
	"errors"
	"fmt"
	"time"

	"turnstile/firmware-bridge/gate"
	"turnstile/firmware-bridge/gpioline"
	"turnstile/firmware-bridge/wiegand"
)

// ErrConfig says that a Config cannot work.
var ErrConfig = errors.New("configuration of a gate behind an access panel")

// What Config.Number may be.
const (
	Fixed = "fixed" // one card for all: the panel knows "verified by turnstile"
	Pass  = "pass"  // the low bits of Grant.Card: the panel's log tells passes of a day apart
)

// DefaultAnswer is how long a panel has to switch its relay.
const DefaultAnswer = 2 * time.Second

// Config says how a panel is wired and what it is told. Lines are named as the
// kernel names them or as "gpiochip0:17".
type Config struct {
	D0, D1   string // outputs to the panel's reader port; both "" with a Sender of another kind
	PulseLow bool   // the outputs are low for a pulse: nothing that inverts stands between

	Format   string // one of package wiegand's names; what the panel's port is set to
	Number   string // Fixed or Pass
	Facility uint64
	Card     uint64 // of Fixed; else 0

	// Contacts, all of one chip. A pulse of PassedIn or PassedOut is one person.
	PassedIn  string // needed: without it nobody knows who walked
	PassedOut string // "" when PassedIn reports both directions
	Opened    string // the panel's relay is on; "" if not wired
	Ready     string // the gate takes a grant; "" if not wired
	Fire      string // the fire alarm has released the gate; "" if not wired
	ActiveLow bool   // contacts close to ground; the lines' pull-up is switched on, else their pull-down

	// Direction is the one that the panel's port opens; 0 means that it opens
	// for both. A grant for the other is refused.
	Direction gate.Direction
	// Answer is how long after the card the panel's relay may take, at most
	// gate.MaxWindow; 0 means DefaultAnswer. After that the grant is not passed.
	// Without Opened it is not used.
	Answer time.Duration
}

// Check reports what is wrong with c for a gate that sends over its own lines.
func (c Config) Check() error {
	if c.D0 == "" || c.D1 == "" {
		return fmt.Errorf("%w: name the outputs d0 and d1", ErrConfig)
	}
	return c.check()
}

// check reports what is wrong with c apart from missing outputs.
func (c Config) check() error {
	if c.PassedIn == "" {
		return fmt.Errorf("%w: no passage contact; name passed_in, without it nobody knows who walked", ErrConfig)
	}
	seen := map[string]bool{}
	for _, name := range []string{c.D0, c.D1, c.PassedIn, c.PassedOut, c.Opened, c.Ready, c.Fire} {
		if name == "" {
			continue
		}
		if err := gpioline.Check(name); err != nil {
			return fmt.Errorf("%w: %w", ErrConfig, err)
		}
		if seen[name] {
			return fmt.Errorf("%w: line %q named twice; each needs its own", ErrConfig, name)
		}
		seen[name] = true
	}
	if c.Direction > gate.Out {
		return fmt.Errorf("%w: direction %d; use 1 (in), 2 (out) or 0 (both)", ErrConfig, c.Direction)
	}
	if c.Answer < 0 || c.Answer > gate.MaxWindow {
		return fmt.Errorf("%w: answer %v; at most %v", ErrConfig, c.Answer, gate.MaxWindow)
	}
	return c.checkNumber()
}

// checkNumber reports what is wrong with what the panel is to be told.
func (c Config) checkNumber() error {
	f, err := wiegand.Named(c.Format)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrConfig, err)
	}
	switch {
	case c.Number != Fixed && c.Number != Pass:
		return fmt.Errorf("%w: number %q; use %q (one card for all) or %q (the pass's)", ErrConfig, c.Number, Fixed, Pass)
	case c.Number == Pass && c.Card != 0:
		return fmt.Errorf("%w: a card beside number %q; leave it out", ErrConfig, Pass)
	}
	row, err := f.Encode(c.Facility, c.Card)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrConfig, err)
	}
	if short, cut := wiegand.Cut(row); cut && c.Number == Fixed {
		return fmt.Errorf("%w: card %d begins like a card of %s, which a broken frame could show; use another card", ErrConfig, c.Card, short.Name)
	}
	return nil
}

// row returns what the panel is told for g; c was checked.
func (c Config) row(g gate.Grant) (wiegand.Bits, error) {
	f, err := wiegand.Named(c.Format)
	if err != nil {
		return wiegand.Bits{}, err
	}
	card := c.Card
	if c.Number == Pass {
		card = uint64(g.Card) & (1<<f.Card.Len() - 1)
	}
	return f.Encode(c.Facility, card)
}
