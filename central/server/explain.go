package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"turnstile/central/database"
	"turnstile/central/link"
	"turnstile/central/office"
	"turnstile/central/pass"
)

// How far an explanation looks.
const (
	resultWithin   = 200             // entries behind a grant in its journal
	conflictWithin = 5 * time.Minute // around a conflict, for grants at other lanes
)

// Explain gathers what the lane knew from its own journal, from the rules of the
// version that it had, and from the feed's log.
func (s passageLedger) Explain(ctx context.Context, number int64) (office.Explanation, error) {
	p, err := s.Find(ctx, number)
	if err != nil {
		return office.Explanation{}, err
	}
	e := office.Explanation{Passage: p}
	for _, step := range []func(context.Context, *office.Explanation) error{s.partners, s.scans, s.knew, s.passNow, s.supervisorCode, s.command} {
		if err := step(ctx, &e); err != nil {
			return e, fmt.Errorf("explain passage %d: %w", number, err)
		}
	}
	return e, nil
}

// partners finds the other half of a passage: the grant of a result, the result of
// a grant.
func (s passageLedger) partners(ctx context.Context, e *office.Explanation) error {
	entry := &e.Entry
	switch entry.Type {
	case link.EntryPassed, link.EntryNotPassed, link.EntryUnknown, link.EntryTailgated, link.EntryConflict:
		if entry.Grant == 0 {
			return nil
		}
		near, err := s.near(ctx, e, entry.Grant, entry.Grant)
		if err == nil && len(near) == 1 {
			e.Grant = &near[0]
		}
		return err
	case link.EntryGranted:
		near, err := s.near(ctx, e, entry.Seq+1, entry.Seq+resultWithin)
		for i, n := range near {
			if n.Entry.Grant == entry.Seq && n.Entry.Type >= link.EntryPassed && n.Entry.Type <= link.EntryUnknown {
				e.Result = &near[i]
				break
			}
		}
		return err
	}
	return nil
}

func (s passageLedger) near(ctx context.Context, e *office.Explanation, from, to uint64) ([]office.Passage, error) {
	rows, err := s.db.NearEntries(ctx, e.Lane, e.Journal, from, to)
	if err != nil {
		return nil, err
	}
	out := make([]office.Passage, 0, len(rows))
	for _, r := range rows {
		p, err := officePassage(r)
		if err != nil {
			return nil, err
		}
		out = append(out, p)
	}
	return out, nil
}

// scans finds what else the pass did, and the other side of a conflict.
func (s passageLedger) scans(ctx context.Context, e *office.Explanation) error {
	if e.Entry.Pass.Day == 0 || e.Entry.Floor != nil || e.Entry.Kind == pass.Command {
		return nil
	}
	page, err := s.Search(ctx, office.Search{Pass: &e.Entry.Pass, Limit: office.MaxScans})
	if err != nil {
		return err
	}
	e.Scans = page.Passages
	if e.Entry.Type != link.EntryConflict {
		return nil
	}
	for _, p := range page.Passages {
		apart := p.At().Sub(e.At()).Abs()
		if p.Entry.Type == link.EntryGranted && p.Lane != e.Lane && apart <= conflictWithin {
			e.Others = append(e.Others, p)
		}
	}
	return nil
}

// knew reconstructs what the lane decided by.
func (s passageLedger) knew(ctx context.Context, e *office.Explanation) error {
	k, entry := &e.Knew, &e.Entry
	if entry.Floor != nil {
		return nil
	}
	k.FeedSeq = entry.FeedSeq
	if entry.FeedAge != 1<<32-1 {
		k.Heard = e.At().Add(-time.Duration(entry.FeedAge) * time.Second)
	}
	if err := s.floor(ctx, e); err != nil {
		return err
	}
	if k.Floor {
		seq, err := s.db.FeedAt(ctx, k.Epoch, e.At().UnixMilli())
		if err != nil {
			return err
		}
		k.Behind = max(seq, k.FeedSeq) - k.FeedSeq
	}
	if err := s.rulesOf(ctx, e); err != nil {
		return err
	}
	return s.byHand(ctx, e)
}

// floorsBack is how many floors are looked through for one of the same journal
// that stands before an entry: a clock that was set back puts some out of order.
const floorsBack = 20

// floor finds the lane's own record of what it knew, which it writes whenever
// that changes.
func (s passageLedger) floor(ctx context.Context, e *office.Explanation) error {
	page, err := s.Search(ctx, office.Search{Lanes: []office.LaneRef{{Controller: e.Lane}}, Types: []link.EntryType{link.EntryFloor},
		Until: e.At().Add(time.Millisecond), Limit: floorsBack})
	if err != nil {
		return err
	}
	for _, p := range page.Passages {
		if f := p.Entry.Floor; f != nil && p.Journal == e.Journal && p.Entry.Seq < e.Entry.Seq {
			k := &e.Knew
			k.Floor, k.Epoch, k.Keyset, k.Rules, k.Delegation = true, f.Epoch, f.Keyset, f.Rules, f.Delegation
			return nil
		}
	}
	return nil
}

// rulesOf looks up the very rules that the lane had.
func (s passageLedger) rulesOf(ctx context.Context, e *office.Explanation) error {
	k := &e.Knew
	if !k.Floor {
		return nil
	}
	body, err := s.db.DocumentOf(ctx, "rules", k.Rules)
	if errors.Is(err, database.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	var r link.Rules
	if err := json.Unmarshal([]byte(body), &r); err != nil {
		return fmt.Errorf("%w: rules version %d: %w", database.ErrDamaged, k.Rules, err)
	}
	k.RulesKnown = true
	if z := r.Zone(e.Entry.Zone); z != nil {
		k.Zone, k.Mode = z, z.Mode
		k.Open = z.IsOpen(r.Campus(e.Entry.Wall / 1000))
	}
	k.Policy = r.Policy(e.Entry.Kind)
	// Whether the lane had the day's list is not written down; without one its reason
	// says so.
	listed := e.Entry.FeedAge != 1<<32-1 && (e.Entry.Reason != pass.StatusUnknown || k.Policy.Ages[link.AgeBand(int64(e.Entry.FeedAge), true)] != link.ByRules)
	k.Band = link.AgeBand(int64(e.Entry.FeedAge), listed)
	return nil
}

// byHand finds the mode that somebody set at the lane with a supervisor code and
// that still stood.
func (s passageLedger) byHand(ctx context.Context, e *office.Explanation) error {
	page, err := s.Search(ctx, office.Search{Lanes: []office.LaneRef{e.LaneRef()}, Types: []link.EntryType{link.EntryMode}, Until: e.At().Add(time.Millisecond), Limit: floorsBack})
	if err != nil {
		return err
	}
	for i, p := range page.Passages {
		if p.Journal != e.Journal || p.Entry.Seq >= e.Entry.Seq {
			continue
		}
		if p.Entry.Kind == pass.Supervisor && link.Mode(p.Entry.Detail) != link.Normal {
			e.Knew.ByHand, e.Knew.Mode = &page.Passages[i], link.Mode(p.Entry.Detail)
		}
		return nil
	}
	return nil
}

// passNow finds what central has of the pass, and when the lane was told of each
// change.
func (s passageLedger) passNow(ctx context.Context, e *office.Explanation) error {
	entry := &e.Entry
	if entry.Pass.Day == 0 || entry.Floor != nil || entry.Kind == pass.Supervisor || entry.Kind == pass.Command {
		return nil
	}
	p, err := passes{s.central}.Find(ctx, entry.Pass)
	if err != nil && !errors.Is(err, office.ErrNotFound) {
		return err
	}
	if err == nil {
		e.Pass = &p
	}
	events, err := s.db.PassEvents(ctx, entry.Pass)
	if err != nil {
		return err
	}
	for _, v := range events {
		c := office.PassChange{At: time.UnixMilli(v.At), Status: v.Status, Seq: v.Seq, Known: e.Knew.Floor && v.Epoch == e.Knew.Epoch && v.Seq <= entry.FeedSeq || v.Epoch < e.Knew.Epoch}
		at, err := s.db.FirstApplied(ctx, e.Lane, v.Epoch, v.Seq)
		if err != nil {
			return err
		}
		if at != 0 {
			c.Heard = time.UnixMilli(at)
		}
		e.History = append(e.History, c)
	}
	return nil
}

// supervisorCode finds the code that an entry is about.
func (s passageLedger) supervisorCode(ctx context.Context, e *office.Explanation) error {
	if e.Entry.Kind != pass.Supervisor {
		return nil
	}
	codes, err := supervisorCodes{s.central}.List(ctx, office.SupervisorFilter{Controller: e.Lane, All: true})
	if err != nil {
		return err
	}
	for i, c := range codes {
		if c.ID == e.Entry.Pass {
			e.Supervisor = &codes[i]
		}
	}
	return nil
}

// command finds the command that an entry is about.
func (s passageLedger) command(ctx context.Context, e *office.Explanation) error {
	number, ok := e.Entry.Command()
	if !ok {
		return nil
	}
	c, err := commands{s.central}.Find(ctx, fmt.Sprintf("%s.%d", e.Lane, number))
	if errors.Is(err, office.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	e.Command = &c
	return nil
}
