package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"turnstile/central/office"
	"turnstile/central/rights"
	"turnstile/central/server"
)

type peopleCommand struct {
	configFlag `embed:""`

	Add    peopleAddCommand    `cmd:"" help:"Make a staff account and print a link to register with, once."`
	Invite peopleInviteCommand `cmd:"" help:"Print a new link, for who lost what they sign in with."`
	List   peopleListCommand   `cmd:"" help:"List the staff accounts."`
	Roles  peopleRolesCommand  `cmd:"" help:"Change what a person may do."`
	End    peopleEndCommand    `cmd:"" help:"Take a person's access away at once."`
}

// open returns the accounts of central's own database: an operator makes the
// first admin before anybody can sign in.
func (x *peopleCommand) open(ctx context.Context, c *console, cl *cli) (office.People, io.Closer, error) {
	conf, err := x.load(c, cl)
	if err != nil {
		return nil, nil, err
	}
	if _, err := os.Stat(conf.Data); errors.Is(err, os.ErrNotExist) {
		if err := os.MkdirAll(conf.Data, 0o700); err != nil {
			return nil, nil, fmt.Errorf("make data folder: %w", err)
		}
		fmt.Fprintln(c.err, "central: made the data folder", conf.Data)
	}
	return server.OpenPeople(ctx, conf)
}

func rolesOf(words []string) []rights.Role {
	list := make([]rights.Role, len(words))
	for i, w := range words {
		list[i] = rights.Role(w)
	}
	return list
}

type peopleAddCommand struct {
	Name string   `arg:"" help:"Name of the account; stands in the audit, and is never given to anybody else. Letters a-z, digits, . _ and -."`
	Role []string `required:"" enum:"viewer,issuer,approver,security,auditor,admin" help:"${enum}; may be given again."`
}

func (x *peopleAddCommand) Run(ctx context.Context, c *console, cl *cli) error {
	people, db, err := cl.People.open(ctx, c, cl)
	if err != nil {
		return err
	}
	defer db.Close()
	if err := people.Add(ctx, thisMachine, x.Name, rolesOf(x.Role)); err != nil {
		return refusal(err)
	}
	return c.invite(ctx, cl, people, x.Name)
}

// invite prints a link to register with.
func (c *console) invite(ctx context.Context, cl *cli, people office.People, name string) error {
	i, err := people.Invite(ctx, thisMachine, name)
	if err != nil {
		return refusal(err)
	}
	return c.show(cl, map[string]string{"name": name, "url": i.URL, "expires": i.Expires.UTC().Format(time.RFC3339)}, func() {
		fmt.Fprintln(c.out, i.URL)
		fmt.Fprintf(c.err, "Give this link to %s: whoever opens it first has the account. It is good once, until %s UTC, and is not shown again.\n", name, i.Expires.UTC().Format(time.DateTime))
	})
}

type peopleInviteCommand struct {
	Name string `arg:"" help:"Name of the account."`
}

func (x *peopleInviteCommand) Run(ctx context.Context, c *console, cl *cli) error {
	people, db, err := cl.People.open(ctx, c, cl)
	if err != nil {
		return err
	}
	defer db.Close()
	return c.invite(ctx, cl, people, x.Name)
}

type peopleListCommand struct{}

// personRow is an account for programs.
type personRow struct {
	Name    string        `json:"name"`
	Roles   []rights.Role `json:"roles"`
	Seen    *time.Time    `json:"seen,omitempty"`
	Invited *time.Time    `json:"invited,omitempty"`
	Ended   *time.Time    `json:"ended,omitempty"`
	Managed string        `json:"managed,omitempty"`
}

func (peopleListCommand) Run(ctx context.Context, c *console, cl *cli) error {
	people, db, err := cl.People.open(ctx, c, cl)
	if err != nil {
		return err
	}
	defer db.Close()
	list, err := people.List(ctx)
	if err != nil {
		return refusal(err)
	}
	rows := []personRow{}
	for _, p := range list {
		rows = append(rows, personRow{p.Name, p.Roles, orNil(p.Seen), orNil(p.Invited), orNil(p.Ended), p.Managed})
	}
	return c.show(cl, map[string][]personRow{"people": rows}, func() {
		t := table{heading: []string{"NAME", "ROLES", "LAST SIGN-IN (UTC)", "INVITED UNTIL", "ENDED"}}
		for _, r := range rows {
			t.add(text(r.Name), text(fmt.Sprint(r.Roles)), text(maybeClock(r.Seen, "never")), text(maybeClock(r.Invited, "")), text(maybeClock(r.Ended, "")))
		}
		t.print(c)
	})
}

type peopleRolesCommand struct {
	Name string   `arg:"" help:"Name of the account."`
	Role []string `required:"" enum:"viewer,issuer,approver,security,auditor,admin" help:"${enum}; may be given again. Roles that are not named are taken away."`
}

func (x *peopleRolesCommand) Run(ctx context.Context, c *console, cl *cli) error {
	people, db, err := cl.People.open(ctx, c, cl)
	if err != nil {
		return err
	}
	defer db.Close()
	if err := people.SetRoles(ctx, thisMachine, x.Name, rolesOf(x.Role)); err != nil {
		return refusal(err)
	}
	return c.show(cl, map[string]any{"name": x.Name, "roles": x.Role}, func() { fmt.Fprintln(c.out, x.Name, x.Role) })
}

type peopleEndCommand struct {
	Name string `arg:"" help:"Name of the account."`
}

func (x *peopleEndCommand) Run(ctx context.Context, c *console, cl *cli) error {
	people, db, err := cl.People.open(ctx, c, cl)
	if err != nil {
		return err
	}
	defer db.Close()
	if err := people.End(ctx, thisMachine, x.Name); err != nil {
		return refusal(err)
	}
	return c.show(cl, map[string]string{"ended": x.Name}, func() { fmt.Fprintln(c.out, "ended", x.Name) })
}
