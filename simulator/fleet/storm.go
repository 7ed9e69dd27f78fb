package fleet

import (
	"context"
	"time"

	"turnstile/central/pass"
)

// meter measures one step's cost at both ends.
type meter struct {
	r      *run
	began  time.Time
	before Sample
	wire   Wire
}

func (r *run) meter() meter {
	return meter{r, time.Now(), r.watch.look(), wire(portIn(r.site.BrokerAddr()))}
}

// end adds the step to the report.
func (m meter) end(s Step) {
	after := m.r.watch.look()
	s.Seconds = time.Since(m.began).Seconds()
	s.Central, s.Lanes = after.Central.CPU-m.before.Central.CPU, after.Lanes.CPU-m.before.Lanes.CPU
	if s.Central < 0 { // another process since
		s.Central = after.Central.CPU
	}
	if s.Broker = after.Broker.CPU - m.before.Broker.CPU; s.Broker < 0 {
		s.Broker = after.Broker.CPU
	}
	now := wire(portIn(m.r.site.BrokerAddr()))
	if s.Wire = now; now.Up >= m.wire.Up && now.Down >= m.wire.Down { // else the connections are others
		s.Wire = now.since(m.wire)
	}
	m.r.report.Steps = append(m.r.report.Steps, s)
	m.r.events.add("%s done in %.1f s", s.Name, s.Seconds)
}

// connect is a power cut's end: all lanes come at once.
func (r *run) connect(ctx context.Context) error {
	m := r.meter()
	r.events.add("%d lanes connect", len(r.lanes.list))
	r.lanes.start(context.WithoutCancel(ctx)) // close ends them
	if err := r.until(ctx, "lanes with a signed head", len(r.lanes.list), func() (int, error) { return r.heard(), nil }); err != nil {
		return err
	}
	m.end(Step{Name: "connect", Title: "All lanes at once, as after a power cut", Curves: []Curve{{"heard", "until a lane has heard its first signed head", latencyOf(r.heardAfter(m.began))}}})
	return r.check(ctx, "connect")
}

func (r *run) heard() (n int) {
	for _, l := range r.lanes.list {
		if !l.heard().IsZero() {
			n++
		}
	}
	return n
}

func (r *run) heardAfter(began time.Time) (list []time.Duration) {
	for _, l := range r.lanes.list {
		list = append(list, l.heard().Sub(began))
	}
	return list
}

// restart kills central, and a mosquitto with it, while people pass: entries before,
// during and after it.
func (r *run) restart(ctx context.Context) error {
	m := r.meter()
	r.everyone(1)
	r.events.add("central is killed")
	r.site.Central().Kill()
	if b := r.site.Broker(); b != nil {
		b.Kill()
	}
	if err := r.until(ctx, "lanes that noticed", len(r.lanes.list), func() (int, error) { return len(r.lanes.list) - r.lanes.connected(), nil }); err != nil {
		return err
	}
	for _, l := range r.lanes.list {
		l.mark()
	}
	r.everyone(1)
	if r.site.Broker() != nil {
		if err := r.site.StartBroker(); err != nil {
			return err
		}
	}
	if err := r.site.StartCentral(); err != nil {
		return err
	}
	ready := time.Now()
	r.events.add("central is up after %.1f s", ready.Sub(m.began).Seconds())
	if err := r.until(ctx, "lanes that are back", len(r.lanes.list), func() (int, error) { return r.heard(), nil }); err != nil {
		return err
	}
	m.end(Step{Name: "restart", Title: "Central killed and started again", Curves: []Curve{{"back", "from the kill until a lane has heard a new signed head", latencyOf(r.heardAfter(m.began))}},
		Note: noteUp(ready.Sub(m.began))})
	return r.check(ctx, "restart")
}

// everyone has people pass at each lane.
func (r *run) everyone(people int) {
	for _, l := range r.lanes.list {
		for range people {
			l.walk(r.somebody(), time.Now())
		}
	}
}

// somebody comes by the seed.
func (r *run) somebody() person {
	day := r.today()
	return person{pass: pass.ID{Day: day, Index: uint32(r.random.IntN(30_000))}, direction: uint8(1 + r.random.IntN(2)), refused: r.random.IntN(20) == 0}
}
