package lanes

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"turnstile/central/console"
	"turnstile/central/link"
	"turnstile/central/office"
	"turnstile/central/pass"
)

// look is what a lane's picture shows; Text says the same in words, so that
// nothing hangs on a colour.
type look struct {
	Class string // style of the picture: ready, attention, alarm, fire, down, lockdown, free, hand, off, new
	Text  string
	Open  bool // the gate is drawn open
	Bad   bool // somebody has to do something
}

// card is one lane on the map.
type card struct {
	Key        string // in ids of elements
	ID         string // controller
	Number     uint8  // 0: a controller that has told no lanes
	Name       string
	Controller string // name of the controller if the lane has another
	Look       look
	In, Out    bool // people were seen in this direction lately
	Zone       string
	Mode       modeView
	Feed       fact
	Clock      fact
	Backlog    uint64
	Alive      bool
	Since      string    // when Alive became what it is, "" if it never connected
	Told       time.Time // when it last reported, by its own clock
	Warnings   []warningView
	Sights     []sightView
	Swap       bool // the card replaces itself on a page that stands
	Wall       bool
}

// fact is one state in words, good or not.
type fact struct {
	Text string
	Good bool
}

// warningView is one warning in the person's language.
type warningView struct {
	Code, Name, Next string
	Class            string // no, wait, soft
	Severity         string
}

// modeView is a zone's standing mode.
type modeView struct {
	Zone    uint8
	Name    string // the zone's
	Mode    link.Mode
	Class   string // normal, lockdown, free
	Text    string
	By      string
	Since   string
	Reason  string
	Pending bool // of a lane: it has not taken the mode over yet
	Obey    int  // lanes in which it is in force
	Of      int
}

// sightView is one line of what was seen at a lane.
type sightView struct {
	Number  int64
	At      time.Time
	Stamp   string
	In, Out bool
	Text    string
	Meaning string
	Next    string
	Class   string // ok, no, wait, soft
	Kind    string
	Person  bool // there is somebody to ask for
}

// scribe writes the board in a person's language.
type scribe struct {
	r     *console.Request
	board *office.Board
	zones map[uint8]office.ZoneState
}

func newScribe(r *console.Request, b *office.Board) *scribe {
	s := &scribe{r, b, map[uint8]office.ZoneState{}}
	for _, z := range b.Zones {
		s.zones[z.ID] = z
	}
	return s
}

func (s *scribe) say(text string, args ...any) string { return say(s.r, text, args...) }

// in returns a text in the person's language.
func (s *scribe) in(t office.Text) string { return t.In(string(s.r.Lang())) }

// named returns a name in the person's language, or else what it stands for.
func (s *scribe) named(english, chinese, otherwise string) string {
	if s.r.Lang() == console.Chinese && chinese != "" {
		return chinese
	}
	return cmp.Or(english, otherwise)
}

func (s *scribe) controller(p office.Place) string { return s.named(p.Name, p.NameZH, p.Lane) }

func (s *scribe) entrance(e office.Entrance) string { return s.named(e.Name, e.NameZH, e.ID) }

// laneName is what people call a lane: as the office named it, as the controller
// calls it, or by the controller, whose name the only lane of a named one has.
func (s *scribe) laneName(l *office.BoardLane, info *link.LaneInfo) string {
	p := l.Place
	if info == nil {
		return s.controller(p)
	}
	for _, n := range p.Lanes {
		if n.Number == info.Number {
			return s.named(n.Name, n.NameZH, cmp.Or(info.Name, fmt.Sprintf("%s.%d", p.Lane, info.Number)))
		}
	}
	if len(l.State.Lanes) == 1 && p.Name != "" {
		return s.controller(p)
	}
	return cmp.Or(info.Name, fmt.Sprintf("%s.%d", s.controller(p), info.Number))
}

// cards returns the lanes of one controller, at least one card.
func (s *scribe) cards(l *office.BoardLane) []card {
	if l.State == nil || len(l.State.Lanes) == 0 {
		return []card{s.card(l, nil)}
	}
	var list []card
	for i := range l.State.Lanes {
		list = append(list, s.card(l, &l.State.Lanes[i]))
	}
	return list
}

func (s *scribe) card(l *office.BoardLane, info *link.LaneInfo) card {
	c := card{ID: l.ID, Key: laneKey(l.ID, 0), Name: s.laneName(l, info), Alive: l.Alive, Since: s.stamp(l.Since)}
	if name := s.controller(l.Place); name != c.Name {
		c.Controller = name
	}
	if info != nil {
		c.Number, c.Key = info.Number, laneKey(l.ID, info.Number)
		if z, ok := s.zones[info.Zone]; ok {
			c.Mode = s.mode(z)
			c.Mode.Pending = l.State.Rules < z.Version
		} else {
			c.Mode = modeView{Zone: info.Zone, Name: s.say("Zone %d is not in the rules", info.Zone), Class: "lockdown", Text: s.say("Closed")}
		}
		c.Zone = c.Mode.Name
	}
	if l.State != nil {
		s.reported(&c, l)
	}
	for _, x := range l.Sights {
		if x.Lane == c.Number || x.Lane == 0 {
			c.Sights = append(c.Sights, s.sight(x))
			c.In, c.Out = c.In || x.Direction == 1, c.Out || x.Direction == 2
		}
	}
	c.Sights = c.Sights[:min(len(c.Sights), 5)]
	c.Look = s.look(l, info, &c)
	return c
}

// reported fills in what the controller said of itself.
func (s *scribe) reported(c *card, l *office.BoardLane) {
	c.Told = time.UnixMilli(l.State.Sent)
	c.Backlog = max(l.State.Last, l.Durable) - l.Durable
	c.Feed, c.Clock = s.feed(l), s.clock(l.State)
	c.Warnings = s.warnings(l.State.Warnings)
}

func (s *scribe) feed(l *office.BoardLane) fact {
	switch behind := int64(s.board.Seq) - int64(l.State.Seq); {
	case l.UpToDate:
		return fact{s.say("Up to date"), true}
	case behind > 0:
		return fact{s.say("Behind by %d", behind), false}
	}
	return fact{s.say("Of another epoch"), false}
}

func (s *scribe) clock(state *link.LaneState) fact {
	bound := s.say("± %d s", state.Bound)
	if state.Bound == 65535 {
		bound = s.say("error unknown")
	}
	switch state.Clock {
	case link.ClockTrusted:
		return fact{s.say("Trusted") + " " + bound, true}
	case link.ClockHoldover:
		return fact{s.say("Holdover") + " " + bound, true}
	}
	return fact{s.say("Not trusted"), false}
}

// warnings lists them, the most severe first.
func (s *scribe) warnings(codes []string) (list []warningView) {
	codes = slices.Clone(codes)
	slices.SortStableFunc(codes, func(a, b string) int { return -cmp.Compare(adviceOf(a).severity, adviceOf(b).severity) })
	for _, code := range codes {
		a := adviceOf(code)
		w := warningView{Code: code, Name: s.in(a.name), Next: s.in(a.next)}
		switch a.severity {
		case alarm:
			w.Class, w.Severity = "no", s.say("Alarm")
		case warning:
			w.Class, w.Severity = "wait", s.say("Warning")
		default:
			w.Class, w.Severity = "soft", s.say("Notice")
		}
		list = append(list, w)
	}
	return list
}

// look decides what of all that matters most is drawn.
func (s *scribe) look(l *office.BoardLane, info *link.LaneInfo, c *card) look {
	switch {
	case l.Enrolled.IsZero():
		return look{"new", s.say("Not enrolled yet"), false, false}
	case l.State == nil:
		return look{"off", s.say("Never connected"), false, true}
	case !l.Alive:
		return look{"off", s.say("No contact"), false, true}
	case slices.Contains(l.State.Warnings, "gate.fire"):
		return look{"fire", s.say("Fire release: open"), true, true}
	case info != nil && info.State == "down":
		return look{"down", s.say("Gate does not answer"), false, true}
	}
	return s.working(l, c)
}

// working is the look of a lane that does its work.
func (s *scribe) working(l *office.BoardLane, c *card) look {
	worst := severity(0)
	for _, code := range l.State.Warnings {
		worst = max(worst, adviceOf(code).severity)
	}
	open := c.Mode.Mode == link.FreePassage && !c.Mode.Pending
	switch {
	case worst == alarm:
		return look{"alarm", s.say("Alarm"), open, true}
	case slices.Contains(l.State.Warnings, "lane.by_hand"):
		return look{"hand", s.say("Mode set by hand"), false, true}
	case c.Mode.Mode != link.Normal && c.Mode.Pending:
		return look{"attention", s.say("Mode not yet taken over"), false, true}
	case c.Mode.Class == "lockdown":
		return look{"lockdown", s.say("Lockdown"), false, worst == warning}
	case open:
		return look{"free", s.say("Free passage"), true, worst == warning}
	case worst == warning:
		return look{"attention", s.say("Works, needs attention"), false, true}
	}
	return look{"ready", s.say("Ready"), false, false}
}

// stamp writes a moment as short as it stays clear: of today the time alone.
func (s *scribe) stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	t, now := t.In(s.r.Zone()), s.r.Now().In(s.r.Zone())
	if t.Format(time.DateOnly) == now.Format(time.DateOnly) {
		return t.Format(time.TimeOnly)
	}
	return t.Format("2006-01-02 15:04")
}

func (s *scribe) mode(z office.ZoneState) modeView {
	m := modeView{Zone: z.ID, Name: s.named(z.Name, z.NameZH, fmt.Sprint(z.ID)), Mode: z.Mode, Since: s.stamp(z.Since), By: strings.TrimPrefix(z.By, "user:"), Reason: z.Reason}
	m.Class, m.Text = modeWords(s.r, z.Mode)
	return m
}

func modeWords(r *console.Request, m link.Mode) (class, text string) {
	switch m {
	case link.Lockdown:
		return "lockdown", say(r, "Lockdown")
	case link.FreePassage:
		return "free", say(r, "Free passage")
	}
	return "normal", say(r, "Normal")
}

func (s *scribe) sight(x office.Sight) sightView {
	w := office.EntryWords(x.Type)
	v := sightView{Number: x.Number, At: x.At, Stamp: s.stamp(x.At), In: x.Direction == 1, Out: x.Direction == 2, Text: s.in(w.Name), Meaning: s.in(w.Meaning), Next: s.in(w.Next),
		Class: "soft", Kind: s.kind(x.Kind), Person: x.Kind == pass.ECard || x.Kind == pass.Guest || x.Kind == pass.Staff}
	switch x.Type {
	case link.EntryPassed:
		v.Class = "ok"
	case link.EntryGranted, link.EntryNotPassed, link.EntryUnknown, link.EntryGateLost, link.EntryScanLost, link.EntryMode, link.EntryHeld:
		v.Class = "wait"
	case link.EntryDenied:
		reason := office.ReasonWords(x.Reason)
		v.Class, v.Text, v.Meaning, v.Next = "no", s.say("Refused: %s", s.in(reason.Name)), s.in(reason.Meaning), s.in(reason.Next)
	case link.EntryForced, link.EntryTailgated, link.EntryTamper, link.EntryFire, link.EntryFault, link.EntryConflict, link.EntryRefused, link.EntryDropped:
		v.Class = "no"
	}
	if v.Class != "no" {
		v.Next = "" // it says that there is nothing to do
	}
	if x.Flags&link.FlagFreePassage != 0 {
		v.Text += " · " + s.say("Free passage")
	}
	return v
}

func (s *scribe) kind(k pass.Kind) string {
	switch k {
	case pass.ECard:
		return s.say("eCard")
	case pass.Guest:
		return s.say("Guest")
	case pass.Staff:
		return s.say("Staff")
	case pass.Supervisor:
		return s.say("Supervisor code")
	case pass.Command:
		return s.say("Opened from the office")
	case pass.Test:
		return s.say("Test")
	}
	return ""
}
