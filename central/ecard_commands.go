package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"turnstile/central/ecard"
	"turnstile/central/office"
)

type ecardsCommand struct {
	Show     ecardShowCommand     `cmd:"" help:"Show a person's eCard."`
	Withdraw ecardWithdrawCommand `cmd:"" help:"Take an eCard back: the holder's passes of today and later are revoked at once, and no code is issued."`
	Return   ecardReturnCommand   `cmd:"" help:"Give an eCard back, with the passes that were revoked with it."`
}

// ecardPerson names whose eCard a command is about.
type ecardPerson struct {
	Person string `arg:"" help:"Id of the person, or an alias."`
}

type (
	ecardShowCommand struct {
		ecardPerson `embed:""`
	}
	ecardWithdrawCommand struct {
		ecardPerson `embed:""`
		Reason      string `required:"" placeholder:"TEXT" help:"Why; the holder reads it."`
		Guests      bool   `help:"Revoke the passes of the holder's guests too."`
	}
	ecardReturnCommand struct {
		ecardPerson `embed:""`
	}
)

func (x *ecardShowCommand) Run(ctx context.Context, c *console, cl *cli) error {
	return x.call(ctx, c, cl, "GET", "", nil)
}

func (x *ecardWithdrawCommand) Run(ctx context.Context, c *console, cl *cli) error {
	return x.call(ctx, c, cl, "POST", "/withdraw", map[string]any{"reason": x.Reason, "guests": x.Guests})
}

func (x *ecardReturnCommand) Run(ctx context.Context, c *console, cl *cli) error {
	return x.call(ctx, c, cl, "POST", "/return", nil)
}

// call shows the eCard as it is after a deed.
func (x *ecardPerson) call(ctx context.Context, c *console, cl *cli, method, deed string, in any) error {
	api, err := cl.client(c)
	if err != nil {
		return err
	}
	var card office.CardState
	if err := api.call(ctx, method, "/ecards/"+url.PathEscape(x.Person)+deed, in, &card); err != nil {
		return err
	}
	return c.show(cl, card, func() { c.ecard(card, map[string]string{"/withdraw": "revoked", "/return": "released"}[deed]) })
}

// ecard prints one; passes says what became of so many, "" for nothing.
func (c *console) ecard(card office.CardState, passes string) {
	var t table
	line := func(name string, value cell) { t.add(cell{name, dim}, value) }
	line("holder", text(card.Holder))
	line("name", text(card.Name))
	line("state", decisionCell(card.State))
	line("since", text(clock(card.Since)+" by "+card.By))
	if card.Withdrawn != nil {
		line("withdrawn", text(clock(*card.Withdrawn)+" by "+card.WithdrawnBy))
		line("reason", text(card.Reason))
	}
	if passes != "" {
		line("passes", text(fmt.Sprintf("%d %s", card.Passes, passes)))
	}
	t.print(c)
}

type ecardRulesCommand struct {
	Show     ecardRulesShowCommand     `cmd:"" help:"Print what is in force."`
	Set      ecardRulesSetCommand      `cmd:"" help:"Change what is named and leave the rest as it is. Codes that are issued stay as they are."`
	Versions ecardRulesVersionsCommand `cmd:"" help:"List the newest versions."`
	Restore  ecardRulesRestoreCommand  `cmd:"" help:"Put an earlier version into force again."`
}

// ecardRulesPath is where the API has them.
const ecardRulesPath = "/ecard-rules"

type (
	ecardRulesShowCommand struct{}
	ecardRulesSetCommand  struct {
		Zones      *string `placeholder:"N,N" help:"Zones that an eCard opens; all: every zone that there is."`
		From       *string `placeholder:"HH:MM" help:"From when on the day a code is valid, in steps of ten minutes."`
		Until      *string `placeholder:"HH:MM" help:"Until when, up to 24:00."`
		Live       *bool   `negatable:"" help:"Codes change every 15 seconds, so that a screenshot opens nothing."`
		Prefetch   *string `placeholder:"HH:MM" help:"From when on a phone gets the next day's code; 24:00 is never."`
		GuestZones *string `placeholder:"N,N" help:"Zones that a guest may enter; all: those of the holder."`
		GuestOnce  *bool   `negatable:"" help:"A guest's code is good for one entry."`
		Reason     string  `required:"" placeholder:"TEXT" help:"Why; it stays with the version, and stands in the audit."`
	}
	ecardRulesVersionsCommand struct{}
	ecardRulesRestoreCommand  struct {
		restoreFlags `embed:""`
	}
)

// zoneList reads 0,2; all is the empty list.
func zoneList(to *[]int, text *string) error {
	if text == nil {
		return nil
	}
	list := []int{}
	if *text != "all" {
		for word := range strings.SplitSeq(*text, ",") {
			n, err := strconv.Atoi(word)
			if err != nil {
				return fmt.Errorf("%w: %q: want numbers of zones such as 0,2, or all", errUsage, word)
			}
			list = append(list, n)
		}
	}
	*to = list
	return nil
}

func (x *ecardRulesSetCommand) change(r *ecard.CodeRules) {
	setIf(&r.From, x.From)
	setIf(&r.Until, x.Until)
	setIf(&r.Live, x.Live)
	setIf(&r.Prefetch, x.Prefetch)
	setIf(&r.GuestOnce, x.GuestOnce)
}

func ecardLines(r ecard.CodeRules) [][2]string {
	zones := func(list []int, otherwise string) string {
		if len(list) == 0 {
			return otherwise
		}
		return strings.Trim(strings.ReplaceAll(fmt.Sprint(list), " ", ", "), "[]")
	}
	either := func(is bool, yes, no string) string {
		if is {
			return yes
		}
		return no
	}
	return [][2]string{{"zones", zones(r.Zones, "all")}, {"valid", r.From + " to " + r.Until}, {"codes", either(r.Live, "live", "static")}, {"prefetch", r.Prefetch},
		{"guests' zones", zones(r.GuestZones, "the holder's")}, {"guests' entries", either(r.GuestOnce, "one", "without limit")}}
}

func (ecardRulesShowCommand) Run(ctx context.Context, c *console, cl *cli) error {
	return showRules(ctx, c, cl, ecardRulesPath, ecardLines)
}

func (x *ecardRulesSetCommand) Run(ctx context.Context, c *console, cl *cli) error {
	var named ecard.CodeRules
	if err := errors.Join(zoneList(&named.Zones, x.Zones), zoneList(&named.GuestZones, x.GuestZones)); err != nil {
		return err
	}
	change := func(r *ecard.CodeRules) {
		x.change(r)
		if x.Zones != nil {
			r.Zones = named.Zones
		}
		if x.GuestZones != nil {
			r.GuestZones = named.GuestZones
		}
	}
	return setRules(ctx, c, cl, ecardRulesPath, change, office.SetBody[ecard.CodeRules]{Reason: x.Reason}, ecardLines)
}

func (ecardRulesVersionsCommand) Run(ctx context.Context, c *console, cl *cli) error {
	return listVersions(ctx, c, cl, ecardRulesPath, ecardLines)
}

func (x *ecardRulesRestoreCommand) Run(ctx context.Context, c *console, cl *cli) error {
	return restoreVersion(ctx, c, cl, ecardRulesPath, x.restoreFlags, false, ecardLines)
}
