package neighbours

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"turnstile/central/link"
)

// asking is what central is asked for, and when.
type asking struct {
	cursor uint64    // ledger number up to which everything came
	at     time.Time // of the next question; zero: now
	gap    time.Duration
	nonce  link.Nonce // of the newest question
	asked  time.Time  // when that was
	told   time.Time  // when the newest question was asked to which everything came; zero: none since the connection
	never  bool       // nothing was, since the journal began
}

// Pauses between questions.
const (
	askEvery = time.Minute     // uses that the broker lost are so late at most
	askMore  = 2 * time.Second // central answers a lane that often
	askFirst = 5 * time.Second // without an answer, doubling up to askEvery
)

// toldFor is how long central's answer shows that its word comes through: two more
// questions went out meanwhile. A broker that keeps uses back keeps answers back
// too, or lets them bring what it kept back.
const toldFor = 3 * askEvery

func (a *asking) soon() { a.at, a.gap, a.told = time.Time{}, askFirst, time.Time{} }

// isTold reports whether everything came that central had not long ago.
func (a *asking) isTold(now time.Time) bool {
	d := now.Sub(a.told)
	return !a.told.IsZero() && d >= 0 && d <= toldFor
}

// Ask returns a question if one is due: for uses behind the cursor, and, by To,
// for LANES documents above the lowest version that is here.
func (n *Neighbours) Ask(now time.Time) (link.Ask, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	a := &n.asking
	wait := a.at.Sub(now)
	if !n.connected || len(n.zones) == 0 || wait > 0 && wait <= askEvery { // more: the clock was set back
		return link.Ask{}, false
	}
	a.at = now.Add(a.gap)
	a.gap = min(2*a.gap, askEvery)
	rand.Read(a.nonce[:]) // never fails (crypto/rand)
	a.asked = now
	return link.Ask{Lane: n.c.Lane, Want: link.WantUses, From: a.cursor, To: n.version(), Sent: now.UnixMilli(),
		Nonce: bytes.Clone(a.nonce[:]), Journal: n.c.Journal[:]}, true
}

// version is the lowest of the zones' documents, 0 if one is missing; mu is held.
func (n *Neighbours) version() uint64 {
	lowest := ^uint64(0)
	for _, z := range n.zones {
		if z.lanes == nil {
			return 0
		}
		lowest = min(lowest, z.lanes.Version)
	}
	return lowest
}

// takeUses takes central's answer.
func (n *Neighbours) takeUses(payload []byte, now time.Time) error {
	d := n.c.Delegation()
	if d == nil {
		return nil
	}
	u, err := link.Open[link.Uses](payload, link.TypeUses, n.c.Site, link.KeysOf(d.Status...), link.MaxDocument)
	if err != nil {
		return err
	}
	if u.Lane != n.c.Lane {
		return fmt.Errorf("%w: uses for lane controller %.40q", link.ErrForged, u.Lane)
	}
	for i := range u.Groups {
		if err := n.takeGroup(&u.Groups[i], now); err != nil {
			return err
		}
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if a := &n.asking; a.cursor == u.From { // else a message before it is missing, or it was played again
		a.cursor, a.gap, a.at = u.Next, askFirst, now.Add(askEvery)
		switch {
		case u.More:
			a.at = now.Add(askMore)
		case bytes.Equal(u.Nonce, a.nonce[:]):
			a.told, a.never = a.asked, false
		}
	}
	return nil
}

// takeGroup takes the uses of one journal. Those of the journal here are known; those
// of one that was here before are not, or not all.
func (n *Neighbours) takeGroup(g *link.UseGroup, now time.Time) error {
	entries, err := g.List()
	if err != nil {
		return err
	}
	if !link.ValidID(g.Lane) {
		return fmt.Errorf("%w: uses of %.40q", link.ErrMalformed, g.Lane)
	}
	lane := g.Lane
	if lane == n.c.Lane {
		lane = ""
		if g.Journal == n.c.Journal {
			return nil
		}
	}
	own := entries[:0]
	for _, e := range entries {
		if n.own[e.Zone] != nil {
			own = append(own, e)
		}
	}
	n.take(lane, g.Journal, own, now)
	return nil
}

// cursorFile has the cursor as a decimal number.
const cursorFile = "uses-cursor"

// Cursor returns how far central's answers were taken. Whatever of them Take was
// given before is to be made durable, and then Keep called with it.
func (n *Neighbours) Cursor() uint64 {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.asking.cursor
}

// Keep writes the cursor down from which the next start goes on if it resumes, with
// the journal that it is of. That there is one tells that start that central told
// everything since the journal began.
func (n *Neighbours) Keep(cursor uint64) error {
	n.mu.Lock()
	never := n.asking.never
	n.mu.Unlock()
	if never {
		return nil
	}
	return n.writeFile(cursorFile, fmt.Appendf(nil, "%x %d", n.c.Journal, cursor))
}

// maxCursor bounds the cursor's file: a journal's id and a number.
const maxCursor = 64

// recallCursor finds out what central told before this start. Without a cursor of
// this journal it is asked from the day's start. One of another journal counts for
// nothing whenever it is found: a start may end right after the journal was begun.
func (n *Neighbours) recallCursor() {
	data, err := n.readFile(cursorFile, maxCursor)
	id, number, _ := strings.Cut(string(data), " ")
	cursor, err2 := strconv.ParseUint(number, 10, 64)
	err = errors.Join(err, err2)
	n.asking.never = err != nil || id != fmt.Sprintf("%x", n.c.Journal)
	if err != nil && data != nil {
		n.c.Log.Warn("cursor cannot be used; all uses of the day are asked for", "error", err)
	}
	if n.c.Resume && !n.asking.never {
		n.asking.cursor = cursor
	}
}
