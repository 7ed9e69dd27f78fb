package endtoend

import (
	"context"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"turnstile/central/office"
	"turnstile/firmware-bridge/gate/modbus/modbustest"
	"turnstile/firmware-bridge/osdp"
	"turnstile/firmware-bridge/osdp/osdptest"
	"turnstile/firmware-bridge/scanner/engine/enginetest"
	"turnstile/firmware-bridge/serialport/serialtest"
	"turnstile/simulator/site"
)

// other is a lane on other wires than the simulator's: an engine that takes
// commands for the way in, an OSDP reader for the way out, a Modbus board as gate.
type other struct {
	engine *enginetest.Device
	reader *osdptest.Reader
	board  *modbustest.Board
	wires  string // for the agent's configuration
}

// readerKey is the OSDP reader's.
const readerKey = "5be1c07f92d8431ea6604fd31b9a27c8"

// newOther plays the devices until the test is over.
func newOther(t *testing.T) *other {
	t.Helper()
	folder := t.TempDir()
	at := func(name string) string { return filepath.Join(folder, name) }
	o := &other{engine: enginetest.NewDevice(at("engine"), enginetest.NewGM65(9600))}
	must(t, o.engine.Plug())
	t.Cleanup(o.engine.Unplug)
	must(t, os.WriteFile(at("key"), []byte(readerKey), 0o600))
	key, err := osdp.ParseKey([]byte(readerKey))
	must(t, err)
	o.reader, err = osdptest.NewReader(osdptest.Config(3, key))
	must(t, err)
	rs485, board := serialtest.New(at("rs485")), serialtest.New(at("board"))
	for _, line := range []*serialtest.Line{rs485, board} {
		must(t, line.Plug())
		t.Cleanup(line.Unplug)
	}
	far, err := rs485.Far()
	must(t, err)
	o.board = modbustest.New(board, 1)
	ctx, stop := context.WithCancel(context.Background())
	t.Cleanup(stop)
	go o.engine.Run(ctx)
	go osdptest.Play(far, o.reader)
	go o.board.Run(ctx)
	go o.people(ctx)
	o.wires = fmt.Sprintf("scanners: [{driver: auto, port: %s, baud: 9600, raise: 115200}, {driver: osdp, port: %s, address: 3, key_file: %s, direction: out}]\n"+
		"gate: {driver: modbus, port: %s, baud: 115200, relay_in: 1, relay_out: 2, sensor_in: 1, sensor_out: 2, window: 3s}",
		at("engine"), at("rs485"), at("key"), at("board"))
	return o
}

// people walk whichever way is open, once each time. The contact of a passage
// closes for 150 ms, and until the agent has had the time to look.
func (o *other) people(ctx context.Context) {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	seen := [3]int{}
	for ctx.Err() == nil {
		for way := 1; way <= 2; way++ {
			if rises := o.board.Rises(way); !o.board.On(way) && rises > seen[way] {
				seen[way] = rises
				o.board.Input(way, true)
				began, asked := time.Now(), o.board.Requests()
				for ctx.Err() == nil && (time.Since(began) < 150*time.Millisecond || o.board.Requests() < asked+10) {
					<-tick.C
				}
				o.board.Input(way, false)
			}
		}
		<-tick.C
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestOtherWires walks in and out of a lane whose scanners are an engine that was
// found and raised from 9600 to 115200 baud and an OSDP reader on the secure
// channel, and whose gate is a Modbus board; then with a short code as card number.
func TestOtherWires(t *testing.T) {
	o := newOther(t)
	s := campus(t, site.Config{Agents: []site.AgentSetup{{ID: "annex", Lanes: []site.LaneSetup{{Name: "annex", Wires: o.wires}}}}})
	synced(t, s)
	a := s.Agents[0]
	status, err := a.Status()
	must(t, err)
	for _, d := range status.Lanes[0].Scanners {
		t.Logf("scanner %s %s: %s", d.Name, d.Direction, d.About)
	}
	if about := status.Lanes[0].Scanners[0].About; !strings.HasPrefix(about, "gm65") || !strings.Contains(about, "115200 baud") {
		t.Errorf("the engine is %q", about)
	}

	p := issue(t, s, nil)
	must(t, o.engine.Scan(p.Code))
	ledger(t, s, p.ID, "granted", "passed")
	if !o.reader.Scan(p.Code) {
		t.Fatal("the OSDP reader takes no code")
	}
	rows := ledger(t, s, p.ID, "granted", "passed", "granted", "passed")
	if rows[1].Direction != "in" || rows[3].Direction != "out" || o.board.Rises(1) != 1 || o.board.Rises(2) != 1 {
		t.Errorf("%+v; relays %d and %d", rows, o.board.Rises(1), o.board.Rises(2))
	}

	// A short code comes as a card number. None is given out before the rules say so.
	g := issue(t, s, func(o *office.OrderBody) { o.Kind, o.GuestName, o.Length = "guest", "Visitor", "24h" })
	if _, err := s.API.Picture(t.Context(), g.ID, "short"); err == nil {
		t.Fatal("a short code was given out although no rule admits one")
	}
	changeRules(t, s, 3, func(rules map[string]any) { rules["short_zones"] = []int{0} })
	live := issue(t, s, func(o *office.OrderBody) { o.Live = true })
	until(t, "the lane has today's gate key", func() bool { return gateKeyThere(t, a, live.Code) })
	short, err := s.API.Picture(t.Context(), g.ID, "short")
	must(t, err)
	bits, err := hex.DecodeString(strings.TrimSpace(string(short)))
	must(t, err)
	o.reader.Offer(osdp.Raw{Bits: uint16(8 * len(bits)), Data: bits})
	rows = ledger(t, s, g.ID, "granted", "passed")
	if rows[1].Direction != "out" || !slices.Contains(rows[0].Marks, "short_code") {
		t.Errorf("%+v", rows)
	}
	gapless(t, s)
}
