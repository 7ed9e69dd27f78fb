package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"

	"go.yaml.in/yaml/v3"

	"turnstile/central/office"
)

type rulesCommand struct {
	Show rulesShowCommand `cmd:"" help:"Print the rules in force, as YAML that set takes."`
	Set  rulesSetCommand  `cmd:"" help:"Put the rules of a file into force."`
	Mode rulesModeCommand `cmd:"" help:"Set the mode of one zone: normal, lockdown or free_passage."`

	Passback rulesPassbackCommand `cmd:"" help:"Set the anti-passback of one zone."`

	ECards    ecardRulesCommand `cmd:"" name:"ecards" help:"What the day's codes of eCard holders and their guests are like."`
	Guests    guestRulesCommand `cmd:"" help:"How many guests a host may have, and how early and late they can be asked for."`
	Retention retentionCommand  `cmd:"" help:"How long passages, passes and photos are kept."`
}

type rulesShowCommand struct{}

func (rulesShowCommand) Run(ctx context.Context, c *console, cl *cli) error {
	api, err := cl.client(c)
	if err != nil {
		return err
	}
	var r office.RulesBody
	if err := api.call(ctx, "GET", "/rules", nil, &r); err != nil {
		return err
	}
	return c.printRules(cl, r)
}

// printRules prints YAML in the order of the API's document.
func (c *console) printRules(cl *cli, r office.RulesBody) error {
	r.Issued = nil // set does not take it
	data, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("encode rules: %w", err)
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(data, &doc); err != nil { // JSON is YAML
		return fmt.Errorf("encode rules: %w", err)
	}
	unflow(&doc, 0)
	out, err := yaml.Marshal(&doc)
	if err != nil {
		return fmt.Errorf("encode rules: %w", err)
	}
	return c.show(cl, r, func() { c.out.Write(out) })
}

// unflow turns JSON's braces and quotes into block style, short lists excepted.
func unflow(n *yaml.Node, depth int) {
	scalars := n.Kind == yaml.SequenceNode && len(n.Content) > 0 && n.Content[0].Kind == yaml.ScalarNode
	if !scalars {
		n.Style = 0
	}
	for _, child := range n.Content {
		unflow(child, depth+1)
	}
}

// maxRules bounds a rules file in bytes.
const maxRules = office.MaxBody

type rulesSetCommand struct {
	File string `arg:"" help:"YAML or JSON as rules show prints it; - is standard input."`
}

func (x *rulesSetCommand) Run(ctx context.Context, c *console, cl *cli) error {
	data, err := c.read(x.File, maxRules)
	if err != nil {
		return err
	}
	var r office.RulesBody
	if err := decodeYAML(data, &r); err != nil {
		return fmt.Errorf("%w: %s: %w", errUsage, x.File, err)
	}
	return putRules(ctx, c, cl, r)
}

func putRules(ctx context.Context, c *console, cl *cli, r office.RulesBody) error {
	api, err := cl.client(c)
	if err != nil {
		return err
	}
	var set office.RulesBody
	if err := api.call(ctx, "PUT", "/rules", r, &set); err != nil {
		return err
	}
	return c.printRules(cl, set)
}

// decodeYAML reads YAML into a struct with JSON names; unknown keys are refused.
func decodeYAML(data []byte, v any) error {
	var doc any
	if err := yaml.Unmarshal(data, &doc); err != nil {
		return err
	}
	asJSON, err := json.Marshal(doc)
	if err != nil {
		return fmt.Errorf("keys have to be words: %w", err)
	}
	d := json.NewDecoder(bytes.NewReader(asJSON))
	d.DisallowUnknownFields()
	return d.Decode(v)
}

// read returns a file or, for -, standard input. errUsage if it is not there or
// larger than limit bytes.
func (c *console) read(name string, limit int64) ([]byte, error) {
	in := c.in
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, fmt.Errorf("%w: open file: %w", errUsage, err)
		}
		defer f.Close()
		in = f
	}
	data, err := io.ReadAll(io.LimitReader(in, limit+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("%w: %s is longer than %d bytes", errUsage, name, limit)
	}
	return data, nil
}

type rulesModeCommand struct {
	Zone string `arg:"" placeholder:"ZONE|all" help:"Number of the zone; all: every zone that there is, at once."`
	Mode string `arg:"" enum:"normal,lockdown,free_passage" help:"${enum}."`

	Reason string `required:"" placeholder:"TEXT" help:"Why; stays at central, and stands in the audit."`
}

var errNoZone = errors.New("no such zone")

func (x *rulesModeCommand) Run(ctx context.Context, c *console, cl *cli) error {
	path := "/zones/mode"
	if x.Zone != "all" {
		n, err := strconv.ParseUint(x.Zone, 10, 8)
		if err != nil {
			return fmt.Errorf("%w: %q: want the number of a zone, or all", errUsage, x.Zone)
		}
		path = fmt.Sprintf("/zones/%d/mode", n)
	}
	api, err := cl.client(c)
	if err != nil {
		return err
	}
	var r office.RulesBody
	if err := api.call(ctx, "POST", path, map[string]string{"mode": x.Mode, "reason": x.Reason}, &r); err != nil {
		return err
	}
	return c.printRules(cl, r)
}

type rulesPassbackCommand struct {
	Zone        int     `arg:"" help:"Number of the zone."`
	Entry       string  `arg:"" enum:"off,soft,hard" help:"A pass that is inside and wants in again: ${enum}."`
	BackMinutes *int    `placeholder:"N" help:"Minutes after which it may come in again though it did not leave; 0: never."`
	Exit        *string `enum:"off,soft,hard" placeholder:"off|soft|hard" help:"A pass that is not inside and wants out."`
	Apart       *string `enum:"soft,home" placeholder:"soft|home" help:"A lane that is cut off admits and flags, or leaves it to the pass's home lane."`
}

func (x *rulesPassbackCommand) Run(ctx context.Context, c *console, cl *cli) error {
	return changeZone(ctx, c, cl, x.Zone, func(z *office.ZoneBody) {
		z.Passback = x.Entry
		setIf(&z.BackMinutes, x.BackMinutes)
		setIf(&z.Exit, x.Exit)
		setIf(&z.Apart, x.Apart)
	})
}

// setIf leaves a setting as it is that was not named.
func setIf[T any](setting, value *T) {
	if value != nil {
		*setting = *value
	}
}

// changeZone changes one zone of the rules in force.
func changeZone(ctx context.Context, c *console, cl *cli, id int, change func(*office.ZoneBody)) error {
	api, err := cl.client(c)
	if err != nil {
		return err
	}
	var r office.RulesBody
	if err := api.call(ctx, "GET", "/rules", nil, &r); err != nil {
		return err
	}
	for i := range r.Zones {
		if r.Zones[i].ID == id {
			change(&r.Zones[i])
			r.Issued = nil
			return putRules(ctx, c, cl, r)
		}
	}
	return fmt.Errorf("%w %d; list them with: central rules show", errNoZone, id)
}
