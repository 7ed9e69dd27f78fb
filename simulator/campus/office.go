package campus

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"time"

	"turnstile/central/office"
	"turnstile/simulator/promise"
)

// zoneOf reads the zone that an act names.
func zoneOf(a Act) (int, error) {
	z, err := strconv.Atoi(a.Target)
	if err != nil || z < 0 || z > 15 || strconv.Itoa(z) != a.Target { // +0 would stand beside 0
		return 0, refuse("%q is no zone; zones are numbers, such as 0", a.Target)
	}
	return z, nil
}

// mode closes a zone, sets it free, or back to normal.
func (c *Campus) mode(ctx context.Context, a Act) error {
	z, err := zoneOf(a)
	if err != nil {
		return err
	}
	mode := a.word(0)
	if mode != "lockdown" {
		c.witness.UnlockedZone(uint8(z), time.Now())
	}
	return c.govern(ctx, func(known uint64) (r office.RulesBody, err error) {
		err = c.api.Load().Do(ctx, http.MethodPost, "/zones/"+a.Target+"/mode", map[string]string{"mode": mode, "reason": reasonOf(a)}, &r)
		if err == nil && mode == "lockdown" {
			c.witness.Locked(promise.Lock{Zone: uint8(z), Version: r.Version})
		}
		return r, err
	})
}

// govern has central put rules into force, and notes that before and after: what
// central answers too late may be in force all the same.
func (c *Campus) govern(ctx context.Context, ask func(known uint64) (office.RulesBody, error)) error {
	var now office.RulesBody
	if err := c.api.Load().Do(ctx, http.MethodGet, "/rules", nil, &now); err != nil {
		return c.answer(err)
	}
	c.witness.Asked(promise.Rules{Version: now.Version + 1, At: time.Now()})
	r, err := ask(now.Version)
	if err != nil {
		return c.answer(err)
	}
	if r.Version > now.Version+1 { // somebody was faster
		c.witness.Asked(promise.Rules{Version: r.Version, At: time.Now()})
	}
	return nil
}

// rules changes the rules of a zone.
func (c *Campus) rules(ctx context.Context, a Act) error {
	z, err := zoneOf(a)
	if err != nil {
		return err
	}
	if len(a.Args) == 0 {
		return refuse("rules %s wants what to change, such as passback=hard", a.Target)
	}
	var r office.RulesBody
	if err := c.api.Load().Do(ctx, http.MethodGet, "/rules", nil, &r); err != nil {
		return c.answer(err)
	}
	i := slices.IndexFunc(r.Zones, func(b office.ZoneBody) bool { return b.ID == z })
	if i < 0 {
		return refuse("there is no zone %d", z)
	}
	if err := c.amend(&r, &r.Zones[i], a); err != nil {
		return err
	}
	r.Issued = nil
	return c.govern(ctx, func(uint64) (set office.RulesBody, err error) {
		err = c.api.Load().Do(ctx, http.MethodPut, "/rules", r, &set)
		if err == nil {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.repeat = time.Duration(set.RepeatMS) * time.Millisecond
		}
		return set, err
	})
}

// maxRepeat is the office's bound.
const maxRepeat = time.Minute

// none is the word that takes a rule away.
const none = "none"

// amend writes an act's changes into rules; what central does not understand it
// refuses itself.
func (c *Campus) amend(r *office.RulesBody, z *office.ZoneBody, a Act) (err error) {
	for key, to := range map[string]*string{"passback": &z.Passback, "exit": &z.Exit, "apart": &z.Apart} {
		if v, ok := a.Args[key]; ok {
			*to = v
		}
	}
	if z.BackMinutes, err = number(a, "back", z.BackMinutes, 1440); err != nil {
		return err
	}
	if r.EscortSeconds, err = number(a, "escort", r.EscortSeconds, 600); err != nil {
		return err
	}
	if word, ok := a.Args["repeat"]; ok {
		d, err := time.ParseDuration(word)
		if err != nil || d < 0 || d > maxRepeat {
			return refuse("repeat=%s: want a span of time up to %s, such as 500ms", word, maxRepeat)
		}
		r.RepeatMS = int(d.Milliseconds())
	}
	if day, ok := a.Args["holiday"]; ok {
		z.Holidays = []string{dayOf(day, c.clock.Now())}
		if day == none {
			z.Holidays = nil
		}
	}
	from, till := a.Args["open"], a.Args["close"]
	switch {
	case from == none:
		z.Hours = nil
	case from != "" || till != "":
		if from == "" {
			from = "00:00"
		}
		if till == "" {
			till = "24:00"
		}
		z.Hours = []office.HoursBody{{Days: []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}, Open: from, Close: till}}
	}
	return nil
}

// open has central open a lane once.
func (c *Campus) open(ctx context.Context, a Act) error {
	l, err := c.lane(a.Target)
	if err != nil {
		return err
	}
	c.witness.Commanded(l.controller.id, uint8(l.view.Number)) // before: the answer may be late
	body := map[string]any{"lane": l.view.Number, "direction": a.word(0), "reason": reasonOf(a), "cause": "drill"}
	return c.answer(c.api.Load().Do(ctx, http.MethodPost, "/lanes/"+l.controller.id+"/open", body, nil))
}

// withdraw makes all lanes refuse what today's pass key signed, as long as another
// one is left to sign.
func (c *Campus) withdraw(ctx context.Context, _ Act) error {
	var list office.KeyList
	if err := c.api.Load().Do(ctx, http.MethodGet, "/keys", nil, &list); err != nil {
		return c.answer(err)
	}
	key := signing(&list, today(c.clock.Now()))
	if key == 0 {
		return refuse("there is only one pass key left for today: without it nothing could be issued")
	}
	if err := c.api.Load().Do(ctx, http.MethodPost, "/keys/"+strconv.Itoa(key)+"/withdraw", map[string]string{"reason": defaultReason}, nil); err != nil {
		return c.answer(err)
	}
	var f office.FeedBody
	if err := c.api.Load().Do(ctx, http.MethodGet, "/feed", nil, &f); err != nil {
		return c.answer(err)
	}
	c.witness.Withdrew(uint16(key), f.Seq)
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, t := range c.passes {
		t.stale = true
	}
	c.tell()
	return nil
}

// signing returns the key that signs passes of a day, 0 if it is the last one.
func signing(list *office.KeyList, day string) (id int) {
	left := 0
	for _, k := range list.Keys {
		if k.Use != "week" && k.Use != "spare" || k.Withdrawn != nil || k.From > day || k.To < day {
			continue
		}
		left++
		if id == 0 || k.Use == "week" {
			id = k.ID
		}
	}
	if left < 2 {
		return 0
	}
	return id
}
