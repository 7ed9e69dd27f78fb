package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"turnstile/central/link"
	"turnstile/central/office"
)

// needID refuses what cannot be the id of a lane controller or an entrance.
func needID(id string) error {
	if !link.ValidID(id) {
		return fmt.Errorf("%w: %q: an id is 1 to 32 of A-Z a-z 0-9 _ -", errUsage, id)
	}
	return nil
}

type laneRenameCommand struct {
	ID   string `arg:"" help:"Id of the lane controller; it stays as it is. With .2 behind it: lane 2 of the controller."`
	Name string `arg:"" help:"What people call it; '' for its id."`
	ZH   string `name:"zh" placeholder:"NAME" help:"Its name in Chinese; the default is NAME."`
}

func (x *laneRenameCommand) Run(ctx context.Context, c *console, cl *cli) error {
	id, lane, named := strings.Cut(x.ID, ".")
	number, err := strconv.ParseUint(lane, 10, 8)
	if err := needID(id); err != nil {
		return err
	}
	if named && (err != nil || number == 0) {
		return fmt.Errorf("%w: %q: a lane of a controller is called such as north-1.2", errUsage, x.ID)
	}
	return changePlace(ctx, c, cl, id, func(p *office.PlaceInput) {
		if !named {
			p.Name, p.NameZH = x.Name, x.ZH
			return
		}
		p.Lanes = slices.DeleteFunc(p.Lanes, func(l office.LaneNameBody) bool { return l.Number == int(number) })
		p.Lanes = append(p.Lanes, office.LaneNameBody{Number: int(number), Name: x.Name, NameZH: x.ZH})
	})
}

type laneMoveCommand struct {
	ID       string `arg:"" help:"Id of the lane controller."`
	Entrance string `arg:"" help:"Id of the entrance; '' for none."`
	Position int    `help:"Its place among the controllers of the entrance, from 0."`
}

func (x *laneMoveCommand) Run(ctx context.Context, c *console, cl *cli) error {
	if err := needID(x.ID); err != nil {
		return err
	}
	return changePlace(ctx, c, cl, x.ID, func(p *office.PlaceInput) { p.Entrance, p.Position = x.Entrance, x.Position })
}

// changePlace changes a part of a lane controller's place and keeps the rest.
func changePlace(ctx context.Context, c *console, cl *cli, id string, change func(*office.PlaceInput)) error {
	api, err := cl.client(c)
	if err != nil {
		return err
	}
	var all office.PlaceList
	if err := api.call(ctx, "GET", "/places", nil, &all); err != nil {
		return err
	}
	var in office.PlaceInput
	for _, p := range all.Places {
		if p.ID == id {
			in = office.PlaceInput{Entrance: p.Entrance, Position: p.Position, Name: p.Name, NameZH: p.NameZH, Lanes: p.Lanes}
		}
	}
	change(&in)
	var out office.PlaceBody
	if err := api.call(ctx, "PUT", "/lanes/"+id+"/place", in, &out); err != nil {
		return err
	}
	return c.show(cl, out, func() { printPlaces(c, []office.PlaceBody{out}) })
}

func printPlaces(c *console, list []office.PlaceBody) {
	t := table{heading: []string{"CONTROLLER", "ENTRANCE", "POSITION", "NAME", "CHINESE", "LANES"}}
	for _, p := range list {
		var lanes []string
		for _, l := range p.Lanes {
			lanes = append(lanes, fmt.Sprintf("%d: %s", l.Number, strings.TrimSpace(l.Name+" "+l.NameZH)))
		}
		t.add(text(p.ID), text(p.Entrance), number(int64(p.Position)), text(p.Name), text(p.NameZH), text(strings.Join(lanes, ", ")))
	}
	t.print(c)
}

type lanePlacesCommand struct{}

func (lanePlacesCommand) Run(ctx context.Context, c *console, cl *cli) error {
	api, err := cl.client(c)
	if err != nil {
		return err
	}
	var list office.PlaceList
	if err := api.call(ctx, "GET", "/places", nil, &list); err != nil {
		return err
	}
	return c.show(cl, list, func() { printPlaces(c, list.Places) })
}

type laneEndCommand struct {
	ID     string `arg:"" help:"Id of the lane controller."`
	Reason string `required:"" help:"Why; it stands in the audit."`
}

// end does what ends a controller's rights.
func (x *laneEndCommand) end(ctx context.Context, c *console, cl *cli, deed, done string) error {
	if err := needID(x.ID); err != nil {
		return err
	}
	api, err := cl.client(c)
	if err != nil {
		return err
	}
	if err := api.call(ctx, "POST", "/lanes/"+x.ID+"/"+deed, map[string]string{"reason": x.Reason}, nil); err != nil {
		return err
	}
	return c.show(cl, map[string]string{done: x.ID}, func() { fmt.Fprintln(c.out, done, x.ID) })
}

type laneRetireCommand struct{ laneEndCommand }

func (x *laneRetireCommand) Run(ctx context.Context, c *console, cl *cli) error {
	return x.end(ctx, c, cl, "retire", "retired")
}

type laneRevokeCommand struct{ laneEndCommand }

func (x *laneRevokeCommand) Run(ctx context.Context, c *console, cl *cli) error {
	return x.end(ctx, c, cl, "revoke", "revoked")
}

type laneRetiredCommand struct{}

func (laneRetiredCommand) Run(ctx context.Context, c *console, cl *cli) error {
	api, err := cl.client(c)
	if err != nil {
		return err
	}
	var list office.RetiredList
	if err := api.call(ctx, "GET", "/retired-lanes", nil, &list); err != nil {
		return err
	}
	return c.show(cl, list, func() {
		t := table{heading: []string{"CONTROLLER", "RETIRED", "BY", "REASON"}}
		for _, l := range list.Lanes {
			t.add(text(l.ID), text(clock(l.Retired)), text(l.By), text(l.Reason))
		}
		t.print(c)
	})
}

type entranceCommand struct {
	List   entranceListCommand   `cmd:"" default:"1" help:"Show the entrances."`
	Set    entranceSetCommand    `cmd:"" help:"Make an entrance, or change it."`
	Remove entranceRemoveCommand `cmd:"" help:"Remove an entrance without lanes."`
}

type entranceListCommand struct{}

func (entranceListCommand) Run(ctx context.Context, c *console, cl *cli) error {
	api, err := cl.client(c)
	if err != nil {
		return err
	}
	var list office.EntranceList
	if err := api.call(ctx, "GET", "/entrances", nil, &list); err != nil {
		return err
	}
	return c.show(cl, list, func() { printEntrances(c, list.Entrances) })
}

func printEntrances(c *console, list []office.EntranceBody) {
	t := table{heading: []string{"ENTRANCE", "POSITION", "NAME", "CHINESE"}}
	for _, e := range list {
		t.add(text(e.ID), number(int64(e.Position)), text(e.Name), text(e.NameZH))
	}
	t.print(c)
}

type entranceSetCommand struct {
	ID       string `arg:"" help:"Id of the entrance: letters, digits, _ and -."`
	Name     string `arg:"" help:"What people call it."`
	ZH       string `name:"zh" placeholder:"NAME" help:"Its name in Chinese; the default is NAME."`
	Position int    `help:"Entrances are shown in this order, from 0."`
}

func (x *entranceSetCommand) Run(ctx context.Context, c *console, cl *cli) error {
	if err := needID(x.ID); err != nil {
		return err
	}
	api, err := cl.client(c)
	if err != nil {
		return err
	}
	var out office.EntranceBody
	if err := api.call(ctx, "PUT", "/entrances/"+x.ID, office.EntranceInput{Name: x.Name, NameZH: x.ZH, Position: x.Position}, &out); err != nil {
		return err
	}
	return c.show(cl, out, func() { printEntrances(c, []office.EntranceBody{out}) })
}

type entranceRemoveCommand struct {
	ID string `arg:"" help:"Id of the entrance."`
}

func (x *entranceRemoveCommand) Run(ctx context.Context, c *console, cl *cli) error {
	if err := needID(x.ID); err != nil {
		return err
	}
	api, err := cl.client(c)
	if err != nil {
		return err
	}
	if err := api.call(ctx, "DELETE", "/entrances/"+x.ID, nil, nil); err != nil {
		return err
	}
	return c.show(cl, map[string]string{"removed": x.ID}, func() { fmt.Fprintln(c.out, "removed", x.ID) })
}
