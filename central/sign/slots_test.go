package sign

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"turnstile/central/issuer"
)

// hold opens connections that say nothing.
func hold(t *testing.T, socket string, n int) (list []net.Conn) {
	t.Helper()
	for range n {
		c, err := net.Dial("unix", socket)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		list = append(list, c)
	}
	return list
}

// ended reports whether the other side closed a connection on which it was asked
// nothing.
func ended(t *testing.T, c net.Conn) bool {
	t.Helper()
	c.SetReadDeadline(time.Now().Add(20 * time.Second))
	_, err := c.Read(make([]byte, 1))
	return errors.Is(err, io.EOF)
}

// TestHeldConnections: a user who holds connections open fills its own slots and
// nobody else's; one more is closed at once, and alarmed; when one ends there is
// room again.
func TestHeldConnections(t *testing.T) {
	other := os.Getuid() + 1
	p := start(t, func(c *Config) { c.Users = append(c.Users, User{UID: other, May: Rights()}) })
	held := hold(t, p.config.Socket, perUser)
	for _, c := range hold(t, p.config.Socket, 3) {
		if !ended(t, c) {
			t.Fatal("a connection too many stands")
		}
	}
	if _, err := Dial(p.config.Socket, p.config.Site, func(string) {}); !errors.Is(err, ErrAway) {
		t.Errorf("a client without a slot: %v", err)
	}
	for _, c := range held[:2] {
		c.Close()
	}
	if _, err := p.dial(t).Holder(today, "A"); err != nil {
		t.Error(err)
	}
	p.stop()
	if l := find(p.lines(t), "refused"); len(l) != 1 || l[0].UID != os.Getuid() {
		t.Errorf("%+v", l)
	}
}

// TestSlotsAreEachUsersOwn: with all slots of another user taken, this one comes in.
func TestSlotsAreEachUsersOwn(t *testing.T) {
	own, other := &user{uid: os.Getuid(), slots: make(chan struct{}, 1)}, &user{uid: os.Getuid() + 1, slots: make(chan struct{}, 1)}
	other.slots <- struct{}{}
	s := &server{users: map[int]*user{own.uid: own, other.uid: other}}
	l, err := net.Listen("unix", t.TempDir()+"/s")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	hold(t, l.Addr().String(), 1)
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if u := s.admit(c); u != own || len(own.slots) != 1 {
		t.Errorf("admitted as %+v", u)
	}
}

// TestLookups: orders of indexes and pseudonyms are bounded for the whole day, and
// counted in the audit.
func TestLookups(t *testing.T) {
	clock := now
	var mu sync.Mutex
	p := start(t, func(c *Config) {
		c.Limits = Limits{Lookups: 24}
		c.Now = func() time.Time { mu.Lock(); defer mu.Unlock(); return clock }
	})
	c := p.dial(t)
	ask := func() (granted int) {
		for n := range 20 {
			_, err1 := c.Holder(today, "A")
			_, err2 := c.Index(today, uint32(n), 1024)
			for _, err := range []error{err1, err2} {
				if err == nil {
					granted++
				} else if !errors.Is(err, issuer.ErrRefused) {
					t.Fatal(err)
				}
			}
		}
		return granted
	}
	for _, step := range []struct {
		after time.Duration
		want  int
	}{{0, 24}, {time.Minute, 0}, {2 * time.Hour, 2}, {24 * time.Hour, 24}} {
		mu.Lock()
		clock = clock.Add(step.after)
		mu.Unlock()
		if n := ask(); n != step.want {
			t.Errorf("%s later: %d lookups, want %d", step.after, n, step.want)
		}
	}
	p.stop()
	if l := find(p.lines(t), "lookup"); len(l) != 1 || l[0].Count != 50 {
		t.Errorf("counted %+v", l)
	}
}

// TestAlive: somebody is told again and again that the process works.
func TestAlive(t *testing.T) {
	told := make(chan struct{}, 1)
	start(t, func(c *Config) {
		c.Alive = func() {
			select {
			case told <- struct{}{}:
			default:
			}
		}
	})
	for range 2 {
		select {
		case <-told:
		case <-time.After(20 * time.Second):
			t.Fatal("nobody is told")
		}
	}
}
