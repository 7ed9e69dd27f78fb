package panel

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"turnstile/firmware-bridge/gate"
	"turnstile/firmware-bridge/gate/controller"
	"turnstile/firmware-bridge/gate/gatetest"
	"turnstile/firmware-bridge/gate/passage"
	"turnstile/firmware-bridge/gpioline"
	"turnstile/firmware-bridge/gpioline/gpiolinetest"
	"turnstile/firmware-bridge/wiegand"
)

// site is a chip with an access panel, a gate and its people around it. Contacts close to ground.
type site struct {
	chip  *gpiolinetest.Fake
	cpu   *processor
	port  string         // the format that the panel's port is set to
	known []wiegand.Bits // the cards that it opens for
	deaf  bool           // it does not use its relay

	mu     sync.Mutex // guards the following
	edges  []wiegand.Edge
	opened int
	cards  []string
}

var contacts = []string{"PASS_IN", "PASS_OUT", "OPENED", "READY", "FIRE"}

func newSite(known ...wiegand.Bits) *site {
	s := &site{chip: gpiolinetest.New(append([]string{"D0", "D1"}, contacts...)...), cpu: newProcessor(), port: "H10301", known: known}
	for _, c := range contacts {
		s.chip.Drive(c, c != "READY")
	}
	return s
}

// deafSite is one whose panel's relay is not joined with the lock.
func deafSite(known ...wiegand.Bits) *site {
	s := newSite(known...)
	s.deaf = true
	return s
}

// lines gives a gate the site's chip, whose outputs the panel hears.
func (s *site) lines() lines {
	return lines{
		output: func(c gpioline.OutputConfig) (output, error) {
			o, err := s.chip.OpenOutput(c)
			if err != nil {
				return nil, err
			}
			return &heard{o, s, int(c.Line[1] - '0')}, nil
		},
		inputs: func(c gpioline.InputConfig) (inputs, error) { return s.chip.OpenInputs(c) },
		clock:  s.cpu,
	}
}

// heard is an output that the panel hears.
type heard struct {
	output
	site *site
	line int
}

func (h *heard) Set(on bool) error {
	if err := h.output.Set(on); err != nil {
		return err
	}
	h.site.hear(wiegand.Edge{Line: h.line, Active: on, At: h.site.cpu.Now()})
	return nil
}

// hear is the panel: it opens as soon as a row that it knows has come whole.
func (s *site) hear(e wiegand.Edge) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := len(s.edges); n > 0 && e.Active && e.At.Sub(s.edges[n-1].At) > wiegand.MinSilence {
		s.edges = nil
	}
	if e.Active == (len(s.edges)%2 == 0) {
		s.edges = append(s.edges, e) // what is off already is switched off at the end
	}
	row := listeners[0].rows(s.edges)[0]
	port, err := wiegand.Named(s.port)
	if got := cards([]string{row}, []wiegand.Format{port}); err != nil || e.Active || len(got) == 0 {
		return
	}
	s.edges = nil
	s.cards = append(s.cards, row)
	if s.deaf || !slices.ContainsFunc(s.known, func(b wiegand.Bits) bool { return b.String() == row }) {
		return
	}
	s.opened++
	s.chip.Drive("OPENED", false)
	time.AfterFunc(200*time.Millisecond, func() { s.chip.Drive("OPENED", true) })
}

// heardCards returns the rows that the panel took for cards.
func (s *site) heardCards() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.cards)
}

// pulse closes a contact as a person who walks does.
func (s *site) pulse(contact string) {
	s.chip.Drive(contact, false)
	<-time.After(100 * time.Millisecond)
	s.chip.Drive(contact, true)
	<-time.After(100 * time.Millisecond)
}

var walks = map[gate.Direction]string{gate.In: "PASS_IN", gate.Out: "PASS_OUT"}

func wired() Config {
	return Config{
		D0: "D0", D1: "D1", Format: "H10301", Number: Fixed, Facility: 100, Card: 58400,
		PassedIn: "PASS_IN", PassedOut: "PASS_OUT", Opened: "OPENED", Ready: "READY", Fire: "FIRE", ActiveLow: true,
	}
}

func mustGate(t *testing.T, c Config, s *site) *Gate {
	t.Helper()
	if err := c.Check(); err != nil {
		t.Fatal(err)
	}
	return newGate(c, nil, s.lines())
}

func in(n uint32) gate.Grant { return gate.Grant{Number: n, Direction: gate.In} }

func mustOpen(t *testing.T, g *Gate, grant gate.Grant) {
	t.Helper()
	if err := g.Open(context.Background(), grant); err != nil {
		t.Fatalf("Open(%d): %v", grant.Number, err)
	}
}

func TestConform(t *testing.T) {
	gatetest.ConformInBubble(t, func(t *testing.T) gatetest.Bench {
		s := newSite(mustRow(t, "H10301", 100, 58400))
		return gatetest.Bench{
			Gate:     mustGate(t, wired(), s),
			Walk:     func(d gate.Direction) { s.pulse(walks[d]) },
			Openings: func() int { s.mu.Lock(); defer s.mu.Unlock(); return s.opened },
			Relay:    func() bool { return !s.chip.Wire("OPENED") },
			Unplug:   s.chip.Unplug,
			Plug:     s.chip.Plug,
		}
	})
}

// bubble runs test on a gate that works, in exact time.
func bubble(t *testing.T, c Config, s *site, test func(t *testing.T, g *Gate)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		g := mustGate(t, c, s)
		stop := gatetest.Start(t, g)
		test(t, g)
		stop()
		<-time.After(time.Second) // the panel's relay goes off
	})
}

// A panel is told the pass, in as many bits as the format has.
func TestNumbers(t *testing.T) {
	for _, n := range []struct {
		format         string
		facility       uint64
		pass           uint32
		wantFac, wantC uint64
	}{
		{"H10301", 7, 1234, 7, 1234},
		{"H10301", 7, 1<<16 | 5, 7, 5},
		{"W34", 500, 1<<24 - 1, 500, 1<<16 - 1},
		{"H10302", 0, 1<<24 - 1, 0, 1<<24 - 1},
		{"H10304", 9, 1<<19 | 3, 9, 3},
		{"W66", 0, 77, 0, 77},
	} {
		c, s := wired(), newSite()
		s.port = n.format
		c.Format, c.Number, c.Facility, c.Card, c.Opened = n.format, Pass, n.facility, 0, ""
		bubble(t, c, s, func(t *testing.T, g *Gate) {
			mustOpen(t, g, gate.Grant{Number: 1, Direction: gate.In, Card: n.pass})
			if e := gatetest.Await(t, g, gate.NotPassed); e.Grant != 1 {
				t.Errorf("%+v", e)
			}
		})
		if got, want := s.heardCards(), mustRow(t, n.format, n.wantFac, n.wantC).String(); !slices.Equal(got, []string{want}) {
			t.Errorf("%s, pass %d: panel heard %q, want %s", n.format, n.pass, got, want)
		}
	}
}

// A panel that does not answer ends the grant early, one that does has the window.
func TestPanelAnswers(t *testing.T) {
	card := mustRow(t, "H10301", 100, 58400)
	for name, c := range map[string]struct {
		site   *site
		answer time.Duration
		opened string
		want   time.Duration
	}{
		"opens":             {newSite(card), 0, "OPENED", gate.DefaultWindow},
		"does not know it":  {newSite(), 0, "OPENED", DefaultAnswer},
		"has no relay":      {deafSite(card), 3 * time.Second, "OPENED", 3 * time.Second},
		"relay is not seen": {newSite(card), 0, "", gate.DefaultWindow},
	} {
		config := wired()
		config.Answer, config.Opened = c.answer, c.opened
		bubble(t, config, c.site, func(t *testing.T, g *Gate) {
			began := time.Now()
			mustOpen(t, g, in(1))
			e := gatetest.Await(t, g, gate.NotPassed)
			if took := e.At.Sub(began); took != c.want || (e.Detail != "") != (c.want < gate.DefaultWindow) { // a bubble's time is exact
				t.Errorf("%s: not passed after %v (%s), want %v", name, took, e.Detail, c.want)
			}
		})
	}
}

// Each contact means what it should.
func TestContacts(t *testing.T) {
	s := newSite(mustRow(t, "H10301", 100, 58400))
	bubble(t, wired(), s, func(t *testing.T, g *Gate) {
		next := func(k gate.EventKind, grant uint32, d gate.Direction) {
			t.Helper()
			if e := gatetest.Await(t, g, k); e.Grant != grant || e.Direction != d {
				t.Errorf("%+v, want %v of grant %d, %v", e, k, grant, d)
			}
		}
		wantOpen := func(n uint32, want error) {
			t.Helper()
			if err := g.Open(context.Background(), in(n)); !errors.Is(err, want) {
				t.Errorf("Open(%d): %v, want %v", n, err, want)
			}
		}
		mustOpen(t, g, in(1))
		s.pulse("PASS_IN")
		next(gate.Passed, 1, gate.In)
		s.pulse("PASS_IN")
		next(gate.Tailgated, 1, gate.In)
		s.pulse("PASS_IN")
		next(gate.Forced, 0, gate.In)
		s.pulse("PASS_OUT")
		next(gate.Forced, 0, gate.Out)
		s.chip.Drive("OPENED", false) // the panel's other reader, or its exit button
		gatetest.Until(t, "the panel is open", func() bool { return g.State().Relay })
		s.pulse("PASS_OUT")
		if e := gatetest.Await(t, g, gate.Forced); e.Detail == "" {
			t.Errorf("%+v", e)
		}
		s.chip.Drive("OPENED", true)

		s.chip.Drive("READY", true)
		gatetest.Until(t, "the gate is unready", func() bool { return g.State().Unready })
		wantOpen(2, gate.ErrBusy)
		s.chip.Drive("READY", false)
		gatetest.Until(t, "the gate is ready", func() bool { return !g.State().Unready })

		mustOpen(t, g, in(2))
		s.chip.Drive("FIRE", false)
		next(gate.NotPassed, 2, gate.In)
		next(gate.Fire, 0, 0)
		wantOpen(3, gate.ErrRefused)
		s.pulse("PASS_OUT") // people run
		s.chip.Drive("FIRE", true)
		next(gate.FireOver, 0, 0)
		mustOpen(t, g, in(3))
		s.pulse("PASS_OUT")
		next(gate.Forced, 0, gate.Out)
		next(gate.NotPassed, 3, gate.In)
	})
}

// One contact for both directions counts for the grant; and a port opens the direction it has.
func TestOneContact(t *testing.T) {
	c, s := wired(), newSite(mustRow(t, "H10301", 100, 58400))
	c.PassedOut, c.Direction = "", gate.Out
	bubble(t, c, s, func(t *testing.T, g *Gate) {
		if err := g.Open(context.Background(), in(1)); !errors.Is(err, gate.ErrRefused) {
			t.Errorf("Open in: %v", err)
		}
		mustOpen(t, g, gate.Grant{Number: 1, Direction: gate.Out})
		s.pulse("PASS_IN")
		if e := gatetest.Await(t, g, gate.Passed); e.Direction != gate.Out {
			t.Errorf("%+v", e)
		}
		<-time.After(passage.TailgateTime)
		s.pulse("PASS_IN")
		if e := gatetest.Await(t, g, gate.Forced); e.Direction != 0 {
			t.Errorf("%+v", e)
		}
	})
}

// A fire that burns and a gate that is not ready at the start are known at once;
// who stands in the gate then has not walked.
func TestAtStart(t *testing.T) {
	s := newSite()
	s.chip.Drive("FIRE", false)
	s.chip.Drive("READY", true)
	s.chip.Drive("PASS_IN", false)
	bubble(t, wired(), s, func(t *testing.T, g *Gate) {
		gatetest.Await(t, g, gate.Fire)
		if st := g.State(); !st.Fire || !st.Unready {
			t.Errorf("%+v", st)
		}
		s.chip.Drive("PASS_IN", true)
		<-time.After(time.Second)
		if n := len(g.Events()); n != 0 {
			t.Errorf("%d events more", n)
		}
	})
}

// A lane controller is a Sender.
var _ Sender = (*controller.Gate)(nil)

// mouth is a Sender that does what the test says.
type mouth struct {
	asked chan wiegand.Bits
	say   chan error
}

func (m *mouth) SendCard(ctx context.Context, row wiegand.Bits) error {
	m.asked <- row
	select {
	case err := <-m.say:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// spoken is a gate with another sender than its own outputs.
func spoken(t *testing.T) (*Gate, *site, *mouth) {
	t.Helper()
	c, m, s := wired(), &mouth{make(chan wiegand.Bits, 8), make(chan error)}, newSite()
	c.D0, c.D1, c.Opened = "", "", ""
	g, err := NewWithSender(c, m)
	if err != nil {
		t.Fatal(err)
	}
	g.lines = s.lines()
	return g, s, m
}

// What a sender says is what Open says.
func TestSenderAnswers(t *testing.T) {
	other := errors.New("no answer")
	for _, c := range []struct{ say, want, not error }{
		{fmt.Errorf("try: %w", ErrBroken), gate.ErrRefused, gate.ErrLost},
		{fmt.Errorf("try: %w", gate.ErrBusy), gate.ErrBusy, gate.ErrLost},
		{gate.ErrLost, gate.ErrLost, gate.ErrUnsure},
		{other, gate.ErrRefused, gate.ErrUnsure},
		{gate.ErrClosed, gate.ErrLost, gate.ErrUnsure},
		{fmt.Errorf("%w: %w", gate.ErrUnsure, other), gate.ErrUnsure, gate.ErrLost},
	} {
		synctest.Test(t, func(t *testing.T) {
			g, s, m := spoken(t)
			stop := gatetest.Start(t, g)
			go func() { m.say <- c.say }()
			err := g.Open(context.Background(), in(4))
			if !errors.Is(err, c.want) || errors.Is(err, c.not) {
				t.Errorf("Open: %v, want %v", err, c.want)
			}
			if row := <-m.asked; row != mustRow(t, "H10301", 100, 58400) {
				t.Errorf("sent %v", row)
			}
			if c.want == gate.ErrUnsure {
				s.pulse("PASS_IN")
				if e := gatetest.Await(t, g, gate.Passed); e.Grant != 4 || g.State().LastGrant != 4 {
					t.Errorf("%+v", e)
				}
			} else if st := g.State(); st.Busy != 0 || st.LastGrant != 0 || len(g.Events()) != 0 {
				t.Errorf("after %v: %+v, %d events", c.say, st, len(g.Events()))
			}
			stop()
		})
	}
}

// While a card is being sent the next grant is busy, and who walked before it
// had no grant.
