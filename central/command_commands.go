package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"turnstile/central/link"
	"turnstile/central/office"
)

// errCommand ends a command that the lane did not obey.
var errCommand = errors.New("the lane did not do it")

// awaitEvery is how often a command is asked after. It is over after half a minute.
const awaitEvery = time.Second

type laneOpenCommand struct {
	Lane      string `arg:"" placeholder:"ID/NUMBER" help:"The lane, such as north-1/2."`
	Direction string `required:"" enum:"in,out" help:"The way that the person walks: ${enum}."`
	Reason    string `required:"" placeholder:"TEXT" help:"Why; stays at central, and stands in the audit."`
	Cause     string `enum:"outage,code,assistance,visitor,rescue,incident,evacuation,maintenance,event,drill," default:"" help:"What the lane's journal says of the reason: ${enum}."`
}

func (x *laneOpenCommand) Run(ctx context.Context, c *console, cl *cli) error {
	body := map[string]any{"direction": x.Direction, "reason": x.Reason}
	if x.Cause != "" {
		body["cause"] = x.Cause
	}
	return command(ctx, c, cl, x.Lane, "open", body)
}

type laneIdentifyCommand struct {
	Lane string `arg:"" placeholder:"ID/NUMBER" help:"The lane, such as north-1/2."`
}

func (x *laneIdentifyCommand) Run(ctx context.Context, c *console, cl *cli) error {
	return command(ctx, c, cl, x.Lane, "identify", map[string]any{})
}

// command tells a lane to do something and waits until it is known what became of
// that.
func command(ctx context.Context, c *console, cl *cli, lane, action string, body map[string]any) error {
	controller, number, err := laneArg(lane)
	if err != nil {
		return err
	}
	api, err := cl.client(c)
	if err != nil {
		return err
	}
	body["lane"] = number
	var done office.CommandBody
	if err := api.call(ctx, "POST", "/lanes/"+controller+"/"+action, body, &done); err != nil {
		return err
	}
	ctx, stop := context.WithTimeout(ctx, link.MaxCommandLife+10*awaitEvery)
	defer stop()
	tick := time.NewTicker(awaitEvery)
	defer tick.Stop()
	for done.State == "sent" || done.State == "opened" {
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: nobody knows yet; look again with: central lane commands %s", errCommand, controller)
		case <-tick.C:
		}
		if err := api.call(ctx, "GET", "/commands/"+done.ID, nil, &done); err != nil {
			return err
		}
	}
	if err := c.show(cl, done, func() { fmt.Fprintln(c.out, outcome(done)) }); err != nil {
		return err
	}
	if done.State != "done" {
		return fmt.Errorf("%w: %s", errCommand, outcome(done))
	}
	return nil
}

// outcome says in words what became of a command.
func outcome(c office.CommandBody) string {
	at := fmt.Sprintf("%s/%d", c.Controller, c.Lane)
	switch {
	case c.State == "done" && c.Result == "passed":
		return at + " opened, and somebody walked through."
	case c.State == "done" && c.Result == "not_passed":
		return at + " opened, and nobody walked through."
	case c.State == "done" && c.Result == "shown":
		return at + " shows itself."
	case c.State == "done":
		return at + " opened; it was cut off, and nobody knows whether somebody walked through."
	case c.State == "refused" && c.Fire:
		return at + " was released by the fire alarm: everybody can walk through."
	case c.State == "refused":
		return at + " refused: " + clean(c.Refused) + "."
	case c.State == "expired":
		return at + " did not answer in time: it is off, cut off, or somebody was walking. Look at it with: central lanes"
	}
	return at + " was told to " + c.Action + "."
}

type laneCommandsCommand struct {
	ID    string `arg:"" optional:"" help:"Of this lane controller alone."`
	Limit int    `default:"20" help:"At most so many."`
}

func (x *laneCommandsCommand) Run(ctx context.Context, c *console, cl *cli) error {
	api, err := cl.client(c)
	if err != nil {
		return err
	}
	var list office.CommandList
	if err := api.call(ctx, "GET", "/commands"+query("lane", x.ID, "limit", strconv.Itoa(x.Limit)), nil, &list); err != nil {
		return err
	}
	return c.show(cl, list, func() {
		t := table{heading: []string{"COMMAND", "TIME", "LANE", "", "WHAT", "STATE", "RESULT", "BY", "REASON"}}
		for _, d := range list.Commands {
			t.add(text(d.ID), text(clock(d.Issued)), text(fmt.Sprintf("%s/%d", d.Controller, d.Lane)), text(d.Direction), text(d.Action), stateCell(d.State), text(d.Result+d.Refused), text(d.By), text(d.Reason))
		}
		t.print(c)
	})
}

func stateCell(state string) cell {
	switch state {
	case "done":
		return cell{state, green}
	case "refused", "expired":
		return cell{state, red}
	}
	return cell{state, yellow}
}
