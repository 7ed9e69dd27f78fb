package endtoend

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"sync"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"turnstile/central/link"
	"turnstile/central/office"
	"turnstile/simulator/site"
)

// insider is somebody who has the broker: he reads all commands, and sends what he
// wants in central's name.
type insider struct {
	mqtt.Client
	mu   sync.Mutex // guards the following
	seen map[string][]byte
}

// corrupt gives a site's mosquitto a listener that takes everybody for central.
func corrupt(t *testing.T, s *site.Site) *insider {
	t.Helper()
	port, err := site.FreePorts(1)
	if err != nil {
		t.Fatal(err)
	}
	folder := filepath.Join(s.Data(), "mosquitto")
	acl, err := os.ReadFile(filepath.Join(folder, "acl"))
	if err != nil {
		t.Fatal(err)
	}
	name := regexp.MustCompile(`(?m)^user (\S+)$`).FindSubmatch(acl)
	f, err := os.OpenFile(filepath.Join(folder, "mosquitto.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil || name == nil {
		t.Fatal(err, string(acl))
	}
	fmt.Fprintf(f, "\nlistener %d 127.0.0.1\nallow_anonymous true\n", port)
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	s.Broker().Kill()
	if err := s.StartBroker(); err != nil {
		t.Fatal(err)
	}
	i := &insider{seen: map[string][]byte{}}
	i.Client = mqtt.NewClient(mqtt.NewClientOptions().AddBroker(fmt.Sprintf("tcp://127.0.0.1:%d", port)).SetClientID("insider").SetUsername(string(name[1])).
		SetProtocolVersion(4).SetConnectRetry(true).SetConnectRetryInterval(100 * time.Millisecond).SetDefaultPublishHandler(i.read))
	if k := i.Connect(); !k.WaitTimeout(patience) || k.Error() != nil {
		t.Fatal(k.Error())
	}
	t.Cleanup(func() { i.Disconnect(0) })
	if k := i.Subscribe("tg/1/demo/a/+/dn/cmd", 0, nil); !k.WaitTimeout(patience) || k.Error() != nil {
		t.Fatal(k.Error())
	}
	return i
}

func (i *insider) read(_ mqtt.Client, m mqtt.Message) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.seen[m.Topic()] = m.Payload()
}

// last returns the newest command to a lane controller.
func (i *insider) last(t *testing.T, lane string) (payload []byte) {
	t.Helper()
	until(t, "a command to "+lane+" goes by", func() bool {
		i.mu.Lock()
		defer i.mu.Unlock()
		payload = i.seen[link.Topics{Site: "demo"}.Command(lane)]
		return payload != nil
	})
	return payload
}

func (i *insider) send(t *testing.T, lane string, payload []byte) {
	t.Helper()
	if k := i.Publish(link.Topics{Site: "demo"}.Command(lane), 1, false, payload); !k.WaitTimeout(patience) || k.Error() != nil {
		t.Fatal(k.Error())
	}
}

// tell gives a command to an agent's first lane.
func tell(t *testing.T, s *site.Site, lane, action string) (c office.CommandBody) {
	t.Helper()
	body := map[string]any{"lane": 1}
	if action == "open" {
		body["direction"], body["reason"], body["cause"] = "in", "the officer sees the person", "assistance"
	}
	if err := s.API.Do(t.Context(), "POST", "/lanes/"+lane+"/"+action, body, &c); err != nil {
		t.Fatal(err)
	}
	return c
}

// became waits until a command is in the state.
func became(t *testing.T, s *site.Site, c office.CommandBody, state string) office.CommandBody {
	t.Helper()
	until(t, c.Controller+": "+c.Action+" becomes "+state, func() bool {
		return s.API.Do(t.Context(), "GET", "/commands/"+c.ID, nil, &c) == nil && c.State == state
	})
	return c
}

// obeyed has a lane do something harmless, so that it has taken whatever was sent
// to it before.
func obeyed(t *testing.T, s *site.Site, lane string) {
	t.Helper()
	if c := became(t, s, tell(t, s, lane, "identify"), "done"); c.Result != "shown" {
		t.Errorf("%+v", c)
	}
}

// setMode changes the mode of zone 0 and waits until an agent has heard.
func setMode(t *testing.T, s *site.Site, id, mode string) {
	t.Helper()
	var r office.RulesBody
	if err := s.API.Do(t.Context(), "POST", "/zones/0/mode", map[string]string{"mode": mode, "reason": "a test"}, &r); err != nil {
		t.Fatal(err)
	}
	until(t, id+" has the mode", func() bool {
		lanes, err := s.API.Lanes(t.Context())
		return err == nil && slices.ContainsFunc(lanes, func(l office.LaneBody) bool { return l.ID == id && l.Rules >= r.Version })
	})
}

func openings(a *site.Agent) uint64 { return a.Lanes[0].Controller.State().Openings }

// TestOpenByCommand opens a lane once from central: through the API, to the gate,
// through the ledger back to what became of it; also in lockdown, not under the
// fire release, and never again, whatever somebody does who has the broker.
func TestOpenByCommand(t *testing.T) {
	s := campus(t, site.Config{Mosquitto: mosquitto}, "north", "south")
	synced(t, s)
	broker := corrupt(t, s)
	synced(t, s)
	north, south := s.Agents[0], s.Agents[1]
	if err := south.Stop(); err != nil {
		t.Fatal(err)
	}
	lost := tell(t, s, "south", "open") // nobody is there: it expires in half a minute
	unheard := broker.last(t, "south")

	hasGate(t, north)
	c := became(t, s, tell(t, s, "north", "open"), "done")
	if c.Result != "passed" || openings(north) != 1 || c.Ledger == 0 {
		t.Errorf("%+v, %d openings", c, openings(north))
	}
	rows, err := s.API.Passages(t.Context(), c.Ledger-2)
	if err != nil || len(rows) < 2 || rows[0].Type != "granted" || rows[1].Type != "passed" || rows[1].Kind != "command" || rows[1].Pass != "" || rows[1].Number != c.Ledger {
		t.Errorf("ledger %+v, %v", rows, err)
	}

	recorded := broker.last(t, "north")
	forged := slices.Clone(recorded)
	forged[len(forged)-5] ^= 1
	for _, b := range [][]byte{recorded, recorded, forged, unheard, recorded, make([]byte, 600), nil} {
		broker.send(t, "north", b)
	}
	obeyed(t, s, "north")
	ledgerHas(t, s, "message_refused")
	if err := north.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := north.Start(); err != nil {
		t.Fatal(err)
	}
	isBack(t, s, "north")
	for range 3 {
		broker.send(t, "north", recorded)
	}
	obeyed(t, s, "north")
	if n := openings(north); n != 1 {
		t.Fatalf("%d openings for one command", n)
	}

	setMode(t, s, "north", "lockdown")
	p := issue(t, s, nil)
	refused(t, north, p.Code, "LOCKDOWN")
	hasGate(t, north)
	if c := became(t, s, tell(t, s, "north", "open"), "done"); c.Result != "passed" || openings(north) != 2 {
		t.Errorf("in lockdown: %+v", c)
	}
	s.Central().Kill()
	if err := north.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := north.Start(); err != nil {
		t.Fatal(err)
	}
	refused(t, north, p.Code, "LOCKDOWN") // it stands, with central away
	if err := s.StartCentral(); err != nil {
		t.Fatal(err)
	}
	isBack(t, s, "north")
	setMode(t, s, "north", "normal")
	walk(t, north, p.Code)

	north.Lanes[0].Controller.Fire(true)
	ledgerHas(t, s, "fire")
	until(t, "the agent hears that fire is on", func() bool { g := status(t, north).Lanes[0].Gate; return g.Connected && g.Fire })
	if c := became(t, s, tell(t, s, "north", "open"), "refused"); c.Refused != "GATE_FAULT" || !c.Fire {
		t.Errorf("under fire release: %+v", c)
	}
	north.Lanes[0].Controller.Fire(false)
	if c := became(t, s, lost, "expired"); c.Answered != nil {
		t.Errorf("%+v", c)
	}
	if err := south.Start(); err != nil {
		t.Fatal(err)
	}
	synced(t, s)
	broker.send(t, "south", unheard)
	obeyed(t, s, "south")
	if openings(south) != 0 {
		t.Error("a command that was over opened a gate")
	}
	var alarms office.AlarmList
	if err := s.API.Do(t.Context(), "GET", "/alarms", nil, &alarms); err != nil {
		t.Fatal(err)
	}
	for _, a := range alarms.Alarms {
		if a.Code == "command_unknown" {
			t.Errorf("alarm %+v", a)
		}
	}
	gapless(t, s)
}

// isBack waits until one agent is back.
func isBack(t *testing.T, s *site.Site, id string) {
	t.Helper()
	began := time.Now()
	until(t, id+" is back", func() bool {
		lanes, err := s.API.Lanes(t.Context())
		return err == nil && slices.ContainsFunc(lanes, func(l office.LaneBody) bool { return l.ID == id && current(s, &l) })
	})
	t.Logf("%s is back after %v", id, time.Since(began).Round(time.Millisecond))
}
