package broker

import (
	"context"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"turnstile/central/issuer"
	"turnstile/central/porttest"
)

// startMosquitto runs Debian's mosquitto with the files that MosquittoFiles
// writes. Serials are of removed lanes.
func startMosquitto(t *testing.T, h house, serials ...*big.Int) string {
	t.Helper()
	program, err := exec.LookPath("mosquitto")
	if err != nil {
		program = "/usr/sbin/mosquitto"
	}
	if _, err := os.Stat(program); err != nil {
		t.Fatal("this test needs a mosquitto: apt-get install mosquitto")
	}
	port := porttest.Keep(t)
	m := Mosquitto{Site: site, Centrals: []string{issuer.CentralName}, Port: port, Authority: h.issuer.Authority()}
	if m.Server, err = h.issuer.ServerCertificate([]string{"localhost", "127.0.0.1"}, time.Now()); err != nil {
		t.Fatal(err)
	}
	if m.Client, err = h.issuer.CentralCertificate(time.Now()); err != nil {
		t.Fatal(err)
	}
	if m.Revoked, err = h.issuer.RevocationList(serials, time.Now()); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "mosquitto")
	path, err := MosquittoFiles(dir, m)
	if err != nil {
		t.Fatal(err)
	}
	if path, err = MosquittoFiles(dir, m); err != nil {
		t.Fatalf("write again: %v", err)
	}
	if os.Geteuid() == 0 { // mosquitto drops root and must still read its files
		own(t, dir)
	}
	log, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command(program, "-c", path, "-v")
	c.Stdout, c.Stderr = log, log
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- c.Wait() }()
	t.Cleanup(func() {
		c.Process.Kill()
		<-ended
		if text, err := os.ReadFile(log.Name()); err == nil && t.Failed() {
			t.Logf("mosquitto:\n%s", text)
		}
	})
	address := fmt.Sprintf("127.0.0.1:%d", port)
	tick, over := time.NewTicker(20*time.Millisecond), time.After(patience)
	defer tick.Stop()
	for {
		if conn, err := net.Dial("tcp", address); err == nil {
			conn.Close()
			return "ssl://" + address
		}
		select {
		case <-tick.C:
		case err := <-ended:
			ended <- err
			t.Fatalf("mosquitto ended: %v", err)
		case <-over:
			t.Fatal("mosquitto does not listen")
		}
	}
}

// own lets mosquitto's user, nobody if there is none, read the folder.
func own(t *testing.T, dir string) {
	t.Helper()
	for d := dir; d != "/"; d = filepath.Dir(d) {
		if info, err := os.Stat(d); err == nil && info.Mode().Perm()&0o055 != 0o055 {
			if err := os.Chmod(d, info.Mode().Perm()|0o055); err != nil {
				t.Fatal(err)
			}
		}
	}
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(files) != 8 {
		t.Fatalf("%d files: %v", len(files), err)
	}
	for _, f := range files {
		if err := os.Chmod(f, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// TestMosquitto: the same rights as with the embedded broker.
func TestMosquitto(t *testing.T) {
	h := newHouse(t)
	removed := h.lane(t, "N9")
	url := startMosquitto(t, h, removed.Leaf.SerialNumber)
	t.Run("rights", func(t *testing.T) { testRights(t, h, url) })
	t.Run("will", func(t *testing.T) { testWill(t, h, url) })
	t.Run("strangers", func(t *testing.T) {
		n2 := mustConnect(t, url, "N2", h.client(h.lane(t, "N2")))
		if _, err := connect(t, url, "N9", h.client(removed)); err == nil {
			t.Error("a removed lane connects")
		}
		other := newHouse(t)
		wrong := other.client(other.lane(t, "N2"))
		wrong.RootCAs = h.client(removed).RootCAs
		if _, err := connect(t, url, "N2", wrong); err == nil {
			t.Error("a certificate of another authority connects")
		}
		n1, err := connect(t, url, "N2", h.client(h.lane(t, "N1"))) // gets its own name as client id
		if err == nil {
			n1.subscribe(t, "tg/1/campus/a/N2/dn/#")
		}
		central := mustConnect(t, url, "central", h.central(t))
		n2.subscribe(t, "tg/1/campus/a/N2/dn/#")
		central.publish(t, "tg/1/campus/a/N2/dn/ack", "for N2", 1, false)
		n2.expect(t, "tg/1/campus/a/N2/dn/ack=for N2")
		select {
		case <-n2.down:
			t.Error("N2 was thrown out by a foreign client id")
		case got := <-n1.got:
			t.Errorf("N1 got %q", got)
		default:
		}
	})
	t.Run("session", func(t *testing.T) {
		connected := make(chan struct{}, 1)
		s := NewSession(SessionConfig{URL: url, TLS: h.central(t), ClientID: "central", Log: slog.New(slog.DiscardHandler),
			Subscriptions: []Subscription{{Filter: "tg/1/campus/a/+/up/state", Queue: 1, Handle: func(context.Context, Message) {}}},
			Connected:     func(context.Context) { connected <- struct{}{} }})
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan error, 1)
		go func() { ended <- s.Run(ctx) }()
		receive(t, connected, "Connected")
		cancel()
		receive(t, ended, "end of Run")
	})
}
