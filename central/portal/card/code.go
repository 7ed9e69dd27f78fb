package card

import (
	"encoding/base64"
	"html/template"
	"net/http"
	"time"

	"turnstile/central/pass"
	"turnstile/central/portal"
	"turnstile/central/symbol"
)

// codeData is the page with the code: what stands in it is for a browser without
// scripts; others draw the codes of codesPath.
type codeData struct {
	Standing Standing
	Title    string // of the campus day
	Hours    string
	Begin    int64 // of the campus day, Unix ms
	End      int64
	Live     bool
	Symbol   template.HTML
	Early    bool // it is not valid yet
	Over     bool // no longer
}

func (s *desk) code(r *portal.Request) error {
	list, err := s.cards.Codes(r.Context(), r.Who.Person)
	if err != nil {
		return err
	}
	d := codeData{Standing: list.Standing}
	if list.Standing == Off || list.Standing == Gone {
		return r.Redirect(Path)
	}
	if len(list.List) > 0 {
		if err := d.fill(r, &list.List[0]); err != nil {
			return err
		}
	}
	return r.Page(pages, "code.html", "Campus access", d)
}

func (d *codeData) fill(r *portal.Request, c *Code) error {
	now := r.Now()
	from, until := c.window()
	d.Title, d.Hours = portal.DayTitle(r.Lang(), c.Begin.In(r.Zone())), hours(r, c)
	d.Begin, d.End, d.Live = c.Begin.UnixMilli(), c.End.UnixMilli(), c.Live != nil
	if d.Early, d.Over = now.Before(from), !now.Before(until); d.Over {
		return nil
	}
	drawn, err := symbol.Draw(c.text(now))
	if err != nil {
		return err
	}
	d.Symbol = template.HTML(drawn.Part(r.Say(pages, "Campus access code"))) // ours: no text of anybody stands in it
	return nil
}

func (c *Code) window() (from, until time.Time) {
	a, b := c.Pass.Window()
	return time.Unix(a, 0), time.Unix(b, 0)
}

// text is the code at a moment.
func (c *Code) text(now time.Time) string {
	if c.Live == nil {
		return c.Pass.Text(c.Signature)
	}
	return c.Pass.LiveText(c.Signature, *c.Live, pass.SlotAt(now.Unix()))
}

// hours says when the code is valid, as campus time.
func hours(r *portal.Request, c *Code) string {
	from, until := c.window()
	return portal.Hours(from.In(r.Zone()), until.In(r.Zone()))
}

// codesBody is what a phone keeps.
type codesBody struct {
	Standing Standing   `json:"standing"`
	Whose    string     `json:"whose"` // portal.Whose of the holder
	Now      int64      `json:"now"`   // central's clock, Unix ms
	Codes    []codeBody `json:"codes"`
}

// codeBody is one code; times are Unix ms.
type codeBody struct {
	Title string    `json:"title"`
	Hours string    `json:"hours"`
	Begin int64     `json:"begin"` // of the campus day
	End   int64     `json:"end"`
	From  int64     `json:"from"` // of the pass
	Until int64     `json:"until"`
	Text  string    `json:"text,omitempty"` // of one that is not live
	Live  *liveBody `json:"live,omitempty"`
}

// liveBody is what makes live codes: base64.
type liveBody struct {
	Body      string `json:"body"`
	Signature string `json:"signature"`
	Key       string `json:"key"`
}

func (s *desk) codes(r *portal.Request) error {
	list, err := s.cards.Codes(r.Context(), r.Who.Person)
	if err != nil {
		return err
	}
	out := codesBody{Standing: list.Standing, Whose: portal.Whose(r.Who.Person), Now: r.Now().UnixMilli(), Codes: []codeBody{}}
	for i := range list.List {
		out.Codes = append(out.Codes, newCodeBody(r, &list.List[i]))
	}
	return r.JSON(http.StatusOK, out)
}

func newCodeBody(r *portal.Request, c *Code) codeBody {
	from, until := c.window()
	out := codeBody{Title: portal.DayTitle(r.Lang(), c.Begin.In(r.Zone())), Hours: hours(r, c), Begin: c.Begin.UnixMilli(), End: c.End.UnixMilli(),
		From: from.UnixMilli(), Until: until.UnixMilli()}
	if c.Live == nil {
		out.Text = c.Pass.Text(c.Signature)
		return out
	}
	body, in64 := c.Pass.Body(), base64.StdEncoding.EncodeToString
	out.Live = &liveBody{in64(body[:]), in64(c.Signature), in64(c.Live[:])}
	return out
}
