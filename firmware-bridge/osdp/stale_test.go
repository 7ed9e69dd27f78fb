package osdp_test

import (
	"slices"
	"testing"
	"time"

	"turnstile/firmware-bridge/osdp"
	"turnstile/firmware-bridge/osdp/osdptest"
)

// Attack: somebody cuts the line, a holder shows a code and walks away, and the
// line comes back. What waited in the reader opens no gate for who stands there then.
func TestCodesFromBeforeAreDropped(t *testing.T) {
	for name, c := range map[string]struct {
		cut  time.Duration
		want []string
	}{
		"a broken session": {time.Second, []string{"WAITED", "NOW"}},
		"a cut line":       {30 * time.Second, []string{"NOW"}},
	} {
		t.Run(name, func(t *testing.T) {
			r := good(t, 0)
			b := bench(t, r)
			online(t, b, 0)
			b.Run(time.Second)
			b.Meddle = func(osdptest.Piece) []byte { return nil }
			r.Scan("WAITED")
			r.Offer(osdp.Keypad{Digits: []byte("1")})
			r.Do(func(p *osdp.Peripheral) { p.SetStatus(osdp.LocalStatus{Tamper: 1}) })
			b.Panel.Reset(b.Now, errGone)
			b.Run(c.cut)
			b.Meddle = nil
			online(t, b, 0)
			r.Scan("NOW")
			b.Run(time.Second)
			if got := texts(b, 0); !slices.Equal(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
			told := slices.ContainsFunc(b.Events, func(e osdp.Event) bool { return e.Message == osdp.Message(osdp.LocalStatus{Tamper: 1}) })
			if got := status(t, b, 0).Line.Stale; !told || got != uint64(2*(2-len(c.want))) {
				t.Errorf("tamper told: %v, %d dropped", told, got)
			}
		})
	}
}

// The same when this program was not running: the first codes of a reader are of
// nobody who stands there. One that always has something to tell is online all the same.
func TestFirstCodesAreDropped(t *testing.T) {
	r := good(t, 0)
	for range 5 {
		r.Scan("BEFORE")
	}
	b := bench(t, r)
	online(t, b, 0)
	r.Scan("NOW")
	b.Run(time.Second)
	if got := texts(b, 0); !slices.Equal(got, []string{"NOW"}) || status(t, b, 0).Line.Stale != 5 {
		t.Errorf("got %q, %+v", got, status(t, b, 0).Line)
	}
	talker := good(t, 0)
	talker.Spoil(sealing(t, key(t, '0'), func(q osdp.Packet, p *osdp.Packet) {
		if q.Code == osdp.CmdPoll {
			p.Code, p.Data = osdp.ReplyLocalStatus, []byte{0, 1}
		}
	}))
	online(t, bench(t, talker), 0)
}

// Handshakes alone do not make a code fresh: nobody asked for it in them.
func TestHandshakesKeepNoCodeFresh(t *testing.T) {
	r := good(t, 0)
	b := bench(t, r)
	online(t, b, 0)
	b.Run(time.Second)
	r.Scan("WAITED")
	for range 4 {
		b.Meddle = func(osdptest.Piece) []byte { return nil }
		b.Panel.Reset(b.Now, errGone)
		b.Run(5 * time.Second)
		b.Meddle = nil
		online(t, b, 0)
	}
	b.Run(time.Second)
	if got := texts(b, 0); len(got) != 0 || status(t, b, 0).Line.Stale != 1 {
		t.Errorf("got %q, %+v", got, status(t, b, 0).Line)
	}
}
