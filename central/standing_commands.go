package main

import (
	"context"
	"fmt"
	"strconv"

	"turnstile/central/guests"
	"turnstile/central/office"
)

type guestRulesCommand struct {
	Show     guestsShowCommand     `cmd:"" help:"Print what is in force."`
	Set      guestsSetCommand      `cmd:"" help:"Change what is named and leave the rest as it is."`
	Preview  guestsPreviewCommand  `cmd:"" help:"Count what the rules with these changes would have refused."`
	Versions guestsVersionsCommand `cmd:"" help:"List the newest versions."`
	Restore  guestsRestoreCommand  `cmd:"" help:"Put an earlier version into force again."`
}

type retentionCommand struct {
	Show     keepShowCommand     `cmd:"" help:"Print what is in force."`
	Set      keepSetCommand      `cmd:"" help:"Change what is named and leave the rest as it is."`
	Preview  keepPreviewCommand  `cmd:"" help:"Count what would be erased at once with these changes."`
	Versions keepVersionsCommand `cmd:"" help:"List the newest versions."`
	Restore  keepRestoreCommand  `cmd:"" help:"Put an earlier version into force again."`
}

// Where the API has them.
const (
	guestsPath    = "/guest-rules"
	retentionPath = "/retention"
)

// guestFlags name what changes.
type guestFlags struct {
	PerDay   *int    `placeholder:"N" help:"Guests of one host on one campus day; 0 is without limit."`
	Upcoming *int    `placeholder:"N" help:"Guests of one host today and later; 0 is without limit."`
	Waiting  *int    `placeholder:"N" help:"Requests of one host that wait for a decision; 0 is without limit."`
	Ahead    *int    `placeholder:"DAYS" help:"Asked for so many days before the day, not earlier."`
	Notice   *int    `placeholder:"DAYS" help:"And so many days before at the latest; 0 is the day itself."`
	Until    *string `placeholder:"HH:MM" help:"Campus time on that latest day, up to 24:00."`
}

func (f *guestFlags) change(r *guests.Rules) {
	setIf(&r.PerDay, f.PerDay)
	setIf(&r.Upcoming, f.Upcoming)
	setIf(&r.Waiting, f.Waiting)
	setIf(&r.Ahead, f.Ahead)
	setIf(&r.Notice, f.Notice)
	setIf(&r.Until, f.Until)
}

// keepFlags name what changes.
type keepFlags struct {
	Passages *int `placeholder:"DAYS" help:"From when central received them."`
	Passes   *int `placeholder:"DAYS" help:"From the day that they were for; names, purposes and codes with them."`
	Photos   *int `placeholder:"DAYS" help:"Of people with neither an eCard nor a pass; and from the decision, what people asked for."`
}

func (f *keepFlags) change(k *office.Keep) {
	setIf(&k.Passages, f.Passages)
	setIf(&k.Passes, f.Passes)
	setIf(&k.Photos, f.Photos)
}

func guestLines(r guests.Rules) [][2]string {
	limit := func(n int) string {
		if n == 0 {
			return "without limit"
		}
		return strconv.Itoa(n)
	}
	return [][2]string{{"per day", limit(r.PerDay)}, {"upcoming", limit(r.Upcoming)}, {"waiting", limit(r.Waiting)},
		{"ahead", fmt.Sprintf("%d days", r.Ahead)}, {"notice", fmt.Sprintf("%d days, until %s", r.Notice, r.Until)}}
}

func keepLines(k office.Keep) [][2]string {
	days := func(n int) string { return fmt.Sprintf("%d days", n) }
	return [][2]string{{"passages", days(k.Passages)}, {"passes", days(k.Passes)}, {"photos", days(k.Photos)}}
}

// currentRules returns the version in force.
func currentRules[T any](ctx context.Context, api *client, path string) (v office.VersionBody[T], err error) {
	return v, api.call(ctx, "GET", path, nil, &v)
}

func showVersion[T any](c *console, cl *cli, v office.VersionBody[T], lines func(T) [][2]string) error {
	return c.show(cl, v, func() {
		var t table
		t.add(cell{"version", dim}, text(strconv.FormatUint(v.Version, 10)))
		if v.Since != nil {
			t.add(cell{"since", dim}, text(clock(*v.Since)+" by "+v.By))
			t.add(cell{"reason", dim}, text(v.Reason))
		}
		for _, l := range lines(v.Rules) {
			t.add(cell{l[0], dim}, text(l[1]))
		}
		t.print(c)
	})
}

// showRules prints the version in force.
func showRules[T any](ctx context.Context, c *console, cl *cli, path string, lines func(T) [][2]string) error {
	api, err := cl.client(c)
	if err != nil {
		return err
	}
	v, err := currentRules[T](ctx, api, path)
	if err != nil {
		return err
	}
	return showVersion(c, cl, v, lines)
}

// setRules changes the version in force.
func setRules[T any](ctx context.Context, c *console, cl *cli, path string, change func(*T), in office.SetBody[T], lines func(T) [][2]string) error {
	api, err := cl.client(c)
	if err != nil {
		return err
	}
	now, err := currentRules[T](ctx, api, path)
	if err != nil {
		return err
	}
	in.Version, in.Rules = now.Version, now.Rules
	change(&in.Rules)
	var v office.VersionBody[T]
	if err := api.call(ctx, "PUT", path, in, &v); err != nil {
		return err
	}
	return showVersion(c, cl, v, lines)
}

func listVersions[T any](ctx context.Context, c *console, cl *cli, path string, lines func(T) [][2]string) error {
	api, err := cl.client(c)
	if err != nil {
		return err
	}
	var list office.VersionList[T]
	if err := api.call(ctx, "GET", path+"/versions", nil, &list); err != nil {
		return err
	}
	return c.show(cl, list, func() {
		t := table{heading: []string{"VERSION", "SINCE", "BY", "REASON"}}
		for i, v := range list.Versions {
			row := []cell{text(strconv.FormatUint(v.Version, 10)), text(maybeClock(v.Since, "?")), text(v.By), text(v.Reason)}
			for _, l := range lines(v.Rules) {
				if i == 0 {
					t.heading = append(t.heading, l[0])
				}
				row = append(row, text(l[1]))
			}
			t.add(row...)
		}
		t.print(c)
	})
}

// restoreFlags name a version that comes back.
type restoreFlags struct {
	Version uint64 `arg:"" help:"Number of the version."`
	Reason  string `required:"" placeholder:"TEXT" help:"Why; it stays with the version, and stands in the audit."`
}

func restoreVersion[T any](ctx context.Context, c *console, cl *cli, path string, x restoreFlags, erase bool, lines func(T) [][2]string) error {
	api, err := cl.client(c)
	if err != nil {
		return err
	}
	var v office.VersionBody[T]
	if err := api.call(ctx, "POST", fmt.Sprintf("%s/versions/%d/restore", path, x.Version), office.RestoreBody{Reason: x.Reason, Erase: erase}, &v); err != nil {
		return err
	}
	return showVersion(c, cl, v, lines)
}

type (
	guestsShowCommand struct{}
	guestsSetCommand  struct {
		guestFlags `embed:""`
		Reason     string `required:"" placeholder:"TEXT" help:"Why; it stays with the version, and stands in the audit."`
	}
	guestsPreviewCommand struct {
		guestFlags `embed:""`
		Days       int `default:"30" help:"How many days back, up to 31."`
	}
	guestsVersionsCommand struct{}
	guestsRestoreCommand  struct {
		restoreFlags `embed:""`
	}
	keepShowCommand struct{}
	keepSetCommand  struct {
		keepFlags `embed:""`
		Reason    string `required:"" placeholder:"TEXT" help:"Why; it stays with the version, and stands in the audit."`
		Erase     bool   `help:"Yes, erase for ever what a shorter time keeps no longer."`
	}
	keepPreviewCommand struct {
		keepFlags `embed:""`
	}
	keepVersionsCommand struct{}
	keepRestoreCommand  struct {
		restoreFlags `embed:""`
		Erase        bool `help:"Yes, erase for ever what a shorter time keeps no longer."`
	}
)

func (guestsShowCommand) Run(ctx context.Context, c *console, cl *cli) error {
	return showRules(ctx, c, cl, guestsPath, guestLines)
}

func (x *guestsSetCommand) Run(ctx context.Context, c *console, cl *cli) error {
	return setRules(ctx, c, cl, guestsPath, x.change, office.SetBody[guests.Rules]{Reason: x.Reason}, guestLines)
}

func (x *guestsPreviewCommand) Run(ctx context.Context, c *console, cl *cli) error {
	api, err := cl.client(c)
	if err != nil {
		return err
	}
	now, err := currentRules[guests.Rules](ctx, api, guestsPath)
	if err != nil {
		return err
	}
	x.change(&now.Rules)
	var r office.GuestPreviewReport
	if err := api.call(ctx, "POST", guestsPath+"/preview", office.GuestPreviewBody{Rules: now.Rules, Days: x.Days}, &r); err != nil {
		return err
	}
	return c.show(cl, r, func() {
		t := table{heading: []string{"REFUSED AS", "WITH THIS CHANGE", "IN FORCE"}}
		for _, n := range r.Refused {
			t.add(text(n.Rule), number(n.Proposed), number(n.InForce))
		}
		t.print(c)
		fmt.Fprintf(c.out, "of %d asked for, %d guests; %d requests are erased\n", r.Asks, r.Guests, r.Erased)
	})
}

func (guestsVersionsCommand) Run(ctx context.Context, c *console, cl *cli) error {
	return listVersions(ctx, c, cl, guestsPath, guestLines)
}

func (x *guestsRestoreCommand) Run(ctx context.Context, c *console, cl *cli) error {
	return restoreVersion(ctx, c, cl, guestsPath, x.restoreFlags, false, guestLines)
}

func (keepShowCommand) Run(ctx context.Context, c *console, cl *cli) error {
	return showRules(ctx, c, cl, retentionPath, keepLines)
}

func (x *keepSetCommand) Run(ctx context.Context, c *console, cl *cli) error {
	return setRules(ctx, c, cl, retentionPath, x.change, office.SetBody[office.Keep]{Reason: x.Reason, Erase: x.Erase}, keepLines)
}

func (x *keepPreviewCommand) Run(ctx context.Context, c *console, cl *cli) error {
	api, err := cl.client(c)
	if err != nil {
		return err
	}
	now, err := currentRules[office.Keep](ctx, api, retentionPath)
	if err != nil {
		return err
	}
	x.change(&now.Rules)
	var e office.ErasureBody
	if err := api.call(ctx, "POST", retentionPath+"/preview", now.Rules, &e); err != nil {
		return err
	}
	return c.show(cl, e, func() {
		t := table{heading: []string{"ERASED AT ONCE", "HOW MANY", "OLDER THAN"}}
		t.add(text("passages"), number(e.Passages), text(clock(e.PassagesBefore)))
		t.add(text("reasons of commands"), number(e.Commands), text(clock(e.PassagesBefore)))
		t.add(text("passes"), number(e.Passes), text(e.PassesBefore))
		t.add(text("photos"), number(e.Photos), text(clock(e.PhotosBefore)))
		t.add(text("decided requests"), number(e.Requests), text(clock(e.PhotosBefore)))
		t.print(c)
	})
}

func (keepVersionsCommand) Run(ctx context.Context, c *console, cl *cli) error {
	return listVersions(ctx, c, cl, retentionPath, keepLines)
}

func (x *keepRestoreCommand) Run(ctx context.Context, c *console, cl *cli) error {
	return restoreVersion(ctx, c, cl, retentionPath, x.restoreFlags, x.Erase, keepLines)
}
