// Package approvals is the console's pages about what waits for somebody: eCard
// applications with a photo, requests for guests, changes of many passes that a
// second person has to confirm, and changes of holders' mail addresses.
package approvals

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"html/template"
	"io/fs"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"turnstile/central/console"
	"turnstile/central/link"
	"turnstile/central/office"
	"turnstile/central/rights"
)

//go:embed pages/*.html
var files embed.FS

//go:embed style.css
var style []byte

var (
	pages     = console.MustParse(sub(), words)
	styleName = func() string { sum := sha256.Sum256(style); return hex.EncodeToString(sum[:8]) }()
)

func sub() fs.FS {
	f, err := fs.Sub(files, "pages")
	if err != nil {
		panic(err)
	}
	return f
}

// Deps is what the pages stand on.
type Deps struct {
	Approvals office.Approvals
	Policies  office.Policies
	Bulk      office.Bulk
	Rules     office.Rules
	Addresses office.Addresses
}

// desk serves the pages.
type desk struct{ Deps }

// Routes returns the pages.
func Routes(d Deps) []console.Route {
	s := &desk{d}
	route := func(method, pattern string, need rights.Permission, handle func(*console.Request) error) console.Route {
		return console.Route{Method: method, Pattern: "/approvals" + pattern, Need: need, Handle: handle}
	}
	css := route(http.MethodGet, "/style.css", "", s.style)
	css.Public = true
	agree, refuse := route(http.MethodPost, "/addresses/{id}/approve", rights.ApplicationsJudge, s.approveAddress), route(http.MethodPost, "/addresses/{id}/refuse", rights.ApplicationsJudge, s.refuseAddress)
	agree.Recent, refuse.Recent = true, true
	return []console.Route{
		css, route(http.MethodGet, "", rights.ApplicationsRead, s.list), route(http.MethodGet, "/now", rights.ApplicationsRead, s.listNow),
		route(http.MethodGet, "/{number}", rights.ApplicationsRead, s.show), route(http.MethodGet, "/{number}/photo", rights.ApplicationsRead, s.photo),
		route(http.MethodPost, "/{number}/approve", rights.ApplicationsJudge, s.approve), route(http.MethodPost, "/{number}/reject", rights.ApplicationsJudge, s.reject),
		route(http.MethodPost, "/policy", rights.RulesWrite, s.setPolicy),
		route(http.MethodGet, "/addresses", rights.ApplicationsRead, s.addresses), agree, refuse,
	}
}

// style serves the pages' own style sheet, which changes with its address.
func (s *desk) style(r *console.Request) error { return r.Style(style) }

// base is what all pages' data begin with.
type base struct{ Style string }

func newBase() base { return base{console.Base + "/approvals/style.css?v=" + styleName} }

// say translates with the pages' words.
func say(r *console.Request, text string, args ...any) string { return r.Say(pages, text, args...) }

func refuse(r *console.Request, kind error, text string, args ...any) error {
	return office.Refuse(kind, "%s", say(r, text, args...))
}

// row is an application as a list shows it.
type row struct {
	office.Application
	Path     string
	KindText string
	Waited   string // since it was handed in
	Length   string // of the pass that is asked for
}

// duration says how long something takes, in its largest whole unit.
func duration(r *console.Request, d time.Duration) string {
	switch {
	case d < time.Hour:
		return say(r, "%d min", d/time.Minute)
	case d <= 48*time.Hour:
		return say(r, "%d h", d/time.Hour)
	}
	return say(r, "%d days", d/(24*time.Hour))
}

// window says how long a pass is good for, to the minute.
func window(r *console.Request, d time.Duration) string {
	if rest := d % time.Hour; rest != 0 && d > time.Hour {
		return duration(r, d-rest) + " " + duration(r, rest)
	}
	return duration(r, d)
}

func newRow(r *console.Request, a office.Application) row {
	x := row{Application: a, Path: console.Base + "/approvals/" + strconv.FormatInt(a.Number, 10), KindText: say(r, "eCard"), Waited: duration(r, r.Now().Sub(a.HandedIn)), Length: window(r, a.Order.Length)}
	x.DecidedBy = office.PlainName(a.DecidedBy)
	if a.Kind == office.ApplyGuests {
		x.KindText = say(r, "Guests")
	}
	return x
}

// pageSize is how many rows a page shows.
const pageSize = 50

// listPage is what waits.
type listPage struct {
	base
	Rows    []row
	Next    string
	Changes []change
	Policy  office.Policy
	Waiting int  // changes of addresses
	Done    bool // decided ones are shown
	Kind    string
}

// change is a proposal that waits for a second person.
type change struct {
	office.BulkChange
	Path string
	Text string
	Mine bool
}

func (s *desk) list(r *console.Request) error {
	p, err := s.read(r)
	if err != nil {
		return err
	}
	return r.Page(pages, "list.html", "Approvals", p)
}

// listNow is the fragment with what waits at this moment.
func (s *desk) listNow(r *console.Request) error {
	p, err := s.read(r)
	if err != nil {
		return err
	}
	return r.Fragment(pages, "list.html", "waiting", p)
}

func (s *desk) read(r *console.Request) (*listPage, error) {
	q := r.URL.Query()
	p := &listPage{base: newBase(), Done: q.Get("done") == "1", Kind: q.Get("kind")}
	if p.Kind != string(office.ApplyECard) && p.Kind != string(office.ApplyGuests) {
		p.Kind = ""
	}
	f := office.ApplicationFilter{Kind: office.ApplicationKind(p.Kind), State: office.ApplicationOpen, Limit: pageSize + 1}
	f.After, _ = strconv.ParseInt(q.Get("after"), 10, 64) // what is no number begins at the first
	if p.Done {
		f.State, f.After = "", 0
		if f.Before, _ = strconv.ParseInt(q.Get("before"), 10, 64); f.Before <= 0 {
			f.Before = 1<<62 - 1
		}
	}
	list, err := s.Approvals.List(r.Context(), f)
	if err != nil {
		return nil, err
	}
	if len(list) > pageSize {
		list = list[:pageSize]
		p.Next = next(p, list[pageSize-1].Number)
	}
	for _, a := range list {
		if !p.Done || a.State != office.ApplicationOpen {
			p.Rows = append(p.Rows, newRow(r, a))
		}
	}
	if p.Policy, err = s.Policies.Policy(r.Context()); err != nil {
		return nil, err
	}
	if p.Changes, err = s.proposals(r); err != nil {
		return nil, err
	}
	waiting, err := s.Addresses.Waiting(r.Context())
	p.Waiting = len(waiting)
	return p, err
}

func next(p *listPage, last int64) string {
	q := url.Values{}
	if p.Kind != "" {
		q.Set("kind", p.Kind)
	}
	name := "after"
	if p.Done {
		q.Set("done", "1")
		name = "before"
	}
	q.Set(name, strconv.FormatInt(last, 10))
	return console.Base + "/approvals?" + q.Encode()
}

// proposals lists the changes of many passes that wait for a second person.
func (s *desk) proposals(r *console.Request) (list []change, err error) {
	open, err := s.Bulk.List(r.Context(), true, pageSize)
	if err != nil {
		return nil, err
	}
	for _, b := range open {
		text := map[link.Status]string{link.Revoked: say(r, "Revoke %d passes", b.Passes), link.Held: say(r, "Hold %d passes", b.Passes), link.Good: say(r, "Release %d passes", b.Passes)}[b.Status]
		mine := b.By == r.By()
		b.By = office.PlainName(b.By)
		list = append(list, change{b, console.Base + "/passes/bulk/" + url.PathEscape(b.ID), text, mine})
	}
	return list, nil
}

// onePage is one application with what the office knows beside it.
type onePage struct {
	base
	row
	Photo   template.URL // "" for none
	Zones   []string
	Earlier []row  // of the same holder, the newest first
	Left    int    // open ones after this
	Typed   string // the reason, if the form is shown again
	Wrong   string
	Problem string
	Over    bool     // it is decided
	Reasons []string // to choose from
	Passes  []string
}

// number returns the application that the path names.
func number(r *console.Request) (int64, error) {
	n, err := strconv.ParseInt(r.PathValue("number"), 10, 64)
	if err != nil || n < 1 {
		return 0, refuse(r, office.ErrNotFound, "There is no such application.")
	}
	return n, nil
}

func (s *desk) find(r *console.Request) (office.Application, error) {
	n, err := number(r)
	if err != nil {
		return office.Application{}, err
	}
	a, err := s.Approvals.Find(r.Context(), n)
	if errors.Is(err, office.ErrNotFound) {
		return a, refuse(r, office.ErrNotFound, "There is no such application.")
	}
	return a, err
}

func (s *desk) show(r *console.Request) error {
	a, err := s.find(r)
	if err != nil {
		return err
	}
	return s.showOne(r, http.StatusOK, a, onePage{})
}

func (s *desk) showOne(r *console.Request, status int, a office.Application, p onePage) error {
	p.base, p.row, p.Over = newBase(), newRow(r, a), a.State != office.ApplicationOpen
	p.Reasons = []string{say(r, "The photo does not show the face clearly."), say(r, "The photo is not of a passport's kind: plain ground, no hat, no sunglasses."), say(r, "The photo is not of this person."), say(r, "The record does not fit this person.")}
	if a.Kind == office.ApplyGuests {
		p.Reasons = []string{say(r, "Too many guests for that day."), say(r, "The purpose is not stated."), say(r, "There is another event on that day.")}
	}
	if a.HasPhoto {
		p.Photo = template.URL(p.Path + "/photo")
	}
	for _, id := range a.Passes {
		p.Passes = append(p.Passes, id.String())
	}
	if err := s.around(r, &a, &p); err != nil {
		return err
	}
	return r.PageStatus(status, pages, "one.html", say(r, "Application %d", a.Number), &p)
}

// maxLeft bounds how far open applications are counted.
const maxLeft = 500

// around fills in what stands around an application.
func (s *desk) around(r *console.Request, a *office.Application, p *onePage) error {
	rules, err := s.Rules.Rules(r.Context())
	if err != nil {
		return err
	}
	for _, z := range rules.Zones {
		if a.Order.Zones&(1<<z.ID) != 0 {
			name := z.Name
			if r.Lang() == console.Chinese && z.NameZH != "" {
				name = z.NameZH
			}
			p.Zones = append(p.Zones, name)
		}
	}
	earlier, err := s.Approvals.List(r.Context(), office.ApplicationFilter{Holder: a.Holder, Before: a.Number, Limit: 10})
	if err != nil {
		return err
	}
	for _, x := range earlier {
		p.Earlier = append(p.Earlier, newRow(r, x))
	}
	left, err := s.Approvals.List(r.Context(), office.ApplicationFilter{State: office.ApplicationOpen, After: a.Number, Limit: maxLeft})
	p.Left = len(left)
	return err
}

// photo serves the picture of an open application to who may see it. The frame
// forbids browsers to keep it.
func (s *desk) photo(r *console.Request) error {
	n, err := number(r)
	if err != nil {
		return err
	}
	jpeg, err := s.Approvals.Photo(r.Context(), n)
	if err != nil {
		return err
	}
	r.Writer.Header().Set("Content-Type", "image/jpeg")
	r.Writer.Header().Set("Content-Disposition", "inline")
	r.Writer.Write(jpeg)
	return nil
}

func (s *desk) approve(r *console.Request) error { return s.decide(r, true) }
func (s *desk) reject(r *console.Request) error  { return s.decide(r, false) }

// reason reads the reason of a decision: what was typed, or the one chosen.
func reason(r *console.Request) (text, wrong string, err error) {
	if err := r.ParseForm(); err != nil {
		if large := (*http.MaxBytesError)(nil); errors.As(err, &large) {
			return "", "", err
		}
		return "", "", refuse(r, office.ErrInvalid, "The form could not be read; load the page again.")
	}
	for _, name := range []string{"reason", "choice"} {
		if len(r.PostForm[name]) > 1 {
			return "", "", refuse(r, office.ErrInvalid, "The form could not be read; load the page again.")
		}
		if text == "" {
			text = strings.TrimSpace(r.PostForm.Get(name))
		}
	}
	if utf8.RuneCountInString(text) > 200 || strings.ContainsFunc(text, func(c rune) bool { return c < ' ' || c == 0x7f || c == utf8.RuneError }) {
		wrong = say(r, "A reason is one line of at most 200 characters.")
	}
	return text, wrong, nil
}

func (s *desk) decide(r *console.Request, approve bool) error {
	text, wrong, err := reason(r)
	if err != nil {
		return err
	}
	a, err := s.find(r)
	if err != nil {
		return err
	}
	if text == "" && !approve {
		wrong = say(r, "Give a reason: the holder is told.")
	}
	if wrong != "" && a.State != office.ApplicationOpen { // it has no form any more
		return s.showOne(r, http.StatusConflict, a, onePage{Problem: say(r, "Somebody decided this application already.")})
	}
	if wrong != "" {
		return s.showOne(r, http.StatusUnprocessableEntity, a, onePage{Typed: text, Wrong: wrong})
	}
	done, err := s.Approvals.Decide(r.Context(), r.By(), office.Decision{Number: a.Number, Approve: approve, Reason: text})
	if err != nil {
		return s.decideFailed(r, a, text, err)
	}
	text = say(r, "Application %d is rejected.", a.Number)
	if done.State == office.ApplicationApproved {
		text = say(r, "Application %d is approved.", a.Number)
	}
	if done.Told != nil {
		text += " " + say(r, "A letter to %s is on its way.", done.Told.To)
	}
	r.Flash(text)
	return s.following(r, a.Number)
}

// decideFailed shows an application again that could not be decided, as it is now.
func (s *desk) decideFailed(r *console.Request, a office.Application, typed string, err error) error {
	x, ok := errors.AsType[*office.Refusal](err)
	if !ok || errors.Is(err, office.ErrNotFound) {
		return err
	}
	now, bad := s.Approvals.Find(r.Context(), a.Number)
	if bad != nil {
		return bad
	}
	status := http.StatusUnprocessableEntity
	if errors.Is(err, office.ErrConflict) {
		status = http.StatusConflict
	}
	return s.showOne(r, status, now, onePage{Typed: typed, Problem: r.Told(pages, x)})
}

// following leads to the next open application: an approver goes through many.
func (s *desk) following(r *console.Request, behind int64) error {
	for _, after := range []int64{behind, 0} {
		list, err := s.Approvals.List(r.Context(), office.ApplicationFilter{State: office.ApplicationOpen, After: after, Limit: 1})
		if err != nil {
			return err
		}
		if len(list) > 0 {
			return r.Redirect("/approvals/" + strconv.FormatInt(list[0].Number, 10))
		}
	}
	return r.Redirect("/approvals")
}

func (s *desk) setPolicy(r *console.Request) error {
	if err := r.ParseForm(); err != nil {
		return refuse(r, office.ErrInvalid, "The form could not be read; load the page again.")
	}
	version, err := strconv.ParseUint(r.PostForm.Get("version"), 10, 53)
	if err != nil {
		return refuse(r, office.ErrInvalid, "The form could not be read; load the page again.")
	}
	p := office.Policy{Version: version, ECards: r.PostForm.Get("ecards") == "yes", Guests: r.PostForm.Get("guests") == "yes"}
	if err := s.Policies.SetPolicy(r.Context(), r.By(), p); err != nil {
		return err
	}
	r.Flash(say(r, "From now on it is so for what is handed in."))
	return r.Redirect("/approvals")
}
