package server

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"turnstile/central/link"
)

func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "central.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestLoad(t *testing.T) {
	for _, text := range []string{"", "# nothing\n", "---\n"} {
		if c, err := Load(write(t, text)); err != nil || c.Site != "campus" || c.Capacity != link.MaxCapacity || c.Heads != 5*time.Second {
			t.Errorf("%q: %+v, %v", text, c, err)
		}
	}
	c, err := Load(write(t, `
site: north
heads: 2s
passphrase: {file: /x}
broker:
  external: {url: "ssl://broker:8883"}
zones:
  - {id: 0, name: Main, name_zh: 主樓, passback: soft, hours: [{days: [mon, tue], open: "07:00", close: "24:00"}], holidays: [2026-12-25]}
  - {id: 3, name: Library, mode: lockdown}
`))
	if err != nil {
		t.Fatal(err)
	}
	r, err := c.seed()
	if err != nil || len(r.Zones) != 2 || r.Zones[0].Hours[0] != (link.Hours{Weekdays: 6, Open: 420, Close: 1440}) || r.Zones[0].Passback != link.PassbackSoft ||
		r.Zones[1].Mode != link.Lockdown || r.Zones[1].NameZH != "Library" || r.Zones[0].Holidays[0].String() != "2026-12-25" || len(r.Policies) != 4 {
		t.Errorf("rules %+v: %v", r, err)
	}
	if c.Site != "north" || c.Heads != 2*time.Second || c.Passphrase.File != "/x" || c.Broker.External.URL != "ssl://broker:8883" {
		t.Errorf("%+v", c)
	}
}

// TestLoadAll: everything that is wrong is named at once, with its line.
func TestLoadAll(t *testing.T) {
	for _, c := range []struct {
		text  string
		lines []string // begin and an end of each problem, in order
	}{
		{"sight: x\nheads: soon\nhttp:\n  port: 80\ncapacity: many\n", []string{"line 1: key sight", "line 2: ", "line 4: key port", "line 5: "}},
		{"site: a b\nheads: 1h\n\nhttp: {listen: 0.0.0.0:80}\nbroker:\n  hosts: []\n  external:\n    url: tcp://x\nzones: [{id: 0}]\n",
			[]string{"line 1: site", "line 2: heads", "line 4: http.listen", "line 6: broker.hosts", "line 8: broker.external.url", "line 9: zones"}},
		{"timezone: Mars\ncapacity: 1000\nhttp:\n  public: true\n  certificate: x\n", []string{"line 1: timezone", "line 2: capacity", "line 5: http.certificate"}},
		{"site: [\n", []string{""}},
		{"zones: [{id: 1, name: A}, {id: 0, name: B}]", []string{"line 1: zones"}},
		{"zones: [{id: 0, name: A, hours: [{days: [sunday], open: x, close: y}]}]", []string{"line 1: zones"}},
	} {
		_, err := Load(write(t, c.text))
		var e *ConfigError
		if !errors.As(err, &e) || !errors.Is(err, ErrConfig) || len(e.Problems) != len(c.lines) {
			t.Errorf("%q: %v, want %d problems", c.text, err, len(c.lines))
			continue
		}
		for i, p := range e.Problems {
			if !strings.HasPrefix(p, c.lines[i]) || strings.Contains(p, "server.") {
				t.Errorf("%q: problem %q, want %q", c.text, p, c.lines[i])
			}
		}
	}
	if _, err := Load(filepath.Join(t.TempDir(), "missing")); !errors.Is(err, ErrConfig) {
		t.Errorf("missing file: %v", err)
	}
}

// TestOwnBrokerByTheNameOfLanes: names in the broker's certificate are those by
// which lanes reach it, as in configs/central.yaml. Central reaches its own broker
// all the same, whatever it listens on.
func TestOwnBrokerByTheNameOfLanes(t *testing.T) {
	tried := 0
	for _, hosts := range [][]string{{"central.example", "192.0.2.10"}, {"192.0.2.10"}, {"localhost"}} {
		for _, listen := range []string{"0.0.0.0:0", "127.0.0.1:0"} {
			c := configure(t)
			c.Broker.Listen, c.Broker.Hosts, c.Enrol.Hosts = listen, hosts, hosts
			r := run(t, c)
			eventually(t, "central is connected to its own broker", func() bool { return r.healthy(t) })
			if err := r.stop(); err != nil {
				t.Error(err)
			}
			tried++
		}
	}
	if tried != 6 {
		t.Errorf("%d tried", tried)
	}
}
