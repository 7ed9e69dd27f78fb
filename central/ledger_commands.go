package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"turnstile/central/office"
)

// searchFields are what passages can be searched by, as the API names them.
var searchFields = []string{"day", "from", "until", "lane", "index", "zone", "type", "reason", "kind", "direction", "pass", "name"}

// query makes the API's parameters of --where and of the flags beside it.
func (x *passagesCommand) query(ctx context.Context, api *client) (url.Values, error) {
	q := url.Values{}
	for field, value := range x.Where {
		if !slices.Contains(searchFields, field) {
			return nil, fmt.Errorf("%w: --where %s=%s: there are %s", errUsage, field, value, strings.Join(searchFields, ", "))
		}
		q.Set(field, value)
	}
	for field, value := range map[string]string{"lane": x.Lane, "day": x.Day, "pass": x.Pass} {
		if value != "" {
			q.Set(field, value)
		}
	}
	if day := q.Get("day"); day != "" {
		d, err := api.day(ctx, day)
		if err != nil {
			return nil, err
		}
		q.Set("day", d)
	}
	return q, nil
}

// pageOfSearch is how many passages are asked for at once.
const pageOfSearch = 500

// search prints what --where finds, up to --limit, or writes all of it to a file.
func (x *passagesCommand) search(ctx context.Context, c *console, cl *cli, api *client) error {
	if x.After != 0 || x.Follow {
		return fmt.Errorf("%w: --where and --export find the latest first; --after and --follow go the other way", errUsage)
	}
	q, err := x.query(ctx, api)
	if err != nil {
		return err
	}
	if x.Export != "" {
		q.Set("format", x.Export)
		return x.write(ctx, c, api, "/passages/export?"+q.Encode())
	}
	var found office.FoundList
	for more := true; more && len(found.Passages) < x.Limit; more = found.Next != "" {
		q.Set("limit", strconv.Itoa(min(pageOfSearch, x.Limit-len(found.Passages))))
		if found.Next != "" {
			q.Set("cursor", found.Next)
		}
		var page office.FoundList
		if err := api.call(ctx, "GET", "/passages/search?"+q.Encode(), nil, &page); err != nil {
			return err
		}
		found.Passages, found.Next = append(found.Passages, page.Passages...), page.Next
	}
	return c.show(cl, found, func() { c.printPassages(found.Passages, true) })
}

// write copies a file of any size to --out, or to standard output.
func (x *passagesCommand) write(ctx context.Context, c *console, api *client, path string) error {
	in, err := api.stream(ctx, path)
	if err != nil {
		return err
	}
	defer in.Close()
	if x.Out == "" {
		_, err := io.Copy(c.out, in)
		return broken(err)
	}
	f, err := os.OpenFile(x.Out, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("%w: write export: %w", errUsage, err)
	}
	_, err = io.Copy(f, in)
	if err = errors.Join(broken(err), f.Close()); err != nil {
		return errors.Join(err, os.Remove(x.Out)) // a part must not be taken for the whole
	}
	return nil
}

func broken(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("the export broke off: %w; look at central's log and try again", err)
}

type whyCommand struct {
	Number int64 `arg:"" help:"Number of the passage in the ledger, as central passages shows it."`
}

func (x *whyCommand) Run(ctx context.Context, c *console, cl *cli) error {
	api, err := cl.client(c)
	if err != nil {
		return err
	}
	var e office.ExplanationBody
	if err := api.call(ctx, "GET", "/passages/"+strconv.FormatInt(x.Number, 10)+"/explain", nil, &e); err != nil {
		return err
	}
	return c.show(cl, e, func() { c.printWhy(&e) })
}

func (c *console) printWhy(e *office.ExplanationBody) {
	t := table{}
	line := func(name string, value string) {
		if value != "" {
			t.add(cell{name, dim}, text(value))
		}
	}
	p, k := &e.Passage, &e.Knew
	t.add(cell{"what", dim}, cell{strings.TrimSuffix(p.Type+" "+ungranted(p.Reason), " "), bold})
	line("", e.Why)
	line("next step", e.Next)
	line("when", clock(p.Time)+", clock "+k.Clock+doubt(k.Doubt))
	line("where", strings.TrimSuffix(laneName(*p)+" "+p.Direction, " "))
	line("pass", p.Pass)
	line("holder", p.Holder)
	line("guest", p.GuestName)
	heard := "never"
	if k.Heard != nil {
		heard = p.Time.Sub(*k.Heard).Round(time.Second).String() + " before"
	}
	line("lane heard central", heard)
	feed := fmt.Sprintf("event %d", k.FeedSeq)
	if k.Behind > 0 {
		feed += fmt.Sprintf(", central had %d more by then", k.Behind)
	}
	line("lane knew", feed)
	if k.Rules != 0 {
		line("rules", fmt.Sprintf("version %d", k.Rules))
	}
	line("mode", k.Mode)
	line("policy", k.Policy)
	line("told of the pass", e.Told)
	if e.Pass != nil {
		line("pass is now", e.Pass.Status)
	}
	for _, h := range e.History {
		line("  "+h.Status, clock(h.Time)+", the lane heard it "+maybeClock(h.Heard, "not yet, or that is not kept"))
	}
	t.print(c)
}

func doubt(seconds *int) string {
	if seconds == nil {
		return ", perhaps later"
	}
	return fmt.Sprintf(", within %d s", *seconds)
}

type occupancyCommand struct{}

func (occupancyCommand) Run(ctx context.Context, c *console, cl *cli) error {
	api, err := cl.client(c)
	if err != nil {
		return err
	}
	var o office.OccupancyBody
	if err := api.call(ctx, "GET", "/occupancy", nil, &o); err != nil {
		return err
	}
	return c.show(cl, o, func() {
		t := table{heading: []string{"ZONE", "NAME", "INSIDE", "IN TODAY", "OUT TODAY", "NOT COUNTED"}}
		for _, z := range o.Zones {
			t.add(number(int64(z.Zone)), text(z.Name), number(int64(z.Inside)), number(int64(z.In)), number(int64(z.Out)), number(int64(z.Uncounted)))
		}
		t.print(c)
	})
}

type musterCommand struct {
	Zone int `default:"-1" help:"Of one zone alone."`
}

func (x *musterCommand) Run(ctx context.Context, c *console, cl *cli) error {
	api, err := cl.client(c)
	if err != nil {
		return err
	}
	var m office.MusterBody
	if err := api.call(ctx, "GET", "/muster"+query("zone", strconv.Itoa(x.Zone)), nil, &m); err != nil {
		return err
	}
	return c.show(cl, m, func() {
		t := table{heading: []string{"PERSON", "ANSWERS FOR", "PASS", "KIND", "ZONE", "SINCE", "LANE"}}
		for _, i := range m.Inside {
			person, answers := i.GuestName, i.Holder
			if person == "" {
				person, answers = i.Holder, ""
			}
			t.add(text(person), text(answers), text(i.Pass), text(i.Kind), number(int64(i.Zone)), text(clock(i.Since)), text(laneName(office.PassageBody{Controller: i.Controller, Lane: i.Lane})))
		}
		t.print(c)
		fmt.Fprintf(c.out, "%d inside at %s, as far as lanes reported: who was let through by hand, by free passage or behind somebody is in no list.\n", len(m.Inside), clock(m.Time))
		if len(m.Silent) > 0 {
			fmt.Fprintf(c.out, "Not connected, so what they saw may lack: %s\n", clean(strings.Join(m.Silent, ", ")))
		}
	})
}

type ackCommand struct {
	Number int64  `arg:"" help:"Number of the alarm."`
	Note   string `help:"What was found."`
}

func (x *ackCommand) Run(ctx context.Context, c *console, cl *cli) error {
	api, err := cl.client(c)
	if err != nil {
		return err
	}
	a, err := api.alarm(ctx, x.Number)
	if err != nil {
		return err
	}
	body := map[string]any{"count": a.Count, "note": x.Note}
	if err := api.call(ctx, "POST", fmt.Sprintf("/alarms/%d/acknowledge", x.Number), body, nil); err != nil {
		return err
	}
	return c.show(cl, map[string]any{"acknowledged": x.Number}, func() { fmt.Fprintf(c.out, "acknowledged alarm %d: %s\n", a.Number, clean(a.Code)) })
}

// alarm finds an alarm that is open by its number.
func (api *client) alarm(ctx context.Context, number int64) (office.AlarmStateBody, error) {
	for cursor := ""; ; {
		var list office.AlarmStateList
		if err := api.call(ctx, "GET", "/attention"+query("limit", "500", "cursor", cursor), nil, &list); err != nil {
			return office.AlarmStateBody{}, err
		}
		for _, a := range list.Alarms {
			if a.Number == number {
				return a, nil
			}
		}
		if cursor = list.Next; cursor == "" {
			return office.AlarmStateBody{}, fmt.Errorf("%w: no alarm %d is open; central alarms lists all", errUsage, number)
		}
	}
}
