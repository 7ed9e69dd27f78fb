package guests

import (
	"errors"
	"html/template"
	"net/http"
	"strings"

	"turnstile/central/office"
	"turnstile/central/portal"
	"turnstile/central/symbol"
)

// guestData is a guest's page: without a token the frame that its script fills, or a
// field to paste the link into.
type guestData struct {
	Code
	Known   bool
	Title   string
	Hours   string
	Symbol  template.HTML
	Problem string
}

func (s *desk) guestPage(r *portal.Request) error {
	return r.Page(pages, "guest.html", "Campus access for a guest", guestData{})
}

// TokenOf takes a token out of what was pasted: the whole link, or its end.
func TokenOf(text string) string {
	text = strings.TrimSpace(text)
	if _, after, ok := strings.Cut(text, "#"); ok {
		text = after
	}
	return text
}

// guestBody is a guest's code for the page's script; times are Unix ms.
type guestBody struct {
	Standing Standing `json:"standing"`
	Now      int64    `json:"now"`
	Name     string   `json:"name"`
	Title    string   `json:"title"`
	Hours    string   `json:"hours"`
	Place    string   `json:"place"`
	Begin    int64    `json:"begin"`
	End      int64    `json:"end"`
	Text     string   `json:"text"`
}

// open takes a token by a form: of the page's script, or of a browser without one.
func (s *desk) open(r *portal.Request) error {
	c, err := s.links.Open(r.Context(), TokenOf(r.PostForm.Get("token")))
	script := r.Header.Get("Accept") == "application/json"
	if errors.Is(err, office.ErrNotFound) && !script {
		return r.PageStatus(http.StatusNotFound, pages, "guest.html", "Campus access for a guest", guestData{
			Problem: r.Say(pages, "This link is not known, or its day is over. Ask who invited you for another one.")})
	}
	if err != nil {
		return err
	}
	d := guestData{Code: c, Known: true, Title: portal.DayTitle(r.Lang(), c.Begin.In(r.Zone())), Hours: portal.Hours(c.From.In(r.Zone()), c.To.In(r.Zone()))}
	if script {
		return r.JSON(http.StatusOK, guestBody{c.Standing, r.Now().UnixMilli(), c.Name, d.Title, d.Hours, d.Place(), c.Begin.UnixMilli(), c.End.UnixMilli(), c.Text})
	}
	if c.Text != "" {
		drawn, err := symbol.Draw(c.Text)
		if err != nil {
			return err
		}
		d.Symbol = template.HTML(drawn.Part(r.Say(pages, "Campus access code"))) // ours: no text of anybody stands in it
	}
	return r.Page(pages, "guest.html", "Campus access for a guest", d)
}

// Place names the zones.
func (d guestData) Place() string { return strings.Join(d.Zones, ", ") }
