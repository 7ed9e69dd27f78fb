package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"turnstile/central/server"
)

// TestTerminated: a process that gets SIGTERM says at /readyz that it stops, takes
// requests for http.drain all the same, and ends with exit code 0. Its log is JSON.
func TestTerminated(t *testing.T) {
	folder := t.TempDir()
	config := filepath.Join(folder, "central.yaml")
	text := fmt.Sprintf("data: %s\nhttp: {listen: '127.0.0.1:0', drain: 10s}\nenrol: {listen: '127.0.0.1:0'}\nbroker: {listen: '127.0.0.1:0'}\n", filepath.Join(folder, "data"))
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	central := exec.Command("central", "serve", "--config", config) // this program, see TestMain
	central.Env = append(os.Environ(), "TURNSTILE_PASSPHRASE=correct horse battery")
	central.Stderr = &log
	if err := central.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- central.Wait() }()
	defer central.Process.Kill()
	var at server.Endpoints
	watch(t, "endpoints", func() bool {
		data, err := os.ReadFile(filepath.Join(folder, "data", server.EndpointsFile))
		return err == nil && json.Unmarshal(data, &at) == nil
	})
	status := func(path string) int {
		answer, err := http.Get(at.HTTP + path)
		if err != nil {
			return 0
		}
		defer answer.Body.Close()
		io.Copy(io.Discard, answer.Body)
		return answer.StatusCode
	}
	watch(t, "readiness", func() bool { return status("/readyz") == 200 })
	if err := central.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	watch(t, "word that it stops", func() bool { return status("/readyz") == 503 })
	if live, api := status("/livez"), status("/api/v1/feed"); live != 200 || api != 401 {
		t.Errorf("while it stops: /livez %d, API %d", live, api)
	}
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("central: %v\n%s", err, &log)
		}
	case <-time.After(time.Minute):
		t.Fatal("central does not stop")
	}
	if status("/livez") != 0 {
		t.Error("somebody still listens")
	}
	requests := 0
	for line := range strings.Lines(log.String()) {
		var l struct{ Level, Msg, Route string }
		if err := json.Unmarshal([]byte(line), &l); err != nil || l.Level == "" {
			t.Errorf("no JSON: %s", line)
		}
		if l.Msg == "request" && l.Route == "/api/v1/feed" {
			requests++
		}
	}
	if requests != 1 {
		t.Errorf("%d lines of one request:\n%s", requests, &log)
	}
}

// watch polls until ok, for at most a minute.
func watch(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for range 3000 {
		if ok() {
			return
		}
		<-tick.C
	}
	t.Fatalf("no %s", what)
}
