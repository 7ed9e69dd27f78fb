package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"turnstile/central/office"
	"turnstile/central/register"
	"turnstile/central/sheet"
)

type registerCommand struct {
	Show    registerShowCommand    `cmd:"" help:"Show a person, or how much the register holds."`
	Find    registerFindCommand    `cmd:"" help:"Find people by name, id, card number or NetID."`
	Import  registerImportCommand  `cmd:"" help:"Bring a CSV file in: shows what it would do, and with --yes does it."`
	Remove  registerRemoveCommand  `cmd:"" help:"Take a person out of the register."`
	Suggest registerSuggestCommand `cmd:"" help:"List pairs that may be one human being."`
	Merge   registerMergeCommand   `cmd:"" help:"Make one person of two."`
	Merges  registerMergesCommand  `cmd:"" help:"List the newest merges."`
	Undo    registerUndoCommand    `cmd:"" help:"Take a merge apart, as long as nothing was issued since."`
}

// registerPath is where the API has the register.
const registerPath = "/register"

type registerShowCommand struct {
	Person string `arg:"" optional:"" help:"Id of a person, or an alias."`
}

func (x *registerShowCommand) Run(ctx context.Context, c *console, cl *cli) error {
	api, err := cl.client(c)
	if err != nil {
		return err
	}
	if x.Person == "" {
		var all office.RegisterBody
		if err := api.call(ctx, "GET", registerPath, nil, &all); err != nil {
			return err
		}
		return c.show(cl, all, func() {
			fmt.Fprintf(c.out, "%d persons, %d cards, %d degrees, %d NetIDs\n", all.Persons, all.Cards, all.Degrees, all.NetIDs)
		})
	}
	var p office.PersonBody
	if err := api.call(ctx, "GET", registerPath+"/persons/"+url.PathEscape(x.Person), nil, &p); err != nil {
		return err
	}
	return c.show(cl, p, func() { c.person(p) })
}

func (c *console) person(p office.PersonBody) {
	var t table
	line := func(name, value string) {
		if value != "" {
			t.add(cell{name, dim}, text(value))
		}
	}
	line("id", p.ID)
	line("name", strings.TrimSpace(p.Surname+" "+p.Given+" "+p.NameZH))
	line("born", p.Born)
	line("mail", p.Email)
	line("phone", p.Phone)
	line("aliases", strings.Join(p.Aliases, ", "))
	for _, card := range p.Cards {
		line("card", fmt.Sprintf("%s %s %s - %s", card.Kind, card.Number, card.From, card.Until))
	}
	for _, d := range p.Degrees {
		line("degree", fmt.Sprintf("%s %s, %s, %s", d.Award, d.Programme, d.Institution, d.Graduated))
	}
	line("NetIDs", strings.Join(p.NetIDs, ", "))
	t.print(c)
}

type registerFindCommand struct {
	Words []string `arg:"" help:"Each begins a word of the name or the id; or a whole card number or NetID."`
}

func (x *registerFindCommand) Run(ctx context.Context, c *console, cl *cli) error {
	api, err := cl.client(c)
	if err != nil {
		return err
	}
	var found office.FoundBody
	if err := api.call(ctx, "GET", registerPath+"/persons?"+url.Values{"words": {strings.Join(x.Words, " ")}}.Encode(), nil, &found); err != nil {
		return err
	}
	return c.show(cl, found, func() {
		t := table{heading: []string{"ID", "NAME", "BORN", "MAIL"}}
		for _, p := range found.Persons {
			t.add(text(p.ID), text(strings.TrimSpace(p.Surname+" "+p.Given+" "+p.NameZH)), text(p.Born), text(p.Email))
		}
		t.print(c)
		if found.More {
			fmt.Fprintln(c.err, "There are more: give more of the name.")
		}
	})
}

type registerImportCommand struct {
	File     string `arg:"" help:"CSV file in UTF-8; its columns stand in central/register/FORMAT.md."`
	Kind     string `required:"" enum:"persons,cards,degrees,netids" help:"What it has rows of: ${enum}."`
	Full     bool   `help:"The file is whole: what it does not have is removed."`
	Yes      bool   `help:"Do it, and do not only show what would be done. Bad rows are left out."`
	Removals bool   `help:"Yes, remove more than 5 % of what there is."`
}

// rowsTogether is how many rows one request brings.
const rowsTogether = 500

func (x *registerImportCommand) Run(ctx context.Context, c *console, cl *cli) error {
	f, err := os.Open(x.File)
	if err != nil {
		return fmt.Errorf("%w: open file: %w", errUsage, err)
	}
	defer f.Close()
	lines, err := register.OpenFile(f, register.Kind(x.Kind))
	if err != nil {
		return unreadable(x.File, err)
	}
	api, err := cl.client(c)
	if err != nil {
		return err
	}
	s, err := x.send(ctx, api, lines)
	if err != nil {
		return err
	}
	if err := c.faults(ctx, api, s); err != nil {
		return err
	}
	if x.Yes && s.State == string(register.SyncPreview) && s.Adds+s.Changes+s.Removes > 0 {
		body := map[string]bool{"removals": x.Removals}
		if err := api.call(ctx, "POST", registerPath+"/syncs/"+s.ID+"/confirm", body, &s); err != nil {
			return err
		}
		if err := api.awaitSync(ctx, &s); err != nil {
			return err
		}
	}
	return c.show(cl, s, func() { c.sync(s) })
}

// unreadable is a usage error for a file that is none of this kind.
func unreadable(name string, err error) error {
	if errors.Is(err, sheet.ErrFile) {
		return fmt.Errorf("%w: %s: %w", errUsage, name, err)
	}
	return fmt.Errorf("read %s: %w", name, err)
}

// send brings all rows to central and has them compared.
func (x *registerImportCommand) send(ctx context.Context, api *client, lines *sheet.Reader) (s office.SyncBody, err error) {
	begin := map[string]any{"kind": x.Kind, "name": filepath.Base(x.File), "full": x.Full}
	if err := api.call(ctx, "POST", registerPath+"/syncs", begin, &s); err != nil {
		return s, err
	}
	path := registerPath + "/syncs/" + s.ID
	for more := true; more; {
		var rows []office.RegisterRow
		for len(rows) < rowsTogether {
			line, err := lines.Next()
			if errors.Is(err, io.EOF) {
				more = false
				break
			}
			if err != nil {
				return s, unreadable(x.File, err)
			}
			rows = append(rows, rowOf(lines.Header, line))
		}
		if len(rows) == 0 {
			break
		}
		if err := api.call(ctx, "POST", path+"/rows", map[string]any{"rows": rows}, nil); err != nil {
			return s, err
		}
	}
	return s, api.call(ctx, "POST", path+"/compare", nil, &s)
}

func rowOf(header []string, line sheet.Row) office.RegisterRow {
	if line.Fault != nil {
		return office.RegisterRow{Line: line.Line, Unreadable: strings.Replace(line.Fault.Text, "%s", line.Fault.Arg, 1)}
	}
	return office.RegisterRow{Line: line.Line, Values: register.Values(header, line.Values)}
}

// faults prints the bad rows.
func (c *console) faults(ctx context.Context, api *client, s office.SyncBody) error {
	for after := 0; s.Bad > 0; {
		var page office.SyncRowList
		if err := api.call(ctx, "GET", fmt.Sprintf("%s/syncs/%s/rows?which=faulty&limit=500&after=%d", registerPath, s.ID, after), nil, &page); err != nil {
			return err
		}
		for _, r := range page.Rows {
			for _, f := range r.Faults {
				fmt.Fprintf(c.err, "line %d: %s\n", r.Line, clean(strings.TrimSpace(f.Column+" "+f.Said())))
			}
		}
		if after = page.Next; after == 0 {
			break
		}
	}
	return nil
}

// awaitSync waits until a confirmed sync is done.
func (api *client) awaitSync(ctx context.Context, s *office.SyncBody) error {
	tick := time.NewTicker(300 * time.Millisecond)
	defer tick.Stop()
	for s.State == string(register.SyncRunning) {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
		if err := api.call(ctx, "GET", registerPath+"/syncs/"+s.ID, nil, s); err != nil {
			return err
		}
	}
	return nil
}

func (c *console) sync(s office.SyncBody) {
	switch {
	case s.Adds+s.Changes+s.Removes == 0 && s.Bad == 0:
		fmt.Fprintln(c.out, "the file changes nothing")
	case s.State == string(register.SyncDone):
		fmt.Fprintf(c.out, "done: %d added, %d changed, %d removed, %d as they were, %d bad, %d failed\n", s.Added, s.Changed, s.Removed, s.Same, s.Bad, s.Failed)
	default:
		fmt.Fprintf(c.out, "would add %d, change %d, remove %d; %d as they are, %d bad\n", s.Adds, s.Changes, s.Removes, s.Same, s.Bad)
		if s.Held {
			fmt.Fprintln(c.err, "Nothing is removed as long as a row is bad: it might be about somebody who looks missing.")
		}
		if s.Heavy {
			fmt.Fprintf(c.err, "This removes %d of %d: with --yes say --removals too, if the file is whole.\n", s.Removes, s.Total)
		}
		fmt.Fprintln(c.err, "Nothing is changed yet: the same with --yes does it.")
	}
}

type registerRemoveCommand struct {
	Person string `arg:"" help:"Id of the person."`
}

func (x *registerRemoveCommand) Run(ctx context.Context, c *console, cl *cli) error {
	api, err := cl.client(c)
	if err != nil {
		return err
	}
	if err := api.call(ctx, "DELETE", registerPath+"/persons/"+url.PathEscape(x.Person), nil, nil); err != nil {
		return err
	}
	return c.show(cl, map[string]string{"removed": x.Person}, func() { fmt.Fprintln(c.out, "removed", x.Person) })
}

type registerSuggestCommand struct{}

func (registerSuggestCommand) Run(ctx context.Context, c *console, cl *cli) error {
	api, err := cl.client(c)
	if err != nil {
		return err
	}
	var list office.SuggestionList
	if err := api.call(ctx, "GET", registerPath+"/suggestions?limit=200", nil, &list); err != nil {
		return err
	}
	return c.show(cl, list, func() {
		t := table{heading: []string{"ID", "NAME", "ID", "NAME", "BECAUSE OF"}}
		for _, s := range list.Suggestions {
			why := "birth date and name"
			if s.PersonalID {
				why = "personal id"
			}
			t.add(text(s.A.ID), text(s.A.Surname+" "+s.A.Given), text(s.B.ID), text(s.B.Surname+" "+s.B.Given), text(why))
		}
		t.print(c)
	})
}

type registerMergeCommand struct {
	Kept   string `arg:"" help:"The id that stays the holder id."`
	Gone   string `arg:"" help:"The id that becomes an alias."`
	Reason string `required:"" help:"Why; it is written down."`
}

func (x *registerMergeCommand) Run(ctx context.Context, c *console, cl *cli) error {
	api, err := cl.client(c)
	if err != nil {
		return err
	}
	var m office.MergeBody
	if err := api.call(ctx, "POST", registerPath+"/merges", map[string]string{"kept": x.Kept, "gone": x.Gone, "reason": x.Reason}, &m); err != nil {
		return err
	}
	return c.show(cl, m, func() {
		fmt.Fprintf(c.out, "%s is an alias of %s; undo with: central register undo %s\n", m.Gone, m.Kept, m.ID)
	})
}

type registerMergesCommand struct {
	Person string `help:"Only those of this id."`
}

func (x *registerMergesCommand) Run(ctx context.Context, c *console, cl *cli) error {
	api, err := cl.client(c)
	if err != nil {
		return err
	}
	var list office.MergeList
	if err := api.call(ctx, "GET", registerPath+"/merges?"+url.Values{"person": {x.Person}}.Encode(), nil, &list); err != nil {
		return err
	}
	return c.show(cl, list, func() {
		t := table{heading: []string{"ID", "STAYS", "ALIAS", "AT", "BY", "REASON", "STATE"}}
		for _, m := range list.Merges {
			state := "can be undone"
			switch {
			case m.Undone != nil:
				state = "undone"
			case m.Final:
				state = "stays"
			}
			t.add(text(m.ID), text(m.Kept), text(m.Gone), text(clock(m.At)), text(m.By), text(m.Reason), text(state))
		}
		t.print(c)
	})
}

type registerUndoCommand struct {
	Merge string `arg:"" help:"Id of the merge: central register merges."`
}

func (x *registerUndoCommand) Run(ctx context.Context, c *console, cl *cli) error {
	api, err := cl.client(c)
	if err != nil {
		return err
	}
	if err := api.call(ctx, "POST", registerPath+"/merges/"+url.PathEscape(x.Merge)+"/undo", nil, nil); err != nil {
		return err
	}
	return c.show(cl, map[string]string{"undone": x.Merge}, func() { fmt.Fprintln(c.out, "undone", x.Merge) })
}
