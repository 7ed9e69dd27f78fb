package main

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"strconv"

	"turnstile/central/office"
	"turnstile/central/pass"
)

type applicationCommand struct {
	List    applicationListCommand   `cmd:"" help:"List applications and requests for guests, the oldest first."`
	Show    applicationShowCommand   `cmd:"" help:"Show one."`
	Approve applicationDecideCommand `cmd:"" help:"Approve one: the eCard becomes active, or the guests' passes are issued."`
	Reject  applicationRejectCommand `cmd:"" help:"Reject one."`
}

type applicationListCommand struct {
	State  string `enum:",open,approved,rejected" default:"open" help:"open, approved or rejected; empty for all."`
	Kind   string `enum:",ecard,guests" default:"" help:"ecard or guests."`
	Holder string `help:"Id of the person."`
	Limit  int    `default:"50" help:"At most so many."`
}

func (x *applicationListCommand) Run(ctx context.Context, c *console, cl *cli) error {
	api, err := cl.client(c)
	if err != nil {
		return err
	}
	q := url.Values{"limit": {strconv.Itoa(x.Limit)}}
	for name, value := range map[string]string{"state": x.State, "kind": x.Kind, "holder": x.Holder} {
		if value != "" {
			q.Set(name, value)
		}
	}
	var list office.ApplicationList
	if err := api.call(ctx, "GET", "/applications?"+q.Encode(), nil, &list); err != nil {
		return err
	}
	return c.show(cl, list, func() {
		t := table{heading: []string{"NUMBER", "KIND", "STATE", "HOLDER", "NAME", "HANDED IN"}}
		for _, a := range list.Applications {
			t.add(number(a.Number), text(a.Kind), decisionCell(a.State), text(a.Holder), text(a.Name), text(clock(a.HandedIn)))
		}
		t.print(c)
	})
}

func decisionCell(state string) cell {
	switch state {
	case "approved", "done":
		return cell{state, green}
	case "rejected", "expired", "withdrawn":
		return cell{state, red}
	}
	return cell{state, yellow}
}

type applicationShowCommand struct {
	Number int64  `arg:"" help:"Number of the application."`
	Photo  string `placeholder:"FILE" help:"Write the photo of an open eCard application to a file."`
}

func (x *applicationShowCommand) Run(ctx context.Context, c *console, cl *cli) error {
	api, err := cl.client(c)
	if err != nil {
		return err
	}
	at := fmt.Sprintf("/applications/%d", x.Number)
	if x.Photo != "" {
		jpeg, _, err := api.send(ctx, "GET", at+"/photo", nil)
		if err != nil {
			return err
		}
		if err := os.WriteFile(x.Photo, jpeg, 0o600); err != nil { // personal data
			return fmt.Errorf("write photo: %w", err)
		}
	}
	var a office.ApplicationBody
	if err := api.call(ctx, "GET", at, nil, &a); err != nil {
		return err
	}
	return c.show(cl, a, func() { c.printApplication(a) })
}

func (c *console) printApplication(a office.ApplicationBody) {
	var t table
	line := func(name string, value cell) {
		if value.text != "" {
			t.add(cell{name, dim}, value)
		}
	}
	line("number", number(a.Number))
	line("kind", text(a.Kind))
	line("state", decisionCell(a.State))
	line("holder", text(a.Holder))
	line("name", text(a.Name))
	for _, f := range a.Facts {
		line(f.Name, text(f.Value))
	}
	line("day", text(a.Day))
	for _, g := range a.Guests {
		line("guest", text(g))
	}
	line("handed in", text(clock(a.HandedIn)+" by "+a.HandedInBy))
	if a.Decided != nil {
		line("decided", text(clock(*a.Decided)+" by "+a.DecidedBy))
		line("reason", text(a.Reason))
	}
	for _, id := range a.Passes {
		line("pass", text(id))
	}
	t.print(c)
}

type applicationDecideCommand struct {
	Number int64  `arg:"" help:"Number of the application."`
	Reason string `help:"Why; the holder is told."`
}

func (x *applicationDecideCommand) Run(ctx context.Context, c *console, cl *cli) error {
	return decide(ctx, c, cl, x.Number, "approve", x.Reason)
}

type applicationRejectCommand struct {
	Number int64  `arg:"" help:"Number of the application."`
	Reason string `required:"" help:"Why; the holder is told."`
}

func (x *applicationRejectCommand) Run(ctx context.Context, c *console, cl *cli) error {
	return decide(ctx, c, cl, x.Number, "reject", x.Reason)
}

func decide(ctx context.Context, c *console, cl *cli, number int64, verb, reason string) error {
	api, err := cl.client(c)
	if err != nil {
		return err
	}
	var a office.ApplicationBody
	if err := api.call(ctx, "POST", fmt.Sprintf("/applications/%d/%s", number, verb), map[string]string{"reason": reason}, &a); err != nil {
		return err
	}
	return c.show(cl, a, func() { c.printApplication(a) })
}

type bulkCommand struct {
	Revoke   bulkRevokeCommand   `cmd:"" help:"Make all lanes refuse many passes."`
	Hold     bulkHoldCommand     `cmd:"" help:"Refuse many passes until they are released."`
	Release  bulkReleaseCommand  `cmd:"" help:"Release held passes; of passes named one by one, revoked ones too."`
	List     bulkListCommand     `cmd:"" help:"List changes of many passes, the newest first."`
	Show     bulkShowCommand     `cmd:"" help:"Show one, and which lanes know of all of it."`
	Withdraw bulkWithdrawCommand `cmd:"" help:"Withdraw a proposal. A second person confirms one at the console."`
}

// bulkFlags select the passes of a change.
type bulkFlags struct {
	Passes []string `arg:"" optional:"" placeholder:"ID" help:"Passes such as 2026-11-21/004711; or select by the flags."`
	Holder string   `help:"All of this person's, guests included, from yesterday on."`
	Day    string   `help:"All of this day: today, tomorrow or 2026-11-21."`
	Zone   *int     `help:"All that open this zone, perhaps among others."`
	Reason string   `required:"" help:"Why; kept with each pass, never sent to a lane."`
}

type (
	bulkRevokeCommand struct {
		bulkFlags `embed:""`
	}
	bulkHoldCommand struct {
		bulkFlags `embed:""`
	}
	bulkReleaseCommand struct {
		bulkFlags `embed:""`
	}
)

func (x *bulkRevokeCommand) Run(ctx context.Context, c *console, cl *cli) error {
	return x.change(ctx, c, cl, "revoked")
}

func (x *bulkHoldCommand) Run(ctx context.Context, c *console, cl *cli) error {
	return x.change(ctx, c, cl, "held")
}

func (x *bulkReleaseCommand) Run(ctx context.Context, c *console, cl *cli) error {
	return x.change(ctx, c, cl, "good")
}

func (x *bulkFlags) change(ctx context.Context, c *console, cl *cli, status string) error {
	in := office.BulkInput{Status: status, Holder: x.Holder, Zone: x.Zone, Reason: x.Reason}
	for _, word := range x.Passes {
		id, err := pass.ParseID(word)
		if err != nil {
			return fmt.Errorf("%w: %w", errUsage, err)
		}
		in.Passes = append(in.Passes, id.String())
	}
	if len(in.Passes) == 0 && x.Holder == "" && x.Day == "" && x.Zone == nil {
		return fmt.Errorf("%w: name passes, or --holder, --day or --zone", errUsage)
	}
	api, err := cl.client(c)
	if err != nil {
		return err
	}
	if in.Day, err = api.day(ctx, x.Day); err != nil {
		return err
	}
	var b office.BulkBody
	if err := api.call(ctx, "POST", "/bulk-changes", in, &b); err != nil {
		return err
	}
	return c.show(cl, b, func() { c.printBulk(b) })
}

func (c *console) printBulk(b office.BulkBody) {
	var t table
	line := func(name string, value cell) { t.add(cell{name, dim}, value) }
	line("change", text(b.ID))
	line("state", decisionCell(b.State))
	if b.State == "proposed" {
		line("confirm", text("a second person, at the console, until "+maybeClock(b.Expires, "?")))
	}
	line("to", statusCell(b.Status))
	line("passes", text(fmt.Sprintf("%d of %d changed, %d stayed", b.Changed, b.Passes, b.Skipped)))
	line("by", text(b.By+" at "+clock(b.Time)))
	line("reason", text(b.Reason))
	if b.RefusedBy != nil {
		line("known to", refusedCell(*b.RefusedBy))
		for _, m := range b.RefusedBy.Missing {
			line("  not yet", cell{missingText(m), yellow})
		}
	}
	t.print(c)
}

type bulkListCommand struct {
	Open bool `help:"Only those that wait for a second person."`
}

func (x *bulkListCommand) Run(ctx context.Context, c *console, cl *cli) error {
	api, err := cl.client(c)
	if err != nil {
		return err
	}
	var list office.BulkList
	if err := api.call(ctx, "GET", fmt.Sprintf("/bulk-changes?open=%t", x.Open), nil, &list); err != nil {
		return err
	}
	return c.show(cl, list, func() {
		t := table{heading: []string{"CHANGE", "STATE", "TO", "PASSES", "BY", "TIME", "REASON"}}
		for _, b := range list.Changes {
			t.add(text(b.ID), decisionCell(b.State), statusCell(b.Status), number(b.Passes), text(b.By), text(clock(b.Time)), text(b.Reason))
		}
		t.print(c)
	})
}

type bulkShowCommand struct {
	ID string `arg:"" help:"Id of the change."`
}

func (x *bulkShowCommand) Run(ctx context.Context, c *console, cl *cli) error {
	return oneBulk(ctx, c, cl, "GET", x.ID, "")
}

type bulkWithdrawCommand struct {
	ID string `arg:"" help:"Id of the change."`
}

func (x *bulkWithdrawCommand) Run(ctx context.Context, c *console, cl *cli) error {
	return oneBulk(ctx, c, cl, "POST", x.ID, "/withdraw")
}

func oneBulk(ctx context.Context, c *console, cl *cli, method, id, verb string) error {
	api, err := cl.client(c)
	if err != nil {
		return err
	}
	var b office.BulkBody
	if err := api.call(ctx, method, "/bulk-changes/"+url.PathEscape(id)+verb, nil, &b); err != nil {
		return err
	}
	return c.show(cl, b, func() { c.printBulk(b) })
}

type mailCommand struct {
	ID      string `arg:"" help:"Pass, such as 2026-11-21/004711."`
	Address string `arg:"" help:"Where to."`
}

func (x *mailCommand) Run(ctx context.Context, c *console, cl *cli) error {
	path, err := passPath(x.ID)
	if err != nil {
		return err
	}
	api, err := cl.client(c)
	if err != nil {
		return err
	}
	if err := api.call(ctx, "POST", path+"/mail", map[string]string{"address": x.Address}, nil); err != nil {
		return err
	}
	fmt.Fprintln(c.out, "on its way")
	return nil
}
