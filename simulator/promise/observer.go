package promise

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"turnstile/central/office"
	"turnstile/simulator/site"
)

// Observer takes pictures of a running campus, and remembers the journals and rows
// that it has seen. One goroutine at a time may use it.
type Observer struct {
	site     *site.Site
	witness  *Witness
	scratch  string // folder that journals are copied to
	ledger   []office.PassageBody
	journals []Journal // as of the last picture that was kept
	retired  []Journal // of controllers whose disk was replaced
}

// NewObserver returns one that has seen nothing yet; scratch is a folder of its own.
func NewObserver(s *site.Site, w *Witness, scratch string) *Observer {
	return &Observer{site: s, witness: w, scratch: scratch}
}

// Journals are those of the last picture that was kept.
func (o *Observer) Journals() []Journal { return o.journals }

// Rows are how many rows of the ledger there were at the last picture that was kept.
func (o *Observer) Rows() int { return len(o.ledger) }

// Retire reads the journal of a lane controller that was stopped, of which central
// has all, before its disk is replaced by an empty one.
func (o *Observer) Retire(a *site.Agent) error {
	j, err := o.copy(a)
	if err != nil {
		return err
	}
	o.retired = append(o.retired, j)
	return nil
}

// Whole takes a picture of a campus that is healed and where nobody is on the way.
// An error says what does not answer yet.
func (o *Observer) Whole(ctx context.Context) (*Picture, error) {
	p := o.witness.Picture()
	p.Healed = true
	p.Journals = slices.Clone(o.retired)
	for _, a := range o.site.Agents {
		s, err := a.Ask(ctx)
		if err != nil {
			return p, fmt.Errorf("%s does not answer: %w", a.ID, err)
		}
		j, err := o.copy(a)
		if err != nil {
			return p, err
		}
		j.Acked = max(j.Acked, s.Journal.Acked)
		p.Journals = append(p.Journals, j)
		for _, l := range a.Lanes {
			st := l.Controller.State()
			p.Steel = append(p.Steel, Steel{Controller: a.ID, Lane: uint8(l.Number), Relay: st.Relay, Locked: st.Locked, Passage: st.Grant != 0})
		}
	}
	var err error
	if p.Lanes, err = o.site.API.Lanes(ctx); err != nil {
		return p, err
	}
	if err := o.site.API.Do(ctx, "GET", "/feed", nil, &p.Feed); err != nil {
		return p, err
	}
	var rules office.RulesBody
	if err := o.site.API.Do(ctx, "GET", "/rules", nil, &rules); err != nil {
		return p, err
	}
	p.Ruled = rules.Version
	p.Ledger, err = o.rows(ctx)
	return p, err
}

// Now takes a picture of a campus in the middle of whatever happens, without what
// lies at central: what it breaks is broken for good.
//
// What was seen on the wires comes first and the journals after it, for the grant is
// durable before the gate is asked.
func (o *Observer) Now() (*Picture, error) {
	p := o.witness.Picture()
	p.Journals = slices.Clone(o.retired)
	for i := range p.Journals {
		p.Journals[i].Acked = 0
	}
	for _, a := range o.site.Agents {
		j, err := o.copy(a)
		if err != nil {
			return p, err
		}
		j.Acked = 0 // whether central has it is looked at when all is whole
		p.Journals = append(p.Journals, j)
	}
	return p, nil
}

// Killed is Now of one lane controller that was just killed: what it has promised is
// on its disk at this moment.
func (o *Observer) Killed(a *site.Agent) (*Picture, error) {
	p := o.witness.Picture()
	p.Openings = slices.DeleteFunc(p.Openings, func(g Opening) bool { return g.Controller != a.ID })
	j, err := o.copy(a)
	j.Acked = 0
	p.Journals = []Journal{j}
	return p, err
}

// copy reads a journal, and adds what it has dropped since: it keeps no more than
// central needs.
func (o *Observer) copy(a *site.Agent) (Journal, error) {
	j, err := CopyJournal(a.ID, a.Data, o.scratch)
	i := slices.IndexFunc(o.journals, func(old Journal) bool { return old.ID == j.ID })
	if err != nil || i < 0 || len(j.Entries) == 0 {
		return j, err
	}
	dropped := min(int(j.Entries[0].Seq)-1, len(o.journals[i].Entries))
	j.Entries = append(slices.Clone(o.journals[i].Entries[:dropped]), j.Entries...)
	return j, nil
}

// rows are all of central's.
func (o *Observer) rows(ctx context.Context) ([]office.PassageBody, error) {
	all := slices.Clone(o.ledger)
	for {
		rows, err := o.site.API.Passages(ctx, int64(len(all)))
		if err != nil || len(rows) == 0 {
			return all, err
		}
		all = append(all, rows...)
	}
}

// settleEvery is how often a campus that is not whole yet is looked at.
const settleEvery = 300 * time.Millisecond

// Settle looks until a picture breaks no promise or breaks one for good, or until the
// limit: then what it breaks is broken. before is called before each look, and told
// with what is still missing after it; both may be nil. The picture is kept.
func (o *Observer) Settle(ctx context.Context, limit time.Duration, before func(context.Context), told func(error, []Violation)) ([]Violation, error) {
	over := time.Now().Add(limit)
	tick := time.NewTicker(settleEvery)
	defer tick.Stop()
	for {
		if before != nil {
			before(ctx)
		}
		p, err := o.Whole(ctx)
		found := Check(p)
		final := slices.ContainsFunc(found, func(v Violation) bool { return !v.Eventual() })
		if err == nil && (len(found) == 0 || final) {
			return append(found, o.Keep(p)...), nil
		}
		if told != nil {
			told(err, found)
		}
		if time.Now().After(over) || ctx.Err() != nil {
			return append(found, o.Keep(p)...), errors.Join(err, ctx.Err())
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
}

// Keep remembers a picture, and returns what stood in a journal before and is
// another entry now, or none.
func (o *Observer) Keep(p *Picture) (found []Violation) {
	for _, old := range o.journals {
		i := slices.IndexFunc(p.Journals, func(j Journal) bool { return j.ID == old.ID })
		if i < 0 || len(p.Journals[i].Entries) < len(old.Entries) {
			found = append(found, Violation{Promise: Kept, Detail: fmt.Sprintf("the journal of %s had %d entries and has less, or is another one", old.Controller, len(old.Entries))})
			continue
		}
		for n, e := range old.Entries {
			if now := p.Journals[i].Entries[n]; string(now.Append(nil)) != string(e.Append(nil)) {
				found = append(found, Violation{Promise: Kept, Detail: fmt.Sprintf("entry %d of %s is another one than before", e.Seq, old.Controller)})
			}
		}
	}
	o.journals = p.Journals
	if p.Ledger != nil {
		o.ledger = p.Ledger
	}
	return found
}
