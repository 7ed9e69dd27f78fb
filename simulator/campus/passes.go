package campus

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"turnstile/central/office"
	"turnstile/central/pass"
	"turnstile/central/symbol"
	"turnstile/simulator/promise"
	"turnstile/simulator/site"
)

// ticket is a pass or a supervisor code as who carries it has it.
type ticket struct {
	view  Pass
	order office.OrderBody // to issue it anew
	id    string
	live  bool
	stale bool // it was signed anew, and the code here is the old one

	code   string // as last shown
	shot   string
	forged string
	sheet  string // of a supervisor code

	followed bool   // all that can refuse it do
	released uint64 // the feed event by which lanes let it in again; 0: it was not released
}

// kindSupervisor is what stands as a supervisor code's kind.
const kindSupervisor = "supervisor"

// maxName bounds a pass's name, in bytes.
const maxName = 60

// ticket returns what an act names.
func (c *Campus) ticket(name string) (*ticket, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if t := c.passes[name]; t != nil {
		return t, nil
	}
	return nil, refuse("there is no pass %q here; issue it first", name)
}

// fresh refuses a name that is taken.
func (c *Campus) fresh(name string) error {
	if len(name) > maxName {
		return refuse("a name of more than %d bytes", maxName)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.passes[name] != nil {
		return refuse("there is a pass %q already; reissue it, or take another name", name)
	}
	return nil
}

// issue has the office issue a pass.
func (c *Campus) issue(ctx context.Context, a Act) error {
	if err := c.fresh(a.Target); err != nil {
		return err
	}
	o, err := c.orderOf(a)
	if err != nil {
		return err
	}
	p, err := c.api.Load().Issue(ctx, o)
	if err != nil {
		return c.answer(err)
	}
	c.file(a.Target, o, &p)
	return nil
}

// orderOf reads what an act wants issued.
func (c *Campus) orderOf(a Act) (o office.OrderBody, err error) {
	now := c.clock.Now()
	o = office.OrderBody{Kind: a.word(0), Holder: a.Target, Day: dayOf(a.Args["day"], now), Start: "00:00", Length: "24h", Zones: []int{0, 1},
		Live: a.Args["live"] == "yes", Escort: a.Args["escort"] == "yes", PassbackExempt: a.Args["exempt"] == "yes"}
	if o.Kind == "guest" {
		o.Holder, o.GuestName = "host of "+a.Target, a.Target
	}
	if h := a.Args["holder"]; h != "" {
		o.Holder = h
	}
	if z, ok := a.Args["zones"]; ok {
		if o.Zones, err = numbers(z); err != nil {
			return o, err
		}
	}
	if from := a.Args["from"]; from != "" {
		at, err := time.Parse("15:04", from)
		if err != nil {
			return o, refuse("from=%s: want a time of day such as 09:00", from)
		}
		o.Start = at.Format("15:04")
		rest := 24*time.Hour - time.Duration(at.Hour())*time.Hour - time.Duration(at.Minute())*time.Minute
		o.Length = max(rest.Truncate(10*time.Minute), 10*time.Minute).String()
	}
	if long := a.Args["for"]; long != "" {
		o.Length = long
	}
	if _, ok := a.Args["entries"]; ok {
		o.Entries, err = number(a, "entries", 0, 15)
	}
	return o, err
}

// dayOf reads a day: today, tomorrow, yesterday, or a date as it stands.
func dayOf(word string, now time.Time) string {
	days := map[string]int{"": 0, "today": 0, "tomorrow": 1, "yesterday": -1}
	if n, ok := days[word]; ok {
		return today(now.In(zone).AddDate(0, 0, n))
	}
	return word
}

// numbers reads a list such as 0,1.
func numbers(list string) (all []int, err error) {
	for text := range strings.SplitSeq(list, ",") {
		n, err := strconv.Atoi(text)
		if err != nil {
			return nil, refuse("%q is no list of numbers such as 0,1", list)
		}
		all = append(all, n)
	}
	return all, nil
}

// answer makes a refusal of what the office refuses, and of its silence while a fault
// is on that explains it.
func (c *Campus) answer(err error) error {
	var p *site.Problem
	switch {
	case err == nil:
		return nil
	case errors.As(err, &p) && p.Status < http.StatusInternalServerError:
		return refuse("the office refuses: %s", p.Words())
	case !c.well():
		return refuse("central does not answer; take the faults off or try again: %v", err)
	}
	return err
}

// file keeps a pass that was issued.
func (c *Campus) file(name string, o office.OrderBody, p *office.PassBody) {
	kind, _ := pass.ParseKind(p.Kind) // central's own word
	c.witness.Change(p.ID, func(known *promise.Pass) { known.Kind, known.Entries = kind, uint8(o.Entries) })
	t := &ticket{order: o, id: p.ID, live: o.Live, code: p.Code,
		view: Pass{Name: name, ID: p.ID, Kind: p.Kind, Live: o.Live, Status: p.Status, Of: len(c.controllers)}}
	c.keep(t)
}

// keep puts a ticket where it is found: in the place of an earlier one of its name.
func (c *Campus) keep(t *ticket) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if old := c.passes[t.view.Name]; old != nil {
		t.shot, t.view.Shot = old.shot, old.view.Shot
		c.order = slices.DeleteFunc(c.order, func(o *ticket) bool { return o == old })
	}
	c.passes[t.view.Name], c.names[t.id] = t, t.view.Name
	c.order = append(c.order, t)
	c.tell()
}

// code returns what the holder's phone shows at this moment: the newest code that
// central gave, which is an old one while central does not answer.
func (c *Campus) code(ctx context.Context, t *ticket) (string, error) {
	c.mu.Lock()
	text, ask := t.code, t.live || t.stale
	c.mu.Unlock()
	if !ask || t.sheet != "" {
		return text, nil
	}
	fetched, err := c.api.Load().Code(ctx, t.id)
	if ctx.Err() != nil {
		return "", ctx.Err()
	}
	if err != nil {
		return text, nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	t.code, t.stale = fetched, false
	return fetched, nil
}

// shows returns what is held before a scanner: the phone, the screenshot of it, or
// what was forged.
func (c *Campus) shows(ctx context.Context, name, which string) (string, error) {
	t, err := c.ticket(name)
	if err != nil {
		return "", err
	}
	if which == "" {
		return c.code(ctx, t)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case which == "shot" && t.shot == "":
		return "", refuse("there is no screenshot of %q; take one first: shot %s", name, quote(name))
	case which == "shot":
		return t.shot, nil
	case t.forged == "":
		return "", refuse("nothing was forged of %q; do it first: forge %s signature", name, quote(name))
	}
	return t.forged, nil
}

// shoot takes a screenshot of what the phone shows.
func (c *Campus) shoot(ctx context.Context, a Act) error {
	t, err := c.ticket(a.Target)
	if err != nil {
		return err
	}
	text, err := c.code(ctx, t)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	t.shot, t.view.Shot = text, true
	c.tell()
	return nil
}

// Symbol returns the SVG of what the holder's phone shows; of "NAME shot" and "NAME
// forged" what was made of it. A name that is not there is a *Refusal.
func (c *Campus) Symbol(ctx context.Context, name string) ([]byte, error) {
	which := ""
	if _, err := c.ticket(name); err != nil {
		for _, w := range []string{"shot", "forged"} {
			if rest, ok := strings.CutSuffix(name, " "+w); ok {
				name, which = rest, w
			}
		}
	}
	text, err := c.shows(ctx, name, which)
	if err != nil {
		return nil, err
	}
	drawn, err := symbol.Draw(text)
	if err != nil {
		return nil, err
	}
	return drawn.SVG(), nil
}

// Reasons that stand in the audit unless an act gives one.
const defaultReason = "simulator"

func reasonOf(a Act) string {
	if r := a.Args["reason"]; r != "" {
		return r
	}
	return defaultReason
}

// status revokes, holds or releases a pass, as the verb says.
func (c *Campus) status(ctx context.Context, a Act) error {
	t, err := c.ticket(a.Target)
	if err != nil {
		return err
	}
	if t.sheet != "" {
		return c.revokeCode(ctx, t, a)
	}
	if a.Verb == "release" { // before: the answer may be late
		c.witness.Change(t.id, func(known *promise.Pass) { known.Revoked, known.Refused = 0, nil })
	}
	p, err := c.api.Load().Set(ctx, t.id, a.Verb, reasonOf(a))
	if err != nil {
		return c.answer(err)
	}
	var released uint64
	if a.Verb == "release" {
		var f office.FeedBody
		if err := c.api.Load().Do(ctx, http.MethodGet, "/feed", nil, &f); err != nil {
			return c.answer(err)
		}
		released = f.Seq
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if t.view.Status, t.followed, t.released = p.Status, false, released; released == 0 {
		t.view.Lanes = 0
	}
	c.tell()
	return nil
}

// revokeCode revokes one supervisor code. It cannot be held.
func (c *Campus) revokeCode(ctx context.Context, t *ticket, a Act) error {
	if a.Verb != "revoke" {
		return refuse("a supervisor code can be revoked, and nothing else")
	}
	err := c.api.Load().Do(ctx, http.MethodPost, "/supervisor-codes/revoke", map[string]string{"what": t.id, "reason": reasonOf(a)}, nil)
	if err != nil {
		return c.answer(err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	t.view.Status = "revoked"
	c.tell()
	return nil
}

// reissue revokes a pass and issues another one with the same order under its name.
// A screenshot is kept: it is of the old one.
func (c *Campus) reissue(ctx context.Context, a Act) error {
	t, err := c.ticket(a.Target)
	if err != nil {
		return err
	}
	if t.sheet != "" {
		return refuse("supervisor codes are printed by the sheet: supervisor LANE NAME ACTION")
	}
	if err := c.status(ctx, Act{Verb: "revoke", Target: a.Target, Args: map[string]string{"reason": "issued anew"}}); err != nil {
		return err
	}
	p, err := c.api.Load().Issue(ctx, t.order)
	if err != nil {
		return c.answer(err)
	}
	c.file(a.Target, t.order, &p)
	return nil
}

// supervisor prints a supervisor code for a lane.
func (c *Campus) supervisor(ctx context.Context, a Act) error {
	l, err := c.lane(a.Target)
	if err != nil {
		return err
	}
	name := a.word(0)
	if err := c.fresh(name); err != nil {
		return err
	}
	o := office.SupervisorOrderBody{Controller: l.controller.id, Lane: l.view.Number, Action: a.word(1), Cause: "drill", Count: 1, Days: 1, Officer: name}
	var sheet office.SupervisorList
	if err := c.api.Load().Do(ctx, http.MethodPost, "/supervisor-codes", o, &sheet); err != nil {
		return c.answer(err)
	}
	if len(sheet.Codes) != 1 {
		return fmt.Errorf("print supervisor code: central made %d", len(sheet.Codes))
	}
	code := sheet.Codes[0]
	action, _ := pass.ParseAction(code.Action) // central's own word
	c.witness.IssuedCode(code.ID, promise.Code{Controller: code.Controller, Lane: uint8(code.Lane), Action: action})
	c.keep(&ticket{id: code.ID, code: code.Code, sheet: code.Sheet, view: Pass{Name: name, ID: code.ID, Kind: kindSupervisor, Status: "good", Of: 1}})
	return nil
}
