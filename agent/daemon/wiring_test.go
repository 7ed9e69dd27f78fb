package daemon

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"turnstile/firmware-bridge/gate"
	"turnstile/firmware-bridge/gate/gpio"
	"turnstile/firmware-bridge/scanner/engine"
)

// wirings are lanes with each driver; %s is an OSDP key file.
var wirings = map[string]string{
	"two OSDP readers on one line, a Modbus board": `
    scanners:
      - {driver: osdp, port: /dev/rs485, baud: 38400, address: 0, key_file: %[1]s}
      - {driver: osdp, port: /dev/rs485, baud: 38400, address: 1, key_file: %[1]s.out, cuid: "0011223344556677", direction: out}
    gate: {driver: modbus, port: /dev/board, baud: 38400, relay_in: 1, relay_out: 2, sensor_in: 1, sensor_out: 2, fire: "!3", door: 4, held_after: 8s}`,
	"card readers and an access panel": `
    scanners:
      - {driver: wiegand, d0: D0, d1: D1, formats: [H10301, W66]}
    gate: {driver: panel, d0: P0, d1: P1, format: H10301, number: pass, facility: 7, sensor_in: WALKED, opened: RELAY, opens: in, answer: 3s}`,
	"a card reader at the controller": `
    scanners:
      - {driver: controller, reader: 1}
      - {port: /dev/scanner, direction: out}
    gate: {driver: controller, port: /dev/controller}`,
	"GPIO with all that hangs on it": `
    scanners: [{port: /dev/scanner, driver: auto, raise: 115200, mode: presentation, baud: 9600, qr_only: true}]
    gate:
      {driver: gpio, profile: perco-pulse, relay_in: A, relay_out: B, open_drain: true, sensor_in: C, sensor_out: D, fire: E, tamper: F, ready: G,
       door: H, held_after: 5s, active_low: true, lamp_granted: I, lamp_denied: "!J", buzzer: K, window: 8s}`,
}

func keyFile(t testing.TB) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "reader.key")
	for name, key := range map[string]string{path: "8d3f0c5a91e24b7706c8f1ad2b9e4463", path + ".out": "c2719be05f8846d3a1f07e64d9385b1c"} {
		if err := os.WriteFile(name, []byte(key+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return path
}

func TestEachDriverIsMade(t *testing.T) {
	all := map[string]string{}
	for name, w := range wirings {
		all[name] = w
	}
	for _, family := range engine.Families() {
		all[family] = "\n    scanners: [{port: /dev/scanner, driver: " + family + "}]\n    gate: {driver: controller, port: /dev/controller}"
	}
	for name, w := range all {
		if strings.Contains(w, "%[1]s") {
			w = fmt.Sprintf(w, keyFile(t))
		}
		c, problems := parse([]byte("data: d\nlanes:\n  - number: 1" + w + "\n"))
		if len(problems) > 0 {
			t.Errorf("%s: %v", name, problems)
			continue
		}
		g, readers, err := Hardware(&gpio.Host{}, nil, slog.New(slog.DiscardHandler))(c.Lanes[0])
		if err != nil || g == nil || len(readers) != len(c.Lanes[0].Scanners) {
			t.Errorf("%s: %v, %d readers, %v", name, g, len(readers), err)
			continue
		}
		for i, r := range readers {
			if r.Scanner == nil || r.Name == "" || r.Direction != []gate.Direction{gate.In, gate.Out}[i] {
				t.Errorf("%s: reader %+v", name, r)
			}
		}
	}
}

// wrongWirings are lanes, each with words of the one thing that is wrong.
var wrongWirings = map[string][2]string{
	"a foreign key":        {"scanners: [{port: /dev/a, key_file: x}]\n    gate: {driver: controller, port: /dev/b}", "key_file: is not for driver line"},
	"a profile elsewhere":  {"scanners: [{port: /dev/a}]\n    gate: {driver: controller, port: /dev/b, profile: plain}", "profile: is not for driver controller"},
	"OSDP without key":     {"scanners: [{port: /dev/a, driver: osdp}]\n    gate: {driver: controller, port: /dev/b}", "key_file: name the file"},
	"one OSDP key for two": {"scanners: [{port: /dev/a, driver: osdp, key_file: x}, {port: /dev/a, driver: osdp, address: 1, key_file: x, direction: out}]\n    gate: {driver: controller, port: /dev/b}", "a key for each"},
	"master key for any":   {"scanners: [{port: /dev/a, driver: osdp, key_file: x, master: true}]\n    gate: {driver: controller, port: /dev/b}", "any reader could play"},
	"OSDP twice":           {"scanners: [{port: /dev/a, driver: osdp, key_file: x}, {port: /dev/a, driver: osdp, key_file: y, direction: out}]\n    gate: {driver: controller, port: /dev/b}", "two addresses"},
	"OSDP far away":        {"scanners: [{port: /dev/a, driver: osdp, key_file: x, address: 127}]\n    gate: {driver: controller, port: /dev/b}", "use 0 to 126"},
	"no such driver":       {"scanners: [{port: /dev/a, driver: magic}]\n    gate: {driver: controller, port: /dev/b}", "use line, auto, gm65"},
	"cards without":        {"scanners: [{driver: controller}]\n    gate: {driver: modbus, port: /dev/b, relay_in: 1, sensor_in: 1}", "gate with driver controller"},
	"one wire":             {"scanners: [{driver: wiegand, d0: A}]\n    gate: {driver: controller, port: /dev/b}", "d0 and d1 need a line each"},
	"engine's mode":        {"scanners: [{driver: gm65, port: /dev/a, mode: sleep}]\n    gate: {driver: controller, port: /dev/b}", "presentation, trigger or keep"},
	"nobody triggers":      {"scanners: [{driver: gm65, port: /dev/a, mode: trigger}]\n    gate: {driver: controller, port: /dev/b}", "it would read nothing"},
	"one reader two ways":  {"scanners: [{driver: controller, reader: 1}, {driver: controller, reader: 1, direction: out}]\n    gate: {driver: controller, port: /dev/b}", "each once"},
	"a relay that is none": {"scanners: [{port: /dev/a}]\n    gate: {driver: modbus, port: /dev/b, relay_in: one, sensor_in: 1}", "they count from 1"},
	"a keyboard":           {"scanners: [{driver: auto, port: /dev/input/event3}]\n    gate: {driver: controller, port: /dev/b}", "keyboard"},
	"driver's words":       {"scanners: [{port: /dev/a}]\n    gate: {driver: gpio, relay_in: A}", "name sensor_in"},
	"a line for two":       {"scanners: [{driver: wiegand, d0: A, d1: B}]\n    gate: {driver: gpio, relay_in: C, sensor_in: \"!B\"}", "line \"B\" is the scanner of lane 1 (in)'s already"},
	"panel's way":          {"scanners: [{port: /dev/a}]\n    gate: {driver: panel, d0: A, d1: B, format: H10301, number: pass, sensor_in: C, opens: up}", "in, out, or left out"},
}

func TestWrongWiringIsNamed(t *testing.T) {
	for name, w := range wrongWirings {
		_, problems := parse([]byte("data: d\nlanes:\n  - number: 1\n    " + w[0] + "\n"))
		if len(problems) != 1 || !strings.Contains(problems[0], w[1]) || !lineOf.MatchString(problems[0]) {
			t.Errorf("%s: %q, want one with %q and its line", name, problems, w[1])
		}
	}
}

// The agent names an OSDP key file that it cannot use before any lane runs.
func TestOSDPKeyFileMissing(t *testing.T) {
	c, problems := parse([]byte("data: d\nlanes:\n  - number: 1" + fmt.Sprintf(wirings["two OSDP readers on one line, a Modbus board"], "/no/such/key") + "\n"))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	if _, _, err := Hardware(nil, gpio.ErrNoChip, slog.New(slog.DiscardHandler))(c.Lanes[0]); err == nil || !strings.Contains(err.Error(), "/no/such/key") {
		t.Errorf("got %v", err)
	}
}
