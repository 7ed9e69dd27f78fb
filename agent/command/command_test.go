package command

import (
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"log/slog"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"turnstile/agent/enrol"
	"turnstile/agent/feed"
	"turnstile/agent/lane"
	"turnstile/agent/wallclock"
	"turnstile/central/link"
	"turnstile/central/pass"
)

const (
	site  = "campus"
	north = "north"
)

func signer(name string) enrol.Signer {
	seed := sha256.Sum256([]byte("turnstile command test key " + name))
	return enrol.NewSigner(ed25519.NewKeyFromSeed(seed[:]))
}

// stand is a controller with lanes 1 and 2.
type stand struct {
	*Commands
	orders []lane.Order
	clock  wallclock.Reading
	keys   *link.Delegation
}

var began = time.UnixMilli(1795233609000)

func newStand(start byte) *stand {
	s := &stand{clock: wallclock.Reading{Time: began, State: link.ClockTrusted, Bound: time.Second},
		keys: &link.Delegation{Status: []ed25519.PublicKey{signer("status").Public()}}}
	s.Commands = New(Config{Site: site, Lane: north, Start: link.Nonce{start}, Log: slog.New(slog.DiscardHandler),
		Delegation: func() *link.Delegation { return s.keys },
		Read:       func(time.Time) wallclock.Reading { return s.clock },
		Order: func(o lane.Order) bool {
			if o.Index > 2 {
				return false
			}
			s.orders = append(s.orders, o)
			return true
		}})
	return s
}

func good() link.Command {
	return link.Command{Lane: north, Number: 5, Action: link.CommandOpen, Index: 1, Direction: 1, Issued: began.UnixMilli(),
		Expires: began.UnixMilli() + 30_000, Cause: pass.CauseAssistance, Start: link.Nonce{7}}
}

func seal(t testing.TB, by string, typ link.Type, at string, v any) []byte {
	t.Helper()
	b, err := link.Seal(signer(by), typ, at, v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func message(t testing.TB, change func(c *link.Command)) []byte {
	t.Helper()
	c := good()
	if change != nil {
		change(&c)
	}
	return seal(t, "status", link.TypeCommand, site, c)
}

func TestCommandIsHandedOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStand(7)
		for range 2 { // whether it was answered, the lane knows
			if err := s.Handle(message(t, nil), began); err != nil {
				t.Fatal(err)
			}
		}
		if len(s.orders) != 2 || s.orders[0].Number != 5 || s.orders[0].Index != 1 || time.Until(s.orders[0].Until) != 29*time.Second {
			t.Errorf("orders %+v", s.orders)
		}
	})
}

// TestRefusedCommands: none reaches a lane, and each is named.
func TestRefusedCommands(t *testing.T) {
	c := good()
	for what, x := range map[string]struct {
		payload []byte
		want    error
	}{
		"nothing":                 {nil, link.ErrMalformed},
		"garbage":                 {[]byte("open sesame"), link.ErrMalformed},
		"oversized":               {make([]byte, link.MaxCommand+1), link.ErrOversized},
		"by the keyset role":      {seal(t, "keyset", link.TypeCommand, site, c), link.ErrUnknown},
		"by the lane itself":      {seal(t, "lane", link.TypeCommand, site, c), link.ErrUnknown},
		"another site's":          {seal(t, "status", link.TypeCommand, "campus2", c), link.ErrForged},
		"of another type":         {seal(t, "status", link.TypeAck, site, c), link.ErrMalformed},
		"another lane's":          {message(t, func(c *link.Command) { c.Lane = "south" }), feed.ErrOther},
		"to a lane that it lacks": {message(t, func(c *link.Command) { c.Index = 3 }), link.ErrMalformed},
		"that lives for an hour":  {message(t, func(c *link.Command) { c.Expires += 3_600_000 }), link.ErrMalformed},
		"without a number":        {message(t, func(c *link.Command) { c.Number = 0 }), link.ErrMalformed},
		"without a direction":     {message(t, func(c *link.Command) { c.Direction = 0 }), link.ErrMalformed},
		"without a start":         {message(t, func(c *link.Command) { c.Start = link.Nonce{} }), link.ErrMalformed},
	} {
		s := newStand(7)
		err := s.Handle(x.payload, began)
		var refused *feed.Refused
		if !errors.Is(err, x.want) || !errors.As(err, &refused) || refused.Type != link.TypeCommand || !feed.Alarming(err) || len(s.orders) != 0 {
			t.Errorf("%s: %v, orders %v", what, err, s.orders)
		}
	}
	s := newStand(7)
	s.keys = nil
	if err := s.Handle(message(t, nil), began); !errors.Is(err, feed.ErrNoKeys) || feed.Alarming(err) || len(s.orders) != 0 {
		t.Errorf("without keys: %v", err)
	}
}

// TestEachBitOfACommand: no changed message is taken.
func TestEachBitOfACommand(t *testing.T) {
	s, wire := newStand(7), message(t, nil)
	for bit := range 8 * len(wire) {
		bad := slices.Clone(wire)
		bad[bit/8] ^= 128 >> (bit % 8)
		if err := s.Handle(bad, began); err == nil {
			t.Errorf("bit %d", bit)
		}
	}
	if len(s.orders) != 0 || len(wire) < 130 {
		t.Errorf("%d orders, %d bytes", len(s.orders), len(wire))
	}
}

// TestDeadCommands: recorded before a restart, or with a clock that says nothing,
// they do nothing, and are no alarm.
func TestDeadCommands(t *testing.T) {
	for what, change := range map[string]func(s *stand){
		"after a restart":         func(s *stand) { s.c.Start = link.Nonce{8} },
		"with an untrusted clock": func(s *stand) { s.clock.State = link.ClockUntrusted },
	} {
		s := newStand(7)
		change(s)
		for range 3 {
			if err := s.Handle(message(t, nil), began); err != nil {
				t.Errorf("%s: %v", what, err)
			}
		}
		if len(s.orders) != 0 {
			t.Errorf("%s: %v", what, s.orders)
		}
	}
}

// TestCommandInTime: it is over when it can be over, by clock and bound, and what
// then passes counts by the monotonic clock.
func TestCommandInTime(t *testing.T) {
	for _, x := range []struct {
		late, bound, left time.Duration
	}{
		{0, 0, 30 * time.Second}, {0, 5 * time.Second, 25 * time.Second}, {20 * time.Second, 5 * time.Second, 5 * time.Second},
		{29 * time.Second, 2 * time.Second, -time.Second}, {2 * time.Minute, time.Second, -91 * time.Second}, {0, time.Minute, -30 * time.Second},
		{-time.Hour, 0, 30 * time.Second}, // central's clock is ahead
	} {
		synctest.Test(t, func(t *testing.T) {
			s := newStand(7)
			s.clock = wallclock.Reading{Time: began.Add(x.late), State: link.ClockHoldover, Bound: x.bound}
			if err := s.Handle(message(t, nil), began); err != nil || len(s.orders) != 1 {
				t.Fatal(err, s.orders)
			}
			if left := time.Until(s.orders[0].Until); left != x.left {
				t.Errorf("%+v: %v left", x, left)
			}
		})
	}
}

// FuzzHandle: what is not signed reaches no lane, and what is signed only as said.
func FuzzHandle(f *testing.F) {
	f.Add([]byte("open sesame"), uint64(5), uint8(1), uint8(1), uint8(7), int64(30_000))
	f.Add(message(f, nil)[:100], uint64(1<<63), uint8(3), uint8(9), uint8(8), int64(-1))
	f.Fuzz(func(t *testing.T, payload []byte, number uint64, index, action, start uint8, life int64) {
		s := newStand(7)
		if err := s.Handle(payload, began); err == nil {
			t.Fatalf("%x is taken", payload)
		}
		err := s.Handle(message(t, func(c *link.Command) {
			c.Number, c.Index, c.Action, c.Start, c.Expires = number, index, link.CommandAction(action), link.Nonce{start}, c.Issued+life
		}), began)
		for _, o := range s.orders {
			if err != nil || o.Number == 0 || o.Index == 0 || o.Index > 2 || start != 7 || life <= 0 || life > 30_000 || time.Until(o.Until) > 30*time.Second {
				t.Fatalf("order %+v, %v", o, err)
			}
		}
	})
}
