package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"turnstile/central/link"
	"turnstile/central/office"
)

type passagesCommand struct {
	After  int64  `help:"Only rows with a higher number."`
	Cursor string `help:"Go on where the list before ended."`
	Limit  int    `default:"100" help:"At most so many at once."`
	Lane   string `help:"Lane controller."`
	Day    string `help:"Campus day: today, tomorrow or 2026-11-21."`
	Pass   string `help:"Such as 2026-11-21/004711."`
	Follow bool   `short:"f" help:"Go on with what comes in, until interrupted."`

	Where  map[string]string `short:"w" placeholder:"FIELD=VALUE" help:"Search instead, the latest first: day, from, until, lane, index, zone, type, reason, kind, direction, pass, name; several values of one field with commas between them."`
	Export string            `enum:",csv,json,ndjson" default:"" help:"Take all that --where finds away as a file: csv, json or ndjson."`
	Out    string            `short:"o" placeholder:"FILE" help:"Where --export writes to, instead of standard output; a file that stands is not written over."`
}

// followEvery is how often --follow asks.
const followEvery = time.Second

func (x *passagesCommand) Run(ctx context.Context, c *console, cl *cli) error {
	api, err := cl.client(c)
	if err != nil {
		return err
	}
	if len(x.Where) > 0 || x.Export != "" {
		return x.search(ctx, c, cl, api)
	}
	day, err := api.day(ctx, x.Day)
	if err != nil {
		return err
	}
	tick := time.NewTicker(followEvery)
	defer tick.Stop()
	for first := true; ; first = false {
		n, err := x.print(ctx, c, cl, api, day, first)
		if err != nil || !x.Follow {
			return err
		}
		if n == x.Limit {
			continue // there is more already
		}
		select {
		case <-ctx.Done():
			return nil // that is how following ends
		case <-tick.C:
		}
	}
}

// print prints what there is after x.After, and moves that on.
func (x *passagesCommand) print(ctx context.Context, c *console, cl *cli, api *client, day string, heading bool) (n int, err error) {
	var list office.PassageList
	q := query("after", strconv.FormatInt(x.After, 10), "limit", strconv.Itoa(x.Limit), "cursor", x.Cursor, "lane", x.Lane, "day", day, "pass", x.Pass)
	if err := api.call(ctx, "GET", "/passages"+q, nil, &list); err != nil {
		return 0, err
	}
	if n := len(list.Passages); n > 0 {
		x.After, x.Cursor = list.Passages[n-1].Number, ""
	} else if !heading {
		return 0, nil
	}
	return len(list.Passages), c.show(cl, list, func() { c.printPassages(list.Passages, heading) })
}

// printPassages prints passages as a table.
func (c *console) printPassages(list []office.PassageBody, heading bool) {
	t := table{}
	if heading {
		t.heading = []string{"NUMBER", "TIME", "LANE", "", "WHAT", "REASON", "PASS", "HOLDER", "GUEST", "MARKS"}
	}
	for _, p := range list {
		t.add(number(p.Number), text(clock(p.Time)), text(laneName(p)), text(p.Direction), passageCell(p), text(ungranted(p.Reason)), text(p.Pass), text(p.Holder), text(p.GuestName), cell{strings.Join(p.Marks, " "), yellow})
	}
	t.print(c)
}

func laneName(p office.PassageBody) string {
	if p.Lane == 0 {
		return p.Controller
	}
	return fmt.Sprintf("%s.%d", p.Controller, p.Lane)
}

// ungranted leaves out the one reason that says nothing.
func ungranted(reason string) string {
	if reason == "GRANTED" {
		return ""
	}
	return reason
}

func passageCell(p office.PassageBody) cell {
	switch p.Type {
	case "passed":
		return cell{p.Type, green}
	case "denied", "forced", "tailgated", "tamper", "fire", "dropped":
		return cell{p.Type, red}
	case "not_passed", "unknown", "gate_lost", "scanner_lost", "message_refused", "gate_fault", "held_open":
		return cell{p.Type, yellow}
	}
	return text(p.Type)
}

// printMore says how to go on with a list.
func (c *console) printMore(cursor string) {
	if cursor != "" {
		fmt.Fprintf(c.out, "More: --cursor %s\n", clean(cursor))
	}
}

type alarmsCommand struct {
	After  int64  `help:"Only alarms with a higher number."`
	Limit  int    `default:"100" help:"At most so many."`
	Cursor string `help:"Go on where the list before ended."`
}

func (x *alarmsCommand) Run(ctx context.Context, c *console, cl *cli) error {
	api, err := cl.client(c)
	if err != nil {
		return err
	}
	var list office.AlarmList
	if err := api.call(ctx, "GET", "/alarms"+query("after", strconv.FormatInt(x.After, 10), "limit", strconv.Itoa(x.Limit), "cursor", x.Cursor), nil, &list); err != nil {
		return err
	}
	return c.show(cl, list, func() {
		t := table{heading: []string{"NUMBER", "TIME", "LANE", "ALARM", "DETAIL", "NEXT STEP"}}
		for _, a := range list.Alarms {
			t.add(number(a.Number), text(clock(a.Time)), text(a.Controller), cell{a.Code, red}, text(a.Detail), text(a.Next))
		}
		t.print(c)
		c.printMore(list.Next)
	})
}

type lanesCommand struct{}

func (lanesCommand) Run(ctx context.Context, c *console, cl *cli) error {
	api, err := cl.client(c)
	if err != nil {
		return err
	}
	list := office.LaneList{Lanes: []office.LaneBody{}}
	err = everything(ctx, api, "/lanes", func(page *office.LaneList) string {
		list.Lanes = append(list.Lanes, page.Lanes...)
		return page.Next
	})
	if err != nil {
		return err
	}
	return c.show(cl, list, func() {
		t := table{heading: []string{"CONTROLLER", "STATE", "SINCE", "FEED", "CLOCK", "BACKLOG", "LANES", "WARNINGS"}}
		for _, l := range list.Lanes {
			t.add(text(l.ID), laneCell(l), text(maybeClock(l.Since, "")), feedCell(l), text(l.Clock), number(int64(l.Backlog)), text(laneStates(l)), cell{strings.Join(l.Warnings, " "), yellow})
		}
		t.print(c)
		if len(list.Lanes) == 0 {
			fmt.Fprintln(c.out, "No lane controller is enrolled. Invite one with: central lane add ID")
		}
	})
}

func laneCell(l office.LaneBody) cell {
	switch {
	case l.Enrolled == nil:
		return cell{"invited", yellow}
	case l.Alive:
		return cell{"alive", green}
	}
	return cell{"silent", red}
}

func feedCell(l office.LaneBody) cell {
	switch {
	case l.Enrolled == nil:
		return text("")
	case l.UpToDate:
		return cell{fmt.Sprintf("%d, up to date", l.AppliedSeq), green}
	}
	return cell{fmt.Sprintf("%d, behind", l.AppliedSeq), yellow}
}

func laneStates(l office.LaneBody) string {
	var list []string
	for _, x := range l.Lanes {
		list = append(list, fmt.Sprintf("%s: %s", x.Name, x.State))
	}
	return strings.Join(list, ", ")
}

type laneCommand struct {
	Add    laneAddCommand    `cmd:"" help:"Make a token with which one lane controller enrols, once."`
	Remove laneRemoveCommand `cmd:"" help:"Take a lane controller's certificate and rights away."`

	Rename   laneRenameCommand  `cmd:"" help:"Call a lane controller, or one of its lanes, by another name."`
	Move     laneMoveCommand    `cmd:"" help:"Move a lane controller to another entrance."`
	Places   lanePlacesCommand  `cmd:"" help:"Show where lane controllers stand and what they are called."`
	Entrance entranceCommand    `cmd:"" help:"Show, make, change and remove entrances."`
	Revoke   laneRevokeCommand  `cmd:"" help:"Revoke a stolen controller's certificate and keys; it may enrol again."`
	Retire   laneRetireCommand  `cmd:"" help:"Take a controller's rights away for good and keep its history."`
	Retired  laneRetiredCommand `cmd:"" help:"Show the controllers that were retired."`

	Open     laneOpenCommand     `cmd:"" help:"Open a lane once, for one person."`
	Identify laneIdentifyCommand `cmd:"" help:"Make a lane show by lamp and display which one it is."`
	Commands laneCommandsCommand `cmd:"" help:"Show what lanes were told to do, and what became of it."`
}

type laneAddCommand struct {
	ID  string `arg:"" help:"Id of the lane controller: letters, digits, _ and -."`
	Out string `short:"o" placeholder:"FILE" help:"Write the token to a file that only you can read."`
}

func (x *laneAddCommand) Run(ctx context.Context, c *console, cl *cli) error {
	if !link.ValidID(x.ID) {
		return fmt.Errorf("%w: %q: an id is 1 to 32 of A-Z a-z 0-9 _ -", errUsage, x.ID)
	}
	api, err := cl.client(c)
	if err != nil {
		return err
	}
	var i office.InvitationBody
	if err := api.call(ctx, "POST", "/lanes", map[string]string{"id": x.ID}, &i); err != nil {
		return err
	}
	if x.Out != "" {
		if err := os.WriteFile(x.Out, []byte(i.Token+"\n"), 0o600); err != nil {
			return fmt.Errorf("write enrolment token: %w", err)
		}
		fmt.Fprintf(c.err, "The token for %s is in %s, for one use until %s. On the lane controller:\n  agent enroll --central URL --token-file FILE --config FILE\n", x.ID, x.Out, clock(i.Expires))
		return nil
	}
	return c.show(cl, i, func() {
		fmt.Fprintln(c.out, i.Token)
		fmt.Fprintf(c.err, "For one use by %s until %s. On the lane controller:\n  agent enroll --central URL --token-file - --config FILE\n", x.ID, clock(i.Expires))
	})
}

type laneRemoveCommand struct {
	ID string `arg:"" help:"Id of the lane controller."`
}

func (x *laneRemoveCommand) Run(ctx context.Context, c *console, cl *cli) error {
	if !link.ValidID(x.ID) {
		return fmt.Errorf("%w: %q: an id is 1 to 32 of A-Z a-z 0-9 _ -", errUsage, x.ID)
	}
	api, err := cl.client(c)
	if err != nil {
		return err
	}
	if err := api.call(ctx, "DELETE", "/lanes/"+x.ID, nil, nil); err != nil {
		return err
	}
	return c.show(cl, map[string]string{"removed": x.ID}, func() { fmt.Fprintln(c.out, "removed", x.ID) })
}
