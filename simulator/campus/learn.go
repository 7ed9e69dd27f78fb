package campus

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"turnstile/central/link"
	"turnstile/central/office"
	"turnstile/central/pass"
	"turnstile/simulator/promise"
)

// learn asks central about what was done at its console, of which nobody here knows:
// before a promise is called broken. What central does not answer is not learned.
func (c *Campus) learn(ctx context.Context) {
	p, err := c.observer.Now()
	if err != nil {
		return // told when it is looked at again
	}
	c.learnPasses(ctx, p)
	c.learnCodes(ctx)
	c.learnCommands(ctx)
	c.learnModes(ctx)
}

// learnPasses learns of passes that were issued or released there.
func (c *Campus) learnPasses(ctx context.Context, p *promise.Picture) {
	ask := map[string]pass.Kind{}
	for _, j := range p.Journals {
		for _, e := range j.Entries {
			if _, known := p.Passes[e.Pass.String()]; e.Type == link.EntryGranted && !known && e.Kind != pass.Supervisor && e.Kind != pass.Command {
				ask[e.Pass.String()] = e.Kind
			}
		}
	}
	for id, known := range p.Passes {
		if known.Revoked != 0 {
			ask[id] = known.Kind
		}
	}
	for id, kind := range ask {
		found, err := c.api.Load().Find(ctx, id)
		if err != nil {
			continue
		}
		c.witness.Change(id, func(known *promise.Pass) {
			known.Kind, known.Entries = kind, uint8(found.Entries)
			if found.Status != "revoked" {
				known.Revoked, known.Refused = 0, nil
			}
		})
	}
}

func (c *Campus) learnCodes(ctx context.Context) {
	var list office.SupervisorList
	if c.api.Load().Do(ctx, http.MethodGet, "/supervisor-codes?limit=500", nil, &list) != nil {
		return
	}
	for _, code := range list.Codes {
		action, _ := pass.ParseAction(code.Action) // central's own word
		c.witness.IssuedCode(code.ID, promise.Code{Controller: code.Controller, Lane: uint8(code.Lane), Action: action})
	}
}

func (c *Campus) learnCommands(ctx context.Context) {
	var list struct {
		Commands []struct {
			Controller string `json:"controller"`
			Lane       int    `json:"lane"`
			Action     string `json:"action"`
		} `json:"commands"`
	}
	if c.api.Load().Do(ctx, http.MethodGet, "/commands?limit=500", nil, &list) != nil {
		return
	}
	given := map[string]int{}
	for _, o := range list.Commands {
		if o.Action == "open" {
			given[fmt.Sprintf("%s/%d", o.Controller, o.Lane)]++
		}
	}
	c.witness.CommandedAtLeast(given)
}

// learnModes learns of lockdowns that were lifted there; nobody here saw when.
func (c *Campus) learnModes(ctx context.Context) {
	var r office.RulesBody
	if c.api.Load().Do(ctx, http.MethodGet, "/rules", nil, &r) != nil {
		return
	}
	for _, z := range r.Zones {
		if z.Mode != "lockdown" {
			c.witness.UnlockedZone(uint8(z.ID), time.Unix(0, 0))
		}
	}
}
