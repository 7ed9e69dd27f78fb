package status

import (
	"context"
	"crypto/rand"
	"errors"
	"testing"
	"time"

	"turnstile/central/link"
)

// askTime asks as N1 without waiting, and returns the answers.
func (d *desk) askTime(t fataler, nonce []byte) ([]*link.Time, error) {
	t.Helper()
	d.broker.take()
	err := d.Ask(context.Background(), "N1", must[[]byte](t)(link.Seal(d, link.TypeAsk, site, link.Ask{Lane: "N1", Want: link.WantTime, Nonce: nonce})))
	var list []*link.Time
	for _, m := range d.broker.take() {
		if m.topic != d.topics.Time("N1") {
			t.Fatalf("answered on %s", m.topic)
		}
		list = append(list, open[link.Time](t, link.TypeTime, d.config.Issuer.StatusKeys(), m.payload, link.MaxState))
	}
	return list, err
}

func newNonce() (n link.Nonce) {
	rand.Read(n[:])
	return n
}

func TestTime(t *testing.T) {
	d := newDesk(t)
	for range askBurst + 1 { // what else the lane asks for takes nothing from it
		_ = d.Ask(context.Background(), "N1", must[[]byte](t)(link.Seal(d, link.TypeAsk, site, link.Ask{Lane: "N1", Want: link.WantKeys})))
	}
	n := newNonce()
	got, err := d.askTime(t, n[:])
	if err != nil || len(got) != 1 || got[0].Lane != "N1" || got[0].Nonce != n || got[0].At != d.clock.Load() {
		t.Fatalf("%+v: %v", got, err)
	}
	for _, length := range []int{0, 1, 15, 17, 32} {
		if got, err := d.askTime(t, make([]byte, length)); !errors.Is(err, link.ErrMalformed) || len(got) != 0 {
			t.Errorf("a nonce of %d bytes: %+v: %v", length, got, err)
		}
	}
	d.clock.Add(3600_000)
	answered := 0
	for range 3 * timeBurst {
		_, err := d.askTime(t, n[:])
		if err == nil {
			answered++
		} else if !errors.Is(err, ErrTooOften) {
			t.Fatal(err)
		}
	}
	if answered != timeBurst {
		t.Errorf("%d at once answered, want %d", answered, timeBurst)
	}
}

// TestTimeWhileBusy: an answer does not wait for what Run does.
func TestTimeWhileBusy(t *testing.T) {
	d := newDesk(t)
	busy, free := make(chan struct{}), make(chan struct{})
	ended := make(chan error, 1)
	go func() {
		ended <- d.call(context.Background(), func(context.Context) { close(busy); <-free })
	}()
	<-busy
	n := newNonce()
	got, err := d.askTime(t, n[:])
	close(free)
	if err != nil || len(got) != 1 {
		t.Errorf("%d answers: %v", len(got), err)
	}
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
}

// TestTimeSetBack: no answer behind what a head has told, until it is caught up.
func TestTimeSetBack(t *testing.T) {
	d := newDesk(t)
	ctx := context.Background()
	if err := d.call(ctx, d.publishHead); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		back time.Duration
		want error
	}{{time.Minute, ErrSetBack}, {-30 * time.Second, ErrSetBack}, {-28 * time.Second, nil}, {-time.Minute, nil}} {
		d.clock.Add(-step.back.Milliseconds())
		if err := d.call(ctx, d.publishHead); err != nil { // its heads are early; that changes nothing
			t.Fatal(err)
		}
		n := newNonce()
		if got, err := d.askTime(t, n[:]); !errors.Is(err, step.want) || (err == nil) != (len(got) == 1) {
			t.Errorf("after %v: %d answers: %v", -step.back, len(got), err)
		}
	}
}

func TestClockKept(t *testing.T) {
	if err := ClockKept(); err != nil && !errors.Is(err, ErrUnsynchronised) {
		t.Error(err)
	}
	if judgeClock(true, mostError) != nil || !errors.Is(judgeClock(true, mostError+1), ErrUnsynchronised) || !errors.Is(judgeClock(false, 0), ErrUnsynchronised) {
		t.Error("judged wrongly")
	}
}

// FuzzAsk: whatever comes on a lane's ask topic, properly signed or not, is
// answered or refused.
func FuzzAsk(f *testing.F) {
	d := newDesk(f)
	n := newNonce()
	f.Add(must[[]byte](f)(link.Seal(d, link.TypeAsk, site, link.Ask{Lane: "N1", Want: link.WantTime, Nonce: n[:]})), uint8(4), n[:])
	f.Add([]byte("hello"), uint8(1), []byte{})
	f.Fuzz(func(t *testing.T, message []byte, want uint8, nonce []byte) {
		d.clock.Add(10_000)
		if err := d.Ask(context.Background(), "N1", message); err == nil && link.TypeOf(message) != link.TypeAsk {
			t.Fatalf("answered %x", message)
		}
		d.broker.take()
		signed, err := link.Seal(d, link.TypeAsk, site, link.Ask{Lane: "N1", Want: link.Want(want), Nonce: nonce})
		if err != nil {
			return
		}
		err = d.Ask(context.Background(), "N1", signed)
		if got := d.broker.take(); link.Want(want) == link.WantTime && (err == nil) != (len(nonce) == 16 && len(got) == 1) {
			t.Fatalf("nonce of %d bytes: %d answers: %v", len(nonce), len(got), err)
		}
	})
}

// TestUsesAreTheExchanges: a question for uses is handed on once it is known to be
// the lane's own, and the head names the version of the lists that go with it.
func TestUsesAreTheExchanges(t *testing.T) {
	d := newDesk(t)
	ask := link.Ask{Lane: "N1", Want: link.WantUses, From: 3}
	if err := d.Ask(context.Background(), "N1", must[[]byte](t)(link.Seal(d, link.TypeAsk, site, ask))); err != nil || d.exchange.asked.Load() != 1 {
		t.Errorf("asked %d times, %v", d.exchange.asked.Load(), err)
	}
	ask.Lane = "N2"
	if err := d.Ask(context.Background(), "N1", must[[]byte](t)(link.Seal(d, link.TypeAsk, site, ask))); err == nil || d.exchange.asked.Load() != 1 {
		t.Errorf("another lane's question: asked %d times, %v", d.exchange.asked.Load(), err)
	}
	if v := d.View().Head.Lanes; v != 41 {
		t.Errorf("the head names lists %d", v)
	}
}
