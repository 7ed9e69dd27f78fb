package endtoend

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"turnstile/agent/daemon"
	"turnstile/central/link"
	"turnstile/simulator/site"
)

// TestFloodOfScans holds a hundred codes a second before a scanner for some
// seconds, most of them forged. Nothing opens, the journal does not fill, the
// agent does not grow, and the next person walks in.
func TestFloodOfScans(t *testing.T) {
	s := campus(t, site.Config{}, "north")
	synced(t, s)
	a, p := s.Agents[0], issue(t, s, nil)
	walk(t, a, p.Code)
	before, size := status(t, a), memory(t, a)
	flood(t, a, p.Code, 400)
	scanned := func() uint64 {
		now, then := status(t, a).Lanes[0], before.Lanes[0]
		return now.Scans + now.Garbled - then.Scans - then.Garbled
	}
	until(t, "the lane has looked at most of it", func() bool { return scanned() >= 300 })
	after := status(t, a)
	written, grown := after.Journal.Last-before.Journal.Last, memory(t, a)-size
	n := scanned()
	t.Logf("%d scans made %d entries; the agent grew by %d KB", n, written, grown/1024)
	if n < 300 || written > 80 || grown > 8<<20 {
		t.Errorf("%d scans, %d entries, %d bytes", n, written, grown)
	}
	if n := a.Lanes[0].Controller.State().Openings; n != 1 {
		t.Errorf("the gate opened %d times", n)
	}
	walk(t, a, issue(t, s, nil).Code)
}

// flood sends n texts in bunches, a hundred a second at the most: codes with one
// letter changed, somebody's menu, and noise.
func flood(t *testing.T, a *site.Agent, code string, n int) {
	t.Helper()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for i := 0; i < n; i += 10 {
		var bunch strings.Builder
		for j := range 10 {
			switch at := 40 + (i+j)%100; {
			case j < 5:
				fmt.Fprintf(&bunch, "]Q1%s%c%s\r\n", code[:at], "AB"[code[at]&1], code[at+1:])
			case j < 8:
				fmt.Fprintf(&bunch, "]Q1https://example.org/menu/%d\r\n", i+j)
			default:
				noise := make([]byte, 30)
				rand.Read(noise)
				fmt.Fprintf(&bunch, "%s\r\n", noise)
			}
		}
		if err := a.Lanes[0].Scanner.Send(ctx, []byte(bunch.String())); err != nil {
			t.Fatal(err)
		}
		<-tick.C
	}
}

// memory returns the resident bytes of an agent's process.
func memory(t *testing.T, a *site.Agent) int64 {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", a.Process().PID()))
	if err != nil {
		t.Fatal(err)
	}
	var size, resident int64
	if _, err := fmt.Sscan(string(b), &size, &resident); err != nil {
		t.Fatal(err)
	}
	return resident * int64(os.Getpagesize())
}

// TestSlowAndMalformedPeers opens many connections to each of central's ports and
// to the agent's pages that say nothing, half of a TLS record, or noise. Lanes
// come back through them, people walk, and the ports get rid of such peers.
func TestSlowAndMalformedPeers(t *testing.T) {
	s := campus(t, site.Config{}, "north")
	synced(t, s)
	a := s.Agents[0]
	targets := map[string]string{"enrolment": hostOf(t, s.EnrolURL()), "broker": s.BrokerAddr(), "API": hostOf(t, s.API.URL), "agent": hostOf(t, status(t, a).HTTP)}
	var peers []net.Conn
	for what, address := range targets {
		for i := range 60 {
			peers = append(peers, bother(t, what, address, i))
		}
	}
	a.Cable.Cut()
	until(t, "the lane misses central", func() bool { return !status(t, a).Feed.Connected })
	a.Cable.Join()
	until(t, "the lane is back", func() bool { return status(t, a).Feed.Connected })
	p := issue(t, s, nil)
	walk(t, a, p.Code)
	ledger(t, s, p.ID, "granted", "passed")
	for _, c := range peers {
		until(t, c.RemoteAddr().String()+" ends a peer that never speaks", func() bool { return ended(c) })
	}
}

// bother connects and sends the i-th kind of nonsense.
func bother(t *testing.T, what, address string, i int) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(what, err)
	}
	t.Cleanup(func() { c.Close() })
	hello := []byte{22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3} // a TLS record of 512 bytes begins
	noise := make([]byte, 600)
	rand.Read(noise)
	oversized := binary.BigEndian.AppendUint16([]byte{22, 3, 1}, 0xffff)
	sent := [][]byte{nil, hello, noise, oversized, []byte("GET / HTTP/1.1\r\nHost: x\r\nX-Long: "), {0x10, 0xff, 0xff, 0xff, 0x7f}}[i%6]
	if _, err := c.Write(sent); err != nil {
		t.Log(what, err) // refused at once is as good
	}
	return c
}

// ended reports whether the other side has closed a connection.
func ended(c net.Conn) bool {
	c.SetReadDeadline(time.Now().Add(5 * time.Millisecond))
	_, err := c.Read(make([]byte, 4096))
	return err != nil && !errors.Is(err, os.ErrDeadlineExceeded)
}

// TestFloodOfMessages has a stolen lane send thousands of messages that it may
// publish and did not sign. The other lane's day goes on, and central keeps few alarms.
func TestFloodOfMessages(t *testing.T) {
	s := campus(t, site.Config{}, "north", "south")
	synced(t, s)
	north, south := s.Agents[0], s.Agents[1]
	if err := north.Stop(); err != nil {
		t.Fatal(err)
	}
	c, err := session(t, north, "north", nil)
	if err != nil {
		t.Fatal(err)
	}
	topics, junk := link.Topics{Site: "demo"}, make([]byte, 2000)
	rand.Read(junk)
	for i := range 3000 {
		topic := []string{topics.Log("north"), topics.Ask("north"), topics.State("north"), topics.Use("north")}[i%4]
		c.Publish(topic, 0, false, junk)
		if i%1000 == 500 {
			p := issue(t, s, nil)
			walk(t, south, p.Code)
			ledger(t, s, p.ID, "granted", "passed")
		}
	}
	until(t, "central alarms the thief", func() bool { return len(alarms(t, s, "north")) > 0 })
	if n := len(alarms(t, s, "north")); n > 20 {
		t.Errorf("%d alarms of one flood", n)
	}
	if n := alarms(t, s, "south"); len(n) != 0 {
		t.Errorf("alarms about the other lane: %v", n)
	}
}

func status(t *testing.T, a *site.Agent) daemon.Status {
	t.Helper()
	s, err := a.Status()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func hostOf(t *testing.T, address string) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return u.Host
}
