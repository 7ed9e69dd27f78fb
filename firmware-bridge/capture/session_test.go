package capture

import (
	"bytes"
	"context"
	"io"
	"path/filepath"
	"testing"
	"time"

	"turnstile/firmware-bridge/scanner"
	"turnstile/firmware-bridge/scanner/line"
	"turnstile/firmware-bridge/serialport"
	"turnstile/firmware-bridge/serialport/serialtest"
)

const patience = time.Minute

// session runs the line scanner on a virtual line while speak has the far end,
// until want scans came, and returns them and the counts.
func session(t *testing.T, tap serialport.Tap, want int, speak func(far io.Writer)) ([]scanner.Scan, scanner.Stats) {
	t.Helper()
	l := serialtest.New(filepath.Join(t.TempDir(), "port"))
	if err := l.Plug(); err != nil {
		t.Fatal(err)
	}
	defer l.Unplug()
	s, err := line.New(serialport.Config{Path: l.Link(), Baud: 9600, Tap: tap})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	connected(t, s)
	far, err := l.Far()
	if err != nil {
		t.Fatal(err)
	}
	speak(far)
	var scans []scanner.Scan
	late := time.After(patience)
	for len(scans) < want {
		select {
		case scan := <-s.Scans():
			scans = append(scans, scan)
		case <-late:
			t.Fatalf("%d scans, want %d: %+v", len(scans), want, s.Stats())
		}
	}
	stop()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	st := s.Stats()
	st.Reopened, st.Connected, st.Err = 0, false, nil
	return scans, st
}

// connected waits until s has opened its port, which throws away what came before.
func connected(t *testing.T, s *line.Scanner) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	late := time.After(patience)
	for !s.Stats().Connected {
		select {
		case <-tick.C:
		case <-late:
			t.Fatalf("not connected: %v", s.Stats().Err)
		}
	}
}

// TestASessionPlayedBackGivesTheSameScans records a scanner with all its bad
// habits and plays the record into a second one.
func TestASessionPlayedBackGivesTheSameScans(t *testing.T) {
	spoken := []string{
		"]Q1ENDED\r\n", // so that a busy computer does not end the half by itself
		"]Q1HALF", " A CODE\r\n", "\x02]Q3STX AND ETX\x03", "NOISE\x01\r\n", "%%NoRead\r\n",
		string(bytes.Repeat([]byte("L"), 1000)) + "\r", string(bytes.Repeat([]byte("X"), 2000)) + "\r\n", "LAST\r\n",
	}
	const want = 5
	var file bytes.Buffer
	w := NewWriter(&file, "a test")
	scans, stats := session(t, w, want, func(far io.Writer) {
		for _, s := range spoken {
			if _, err := io.WriteString(far, s); err != nil {
				t.Fatal(err)
			}
		}
	})
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	chunks, err := Read(&file)
	if err != nil {
		t.Fatal(err)
	}
	again, statsAgain := session(t, nil, want, func(far io.Writer) {
		if n, err := Replay(t.Context(), chunks, far, 1); err != nil || n < 3000 {
			t.Fatal(n, err)
		}
	})
	if stats != statsAgain || stats.Noise != 1 || stats.NoRead != 1 || stats.Oversized != 1 {
		t.Errorf("counts %+v, played back %+v", stats, statsAgain)
	}
	for i := range scans {
		if !bytes.Equal(scans[i].Text, again[i].Text) || scans[i].Symbology != again[i].Symbology {
			t.Errorf("scan %d: %q, played back %q", i, scans[i].Text, again[i].Text)
		}
	}
}
