package lanes

import (
	"net/http"
	"strconv"
	"time"

	"turnstile/central/console"
	"turnstile/central/link"
	"turnstile/central/office"
	"turnstile/central/pass"
)

// openView is the form that opens a lane once.
type openView struct {
	filled
	ID     string
	Number uint8
	Card   card
	Causes []option
}

// causes is the short list of reasons, as lanes write them down.
var causes = []struct {
	cause pass.Cause
	text  string
}{
	{pass.CauseCode, "An honest holder's code or phone does not work"}, {pass.CauseAssistance, "Somebody needs help to pass"},
	{pass.CauseVisitor, "Somebody is expected and has no pass"}, {pass.CauseRescue, "Ambulance, fire brigade, police"},
	{pass.CauseIncident, "Incident"}, {pass.CauseEvacuation, "Evacuation"}, {pass.CauseMaintenance, "Maintenance"},
	{pass.CauseEvent, "Event"}, {pass.CauseOutage, "Network, central or clock does not work"}, {pass.CauseDrill, "Drill"},
}

// causeChoice is that list in a person's language.
func causeChoice(r *console.Request, chosen string) []option {
	list := []option{{"", say(r, "Choose a reason"), chosen == ""}}
	for _, c := range causes {
		list = append(list, option{c.cause.String(), say(r, c.text), chosen == c.cause.String()})
	}
	return list
}

// why reads the reason of a form: one of the list, and words beside it.
func why(r *console.Request, f filled) (pass.Cause, string) {
	cause, ok := pass.ParseCause(f.Values["cause"])
	if !ok {
		f.Wrong["cause"] = say(r, "Choose a reason: it stands in the audit.")
		return 0, ""
	}
	reason := cause.String()
	if f.Values["note"] != "" {
		reason += ": " + f.Values["note"]
	}
	if !office.OneLine(reason, office.MaxReason) {
		f.Wrong["note"] = say(r, "At most %d characters on one line.", office.MaxReason-20)
	}
	return cause, reason
}

func (s *desk) openForm(r *console.Request) error {
	return s.showOpen(r, http.StatusOK, newFilled(map[string]string{"direction": "in"}))
}

func (s *desk) showOpen(r *console.Request, status int, f filled) error {
	v, err := s.openView(r, f)
	if err != nil {
		return err
	}
	return r.PageStatus(status, pages, "open.html", "Open a lane once", v)
}

func (s *desk) openView(r *console.Request, f filled) (*openView, error) {
	id, err := laneID(r)
	if err != nil {
		return nil, err
	}
	b, err := s.Fleet.Board(r.Context())
	if err != nil {
		return nil, err
	}
	w := newScribe(r, b)
	for i := range b.Lanes {
		if b.Lanes[i].ID != id {
			continue
		}
		for _, c := range w.cards(&b.Lanes[i]) {
			if c.Number != 0 && strconv.Itoa(int(c.Number)) == r.PathValue("number") {
				return &openView{f, id, c.Number, c, causeChoice(r, f.Values["cause"])}, nil
			}
		}
	}
	return nil, office.Refuse(office.ErrNotFound, "%s", say(r, "There is no such lane."))
}

// open sends the command and shows what becomes of it.
func (s *desk) open(r *console.Request) error {
	values, err := form(r, "direction", "cause", "note")
	if err != nil {
		return err
	}
	f := newFilled(values)
	cause, reason := why(r, f)
	o := office.Opening{Direction: 1, Cause: cause, Reason: reason}
	switch values["direction"] {
	case "in":
	case "out":
		o.Direction = 2
	default:
		f.Wrong["direction"] = say(r, "In or out?")
	}
	v, err := s.openView(r, f)
	if err != nil {
		return err
	}
	if len(f.Wrong) > 0 {
		return r.PageStatus(http.StatusUnprocessableEntity, pages, "open.html", "Open a lane once", v)
	}
	o.Lane, o.Index = v.ID, v.Number
	c, err := s.Commands.Open(r.Context(), r.By(), o)
	if err != nil {
		return err
	}
	return r.Redirect("/lanes/commands/" + c.ID)
}

// identify makes a lane show which one it is.
func (s *desk) identify(r *console.Request) error {
	v, err := s.openView(r, newFilled(nil))
	if err != nil {
		return err
	}
	c, err := s.Commands.Identify(r.Context(), r.By(), v.ID, v.Number)
	if err != nil {
		return err
	}
	return r.Redirect("/lanes/commands/" + c.ID)
}

// commandView is a command and what became of it.
type commandView struct {
	base
	office.Command
	LaneName string
	Action   string
	In, Out  bool
	Class    string // ok, no, wait
	Text     string
	More     string // what to do next
	Waiting  bool   // something is still to come
}

func (s *desk) command(r *console.Request) error {
	v, err := s.commandView(r)
	if err != nil {
		return err
	}
	return r.Page(pages, "command.html", v.Action, v)
}

// commandNow answers the part of that page which asks each second while
// something is to come.
func (s *desk) commandNow(r *console.Request) error {
	v, err := s.commandView(r)
	if err != nil {
		return err
	}
	return r.Fragment(pages, "command.html", "result", v)
}

func (s *desk) commandView(r *console.Request) (*commandView, error) {
	c, err := s.Commands.Find(r.Context(), r.PathValue("command"))
	if err != nil {
		return nil, err
	}
	b, err := s.Fleet.Board(r.Context())
	if err != nil {
		return nil, err
	}
	v := newScribe(r, b).command(c)
	return &v, nil
}

// latest is how long after its end a command is still asked about: a lane that
// was cut off may tell later that it obeyed, but the page does not wait for ever.
const latest = 10 * time.Minute

// command says what became of a command.
func (s *scribe) command(c office.Command) commandView {
	v := commandView{base: newBase(), Command: c, LaneName: s.laneOf(c.Lane, c.Index), In: c.Direction == 1, Out: c.Direction == 2}
	v.Action = s.say("Open once")
	if c.Action == link.CommandIdentify {
		v.Action = s.say("Show which lane it is")
	}
	clock := c.Answered.In(s.r.Zone()).Format("15:04:05")
	switch c.State {
	case office.CommandSent:
		v.Class, v.Text, v.Waiting = "wait", s.say("On its way to the lane"), true
	case office.CommandOpened:
		v.Class, v.Text, v.Waiting = "wait", s.say("Opened %s; waiting for somebody to walk through", clock), true
	case office.CommandDone:
		s.done(&v, clock)
	case office.CommandRefused:
		reason := office.ReasonWords(c.Refused)
		v.Class, v.Text, v.More = "no", s.say("The lane refused: %s", s.in(reason.Name)), s.in(reason.Next)
		if c.Fire {
			v.More = s.say("The fire alarm has released the gate: it stands open.")
		}
	case office.CommandExpired:
		v.Class, v.Text = "no", s.say("The lane is offline or too slow: the command has expired and opens nothing any more")
		v.More = s.say("Send somebody to the lane, or try again when it is connected. If it did obey in time, that is shown here once it tells.")
		v.Waiting = s.r.Now().Sub(c.Expires) < latest
	}
	return v
}

func (s *scribe) done(v *commandView, clock string) {
	switch v.Result {
	case link.EntryPassed:
		v.Class, v.Text = "ok", s.say("Opened, and passed at %s", clock)
	case link.EntryNotPassed:
		v.Class, v.Text = "wait", s.say("Opened, and nobody walked through (%s)", clock)
	case link.EntryShown:
		v.Class, v.Text = "ok", s.say("The lane shows itself by lamp and display (%s)", clock)
	default:
		v.Class, v.Text = "wait", s.say("Opened; it is not known whether somebody walked through (%s)", clock)
	}
}

// laneOf names a lane of the board.
func (s *scribe) laneOf(id string, number uint8) string {
	for i := range s.board.Lanes {
		if s.board.Lanes[i].ID != id {
			continue
		}
		for _, c := range s.cards(&s.board.Lanes[i]) {
			if c.Number == number {
				return c.Name
			}
		}
	}
	return id
}

func itoa(n int) string { return strconv.Itoa(n) }
