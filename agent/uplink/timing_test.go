package uplink

import (
	"testing"
	"testing/synctest"
	"time"

	"turnstile/agent/health"
	"turnstile/agent/wallclock"
	"turnstile/central/link"
)

// asked returns the questions for the time so far.
func (c *central) asked() []link.Ask {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]link.Ask(nil), c.times...)
}

// tell sends an answer to the newest question.
func (f *fake) tell(t *testing.T, change func(*link.Time)) {
	t.Helper()
	list := f.c.asked()
	if len(list) == 0 {
		t.Fatal("nobody asked for the time")
	}
	a := link.Time{Lane: laneID, At: time.Now().UnixMilli()}
	if copy(a.Nonce[:], list[len(list)-1].Nonce) != len(list[len(list)-1].Nonce) {
		t.Fatal("a nonce of another length")
	}
	if change != nil {
		change(&a)
	}
	f.link().o.Receive(topics.Time(laneID), f.c.seal(link.TypeTime, a))
	synctest.Wait()
}

func (a *agent) read() wallclock.Reading { return a.c.Clock.Read(time.Now()) }

func standing(a *agent, code health.Code) bool {
	for _, n := range a.health.Standing() {
		if n == code.String() {
			return true
		}
	}
	return false
}

func TestTimeIsAskedAndTaken(t *testing.T) {
	bubble(t, func(t *testing.T, f *fake, a *agent) {
		f.pass(time.Second, false)
		if n := len(f.c.asked()); n != 1 || a.read().By != wallclock.ByConfiguration {
			t.Fatalf("%d questions, clock %+v", n, a.read())
		}
		f.tell(t, nil)
		if r := a.read(); r.By != wallclock.ByCentral || r.State != link.ClockTrusted || r.Bound > 3*time.Second {
			t.Fatalf("%+v", r)
		}
		f.pass(50*time.Minute, true)
		if n := len(f.c.asked()); n != 1 {
			t.Fatalf("%d questions though the clock is confirmed", n)
		}
		f.pass(11*time.Minute, true)
		if n := len(f.c.asked()); n < 2 {
			t.Fatal("not asked again within an hour")
		}
		if names(a) != nil && len(names(a)) != 0 {
			t.Fatal(names(a))
		}
	})
}

// TestTimeQuestionsBackOff: a central that does not answer is asked with pauses
// that double, each time with another nonce.
func TestTimeQuestionsBackOff(t *testing.T) {
	bubble(t, func(t *testing.T, f *fake, a *agent) {
		f.pass(10*time.Minute, true)
		list := f.c.asked()
		if len(list) < 10 || len(list) > 17 {
			t.Fatalf("%d questions in 10 minutes", len(list))
		}
		seen := map[string]bool{}
		for _, q := range list {
			seen[string(q.Nonce)] = true
		}
		if len(seen) != len(list) {
			t.Fatal("a nonce was used twice")
		}
	})
}

// TestTimesRefused: each is named, and none moves the clock.
func TestTimesRefused(t *testing.T) {
	for name, x := range map[string]struct {
		change func(*link.Time)
		want   health.Code
	}{
		"of another nonce": {func(a *link.Time) { a.Nonce[3] ^= 1 }, health.FeedReplayed},
		"another lane's":   {func(a *link.Time) { a.Lane = "n2" }, health.FeedForged},
	} {
		bubble(t, func(t *testing.T, f *fake, a *agent) {
			f.pass(time.Second, false)
			f.tell(t, x.change)
			if r := a.read(); r.By == wallclock.ByCentral || !standing(a, x.want) {
				t.Errorf("%s: %+v, warnings %v", name, r, names(a))
			}
		})
	}
	bubble(t, func(t *testing.T, f *fake, a *agent) {
		f.pass(time.Second, false)
		n := link.Nonce(f.c.asked()[0].Nonce)
		b, err := link.Seal(newSigner(t), link.TypeTime, site, link.Time{Lane: laneID, Nonce: n, At: time.Now().UnixMilli()})
		if err != nil {
			t.Fatal(err)
		}
		f.link().o.Receive(topics.Time(laneID), b)
		synctest.Wait()
		if a.read().By == wallclock.ByCentral || !standing(a, health.FeedForged) || len(a.refused) != 1 {
			t.Errorf("signed by another key: %+v, warnings %v", a.read(), names(a))
		}
	})
}

// TestTimeReplayed: an answer is good once. Played again it is refused by name,
// and the clock stays as it was.
func TestTimeReplayed(t *testing.T) {
	bubble(t, func(t *testing.T, f *fake, a *agent) {
		f.pass(time.Second, false)
		var held link.Time
		f.tell(t, func(x *link.Time) { held = *x })
		before := a.read()
		f.pass(5*time.Second, true)
		f.link().o.Receive(topics.Time(laneID), f.c.seal(link.TypeTime, held))
		synctest.Wait()
		if after := a.read(); after.Offset != before.Offset || !standing(a, health.FeedReplayed) {
			t.Fatalf("%+v, then %+v; warnings %v", before, after, names(a))
		}
	})
}

// TestTimeHeldBack: an answer that comes after the next question, or after
// AnswerLife, does nothing, and is no alarm: a network may be slow.
func TestTimeHeldBack(t *testing.T) {
	bubble(t, func(t *testing.T, f *fake, a *agent) {
		f.pass(15*time.Second, true) // questions at 0, 2, 6, 14 s
		for f.c.asked() == nil || time.Since(time.UnixMilli(f.c.asked()[len(f.c.asked())-1].Sent)) < wallclock.AnswerLife+time.Second {
			f.pass(time.Second, true)
		}
		f.tell(t, func(x *link.Time) { x.At = f.c.asked()[len(f.c.asked())-1].Sent })
		if a.read().By == wallclock.ByCentral || len(a.refused) != 0 {
			t.Fatalf("%+v, refused %v", a.read(), a.refused)
		}
	})
}

// FuzzTime: whatever comes on the time topic is refused, for nobody else knows
// the key; and what is rightly signed counts only with the open nonce.
func FuzzTime(f *testing.F) {
	f.Add([]byte("hello"), make([]byte, 16), int64(0))
	f.Add([]byte{}, []byte{1}, int64(1795233609150))
	f.Fuzz(func(t *testing.T, payload, nonce []byte, at int64) {
		bubble(t, func(t *testing.T, k *fake, a *agent) {
			k.pass(time.Second, false)
			open := string(k.c.asked()[0].Nonce)
			k.link().o.Receive(topics.Time(laneID), payload)
			var n link.Nonce
			copy(n[:], nonce)
			k.link().o.Receive(topics.Time(laneID), k.c.seal(link.TypeTime, link.Time{Lane: laneID, Nonce: n, At: at}))
			synctest.Wait()
			if a.read().By == wallclock.ByCentral && string(n[:]) != open {
				t.Fatalf("%+v from %x and a nonce %x", a.read(), payload, nonce)
			}
		})
	})
}
