package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"turnstile/central/office"
	"turnstile/central/pass"
	"turnstile/central/symbol"
)

type issueCommand struct {
	Kind           string `enum:"ecard,guest,staff,test" default:"ecard" help:"${enum}."`
	Holder         string `required:"" help:"Id of the person who answers for the pass."`
	Guest          string `placeholder:"NAME" help:"Name of the guest."`
	Purpose        string `help:"What for."`
	Day            string `default:"today" help:"Campus day: today, tomorrow or 2026-11-21."`
	Zones          []int  `default:"0" help:"Zones that it opens."`
	Start          string `default:"00:00" help:"Campus time from which it is valid."`
	Length         string `default:"24h" help:"How long it is valid, in steps of 10 minutes."`
	Live           bool   `help:"Only valid as a live code; screenshots are refused."`
	Escort         bool   `help:"Only valid right after a staff pass."`
	Exception      string `placeholder:"TEXT" help:"Why a guest's pass is issued beyond the rules for guests; for the audit."`
	PassbackExempt bool   `help:"Anti-passback does not apply."`
	Entries        int    `help:"How often it lets in; 0 is without limit."`
}

func (x *issueCommand) Run(ctx context.Context, c *console, cl *cli) error {
	api, err := cl.client(c)
	if err != nil {
		return err
	}
	day, err := api.day(ctx, x.Day)
	if err != nil {
		return err
	}
	var p office.PassBody
	err = api.call(ctx, "POST", "/passes", office.OrderBody{
		Kind: x.Kind, Holder: x.Holder, GuestName: x.Guest, Exception: x.Exception, Purpose: x.Purpose, Day: day, Zones: x.Zones, Start: x.Start, Length: x.Length,
		Live: x.Live, Escort: x.Escort, PassbackExempt: x.PassbackExempt, Entries: x.Entries,
	}, &p)
	if err != nil {
		return err
	}
	return c.show(cl, p, func() {
		c.printPass(p)
		c.printCode(p.Code, "")
	})
}

// day turns today and tomorrow into dates of the campus clock.
func (api *client) day(ctx context.Context, word string) (string, error) {
	ahead := map[string]int{"today": 0, "tomorrow": 1}
	days, ok := ahead[word]
	if !ok {
		return word, nil
	}
	zone, err := api.zone(ctx)
	if err != nil {
		return "", err
	}
	return time.Now().In(zone).AddDate(0, 0, days).Format(time.DateOnly), nil
}

// zone returns the campus clock.
func (api *client) zone(ctx context.Context) (*time.Location, error) {
	var f office.FeedBody
	if err := api.call(ctx, "GET", "/feed", nil, &f); err != nil {
		return nil, err
	}
	zone, err := time.LoadLocation(f.Timezone)
	if err != nil {
		return nil, fmt.Errorf("campus clock: %w", err)
	}
	return zone, nil
}

// printPass prints what central knows of a pass, a line for each fact.
func (c *console) printPass(p office.PassBody) {
	t := table{}
	line := func(name string, value cell) {
		if value.text != "" {
			t.add(cell{name, dim}, value)
		}
	}
	line("pass", cell{p.ID, bold})
	line("status", statusCell(p.Status))
	line("kind", text(p.Kind))
	line("holder", text(p.Holder))
	line("guest", text(p.GuestName))
	line("purpose", text(p.Purpose))
	line("valid", text(period(p.From, p.Until)))
	line("zones", text(joinInts(p.Zones)))
	line("conditions", text(conditions(p)))
	line("re-issued", text(times(p.Generation)))
	line("issued", text(clock(p.Issued)+" by "+p.IssuedBy))
	if p.Changed != nil {
		line("changed", text(strings.TrimSuffix(clock(*p.Changed)+" by "+p.ChangedBy+": "+p.Reason, ": ")))
	}
	if p.RefusedBy != nil {
		line("refused by", refusedCell(*p.RefusedBy))
		for _, m := range p.RefusedBy.Missing {
			line("  not yet", cell{missingText(m), yellow})
		}
	}
	t.print(c)
}

// times says how often, nothing for never.
func times(n int) string {
	switch n {
	case 0:
		return ""
	case 1:
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}

func statusCell(status string) cell {
	switch status {
	case "good":
		return cell{status, green}
	case "revoked":
		return cell{status, red}
	}
	return cell{status, yellow}
}

func refusedCell(r office.RefusedByBody) cell {
	s := fmt.Sprintf("%d of %d lane controllers", r.Lanes, r.Of)
	if r.Since != nil {
		s += " since " + clock(*r.Since)
	}
	if r.Lanes < r.Of {
		return cell{s, yellow}
	}
	return cell{s, green}
}

func missingText(m office.MissingLaneBody) string {
	if m.Alive {
		return m.ID + ", connected since " + maybeClock(m.Since, "just now")
	}
	return m.ID + ", silent since " + maybeClock(m.Since, "its enrolment")
}

func joinInts(list []int) string {
	words := make([]string, len(list))
	for i, n := range list {
		words[i] = strconv.Itoa(n)
	}
	return strings.Join(words, " ")
}

// conditions names what is special about a pass.
func conditions(p office.PassBody) string {
	var list []string
	for _, x := range []struct {
		set  bool
		name string
	}{{p.Live, "live code only"}, {p.Escort, "with an escort"}, {p.PassbackExempt, "no anti-passback"}, {p.Entries == 1, "single entry"}, {p.Entries > 1, fmt.Sprintf("%d entries", p.Entries)}} {
		if x.set {
			list = append(list, x.name)
		}
	}
	return strings.Join(list, ", ")
}

// printCode prints a code, with its symbol where it can be seen; until is the
// end of a live code's slot.
func (c *console) printCode(code, until string) {
	if code == "" {
		return
	}
	if s, err := symbol.Draw(code); err == nil && c.outIsTerm {
		fmt.Fprint(c.out, "\n", s.Terminal())
	}
	fmt.Fprintf(c.out, "\n%s\n", code)
	if t, err := time.Parse(time.RFC3339, until); err == nil {
		fmt.Fprintf(c.out, "A live code: the next one stands in its place at %s.\n", t.Format(time.TimeOnly))
	}
}

type showCommand struct {
	ID     string `arg:"" help:"Such as 2026-11-21/004711."`
	Format string `enum:"all,text,svg,png,short" default:"all" help:"${enum}: all is for people; the others write the code alone. A short code (64 bits, weak) is for readers that carry no more."`
	Module int    `default:"8" help:"Pixels of one module in PNG."`
	Out    string `short:"o" placeholder:"FILE" help:"Write the code to a file."`
}

func (x *showCommand) Run(ctx context.Context, c *console, cl *cli) error {
	path, err := passPath(x.ID)
	if err != nil {
		return err
	}
	api, err := cl.client(c)
	if err != nil {
		return err
	}
	if x.Format != "all" {
		return x.write(ctx, c, api, path)
	}
	var p office.PassBody
	if err := api.call(ctx, "GET", path, nil, &p); err != nil {
		return err
	}
	code, header, err := api.send(ctx, "GET", path+"/code", nil)
	if refused := (*problem)(nil); err != nil && !errors.As(err, &refused) {
		return err // a revoked pass, or a token that may not see codes, has no code to show
	}
	p.Code = strings.TrimSpace(string(code))
	return c.show(cl, p, func() {
		c.printPass(p)
		c.printCode(p.Code, header.Get("Turnstile-Until"))
	})
}

// write writes the code alone, in one format, to a file or standard output.
func (x *showCommand) write(ctx context.Context, c *console, api *client, path string) error {
	if x.Format == "png" && x.Out == "" && c.outIsTerm {
		return fmt.Errorf("%w: a PNG does not go onto a terminal; name a file with --out", errUsage)
	}
	data, _, err := api.send(ctx, "GET", path+"/code?"+url.Values{"format": {x.Format}, "module": {strconv.Itoa(x.Module)}}.Encode(), nil)
	if err != nil {
		return err
	}
	if x.Out == "" {
		_, err = c.out.Write(data)
		return err
	}
	if err := os.WriteFile(x.Out, data, 0o600); err != nil { // a code is a key
		return fmt.Errorf("write code: %w", err)
	}
	return nil
}

// passPath returns the API path of a pass id.
func passPath(s string) (string, error) {
	id, err := pass.ParseID(s)
	if err != nil {
		return "", fmt.Errorf("%w: %w", errUsage, err)
	}
	return "/passes/" + id.String(), nil
}

type listCommand struct {
	Day    string `help:"Campus day: today, tomorrow or 2026-11-21."`
	Status string `enum:",good,revoked,held" default:"" help:"good, revoked or held."`
	Kind   string `enum:",ecard,guest,staff,test" default:"" help:"ecard, guest, staff or test."`
	Holder string `help:"Id of the person who answers for it."`
	Limit  int    `default:"50" help:"At most so many."`
	Cursor string `help:"Go on where the list before ended."`
}

func (x *listCommand) Run(ctx context.Context, c *console, cl *cli) error {
	api, err := cl.client(c)
	if err != nil {
		return err
	}
	day, err := api.day(ctx, x.Day)
	if err != nil {
		return err
	}
	var list office.PassList
	q := query("day", day, "status", x.Status, "kind", x.Kind, "holder", x.Holder, "limit", strconv.Itoa(x.Limit), "cursor", x.Cursor)
	if err := api.call(ctx, "GET", "/passes"+q, nil, &list); err != nil {
		return err
	}
	return c.show(cl, list, func() {
		t := table{heading: []string{"PASS", "STATUS", "KIND", "HOLDER", "GUEST", "VALID", "ZONES", "CONDITIONS"}}
		for _, p := range list.Passes {
			t.add(text(p.ID), statusCell(p.Status), text(p.Kind), text(p.Holder), text(p.GuestName), text(period(p.From, p.Until)), text(joinInts(p.Zones)), text(conditions(p)))
		}
		t.print(c)
		c.printMore(list.Next)
	})
}

// query makes a query string of names and values, without the empty ones.
func query(pairs ...string) string {
	v := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			v.Set(pairs[i], pairs[i+1])
		}
	}
	return "?" + v.Encode()
}

// statusArgs are what revoke, hold and release take.
type statusArgs struct {
	ID     string `arg:"" help:"Such as 2026-11-21/004711."`
	Reason string `short:"r" help:"Why; kept with the pass, never sent to a lane."`
}

type (
	revokeCommand  struct{ statusArgs }
	holdCommand    struct{ statusArgs }
	releaseCommand struct{ statusArgs }
)

func (x *revokeCommand) Run(ctx context.Context, c *console, cl *cli) error {
	return x.set(ctx, c, cl, "revoke")
}

func (x *holdCommand) Run(ctx context.Context, c *console, cl *cli) error {
	return x.set(ctx, c, cl, "hold")
}

func (x *releaseCommand) Run(ctx context.Context, c *console, cl *cli) error {
	return x.set(ctx, c, cl, "release")
}

// set changes the status and shows how far the lanes are with it.
func (x *statusArgs) set(ctx context.Context, c *console, cl *cli, verb string) error {
	path, err := passPath(x.ID)
	if err != nil {
		return err
	}
	api, err := cl.client(c)
	if err != nil {
		return err
	}
	if err := api.call(ctx, "POST", path+"/"+verb, map[string]string{"reason": x.Reason}, nil); err != nil {
		return err
	}
	var p office.PassBody
	if err := api.call(ctx, "GET", path, nil, &p); err != nil {
		return err
	}
	return c.show(cl, p, func() { c.printPass(p) })
}
