package server

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"turnstile/central/pass"
	"turnstile/central/porttest"
)

// keptAddress is where something may listen, stop and listen again.
func keptAddress(t *testing.T) string {
	t.Helper()
	return fmt.Sprint("127.0.0.1:", porttest.Keep(t))
}

// startMosquitto runs Debian's mosquitto on what Mosquitto wrote to dir.
func startMosquitto(t *testing.T, dir string) *exec.Cmd {
	t.Helper()
	program := "/usr/sbin/mosquitto"
	if _, err := os.Stat(program); err != nil {
		t.Fatal("this test needs a mosquitto: apt-get install mosquitto")
	}
	if os.Geteuid() == 0 { // mosquitto drops root and must still read its files
		files, err := filepath.Glob(filepath.Join(dir, "*"))
		if err != nil || len(files) == 0 {
			t.Fatalf("no files in %s: %v", dir, err)
		}
		for _, f := range files {
			if err := os.Chmod(f, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		for d := dir; d != "/tmp" && d != "/"; d = filepath.Dir(d) {
			if err := os.Chmod(d, 0o755); err != nil {
				t.Fatal(err)
			}
		}
	}
	c := exec.Command(program, "-c", filepath.Join(dir, "mosquitto.conf"))
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	return c
}

// TestExternalBroker: the spine over a stock mosquitto; central starts before
// the broker does, and finds it; killed and started again, the broker has no
// memory and gets everything anew.
func TestExternalBroker(t *testing.T) {
	c := configure(t)
	dir, port := filepath.Join(t.TempDir(), "mosquitto"), porttest.Keep(t)
	path, err := Mosquitto(context.Background(), c, dir, []string{"localhost", "127.0.0.1"}, port)
	if err != nil || path != filepath.Join(dir, "mosquitto.conf") {
		t.Fatalf("wrote %s: %v", path, err)
	}
	url := fmt.Sprintf("ssl://127.0.0.1:%d", port)
	c.Broker.External = &External{URL: url, CA: filepath.Join(dir, "authority.crt"), Certificate: filepath.Join(dir, "central.crt"), Key: filepath.Join(dir, "central.key")}
	r := run(t, c)
	broker := startMosquitto(t, dir)
	a := r.api(t)
	l := r.enrol(t, a, "N1")
	if l.answer.Broker != url {
		t.Errorf("lanes are told %s", l.answer.Broker)
	}
	eventually(t, "the broker listens", func() bool { return l.dial(url) })
	if err := l.connect(t); err != nil {
		t.Fatal(err)
	}
	eventually(t, "central is connected", func() bool { return r.healthy(t) })
	testSpine(t, a, l)

	broker.Process.Kill()
	broker.Wait()
	eventually(t, "central notices", func() bool { return !r.healthy(t) })
	broker = startMosquitto(t, dir)
	defer broker.Wait()
	defer broker.Process.Kill()
	eventually(t, "central is back", func() bool { return r.healthy(t) })
	l.lost = make(chan struct{})
	if err := l.connect(t); err != nil {
		t.Fatal(err)
	}
	for _, topic := range []string{l.topics.Head(), l.topics.Keys(), l.topics.Rules(), l.topics.GateKeys("N1"), l.topics.Day(pass.DayOf(r.campusNow(t)))} {
		if len(l.retained(t, topic)) == 0 {
			t.Errorf("nothing on %s", topic)
		}
	}
}

// TestRestart: what was issued and revoked is there after a stop; the lane need
// not enrol again.
func TestRestart(t *testing.T) {
	c := configure(t)
	c.HTTP.Listen, c.Broker.Listen = keptAddress(t), keptAddress(t)
	r := run(t, c)
	a := r.api(t)
	l := r.enrol(t, a, "N1")
	if err := l.connect(t); err != nil {
		t.Fatal(err)
	}
	testSpine(t, a, l)
	var before, after struct{ Seq uint64 }
	a.call(t, "GET", "/feed", nil, &before)
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	r = run(t, c)
	a.call(t, "GET", "/feed", nil, &after)
	if before.Seq == 0 || after.Seq != before.Seq {
		t.Errorf("feed at %d, before the stop at %d", after.Seq, before.Seq)
	}
	var passages struct{ Passages []map[string]any }
	a.call(t, "GET", "/passages", nil, &passages)
	var passes struct{ Passes []map[string]any }
	a.call(t, "GET", "/passes?status=revoked", nil, &passes)
	if len(passages.Passages) != 1 || len(passes.Passes) != 1 {
		t.Errorf("%d passages, %d revoked passes after the restart", len(passages.Passages), len(passes.Passes))
	}
	l.lost = make(chan struct{})
	if err := l.connect(t); err != nil {
		t.Fatal(err)
	}
	if len(l.retained(t, l.topics.Head())) == 0 {
		t.Error("no head")
	}
}

// address returns host:port of an endpoint.
func address(endpoint string) string {
	_, hostport, _ := strings.Cut(endpoint, "://")
	return hostport
}

// dial reports whether something listens.
func (l *lane) dial(url string) bool {
	conn, err := net.Dial("tcp", address(url))
	if err != nil {
		return false
	}
	conn.Close()
	return true
}

func (r *running) healthy(t *testing.T) bool {
	t.Helper()
	response, err := http.Get(r.endpoints.HTTP + "/healthz")
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	return response.StatusCode == http.StatusOK
}

// campusNow is the time on the campus clock.
func (r *running) campusNow(t *testing.T) time.Time {
	t.Helper()
	l, err := time.LoadLocation(r.config.Timezone)
	if err != nil {
		t.Fatal(err)
	}
	return time.Now().In(l)
}
