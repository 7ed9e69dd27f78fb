package chaos

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"turnstile/central/office"
	"turnstile/central/pass"
	"turnstile/simulator/promise"
	"turnstile/simulator/site"
)

// ticket is a pass as its holder has it.
type ticket struct {
	id, code string
	kind     string
	live     bool
}

// desk is the office: it issues and revokes all the time, as far as central is
// there, and follows how far each revocation has come.
type desk struct {
	site  *site.Site
	world *promise.Witness
	api   *site.API
	rand  *rand.Rand

	mu      sync.Mutex // guards the following
	good    []ticket
	guests  []ticket // with one entry, not used yet
	revoked []ticket
	open    []ticket // revoked, and not refused by all lanes yet
	serial  int
	stale   []string          // passes whose code was signed anew
	slips   map[string][]slip // by drawer
	secrets []site.Secret     // that must stand in no log

	lock locker
	keys keeper
}

func newDesk(s *site.Site, w *promise.Witness, seed uint64) *desk {
	now := time.Now()
	return &desk{
		site: s, world: w, rand: rand.New(rand.NewPCG(seed, 2)), api: s.API, slips: map[string][]slip{},
		lock: locker{next: now.Add(lockEvery / 2)}, keys: keeper{next: now.Add(withdrawEvery / 2)},
	}
}

// What the office keeps ready.
const (
	wantGood   = 40
	wantGuests = 12
	maxOpen    = 8
)

// run works until ctx ends. Central may be down: what fails is tried again.
func (d *desk) run(ctx context.Context) {
	tick := time.NewTicker(250 * time.Millisecond)
	defer tick.Stop()
	for {
		d.stock(ctx)
		if d.rand.IntN(4) == 0 {
			d.revokeOne(ctx)
		}
		d.rotate(ctx)
		d.govern(ctx)
		d.follow(ctx)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// stock issues what is missing, some at a time.
func (d *desk) stock(ctx context.Context) {
	for range 8 {
		d.mu.Lock()
		o := office.OrderBody{Kind: "ecard", Day: site.Today(time.Now()), Zones: []int{0, 1}, Start: "00:00", Length: "25h"}
		d.serial++
		n := d.serial
		o.Holder = fmt.Sprintf("A%07d", n)
		enough := len(d.good) >= wantGood
		if len(d.guests) < wantGuests && n%2 == 0 {
			o.Kind, o.GuestName, o.Entries, enough = "guest", fmt.Sprintf("Visitor %d", n), 1, false
		} else if n%9 == 0 {
			o.Kind = "staff"
		} else if n%7 == 0 {
			o.Live = true
		}
		d.mu.Unlock()
		if enough {
			return
		}
		p, err := d.api.Issue(ctx, o)
		if err != nil {
			d.world.Count("calls that central did not answer", 1)
			return
		}
		d.take(p, o)
	}
}

func (d *desk) take(p office.PassBody, o office.OrderBody) {
	kind, _ := pass.ParseKind(p.Kind) // central's own word
	d.world.Change(p.ID, func(b *promise.Pass) { b.Kind, b.Entries = kind, uint8(o.Entries) })
	d.world.Count("passes issued", 1)
	t := ticket{id: p.ID, code: p.Code, kind: p.Kind, live: o.Live}
	d.mu.Lock()
	defer d.mu.Unlock()
	if o.Entries == 1 {
		d.guests = append(d.guests, t)
		return
	}
	d.good = append(d.good, t)
}

// revokeOne revokes a pass that is in use. Whether it is revoked when central
// does not answer, follow finds out.
func (d *desk) revokeOne(ctx context.Context) {
	d.mu.Lock()
	if len(d.good) < wantGood/2 || len(d.open) >= maxOpen {
		d.mu.Unlock()
		return
	}
	i := d.rand.IntN(len(d.good))
	t := d.good[i]
	d.good = append(d.good[:i:i], d.good[i+1:]...)
	d.revoked, d.open = append(d.revoked, t), append(d.open, t)
	d.mu.Unlock()
	_, err := d.api.Set(ctx, t.id, "revoke", "chaos")
	d.world.Note("revoke %s: %v", t.id, err)
	d.world.Count("revocations", 1)
}

// follow asks how far the open revocations have come, and repeats those that
// central does not know of.
func (d *desk) follow(ctx context.Context) {
	d.mu.Lock()
	open := append([]ticket(nil), d.open...)
	d.mu.Unlock()
	for _, t := range open {
		p, err := d.api.Find(ctx, t.id)
		if err != nil {
			return
		}
		if p.RefusedBy == nil {
			d.api.Set(ctx, t.id, "revoke", "chaos, again") // asked about again in the next round
			continue
		}
		d.world.Acknowledged(t.id, p.RefusedBy, d.site)
		if p.RefusedBy.Lanes == p.RefusedBy.Of {
			d.mu.Lock()
			d.open = without(d.open, func(o ticket) bool { return o.id == t.id })
			d.mu.Unlock()
		}
	}
}

// without returns a new list: the old one may be on its way elsewhere.
func without[T any](list []T, gone func(T) bool) (left []T) {
	for _, t := range list {
		if !gone(t) {
			left = append(left, t)
		}
	}
	return left
}

// crowd is everybody at one lane.
type crowd struct {
	desk  *desk
	lane  *site.Lane
	name  string
	rand  *rand.Rand
	world *promise.Witness

	controller string
	shut       bool // a supervisor locked the lane, as far as is known out here
}

// run sends one person after the other until ctx ends.
func (c *crowd) run(ctx context.Context) {
	for {
		pause := time.NewTimer(time.Duration(120+c.rand.IntN(500)) * time.Millisecond)
		select {
		case <-ctx.Done():
			pause.Stop()
			return
		case <-pause.C:
		}
		what, text := c.person(ctx)
		if text == "" {
			continue
		}
		walk := 80 * time.Millisecond
		if c.rand.IntN(12) == 0 {
			walk = 0 // stays outside
		}
		c.lane.Controller.SetAutoWalk(walk)
		err := c.lane.Scanner.Scan(ctx, text)
		c.world.Note("%s: %s, %v", c.name, what, err)
		c.world.Count("scans", 1)
		if c.rand.IntN(40) == 0 && ctx.Err() == nil {
			c.lane.Controller.Walk(1, 0) // pushes through
		}
	}
}

// person is somebody with something to scan.
func (c *crowd) person(ctx context.Context) (what, text string) {
	d := c.desk
	d.mu.Lock()
	defer d.mu.Unlock()
	n := c.rand.IntN(100)
	switch {
	case c.shut && n < 50:
		c.shut = n < 25 // else once more, in case the lane did not hear it
		return d.slip(drawer(c.controller, c.lane.Number, "normal"))
	case n == 99:
		c.shut = true
		return d.slip(drawer(c.controller, c.lane.Number, "lockdown"))
	case n == 98:
		return d.slip(drawer("north", 1, "open-in")) // good at one lane alone
	case n > 94:
		return d.slip(drawer(c.controller, c.lane.Number, "open-in"))
	case n < 8:
		return "poster", "https://example.org/menu"
	case n < 16 && len(d.good) > 0:
		t := d.good[c.rand.IntN(len(d.good))]
		b := []byte(t.code)
		b[70], b[71] = b[71]^('A'^'B')&1|'A', 'C'
		return "forged " + t.id, string(b)
	case n < 38 && len(d.revoked) > 0:
		last := d.revoked[max(0, len(d.revoked)-6):] // those of the last seconds
		t := last[c.rand.IntN(len(last))]
		return "revoked " + t.id, t.code
	case n < 55 && len(d.guests) > 0:
		i := c.rand.IntN(len(d.guests))
		t := d.guests[i]
		if c.rand.IntN(3) > 0 { // else the code comes once more, here or elsewhere
			d.guests = append(d.guests[:i:i], d.guests[i+1:]...)
		}
		return "guest " + t.id, t.code
	case len(d.good) > 0:
		t := d.good[c.rand.IntN(len(d.good))]
		return t.kind + " " + t.id, t.code // of a live one that of its issue: good for a minute
	}
	return "", ""
}
