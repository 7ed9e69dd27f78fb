package endtoend

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"turnstile/agent/enrol"
	"turnstile/central/link"
	"turnstile/simulator/site"
)

// invite returns a fresh enrolment token.
func invite(t *testing.T, s *site.Site, id string) string {
	t.Helper()
	var i struct{ Token string }
	if err := s.API.Do(t.Context(), "POST", "/lanes", map[string]string{"id": id}, &i); err != nil {
		t.Fatal(err)
	}
	keepSecret(s, "enrolment token of "+id, i.Token[40:])
	return i.Token
}

// enroll runs `agent enroll` in a new folder and returns its exit code, what it
// said, and whether it has an identity now.
func enroll(t *testing.T, s *site.Site, token string) (exit int, said string, enrolled bool) {
	t.Helper()
	folder := t.TempDir()
	config := filepath.Join(folder, "agent.yaml")
	yaml := "data: " + folder + "\nlanes: [{number: 1, scanners: [{port: /dev/null}], gate: {driver: controller, port: /dev/zero}}]\n"
	if err := os.WriteFile(config, []byte(yaml), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(filepath.Join(programs, "agent"), "enroll", "--central", s.EnrolURL(), "--token-file", "-", "--config", config)
	cmd.Stdin = strings.NewReader(token + "\n")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	var failed *exec.ExitError
	if err != nil && !errors.As(err, &failed) {
		t.Fatal(err)
	}
	_, err = os.Stat(filepath.Join(folder, enrol.FileName))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), out.String(), err == nil
}

// TestEnrolmentRefused tries a wrong secret, a foreign authority and a used
// token; and that a lane which was sent to the wrong central has not told it the secret.
func TestEnrolmentRefused(t *testing.T) {
	s := campus(t, site.Config{})
	text := invite(t, s, "east")
	token, err := link.ParseEnrolToken(text)
	if err != nil {
		t.Fatal(err)
	}
	guess, foreign := token, token
	guess.Secret[3] ^= 1
	foreign.Authority[3] ^= 1
	refuse := func(what, text string) {
		t.Helper()
		exit, said, enrolled := enroll(t, s, text)
		if exit == 0 || enrolled || strings.Contains(said, text) {
			t.Errorf("%s: exit %d, enrolled %v: %s", what, exit, enrolled, said)
		}
		t.Logf("%s: exit %d: %s", what, exit, said)
	}
	refuse("wrong secret", guess.Text())
	refuse("foreign authority", foreign.Text())
	refuse("no token", "turnstile-enrol-1.AAAA")
	if exit, said, enrolled := enroll(t, s, text); exit != 0 || !enrolled {
		t.Fatalf("the good token: exit %d: %s", exit, said)
	}
	refuse("used token", text)
}

// session connects to the broker as id with the certificate of an enrolled agent.
func session(t *testing.T, a *site.Agent, id string, change func(*mqtt.ClientOptions)) (mqtt.Client, error) {
	t.Helper()
	who, err := enrol.Load(a.Data)
	if err != nil {
		t.Fatal(err)
	}
	authority := x509.NewCertPool()
	authority.AddCert(who.Authority)
	o := mqtt.NewClientOptions().AddBroker("ssl://" + a.Cable.Addr()).SetClientID(id).SetProtocolVersion(4).SetAutoReconnect(false).
		SetConnectTimeout(patience).SetTLSConfig(&tls.Config{RootCAs: authority, Certificates: []tls.Certificate{who.Certificate}})
	if change != nil {
		change(o)
	}
	c := mqtt.NewClient(o)
	t.Cleanup(func() { c.Disconnect(0) })
	token := c.Connect()
	if !token.WaitTimeout(2 * patience) {
		t.Fatalf("the broker neither takes nor refuses %s", id)
	}
	return c, token.Error()
}

// TestIntruder plays a stolen lane: with its certificate it tries to be another
// lane, to speak for central, and to leave a will there. What it sends on its own
// topic is alarmed, which shows that the alarm works; of the rest nothing arrives.
func TestIntruder(t *testing.T) {
	for name, config := range map[string]site.Config{"embedded": {}, "mosquitto": {Mosquitto: mosquitto}} {
		t.Run(name, func(t *testing.T) {
			s := campus(t, config, "north", "south")
			synced(t, s)
			intrude(t, s)
		})
	}
}

func intrude(t *testing.T, s *site.Site) {
	north, south := s.Agents[0], s.Agents[1]
	if err := north.Stop(); err != nil {
		t.Fatal(err)
	}
	topics, junk := link.Topics{Site: "demo"}, []byte("not signed by anybody")
	foreign := []string{topics.Head(), topics.Rules(), topics.Ack("south"), topics.Repeat("south"), topics.Log("south"), topics.State("south")}

	// As another lane: refused, or it is renamed; either way south stays.
	if c, err := session(t, north, "south", nil); err == nil {
		publish(c, topics.Log("south"), junk)
	}
	// As itself with a foreign will, which a dead connection triggers if the broker took it.
	session(t, north, "north", func(o *mqtt.ClientOptions) { o.SetBinaryWill(topics.Head(), junk, 1, true) })
	north.Cable.Cut()
	north.Cable.Join()
	// As itself on foreign topics; one session each, for a broker may end it.
	for _, topic := range foreign {
		c, err := session(t, north, "north", nil)
		if err != nil {
			t.Fatal("north with its own name:", err)
		}
		publish(c, topic, junk)
		c.Disconnect(0)
	}
	c, err := session(t, north, "north", nil)
	if err != nil {
		t.Fatal("north with its own name:", err)
	}
	heads := make(chan []byte, 16)
	c.Subscribe(topics.Head(), 0, func(_ mqtt.Client, m mqtt.Message) { heads <- bytes.Clone(m.Payload()) }).WaitTimeout(patience)
	publish(c, topics.Log("north"), junk)

	// The alarm about north comes after all the rest could have come.
	until(t, "central alarms what north sent on its own topic", func() bool { return len(alarms(t, s, "north")) > 0 })
	if n := alarms(t, s, "south"); len(n) != 0 {
		t.Errorf("central got something in the name of south: %v", n)
	}
	for range 3 {
		if bytes.Equal(<-heads, junk) {
			t.Error("a lane published the head")
		}
	}
	until(t, "south is connected and warns of nothing", func() bool { // apart it may have been, right after a connect
		s := status(t, south)
		return s.Feed.Connected && len(s.Warnings) == 0
	})
	p := issue(t, s, nil)
	walk(t, south, p.Code)
	ledger(t, s, p.ID, "granted", "passed")
}

// publish sends retained at QoS 1. Brokers acknowledge what they drop, or drop
// the connection, so there is nothing to see in the answer.
func publish(c mqtt.Client, topic string, payload []byte) {
	c.Publish(topic, 1, true, payload).WaitTimeout(time.Second)
}

// alarms returns the codes of central's alarms about a lane controller.
func alarms(t *testing.T, s *site.Site, id string) (codes []string) {
	t.Helper()
	var list struct {
		Alarms []struct{ Controller, Code string }
	}
	if err := s.API.Do(t.Context(), "GET", "/alarms", nil, &list); err != nil {
		t.Fatal(err)
	}
	for _, a := range list.Alarms {
		if a.Controller == id {
			codes = append(codes, a.Code)
		}
	}
	return codes
}
