package uplink

import (
	"context"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

var nodes = []string{"ssl://b1.example:8883", "ssl://b2.example:8883", "ssl://b3.example:8883"}

// tried returns which nodes were connected to, in order.
func (f *fake) tried() (list []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, l := range f.links {
		if u, err := url.Parse(l.o.Broker); err != nil || l.o.TLS.ServerName != u.Hostname() {
			list = append(list, "wrong name "+l.o.TLS.ServerName)
		}
		list = append(list, l.o.Broker)
	}
	return list
}

// inCluster runs a lane that knows three nodes.
func inCluster(t *testing.T, test func(t *testing.T, f *fake, a *agent)) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{c: newCentral(t, time.Now)}
		f.c.lane.Broker = strings.Join(nodes, ",")
		a := f.c.agent(t, f.dial)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- a.Run(ctx) }()
		synctest.Wait()
		test(t, f, a)
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// TestNodes: after a loss the lane tries the nodes in turn, and goes on with the
// first that takes it.
func TestNodes(t *testing.T) {
	inCluster(t, func(t *testing.T, f *fake, a *agent) {
		f.pass(30*time.Second, true)
		f.set(func(f *fake) { f.refuse = true })
		f.link().lost <- errBroken
		f.pass(20*time.Second, false)
		f.set(func(f *fake) { f.refuse = false })
		f.pass(time.Minute, true)
		list := f.tried()
		first := slices.Index(nodes, list[0])
		if first < 0 || len(list) < 3 || !a.Status().Connected {
			t.Fatalf("tried %v", list)
		}
		for i, n := range list {
			if n != nodes[(first+i)%len(nodes)] {
				t.Fatalf("tried %v", list)
			}
		}
	})
}

// TestCutNode: a node that answers and brings no heads is left, not at once and not
// by all lanes at the same time; the only broker there is is not left.
func TestCutNode(t *testing.T) {
	inCluster(t, func(t *testing.T, f *fake, a *agent) {
		f.pass(30*time.Second, true)
		f.pass(elsewhere, false)
		if n := len(f.tried()); n != 1 {
			t.Fatalf("%d connections after a minute without heads", n)
		}
		f.pass(2*elsewhere, false)
		if n := len(f.tried()); n < 2 {
			t.Fatal("it stays on a node that is cut off")
		}
		f.pass(time.Minute, true)
		n := len(f.tried())
		f.pass(5*time.Minute, true)
		if len(f.tried()) != n || !a.Status().Connected {
			t.Errorf("%d connections, %d before", len(f.tried()), n)
		}
	})
	bubble(t, func(t *testing.T, f *fake, a *agent) {
		f.pass(30*time.Second, true)
		f.pass(10*elsewhere, false)
		if n := len(f.tried()); n != 1 {
			t.Errorf("%d connections to the only broker", n)
		}
	})
}
