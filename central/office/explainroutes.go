package office

import (
	"context"
	"time"

	"turnstile/central/link"
	"turnstile/central/pass"
)

// ExplanationBody is a passage with all that bears on it.
type ExplanationBody struct {
	Passage PassageBody   `json:"passage"`
	What    string        `json:"what" doc:"The decision or event in words." example:"Refused"`
	Why     string        `json:"why" doc:"What the reason means." example:"The office revoked this pass, or there never was one of this number."`
	Next    string        `json:"next" doc:"What to do next."`
	Grant   *PassageBody  `json:"grant,omitempty" doc:"Of a result: the grant that it belongs to."`
	Result  *PassageBody  `json:"result,omitempty" doc:"Of a grant: what came of it."`
	Others  []PassageBody `json:"others,omitempty" doc:"Of a conflict: grants of the same pass at other lanes about that time."`
	Scans   []PassageBody `json:"scans,omitempty" doc:"Of the same pass, the latest first, at most 200."`
	Knew    KnewBody      `json:"knew"`
	Pass    *PassBody     `json:"pass,omitempty" doc:"As central has it now. Only for a token that may look at passes."`
	Told    string        `json:"told,omitempty" enum:"good,revoked,held" doc:"What the lane had been told of the pass."`
	History []ChangeBody  `json:"history,omitempty" doc:"What the office told lanes of the pass, the first first."`
}

// KnewBody is what a lane decided by.
type KnewBody struct {
	Epoch    *uint32    `json:"epoch,omitempty" doc:"Of the feed; missing: not known."`
	FeedSeq  uint64     `json:"feed_seq" doc:"The newest event that the lane knew."`
	Behind   uint64     `json:"behind" doc:"How many events central had beyond that at the time."`
	Heard    *time.Time `json:"heard,omitempty" doc:"When the lane last heard central; missing: never, or not known."`
	Keyset   uint64     `json:"keyset,omitempty"`
	Rules    uint64     `json:"rules,omitempty" doc:"Version of the rules."`
	Mode     string     `json:"mode,omitempty" enum:"normal,lockdown,free_passage" doc:"Missing: the rules of that version are not kept."`
	ByHand   bool       `json:"by_hand,omitempty" doc:"The mode was set at the lane with a supervisor code."`
	Open     *bool      `json:"open,omitempty" doc:"By the zone's hours."`
	Policy   string     `json:"policy,omitempty" doc:"The row of the pass kind's policy that applied." example:"feed younger than 2 minutes: decide by the rules"`
	Clock    string     `json:"clock" enum:"trusted,holdover,untrusted"`
	Doubt    *int       `json:"doubt,omitempty" doc:"How far the time may be wrong, in seconds; missing: not known."`
	Untrusts bool       `json:"admits_untrusted,omitempty" doc:"With an untrusted clock passes of this kind are let in on the day of the feed."`
}

// ChangeBody is one thing that the office told lanes about a pass.
type ChangeBody struct {
	Time   time.Time  `json:"time"`
	Status string     `json:"status" enum:"good,revoked,held"`
	Seq    uint64     `json:"seq" doc:"Event of the feed."`
	Known  bool       `json:"known" doc:"To the lane when it wrote the entry."`
	Heard  *time.Time `json:"heard,omitempty" doc:"When that lane controller had it; missing: not yet, or not kept."`
}

func (a *api) explainPassage(ctx context.Context, in *passageInput) (*struct{ Body ExplanationBody }, error) {
	e, err := a.Ledger.Explain(ctx, in.Number)
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	return &struct{ Body ExplanationBody }{a.explanationBody(ctx, &e)}, nil
}

func (a *api) explanationBody(ctx context.Context, e *Explanation) ExplanationBody {
	words := e.Words()
	out := ExplanationBody{
		Passage: a.passageBody(ctx, e.Passage), What: words.Name.English, Why: words.Meaning.English, Next: words.Next.English, Knew: a.knewBody(e),
		Grant: a.maybePassage(ctx, e.Grant), Result: a.maybePassage(ctx, e.Result),
	}
	for _, p := range e.Others {
		out.Others = append(out.Others, a.passageBody(ctx, p))
	}
	for _, p := range e.Scans {
		out.Scans = append(out.Scans, a.passageBody(ctx, p))
	}
	if e.Pass != nil {
		out.Told = statusName(e.Told())
		if seesNames(ctx) {
			b := a.passBody(*e.Pass)
			out.Pass = &b
		}
	}
	for _, c := range e.History {
		out.History = append(out.History, ChangeBody{a.at(c.At), statusName(c.Status), c.Seq, c.Known, a.maybe(c.Heard)})
	}
	return out
}

func (a *api) maybePassage(ctx context.Context, p *Passage) *PassageBody {
	if p == nil {
		return nil
	}
	b := a.passageBody(ctx, *p)
	return &b
}

func (a *api) knewBody(e *Explanation) KnewBody {
	k := &e.Knew
	out := KnewBody{FeedSeq: k.FeedSeq, Behind: k.Behind, Heard: a.maybe(k.Heard), Clock: e.Entry.Clock.String()}
	if seconds, ok := e.Doubt(); ok {
		out.Doubt = &seconds
	}
	if k.Floor {
		out.Epoch, out.Keyset, out.Rules = &k.Epoch, k.Keyset, k.Rules
	}
	if !k.RulesKnown {
		return out
	}
	out.Mode, out.ByHand, out.Untrusts = wordOf(modeNames, k.Mode), k.ByHand != nil, k.Policy.Untrusted
	if k.Zone != nil {
		out.Open = &k.Open
	}
	if isPass(e.Entry.Kind) {
		out.Policy = BandText(k.Band).English + ": " + ActionText(k.Action()).English
	}
	return out
}

// isPass tells passes from codes and commands.
func isPass(k pass.Kind) bool { return k != 0 && k != pass.Supervisor && k != pass.Command }

// Words explain the row: by its reason if it refused, else by its type.
func (p *Passage) Words() Words {
	if p.Entry.Type == link.EntryDenied {
		return ReasonWords(p.Entry.Reason)
	}
	return EntryWords(p.Entry.Type)
}
