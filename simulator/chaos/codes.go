package chaos

import (
	"context"
	"fmt"
	"time"

	"turnstile/central/office"
	"turnstile/central/pass"
	"turnstile/simulator/promise"
	"turnstile/simulator/site"
)

// slip is a supervisor code on paper, and how often it was scanned.
type slip struct {
	id, code string
	scans    int
}

// sheets are what each lane is given before the campaign: it has a limit a week.
func sheets() []office.SupervisorOrderBody {
	return []office.SupervisorOrderBody{
		{Action: "open-in", Cause: "drill", Count: 20, Days: 1, Officer: "Chaos"},
		{Action: "lockdown", Cause: "drill", Count: 12, Days: 1, Officer: "Chaos"},
		{Action: "normal", Cause: "drill", Count: 20, Days: 1, Officer: "Chaos"},
	}
}

// scansOfSlip is how often a slip is tried: it must work once at most.
const scansOfSlip = 3

// print has central make the supervisor codes of all lanes.
func (d *desk) print(ctx context.Context) error {
	for _, a := range d.site.Agents {
		for _, l := range a.Lanes {
			for _, o := range sheets() {
				o.Controller, o.Lane = a.ID, l.Number
				var sheet office.SupervisorList
				if err := d.api.Do(ctx, "POST", "/supervisor-codes", o, &sheet); err != nil {
					return fmt.Errorf("issue supervisor codes of %s: %w", a.ID, err)
				}
				for _, c := range sheet.Codes {
					d.file(&c)
				}
			}
		}
	}
	return nil
}

// drawer is where the slips of a lane for an action are kept.
func drawer(controller string, lane int, action string) string {
	return fmt.Sprintf("%s/%d %s", controller, lane, action)
}

func (d *desk) file(c *office.SupervisorCodeBody) {
	action, _ := pass.ParseAction(c.Action) // central's own word
	d.world.IssuedCode(c.ID, promise.Code{Controller: c.Controller, Lane: uint8(c.Lane), Action: action})
	d.mu.Lock()
	defer d.mu.Unlock()
	at := drawer(c.Controller, c.Lane, c.Action)
	d.slips[at] = append(d.slips[at], slip{id: c.ID, code: c.Code})
	d.secrets = append(d.secrets, site.Secret{What: "supervisor code " + c.ID, Value: []byte(c.Code)})
}

// slip takes a slip out of a drawer, the same one until it was scanned often
// enough; the caller holds d.mu.
func (d *desk) slip(at string) (what, text string) {
	list := d.slips[at]
	if len(list) == 0 {
		return "", ""
	}
	s := &list[0]
	s.scans++
	what, text = "supervisor code "+s.id, s.code
	if s.scans >= scansOfSlip {
		d.slips[at] = list[1:]
	}
	return what, text
}

// The pass keys: how often one is withdrawn, and how many new codes are fetched at once.
const (
	withdrawEvery = 40 * time.Second
	renewAtOnce   = 25
)

// keeper is the part of the office that withdraws pass keys. Used by one
// goroutine at a time.
type keeper struct {
	next  time.Time
	doing int // the key that is being withdrawn; 0: none
}

// rotate withdraws the key that signs, as long as another one is left, and fetches
// the passes' new codes.
func (d *desk) rotate(ctx context.Context) {
	d.renew(ctx)
	if now := time.Now(); d.keys.doing == 0 && now.After(d.keys.next) {
		d.keys.next = now.Add(withdrawEvery)
		d.keys.doing = d.signing(ctx)
	}
	if d.keys.doing == 0 {
		return
	}
	path := fmt.Sprintf("/keys/%d/withdraw", d.keys.doing)
	var f office.FeedBody
	if d.api.Do(ctx, "POST", path, map[string]string{"reason": "chaos"}, nil) != nil || d.api.Do(ctx, "GET", "/feed", nil, &f) != nil {
		return // again at the next round: a withdrawal can be repeated
	}
	d.world.Withdrew(uint16(d.keys.doing), f.Seq)
	d.world.Count("keys withdrawn", 1)
	d.keys.doing = 0
	d.mu.Lock()
	defer d.mu.Unlock()
	d.stale = d.stale[:0]
	for _, t := range append(append([]ticket(nil), d.good...), d.guests...) {
		d.stale = append(d.stale, t.id)
	}
}

// signing returns the key that signs today's passes, 0 if it is the last one.
func (d *desk) signing(ctx context.Context) int {
	var list office.KeyList
	if d.api.Do(ctx, "GET", "/keys", nil, &list) != nil {
		return 0
	}
	today, id, left := site.Today(time.Now()), 0, 0
	for _, k := range list.Keys {
		if (k.Use != "week" && k.Use != "spare") || k.Withdrawn != nil || k.From > today || k.To < today {
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

// renew fetches the codes that were signed anew.
func (d *desk) renew(ctx context.Context) {
	for range renewAtOnce {
		d.mu.Lock()
		if len(d.stale) == 0 {
			d.mu.Unlock()
			return
		}
		id := d.stale[0]
		d.mu.Unlock()
		text, err := d.api.Code(ctx, id)
		if err != nil {
			return
		}
		d.mu.Lock()
		d.stale = without(d.stale, func(s string) bool { return s == id })
		for _, list := range [][]ticket{d.good, d.guests} {
			for i := range list {
				if list[i].id == id {
					list[i].code = text
				}
			}
		}
		d.mu.Unlock()
	}
}
