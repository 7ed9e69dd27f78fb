package passes

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"

	"turnstile/central/console"
	"turnstile/central/link"
	"turnstile/central/office"
	"turnstile/central/pass"
	"turnstile/central/symbol"
)

// pageSize is how many passes a page of the list has.
const pageSize = 50

// search is what the list is asked for, as it was typed.
type search struct {
	Words, Day, Zone, Status, Kind, Holder string
	Cursor                                 string
}

// listPage is what the list shows.
type listPage struct {
	base
	search
	Wrong                  string // what is wrong with the search
	WrongCode              string // what is wrong with a code that was looked for
	Zones, Kinds, Statuses []option
	Rows                   []row
	Next                   string // address of the next page
	First                  string // of the first one, "" on it
	Sheet                  string // address of all of them on paper
	Filtered               bool
}

func readSearch(r *console.Request) (q search, err error) {
	for name, into := range map[string]*string{"words": &q.Words, "day": &q.Day, "zone": &q.Zone, "status": &q.Status, "kind": &q.Kind, "holder": &q.Holder, "cursor": &q.Cursor} {
		text, bad := field(r, name)
		if *into = text; bad != nil {
			err = bad
		}
	}
	return q, err
}

// values are the search without its cursor.
func (q *search) values() url.Values {
	v := url.Values{}
	for name, text := range map[string]string{"words": q.Words, "day": q.Day, "zone": q.Zone, "status": q.Status, "kind": q.Kind, "holder": q.Holder} {
		if text != "" {
			v.Set(name, text)
		}
	}
	return v
}

// filter returns what the service is asked for.
func (q *search) filter(r *console.Request) (f office.PassFilter, err error) {
	f = office.PassFilter{Words: q.Words, Holder: q.Holder, Cursor: q.Cursor, Limit: pageSize}
	if q.Day != "" {
		d, err := pass.ParseDay(q.Day)
		if err != nil {
			return f, refuse(r, office.ErrInvalid, "Write a day as 2026-11-22.")
		}
		f.Day = &d
	}
	if q.Zone != "" {
		z, ok := parseZone(q.Zone)
		if !ok {
			return f, refuse(r, office.ErrInvalid, "There is no such zone.")
		}
		f.Zone = &z
	}
	if q.Status != "" {
		s, ok := parseStatus(q.Status)
		if !ok {
			return f, refuse(r, office.ErrInvalid, "There is no such status.")
		}
		f.Status = &s
	}
	if q.Kind != "" {
		k, ok := pass.ParseKind(q.Kind)
		if !ok {
			return f, refuse(r, office.ErrInvalid, "There is no such kind of pass.")
		}
		f.Kind = k
	}
	if len(q.Words)+len(q.Holder)+len(q.Cursor) > 2000 || !printable(q.Words+q.Holder) {
		return f, refuse(r, office.ErrInvalid, "Look for a name of at most 120 characters.")
	}
	return f, nil
}

func parseZone(text string) (z uint8, ok bool) {
	for n := range uint8(16) {
		if text == option16[n] {
			return n, true
		}
	}
	return 0, false
}

var option16 = [16]string{"0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13", "14", "15"}

func printable(s string) bool {
	return !strings.ContainsFunc(s, func(c rune) bool { return c < ' ' || c == 0x7f || c == '\ufffd' })
}

// list shows passes, the newest first. A pass number, or a code from a scanner
// that types, leads to its pass at once.
func (s *desk) list(r *console.Request) error {
	if err := parse(r); err != nil {
		return err
	}
	q, err := readSearch(r)
	if err != nil {
		return err
	}
	if id, err := pass.ParseID(q.Words); err == nil {
		return r.Redirect(path(id))
	}
	if c, reason := parseCode(q.Words); reason == pass.Granted && c.Kind != pass.Supervisor {
		return r.Redirect(path(c.ID()))
	}
	return s.showList(r, http.StatusOK, q, "")
}

func (s *desk) showList(r *console.Request, status int, q search, wrongCode string) error {
	p := listPage{base: newBase(), search: q, WrongCode: wrongCode, Kinds: kindOptions(r, q.Kind, true), Sheet: console.Base + "/passes/sheet?" + q.values().Encode(), Filtered: len(q.values()) > 0}
	var err error
	if p.Zones, err = s.zoneOptions(r, q.Zone, true); err != nil {
		return err
	}
	p.Statuses = []option{{"", say(r, "Any status"), q.Status == ""}}
	for i, name := range statusNames {
		p.Statuses = append(p.Statuses, option{name, statusText(r, link.Status(i)), q.Status == name})
	}
	if err := s.fillList(r, &p); err != nil {
		if p.Wrong = refusal(r, err); p.Wrong == "" {
			return err
		}
		status = http.StatusUnprocessableEntity
	}
	return r.PageStatus(status, pages, "list.html", "Passes", &p)
}

func (s *desk) fillList(r *console.Request, p *listPage) error {
	f, err := p.filter(r)
	if err != nil {
		return err
	}
	rules, err := s.Rules.Rules(r.Context())
	if err != nil {
		return err
	}
	found, err := s.Passes.List(r.Context(), f)
	if err != nil {
		return err
	}
	for i := range found.Passes {
		p.Rows = append(p.Rows, newRow(r, &found.Passes[i], rules.Zones))
	}
	if found.Next != "" {
		v := p.values()
		v.Set("cursor", found.Next)
		p.Next = console.Base + "/passes?" + v.Encode()
	}
	if p.Cursor != "" {
		p.First = console.Base + "/passes?" + p.values().Encode()
	}
	return nil
}

// parseCode reads a code as it was pasted or typed: spaces and small letters are
// forgiven.
func parseCode(text string) (pass.Code, pass.Reason) {
	return pass.Parse([]byte(strings.ToUpper(strings.Join(strings.Fields(text), ""))))
}

// findCode leads to the pass of a code that was pasted, or photographed. It is a
// POST, so that the code stands in no address.
func (s *desk) findCode(r *console.Request) error {
	text, err := s.readCode(r)
	if err != nil {
		if why := refusal(r, err); why != "" {
			return s.showList(r, http.StatusUnprocessableEntity, search{}, why)
		}
		return err
	}
	c, reason := parseCode(text)
	switch {
	case reason != pass.Granted:
		return s.showList(r, http.StatusUnprocessableEntity, search{}, say(r, "That is no code of a pass (%s).", reason))
	case c.Kind == pass.Supervisor:
		return s.showList(r, http.StatusUnprocessableEntity, search{}, say(r, "That is a supervisor code, %s, and no pass.", c.ID()))
	}
	if _, err := s.Passes.Find(r.Context(), c.ID()); errors.Is(err, office.ErrNotFound) {
		return s.showList(r, http.StatusUnprocessableEntity, search{}, say(r, "The code says pass %s, but central never issued that one: it is forged, or of another campus.", c.ID()))
	} else if err != nil {
		return err
	}
	good, err := s.signed(r, &c)
	if err != nil {
		return err
	}
	if !good {
		return s.showList(r, http.StatusUnprocessableEntity, search{}, say(r, "The code says pass %s, but central did not sign it: it is forged.", c.ID()))
	}
	return r.Redirect(path(c.ID()))
}

// signed reports whether central's keys signed a code.
func (s *desk) signed(r *console.Request, c *pass.Code) (bool, error) {
	state, err := s.Feed.State(r.Context())
	if err != nil {
		return false, err
	}
	for _, k := range state.Keys {
		if k.ID == c.KeyID && len(k.Public) == ed25519.PublicKeySize {
			return c.Verify(k.Public), nil
		}
	}
	return true, nil // its key is gone, with its day: nothing can be said
}

// readCode returns the text of a code from the form.
func (s *desk) readCode(r *console.Request) (string, error) {
	parts, err := r.MultipartReader()
	if err != nil {
		return "", refuse(r, office.ErrInvalid, "The form could not be read; load the page again.")
	}
	code := ""
	for range 4 {
		part, err := parts.NextPart()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return "", badUpload(r, err)
		}
		data, err := io.ReadAll(io.LimitReader(part, maxPicture+1))
		if err != nil {
			return "", badUpload(r, err)
		}
		switch {
		case part.FormName() == "code" && len(bytes.TrimSpace(data)) > 0 && len(data) <= symbol.MaxText*2:
			code = string(data)
		case part.FormName() == "picture" && len(data) > 0:
			return s.readPicture(r, data)
		}
	}
	if code == "" {
		return "", refuse(r, office.ErrInvalid, "Paste a code, or choose a picture of one.")
	}
	return code, nil
}

// badUpload tells a form that broke off from one that is too large.
func badUpload(r *console.Request, err error) error {
	if large := (*http.MaxBytesError)(nil); errors.As(err, &large) {
		return err
	}
	return refuse(r, office.ErrInvalid, "The upload broke off; try again.")
}

func (s *desk) readPicture(r *console.Request, data []byte) (string, error) {
	if len(data) > maxPicture {
		return "", refuse(r, office.ErrInvalid, "The picture has more than %d MB; crop it to the code.", maxPicture>>20)
	}
	select {
	case s.picture <- struct{}{}:
		defer func() { <-s.picture }()
	case <-r.Context().Done():
		return "", r.Context().Err()
	}
	text, err := symbol.ReadPicture(data)
	switch {
	case errors.Is(err, symbol.ErrNoSymbol):
		return "", refuse(r, office.ErrInvalid, "There is no readable QR code in the picture; crop it to the code, or take it again in better light.")
	case errors.Is(err, symbol.ErrTooLarge):
		return "", refuse(r, office.ErrInvalid, "The picture has too many pixels; crop it to the code.")
	case err != nil:
		return "", refuse(r, office.ErrInvalid, "That file is no PNG, JPEG or GIF picture.")
	}
	return text, nil
}
