package lanes

import (
	"fmt"
	"time"

	"turnstile/central/console"
	"turnstile/central/office"
)

// laneView is a lane controller's page.
type laneView struct {
	base
	ID       string
	Name     string
	Entrance string
	Cards    []card
	Facts    controllerFacts
	Dossier  office.Dossier
	Renewed  int // renewals of its certificate
	Enrolled int // enrolments
	Sights   []namedSight
	Commands []commandView
	Alarms   []alarmView
	Deeds    []deedView
	Place    placeForm
	Reason   filled // of retiring or revoking
}

// controllerFacts is what the controller said of itself.
type controllerFacts struct {
	Program       string
	Boot          uint32
	Seq           uint64
	Keyset, Rules uint64
	Last, Durable uint64
	Journal       string
	Told          time.Time
	Feed, Clock   fact
	Warnings      []warningView
	Backlog       uint64
}

// namedSight is something seen, with the lane that saw it.
type namedSight struct {
	sightView
	Lane string
}

// alarmView is one alarm in the person's language.
type alarmView struct {
	office.Alarm
	Name, What string
}

// deedView is a line of the audit in the person's language.
type deedView struct {
	office.Deed
	Name string
}

// deeds are the words for what can be done with a controller.
var deeds = map[string]office.Text{
	"invite":             {English: "Invited", Chinese: "已邀請"},
	"enrol":              {English: "Enrolled", Chinese: "已登記"},
	"renew":              {English: "Certificate renewed", Chinese: "憑證已續期"},
	"rename":             {English: "Renamed", Chinese: "已改名"},
	"move":               {English: "Moved", Chinese: "已移動"},
	"revoke_certificate": {English: "Certificate revoked", Chinese: "憑證已撤銷"},
	"remove":             {English: "Retired", Chinese: "已退役"},
}

// lane shows all about one controller.
func (s *desk) lane(r *console.Request) error {
	v, err := s.laneView(r)
	if err != nil {
		return err
	}
	return r.Page(pages, "lane.html", v.Name, v)
}

// laneNow answers the live part of that page.
func (s *desk) laneNow(r *console.Request) error {
	v, err := s.laneView(r)
	if err != nil {
		return err
	}
	return r.Fragment(pages, "lane.html", "now", v)
}

func (s *desk) laneView(r *console.Request) (*laneView, error) {
	id, err := laneID(r)
	if err != nil {
		return nil, err
	}
	d, err := s.Fleet.Dossier(r.Context(), id)
	if err != nil {
		return nil, err
	}
	b, err := s.Fleet.Board(r.Context())
	if err != nil {
		return nil, err
	}
	w := newScribe(r, b)
	l := &office.BoardLane{Lane: d.Lane, Place: d.Place, Sights: d.Passages}
	v := &laneView{base: newBase(), ID: id, Name: w.controller(d.Place), Dossier: d, Reason: newFilled(nil)}
	for _, e := range b.Entrances {
		if e.ID == d.Place.Entrance {
			v.Entrance = w.entrance(e)
		}
	}
	v.tell(w, l)
	v.Place = newPlaceForm(w, l)
	return v, s.addCommands(r, w, v)
}

func (v *laneView) tell(w *scribe, l *office.BoardLane) {
	names := map[uint8]string{}
	if v.Dossier.Retired == nil {
		for _, c := range w.cards(l) {
			v.Cards = append(v.Cards, c)
			names[c.Number] = c.Name
		}
	}
	for _, x := range v.Dossier.Passages {
		v.Sights = append(v.Sights, namedSight{w.sight(x), names[x.Lane]})
	}
	for _, a := range v.Dossier.Alarms {
		words := office.AlarmWords(a.Code, a.Next)
		v.Alarms = append(v.Alarms, alarmView{a, w.in(words.Name), w.in(words.Next)})
	}
	for _, d := range v.Dossier.Deeds {
		name := d.Action
		if t, ok := deeds[d.Action]; ok {
			name = w.in(t)
		}
		v.Deeds = append(v.Deeds, deedView{d, name})
		switch d.Action {
		case "renew":
			v.Renewed++
		case "enrol":
			v.Enrolled++
		}
	}
	if s := l.State; s != nil {
		v.Facts = controllerFacts{Program: s.Program, Boot: s.Boot, Seq: s.Seq, Keyset: s.Keyset, Rules: s.Rules, Last: s.Last, Durable: l.Durable,
			Journal: fmt.Sprintf("%x", s.Journal[:4]), Told: time.UnixMilli(s.Sent), Feed: w.feed(l), Clock: w.clock(s), Warnings: w.warnings(s.Warnings),
			Backlog: max(s.Last, l.Durable) - l.Durable}
	}
}

// commandsShown bounds the list of commands on a lane's page.
const commandsShown = 20

func (s *desk) addCommands(r *console.Request, w *scribe, v *laneView) error {
	list, err := s.Commands.List(r.Context(), v.ID, commandsShown)
	if err != nil {
		return err
	}
	for _, c := range list {
		v.Commands = append(v.Commands, w.command(c))
	}
	return nil
}

// retiredView is the list of lane controllers that are no more.
type retiredView struct {
	base
	Lanes []office.RetiredLane
	Names map[string]string
}

func (s *desk) retired(r *console.Request) error {
	v := retiredView{base: newBase(), Names: map[string]string{}}
	var err error
	if v.Lanes, err = s.Fleet.Retired(r.Context()); err != nil {
		return err
	}
	places, err := s.Places.Places(r.Context())
	if err != nil {
		return err
	}
	w := newScribe(r, &office.Board{})
	for _, p := range places {
		v.Names[p.Lane] = w.controller(p)
	}
	return r.Page(pages, "retired.html", "Retired lanes", v)
}
