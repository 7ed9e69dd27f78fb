package officetest

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"turnstile/central/link"
	"turnstile/central/office"
)

// commands is office.Commands for lanes of which those that are alive obey at once.
type commands struct{ f *Fake }

func (s commands) Open(_ context.Context, by string, o office.Opening) (office.Command, error) {
	if o.Direction != 1 && o.Direction != 2 || strings.TrimSpace(o.Reason) == "" {
		return office.Command{}, office.Refuse(office.ErrInvalid, "Say which way the person walks, and why the lane is opened.")
	}
	return s.give(office.Command{Lane: o.Lane, Index: o.Index, Action: link.CommandOpen, Direction: o.Direction, Cause: o.Cause, Reason: o.Reason, By: by})
}

func (s commands) Identify(_ context.Context, by, lane string, index uint8) (office.Command, error) {
	return s.give(office.Command{Lane: lane, Index: index, Action: link.CommandIdentify, By: by})
}

func (s commands) give(c office.Command) (office.Command, error) {
	f := s.f
	f.mu.Lock()
	defer f.mu.Unlock()
	if !slices.ContainsFunc(f.lanes, func(l office.Lane) bool { return l.ID == c.Lane }) {
		return c, office.Refuse(office.ErrNotFound, "There is no lane controller %.40q that is enrolled.", c.Lane)
	}
	c.Issued, c.Expires, c.State = f.Now(), f.Now().Add(link.MaxCommandLife), office.CommandSent
	for _, old := range f.commands {
		if old.Lane == c.Lane && old.Index == c.Index && old.Action == link.CommandOpen && c.Action == link.CommandOpen && c.Issued.Before(old.Expires) {
			return c, office.Refuse(office.ErrConflict, "Lane %s/%d was told to open and has not answered yet; wait for its answer, or half a minute.", c.Lane, c.Index)
		}
	}
	c.ID = fmt.Sprintf("%s.%d", c.Lane, c.Issued.UnixMilli()+int64(len(f.commands)))
	f.commands = append(f.commands, c)
	return c, nil
}

func (s commands) Find(_ context.Context, id string) (office.Command, error) {
	list, _ := s.List(context.Background(), "", 1<<20) // it never fails
	for _, c := range list {
		if c.ID == id {
			return c, nil
		}
	}
	return office.Command{}, office.Refuse(office.ErrNotFound, "There is no command %.60q.", id)
}

func (s commands) List(_ context.Context, lane string, limit int) (list []office.Command, err error) {
	f := s.f
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range slices.Backward(f.commands) {
		if len(list) >= limit || lane != "" && c.Lane != lane {
			continue
		}
		f.answer(&c)
		list = append(list, c)
	}
	return list, nil
}

// answer says what became of a command; mu is held.
func (f *Fake) answer(c *office.Command) {
	alive := slices.ContainsFunc(f.lanes, func(l office.Lane) bool { return l.ID == c.Lane && l.Alive })
	switch {
	case alive && c.Action == link.CommandOpen:
		c.State, c.Result, c.Answered, c.Entry = office.CommandDone, link.EntryPassed, c.Issued, 1
	case alive:
		c.State, c.Result, c.Answered, c.Entry = office.CommandDone, link.EntryShown, c.Issued, 1
	case !f.Now().Before(c.Expires):
		c.State = office.CommandExpired
	}
}

// SetModes implements office.Modes.
func (s rules) SetModes(_ context.Context, by string, zones []uint8, m link.Mode, reason string) (link.Rules, error) {
	f := s.f
	f.mu.Lock()
	defer f.mu.Unlock()
	r := f.rules
	r.Zones = slices.Clone(r.Zones)
	if m > link.FreePassage || strings.TrimSpace(reason) == "" {
		return r, office.Refuse(office.ErrInvalid, "Say which mode the zones are to have, and why.")
	}
	for _, id := range zones {
		if r.Zone(id) == nil {
			return r, office.Refuse(office.ErrNotFound, "There is no such zone, and nothing was changed; the rules name those that there are.")
		}
	}
	changed := false
	for i := range r.Zones {
		z := &r.Zones[i]
		if z.Mode != m && (len(zones) == 0 || slices.Contains(zones, z.ID)) {
			z.Mode, changed = m, true
		}
	}
	if changed {
		r.Version++
		r.Issued = f.Now().UnixMilli()
		f.rules = r
		f.keep(by)
	}
	return r, nil
}
