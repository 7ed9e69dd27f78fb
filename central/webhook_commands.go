package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"turnstile/central/office"
)

// webhookCommand keeps where programs are told of what happens.
type webhookCommand struct {
	Add        webhookAddCommand        `cmd:"" help:"Register a webhook and print its secret, once."`
	List       webhookListCommand       `cmd:"" help:"List the webhooks and how they do."`
	Test       webhookTestCommand       `cmd:"" help:"Send a test delivery and tell how it came out."`
	Deliveries webhookDeliveriesCommand `cmd:"" help:"List the last deliveries, the newest first."`
	Enable     webhookEnableCommand     `cmd:"" help:"Put a disabled webhook into force again; it goes on where it stopped."`
	Remove     webhookRemoveCommand     `cmd:"" help:"Remove a webhook."`
}

type webhookAddCommand struct {
	URL   string   `arg:"" name:"url" help:"Where deliveries go: https://..."`
	Event []string `required:"" enum:"revocation,alarm,passage" help:"What it is told of: ${enum}; may be given again."`
	Type  []string `help:"Of passages: granted, denied, passed ...; may be given again; without, all."`
	Kind  []string `help:"Of the passes of passages: ecard, guest, staff, test; may be given again; without, all."`
	Lane  []string `placeholder:"ID" help:"Lane controller of passages and alarms; may be given again; without, all."`
}

func (x *webhookAddCommand) Run(ctx context.Context, c *console, cl *cli) error {
	api, err := cl.client(c)
	if err != nil {
		return err
	}
	var w office.WebhookSecretBody
	err = api.call(ctx, "POST", "/webhooks", office.NewWebhookBody{URL: x.URL, Events: x.Event, Types: x.Type, Kinds: x.Kind, Lanes: x.Lane}, &w)
	if err != nil {
		return err
	}
	return c.show(cl, w, func() {
		fmt.Fprintln(c.out, w.Secret)
		fmt.Fprintf(c.err, "The secret of webhook %s; it is not shown again. Deliveries are signed with it (Standard Webhooks, v1).\nTry it with: central webhook test %s\n", w.ID, w.ID)
	})
}

type webhookListCommand struct{}

func (webhookListCommand) Run(ctx context.Context, c *console, cl *cli) error {
	api, err := cl.client(c)
	if err != nil {
		return err
	}
	list := office.WebhookList{Webhooks: []office.WebhookBody{}}
	err = everything(ctx, api, "/webhooks", func(page *office.WebhookList) string {
		list.Webhooks = append(list.Webhooks, page.Webhooks...)
		return page.Next
	})
	if err != nil {
		return err
	}
	return c.show(cl, list, func() {
		t := table{heading: []string{"WEBHOOK", "STATE", "SINCE", "EVENTS", "ONLY", "URL", "LAST DELIVERED"}}
		for _, w := range list.Webhooks {
			only := strings.Join(append(append(append([]string{}, w.Types...), w.Kinds...), w.Lanes...), " ")
			t.add(text(w.ID), webhookCell(w), text(maybeClock(w.Since, "")), text(strings.Join(w.Events, " ")), text(only), text(w.URL), text(maybeClock(w.Delivered, "never")))
		}
		t.print(c)
	})
}

func webhookCell(w office.WebhookBody) cell {
	switch w.State {
	case "working":
		return cell{w.State, green}
	case "disabled":
		return cell{w.State + ": " + w.Why, red}
	}
	return cell{w.State, yellow}
}

// webhookArg names a webhook.
type webhookArg struct {
	ID string `arg:"" help:"Id of the webhook, as central webhook list shows it."`
}

// path returns the webhook's path in the API.
func (x webhookArg) path() (string, error) {
	if x.ID == "" || strings.ContainsFunc(x.ID, func(r rune) bool { return (r < 'a' || r > 'z') && (r < '0' || r > '9') }) {
		return "", fmt.Errorf("%w: %q is no id of a webhook", errUsage, x.ID)
	}
	return "/webhooks/" + x.ID, nil
}

// call asks for something about the webhook.
func (x webhookArg) call(ctx context.Context, c *console, cl *cli, method, below string, out any) error {
	path, err := x.path()
	if err != nil {
		return err
	}
	api, err := cl.client(c)
	if err != nil {
		return err
	}
	return api.call(ctx, method, path+below, nil, out)
}

type webhookTestCommand struct{ webhookArg }

// errNotDelivered is the outcome of a test delivery that was not taken.
var errNotDelivered = errors.New("not delivered")

func (x *webhookTestCommand) Run(ctx context.Context, c *console, cl *cli) error {
	var d office.DeliveryBody
	if err := x.call(ctx, c, cl, "POST", "/test", &d); err != nil {
		return err
	}
	err := c.show(cl, d, func() {
		if d.Delivered {
			fmt.Fprintf(c.out, "delivered in %d ms, answered %d\n", d.TookMS, d.Status)
		}
	})
	if err == nil && !d.Delivered {
		return fmt.Errorf("%w after %d ms: %s", errNotDelivered, d.TookMS, d.Problem)
	}
	return err
}

type webhookDeliveriesCommand struct {
	webhookArg
	Limit  int    `default:"50" help:"At most so many."`
	Cursor string `help:"Go on where the list before ended."`
}

func (x *webhookDeliveriesCommand) Run(ctx context.Context, c *console, cl *cli) error {
	var list office.DeliveryList
	if err := x.call(ctx, c, cl, "GET", "/deliveries"+query("limit", strconv.Itoa(x.Limit), "cursor", x.Cursor), &list); err != nil {
		return err
	}
	return c.show(cl, list, func() {
		t := table{heading: []string{"NUMBER", "TIME", "EVENT", "TYPE", "TRY", "STATUS", "MS", "PROBLEM"}}
		for _, d := range list.Deliveries {
			t.add(number(d.Number), text(clock(d.Time)), text(d.Event), text(d.Type), number(d.Attempt), number(d.Status), number(d.TookMS), cell{d.Problem, red})
		}
		t.print(c)
		c.printMore(list.Next)
	})
}

type webhookEnableCommand struct{ webhookArg }

func (x *webhookEnableCommand) Run(ctx context.Context, c *console, cl *cli) error {
	if err := x.call(ctx, c, cl, "POST", "/enable", nil); err != nil {
		return err
	}
	return c.show(cl, map[string]string{"enabled": x.ID}, func() { fmt.Fprintln(c.out, "enabled", x.ID) })
}

type webhookRemoveCommand struct{ webhookArg }

func (x *webhookRemoveCommand) Run(ctx context.Context, c *console, cl *cli) error {
	if err := x.call(ctx, c, cl, "DELETE", "", nil); err != nil {
		return err
	}
	return c.show(cl, map[string]string{"removed": x.ID}, func() { fmt.Fprintln(c.out, "removed", x.ID) })
}
