package passages

import (
	"net/http"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"turnstile/central/console"
	"turnstile/central/office"
)

// alarmRow is an alarm as the page shows it.
type alarmRow struct {
	office.AlarmState
	Name, Todo string
	Place      string
	Mistake    string // what is wrong with the note that was sent
	Typed      string
}

// attentionPage is what the page of alarms shows.
type attentionPage struct {
	Open  int
	All   bool
	Rows  []alarmRow
	Older string
	Here  string // path of the fragment
}

const alarmsPerPage = 50

func (d *desk) attentionPage(r *console.Request) (*attentionPage, error) {
	q := r.URL.Query()
	p := &attentionPage{All: q.Get("all") == "1"}
	n, err := d.names(r)
	if err != nil {
		return nil, err
	}
	if p.Open, err = d.Attention.Open(r.Context()); err != nil {
		return nil, err
	}
	cursor := q.Get("cursor")
	page, err := d.Attention.Alarms(r.Context(), office.AlarmFilter{Open: !p.All, Limit: alarmsPerPage, Cursor: cursor})
	if err != nil {
		return nil, err
	}
	for _, a := range page.Alarms {
		w := office.AlarmWords(a.Code, a.Next)
		a.By = office.PlainName(a.By)
		p.Rows = append(p.Rows, alarmRow{AlarmState: a, Name: n.text(w.Name), Todo: n.text(w.Next), Place: place(n, a.Lane)})
	}
	all := ""
	if p.All {
		all = "1"
	}
	if page.Next != "" {
		p.Older = (&filter{}).path("/passages/attention", "cursor", page.Next, "all", all)
	}
	if cursor == "" {
		p.Here = (&filter{}).path("/passages/alarms", "all", all)
	}
	return p, nil
}

func place(n *names, lane string) string {
	if lane == "" {
		return ""
	}
	return n.lane(office.LaneRef{Controller: lane})
}

func (d *desk) attention(r *console.Request) error {
	p, err := d.attentionPage(r)
	if err != nil {
		return err
	}
	return r.Page(pages, "attention.html", "Conflicts and alarms", p)
}

// alarms answers with the list alone, for a page that is open.
func (d *desk) alarms(r *console.Request) error {
	p, err := d.attentionPage(r)
	if err != nil {
		return err
	}
	return r.Fragment(pages, "attention.html", "alarms", p)
}

func (d *desk) acknowledge(r *console.Request) error {
	n, err := number(r)
	if err != nil {
		return err
	}
	if err := r.ParseForm(); err != nil {
		return err
	}
	count, err := strconv.ParseInt(r.PostForm.Get("count"), 10, 64)
	if err != nil || count < 1 {
		return r.Wrong("There is no such page.")
	}
	note := strings.TrimSpace(r.PostForm.Get("note"))
	if utf8.RuneCountInString(note) > office.MaxNote || strings.ContainsFunc(note, unicode.IsControl) || !utf8.ValidString(note) {
		p, err := d.attentionPage(r)
		if err != nil {
			return err
		}
		open := false // somebody may have acknowledged it meanwhile
		for i := range p.Rows {
			if p.Rows[i].Number == n {
				open = p.Rows[i].IsOpen()
				p.Rows[i].Typed = strings.ToValidUTF8(note, "")
				p.Rows[i].Mistake = r.Say(pages, "A note is one line of at most %d characters.", office.MaxNote)
			}
		}
		if !open {
			return office.Refuse(office.ErrConflict, "%s", r.T("Somebody acknowledged this alarm already, or it was raised again meanwhile; look at it anew."))
		}
		return r.PageStatus(http.StatusUnprocessableEntity, pages, "attention.html", "Conflicts and alarms", p)
	}
	if err := d.Attention.Acknowledge(r.Context(), r.By(), n, count, note); err != nil {
		return err
	}
	r.Flash(r.Say(pages, "Alarm %d is acknowledged.", n))
	return r.Redirect("/passages/attention")
}
