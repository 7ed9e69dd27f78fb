package passages

import (
	"fmt"
	"html/template"
	"strconv"
	"strings"
	"time"

	"turnstile/central/console"
	"turnstile/central/console/chart"
	"turnstile/central/link"
	"turnstile/central/office"
	"turnstile/central/pass"
)

// onePage explains one row.
type onePage struct {
	Row     row
	Words   struct{ Name, Meaning, Next string }
	Story   []string // why it came out so, from what is known beyond the reason
	Knew    []fact
	Now     []fact
	History []change
	Near    []near
	Raw     []fact
	Line    template.HTML
	Scans   []row
	More    bool // there are more scans than are shown
	IsPass  bool
}

// fact is a line of a list of facts.
type fact struct{ Name, Value, Class string }

// near is a row that belongs to this one.
type near struct {
	Text string
	Row  row
}

// change is what the office told lanes about the pass.
type change struct {
	office.PassChange
	Status string
}

// maxScans is how many of the pass's other passages are listed; the timeline has
// up to office.MaxScans.
const maxScans = 25

func (d *desk) one(r *console.Request) error {
	number, err := number(r)
	if err != nil {
		return err
	}
	e, err := d.Ledger.Explain(r.Context(), number)
	if err != nil {
		return err
	}
	n, err := d.names(r)
	if err != nil {
		return err
	}
	t := &teller{r, n, &e}
	p := &onePage{Row: d.row(r, n, &e.Passage), Story: t.story(), Knew: t.knew(), Raw: t.raw(), IsPass: isPass(&e), More: len(e.Scans) > maxScans}
	w := e.Words()
	p.Words.Name, p.Words.Meaning, p.Words.Next = n.text(w.Name), n.text(w.Meaning), n.text(w.Next)
	if e.Pass != nil {
		p.Now = t.now()
	}
	for _, c := range e.History {
		p.History = append(p.History, change{c, n.text(office.StatusText(c.Status))})
	}
	p.Near = d.near(t)
	for i := range min(len(e.Scans), maxScans) {
		p.Scans = append(p.Scans, d.row(r, n, &e.Scans[i]))
	}
	p.Line = t.line()
	return r.Page(pages, "one.html", "Passage", p)
}

func isPass(e *office.Explanation) bool {
	k := e.Entry.Kind
	return e.Entry.Floor == nil && k != 0 && k != pass.Supervisor && k != pass.Command
}

// near lists the rows that belong to this one.
func (d *desk) near(t *teller) (list []near) {
	add := func(text string, p *office.Passage) {
		if p != nil {
			list = append(list, near{text, d.row(t.r, t.n, p)})
		}
	}
	add(t.say("The decision that it belongs to"), t.e.Grant)
	add(t.say("What came of it"), t.e.Result)
	for i := range t.e.Others {
		add(t.say("The other lane's decision"), &t.e.Others[i])
	}
	add(t.say("The mode was set by hand"), t.e.Knew.ByHand)
	return list
}

// teller puts an explanation into words.
type teller struct {
	r *console.Request
	n *names
	e *office.Explanation
}

func (t *teller) say(text string, args ...any) string { return t.r.Say(pages, text, args...) }

func (t *teller) time(at time.Time) string {
	return at.In(t.r.Zone()).Format("2006-01-02 15:04:05")
}

// story says what the reason alone does not: where the pass and the lane disagreed.
func (t *teller) story() (list []string) {
	e := t.e
	if late := e.Late(); late != nil {
		list = append(list, t.late(late))
	}
	if e.Entry.Type == link.EntryDenied {
		if s := t.refusal(); s != "" {
			list = append(list, s)
		}
	}
	if e.Supervisor != nil {
		list = append(list, t.say("It was opened or changed by hand with code %d of sheet %s, which was given to %s for: %s.", e.Supervisor.Place, e.Supervisor.Sheet, t.officer(), e.Supervisor.Cause.String()))
	}
	if number, ok := e.Entry.Command(); ok {
		list = append(list, t.command(number))
	}
	if e.Entry.Type == link.EntryNotPassed && e.Grant != nil {
		list = append(list, t.say("The gate was open, and nobody went through; the pass keeps this entry."))
	}
	return list
}

// command says who sent a command and why.
func (t *teller) command(number uint64) string {
	c := t.e.Command
	if c == nil {
		return t.say("The lane says that the office sent it command %s.%d; central knows of none.", t.e.Lane, number)
	}
	return t.say("%s sent this lane a command at %s: %s", office.PlainName(c.By), t.time(c.Issued), c.Reason)
}

func (t *teller) officer() string {
	if !seesNames(t.r) {
		return t.say("an officer")
	}
	return t.e.Supervisor.Officer
}

// late explains a change that the lane had not heard of.
func (t *teller) late(c *office.PassChange) string {
	status := t.n.text(office.StatusText(c.Status))
	if c.Heard.IsZero() {
		return t.say("The office made the pass %s at %s. The lane did not know that when it decided, and has not told yet that it does.", status, t.time(c.At))
	}
	return t.say("The office made the pass %s at %s. The lane did not know that when it decided; it learned of it at %s.", status, t.time(c.At), t.time(c.Heard))
}

// refusal explains a refusal from the pass and the rules.
func (t *teller) refusal() string {
	e := t.e
	switch e.Entry.Reason {
	case pass.Revoked, pass.Held:
		return t.revoked()
	case pass.TooEarly, pass.Expired:
		if e.Pass != nil {
			from, until := e.Pass.Window()
			return t.say("The pass is valid from %s until %s; by the lane's clock it was %s.", t.time(time.Unix(from, 0)), t.time(time.Unix(until, 0)), t.time(e.At()))
		}
	case pass.WrongZone:
		if e.Pass != nil {
			return t.say("The pass opens %s; the lane stands in %s.", t.zones(e.Pass.Zones), t.n.zone(e.Entry.Zone))
		}
	case pass.StatusUnknown, pass.ClockUntrusted, pass.NoFeed:
		return t.deaf()
	case pass.Lockdown:
		if e.Knew.ByHand != nil {
			return t.say("The lane was locked by hand with a supervisor code at %s.", t.time(e.Knew.ByHand.At()))
		}
		return t.say("The zone was locked by the rules in force.")
	case pass.Closed:
		if e.Knew.RulesKnown && e.Knew.Zone == nil {
			return t.say("The rules of that version have no zone %d.", e.Entry.Zone)
		}
	case pass.AlreadyInside, pass.AlreadyUsed, pass.LiveReplayed:
		return t.before()
	}
	return ""
}

func (t *teller) revoked() string {
	p := t.e.Pass
	switch {
	case p == nil:
		return t.say("Central never issued a pass of this number.")
	case p.Status == link.Good && !p.Changed.IsZero():
		return t.say("It is good again since %s (%s).", t.time(p.Changed), office.PlainName(p.ChangedBy))
	case p.Status != link.Good && p.Reason != "":
		return t.say("%s did so at %s: %s", office.PlainName(p.ChangedBy), t.time(p.Changed), p.Reason)
	case p.Status != link.Good:
		return t.say("%s did so at %s and gave no reason.", office.PlainName(p.ChangedBy), t.time(p.Changed))
	}
	return ""
}

// deaf explains a refusal because the lane knew too little.
func (t *teller) deaf() string {
	k := &t.e.Knew
	if k.Heard.IsZero() {
		return t.say("The lane had never heard from central, or lost what it had heard.")
	}
	return t.say("The lane last heard from central at %s, %s before.", t.time(k.Heard), ago(t.e.At().Sub(k.Heard)))
}

// before finds the passage that this refusal is about.
func (t *teller) before() string {
	for i := range t.e.Scans {
		p := &t.e.Scans[i]
		if p.Entry.Type == link.EntryPassed && p.At().Before(t.e.At()) {
			return t.say("Before that the pass went %s at %s, %s.", going(t.r, p.Entry.Direction), t.n.lane(p.LaneRef()), t.time(p.At()))
		}
	}
	return t.say("The passage before has not reached central yet, or was erased.")
}

func (t *teller) zones(mask uint16) string {
	var list []string
	for z := range uint8(16) {
		if mask&(1<<z) != 0 {
			list = append(list, t.n.zone(z))
		}
	}
	return strings.Join(list, ", ")
}

// ago writes a stretch of time with its largest units.
func ago(d time.Duration) string {
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%d min %d s", int(d.Minutes()), int(d.Seconds())%60)
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h %d min", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%d d", int(d.Hours()/24))
}

// knew lists what the lane decided by.
func (t *teller) knew() (list []fact) {
	e, k := t.e, &t.e.Knew
	add := func(name, value, class string) { list = append(list, fact{name, value, class}) }
	clock, class := t.clock()
	add(t.say("Clock"), clock, class)
	if e.Entry.Floor != nil {
		return list
	}
	switch {
	case k.Heard.IsZero():
		add(t.say("Heard from central"), t.say("never"), "no")
	default:
		add(t.say("Heard from central"), t.say("%s before", ago(e.At().Sub(k.Heard))), lateClass(e.At().Sub(k.Heard)))
	}
	feed := t.say("event %d", k.FeedSeq)
	if k.Floor {
		feed = t.say("event %d of epoch %d", k.FeedSeq, k.Epoch)
	}
	if k.Behind > 0 {
		add(t.say("Feed"), feed+"; "+t.say("central had %d more by then", k.Behind), "wait")
	} else {
		add(t.say("Feed"), feed, "")
	}
	if isPass(e) {
		add(t.say("Told of the pass"), t.n.text(office.StatusText(e.Told())), "")
	}
	if !k.Floor {
		add(t.say("Rules"), t.say("version not known: the lane's record before this entry is not in the ledger"), "soft")
		return list
	}
	add(t.say("Rules"), t.say("version %d", k.Rules), "")
	add(t.say("Keys"), t.say("version %d", k.Keyset), "")
	if !k.RulesKnown {
		return list
	}
	return append(list, t.rules()...)
}

// lateClass colours the age of a feed by the bounds of the policy's rows.
func lateClass(age time.Duration) string {
	if age < 2*time.Minute {
		return "ok"
	}
	return "wait"
}

func (t *teller) rules() (list []fact) {
	e, k := t.e, &t.e.Knew
	mode := t.n.text(office.ModeText(k.Mode))
	if k.ByHand != nil {
		mode += ", " + t.say("by hand")
	}
	list = append(list, fact{t.say("Mode"), mode, map[bool]string{true: "wait"}[k.Mode != link.Normal]})
	if k.Zone != nil {
		list = append(list, fact{t.say("Opening hours"), map[bool]string{true: t.say("open"), false: t.say("closed")}[k.Open], ""})
	}
	if isPass(e) {
		list = append(list, fact{t.say("Policy for %s", t.n.text(office.KindText(e.Entry.Kind))),
			t.n.text(office.BandText(k.Band)) + ": " + t.n.text(office.ActionText(k.Action())), ""})
	}
	return list
}

func (t *teller) clock() (text, class string) {
	seconds, known := t.e.Doubt()
	switch {
	case t.e.Entry.Clock == link.ClockTrusted:
		return t.say("trusted, within %d s", seconds), "ok"
	case !known:
		return t.say("not trusted: the time is the earliest that it can have been"), "no"
	}
	return t.say("trusted before, within %d s", seconds), "wait"
}

// now lists what central has of the pass.
func (t *teller) now() (list []fact) {
	p := t.e.Pass
	add := func(name, value, class string) {
		if value != "" {
			list = append(list, fact{name, value, class})
		}
	}
	from, until := p.Window()
	add(t.r.T("Status"), t.n.text(office.StatusText(p.Status)), map[link.Status]string{link.Good: "ok", link.Revoked: "no", link.Held: "wait"}[p.Status])
	if !p.Changed.IsZero() {
		add(t.say("Changed"), t.say("%s by %s", t.time(p.Changed), office.PlainName(p.ChangedBy)), "")
		add(t.r.T("Reason"), p.Reason, "")
	}
	add(t.say("Issued"), t.say("%s by %s", t.time(p.Issued), office.PlainName(p.IssuedBy)), "")
	add(t.say("Valid"), t.say("%s until %s", t.time(time.Unix(from, 0)), t.time(time.Unix(until, 0))), "")
	add(t.say("Zones"), t.zones(p.Zones), "")
	if p.Entries > 0 {
		add(t.say("Entries"), strconv.Itoa(int(p.Entries)), "")
	}
	if p.Generation > t.e.Entry.Gen {
		add(t.say("Issued anew"), t.say("generation %d; the code that was scanned is generation %d", p.Generation, t.e.Entry.Gen), "wait")
	}
	if seesNames(t.r) {
		add(t.r.T("Holder"), p.HolderName, "")
		add(t.r.T("Guest"), p.GuestName, "")
	}
	return list
}

// raw lists the entry's own fields, for who compares it with the lane's journal.
func (t *teller) raw() []fact {
	e := &t.e.Entry
	list := []fact{
		{t.say("Ledger number"), strconv.FormatInt(t.e.Number, 10), ""}, {t.say("Reached central"), t.time(t.e.Received), ""},
		{t.say("Controller"), t.e.Lane, ""}, {t.say("Journal"), fmt.Sprintf("%x", t.e.Journal), ""}, {t.say("Entry"), strconv.FormatUint(e.Seq, 10), ""},
		{t.say("Start of the agent"), t.say("%d, %s before", e.Boot, ago(time.Duration(min(e.Mono, 1<<43))*time.Millisecond)), ""},
		{t.say("Type"), office.EntryTypeName(e.Type), ""}, {t.say("Detail"), strconv.Itoa(int(e.Detail)), ""},
	}
	if e.Floor != nil {
		f := e.Floor
		return append(list, fact{t.say("Feed"), t.say("event %d of epoch %d", f.Seq, f.Epoch), ""}, fact{t.say("Rules"), t.say("version %d", f.Rules), ""}, fact{t.say("Keys"), t.say("version %d", f.Keyset), ""})
	}
	if e.Type == link.EntryGranted || e.Type == link.EntryDenied {
		list = append(list, fact{t.r.T("Reason"), e.Reason.String(), ""})
	}
	if isPass(t.e) {
		list = append(list, fact{t.say("Signing key"), strconv.Itoa(int(e.KeyID)), ""}, fact{t.say("Generation"), strconv.Itoa(int(e.Gen)), ""})
	}
	if e.Slot != 0 {
		list = append(list, fact{t.say("Live slot"), strconv.FormatUint(uint64(e.Slot), 10), ""})
	}
	return list
}

// line draws what the office and each lane did with the pass.
func (t *teller) line() template.HTML {
	e := t.e
	if !isPass(e) || len(e.Scans) == 0 {
		return ""
	}
	line := chart.Timeline{ID: "life", Title: t.say("The pass over time"), Zone: t.r.Zone(),
		Text: t.say("What the office and each lane did with the pass; the table below has the same."), Rows: []chart.Row{{Name: t.say("Office")}}}
	if e.Pass != nil {
		from, until := e.Pass.Window()
		line.Valid = chart.Span{From: time.Unix(from, 0), Until: time.Unix(until, 0), Text: t.say("The pass is valid")}
		line.Rows[0].Marks = append(line.Rows[0].Marks, chart.Mark{At: e.Pass.Issued, Shape: chart.Diamond, Text: t.say("Issued") + " " + t.time(e.Pass.Issued)})
	}
	for _, c := range e.History {
		line.Rows[0].Marks = append(line.Rows[0].Marks, chart.Mark{At: c.At, Shape: chart.Diamond, Text: t.n.text(office.StatusText(c.Status)) + " " + t.time(c.At)})
	}
	for i := len(e.Scans) - 1; i >= 0; i-- {
		t.mark(&line, &e.Scans[i])
	}
	return line.SVG()
}

func (t *teller) mark(line *chart.Timeline, p *office.Passage) {
	m := chart.Mark{At: p.At(), Shape: shape(p.Entry.Type), Here: p.Number == t.e.Number, Text: t.time(p.At()) + " " + t.n.text(p.Words().Name)}
	lane := t.n.lane(p.LaneRef())
	for i := range line.Rows[1:] {
		if r := &line.Rows[i+1]; r.Name == lane {
			r.Marks = append(r.Marks, m)
			return
		}
	}
	line.Rows = append(line.Rows, chart.Row{Name: lane, Marks: []chart.Mark{m}})
}

func shape(t link.EntryType) chart.Shape {
	switch t {
	case link.EntryPassed:
		return chart.Tick
	case link.EntryDenied, link.EntryConflict:
		return chart.Cross
	case link.EntryNotPassed, link.EntryUnknown:
		return chart.Ring
	}
	return chart.Dot
}
