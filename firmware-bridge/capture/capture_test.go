package capture

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"turnstile/firmware-bridge/serialport"
)

var _ serialport.Tap = (*Writer)(nil)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 123456789, time.UTC)

// Others' lines, as their tools write them: with blanks, with hyphens, with
// numbers in place of texts.
const foreign = `{ "timeSec" : "1580342115", "timeNano" : "984691851", "io" : "trace", "data" : " ff ff 53 80 08 00 01 4b 01 d8", "osdpTraceVersion":"1", "osdpSource":"libosdp-conformance 0.91-5" }

{"timeSec":"1580342116","timeNano":"000000007","io":"output","data":"FF-53-00-08-00-04-60-EB-AA","osdpTraceVersion":"1","osdpSource":"OSDP.Net"}
{"timeSec":1580342116,"timeNano":100,"io":"in","data":"ff53800800054068 9f","osdpTraceVersion":1}
`

func TestReadsOthers(t *testing.T) {
	c, err := Load(strings.NewReader(foreign))
	if err != nil || len(c.Chunks) != 3 {
		t.Fatal(len(c.Chunks), err)
	}
	if c.Source != "libosdp-conformance 0.91-5" || !c.DeleteBy.IsZero() || c.Lost != 0 {
		t.Errorf("%+v", c)
	}
	if !c.Chunks[0].At.Equal(time.Unix(1580342115, 984691851)) || len(c.Chunks[0].Data) != 10 || c.Chunks[0].Sent {
		t.Errorf("%+v", c.Chunks[0])
	}
	if !c.Chunks[1].Sent || c.Chunks[1].At.Nanosecond() != 7 || c.Chunks[2].Sent {
		t.Errorf("%+v", c.Chunks[1:])
	}
}

func TestWritesAndReads(t *testing.T) {
	var file bytes.Buffer
	w := NewWriter(&file, "a test")
	long := bytes.Repeat([]byte{0, 0xFF, '"', '\n'}, piece/2) // of two records
	w.Received(noon, []byte("]Q1TURNSTILE\r\n"))
	w.Sent(noon.Add(time.Second), []byte{0x16, 0x54, 0x0D})
	w.Received(noon.Add(2*time.Second), long)
	if file.Len() != 0 {
		t.Error("written before Flush")
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(file.String(), "\n"); n != 4 {
		t.Errorf("%d lines, want 4", n)
	}
	if first, _, _ := strings.Cut(file.String(), "\n"); !strings.Contains(first, `"note":"Holds all`) || !strings.Contains(first, `"deleteBy":"2026-11-29T12:00:00Z"`) {
		t.Errorf("the first record does not say what the file holds: %s", first)
	}
	c, err := Load(&file)
	if err != nil {
		t.Fatal(err)
	}
	if c.Source != "a test" || !c.DeleteBy.Equal(noon.Add(Keep).Truncate(time.Second)) || c.Lost != 0 || len(c.Chunks) != 4 {
		t.Fatalf("%+v", c)
	}
	if !c.Chunks[0].At.Equal(noon) || c.Chunks[0].Sent || !c.Chunks[1].Sent || !bytes.Equal(append(c.Chunks[2].Data, c.Chunks[3].Data...), long) {
		t.Errorf("%+v", c.Chunks[:2])
	}
}

func TestRefuses(t *testing.T) {
	good, _, _ := strings.Cut(foreign, "\n")
	cases := map[string]struct {
		text string
		want error
	}{
		"nothing":       {"", ErrForm},
		"no bytes":      {strings.Replace(good, " ff ff 53 80 08 00 01 4b 01 d8", "", 1), ErrForm},
		"text":          {"TURNSTILE\n", ErrForm},
		"array":         {"[]\n", ErrForm},
		"version":       {strings.Replace(good, `"1"`, `"2"`, 1), ErrForm},
		"no version":    {`{"timeSec":"1","timeNano":"1","io":"input","data":"00"}`, ErrForm},
		"direction":     {strings.Replace(good, "trace", "both", 1), ErrForm},
		"half a byte":   {strings.Replace(good, "d8", "d", 1), ErrForm},
		"not a digit":   {strings.Replace(good, "d8", "dx", 1), ErrForm},
		"seconds":       {strings.Replace(good, "1580342115", "-1", 1), ErrForm},
		"far future":    {strings.Replace(good, "1580342115", "99999999999", 1), ErrForm},
		"nanoseconds":   {strings.Replace(good, "984691851", "1000000000", 1), ErrForm},
		"endless line":  {good + "\n" + strings.Repeat("f", MaxLine+1), ErrTooLarge},
		"bad last line": {foreign + "}", ErrForm},
	}
	for name, c := range cases {
		if _, err := Load(strings.NewReader(c.text)); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	if _, err := Load(iotest.ErrReader(io.ErrUnexpectedEOF)); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a reader that fails: %v", err)
	}
}

func TestTooManyBytes(t *testing.T) {
	line := `{"timeSec":"1","timeNano":"1","io":"input","data":"` + strings.Repeat("00", 30000) + `","osdpTraceVersion":"1"}` + "\n"
	c, err := Load(strings.NewReader(strings.Repeat(line, MaxBytes/30000+2)))
	if !errors.Is(err, ErrTooLarge) || len(c.Chunks) == 0 {
		t.Errorf("%d records, %v", len(c.Chunks), err)
	}
}

// full is a disk that takes no byte.
type full struct{}

var errFull = errors.New("disk full")

func (full) Write([]byte) (int, error) { return 0, errFull }

func TestFullDiskDoesNotStopTheLine(t *testing.T) {
	w := NewWriter(full{}, "a test")
	w.Received(noon, []byte("one"))
	if err := w.Flush(); !errors.Is(err, errFull) || !errors.Is(w.Err(), errFull) {
		t.Errorf("%v, %v", err, w.Err())
	}
	for range 100 {
		w.Received(noon, []byte("two"))
	}
	if err := w.Flush(); !errors.Is(err, errFull) || w.Lost() != 300 || len(w.queue) != 0 {
		t.Errorf("%v, lost %d", err, w.Lost())
	}
}

func TestWhatFindsNoRoomIsCounted(t *testing.T) {
	var file bytes.Buffer
	w := NewWriter(&file, "a test")
	b := make([]byte, piece)
	for range 400 {
		w.Received(noon, b)
	}
	if w.Lost() == 0 || len(w.queue) > room {
		t.Fatalf("lost %d, %d bytes wait", w.Lost(), len(w.queue))
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	w.Received(noon, []byte("after"))
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	c, err := Load(&file)
	if err != nil || c.Lost != w.Lost() {
		t.Errorf("the file says %d lost, the writer %d, %v", c.Lost, w.Lost(), err)
	}
	if got := len(c.Chunks)*piece + int(c.Lost); got != 401*piece {
		t.Errorf("%d bytes are in the file or lost, want %d", got, 401*piece)
	}
}

func TestRunWritesTheRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var file bytes.Buffer
		w := NewWriter(&file, "a test")
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- w.Run(ctx) }()
		w.Received(noon, []byte("first"))
		synctest.Wait()
		if !strings.Contains(file.String(), "6669727374") {
			t.Errorf("not written: %q", file.String())
		}
		stop()
		w.Received(noon, []byte("last"))
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		if c, err := Load(&file); err != nil || len(c.Chunks) != 2 {
			t.Errorf("%d records, %v", len(c.Chunks), err)
		}
	})
}

func TestCreateIsForTheOwner(t *testing.T) {
	path := filepath.Join(t.TempDir(), "scanner.osdpcap")
	w, f, err := Create(path, "a test")
	if err != nil {
		t.Fatal(err)
	}
	w.Received(noon, []byte("x"))
	if err := errors.Join(w.Flush(), f.Close()); err != nil {
		t.Fatal(err)
	}
	if s, err := os.Stat(path); err != nil || s.Mode().Perm() != 0o600 || s.Size() == 0 {
		t.Errorf("%v, %v", s.Mode(), err)
	}
	if _, _, err := Create(path, "a test"); !errors.Is(err, os.ErrExist) {
		t.Errorf("written over: %v", err)
	}
}

// heard is when each piece arrived.
type heard struct {
	at   []time.Time
	text string
}

func (h *heard) Write(b []byte) (int, error) {
	h.at = append(h.at, time.Now())
	h.text += string(b)
	return len(b), nil
}

func TestReplayKeepsTheGaps(t *testing.T) {
	chunks := []Chunk{
		{At: noon, Data: []byte("a")},
		{At: noon.Add(time.Second), Sent: true, Data: []byte("ours")},
		{At: noon.Add(3 * time.Second), Data: []byte("b")},
		{At: noon.Add(2 * time.Second), Data: []byte("c")}, // the clock was set back
		{At: noon.Add(2500 * time.Millisecond), Data: []byte("d")},
	}
	for _, speed := range []float64{1, 4, 1e300} {
		synctest.Test(t, func(t *testing.T) {
			var far heard
			began := time.Now()
			n, err := Replay(t.Context(), chunks, &far, speed)
			if n != 4 || err != nil || far.text != "abcd" {
				t.Fatalf("%d, %v, %q", n, err, far.text)
			}
			for i, want := range []time.Duration{0, 3 * time.Second, 3 * time.Second, 3500 * time.Millisecond} {
				if got := far.at[i].Sub(began); got != time.Duration(float64(want)/speed) {
					t.Errorf("speed %v: piece %d after %v, want %v", speed, i, got, want)
				}
			}
		})
	}
}

func TestReplayEnds(t *testing.T) {
	chunks := []Chunk{{At: noon, Data: []byte("a")}, {At: noon.Add(1 << 62), Data: []byte("b")}}
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithTimeout(t.Context(), time.Minute)
		defer stop()
		if n, err := Replay(ctx, chunks, io.Discard, 1e-300); n != 1 || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%d, %v", n, err)
		}
	})
	if _, err := Replay(t.Context(), chunks, full{}, 1); !errors.Is(err, errFull) {
		t.Errorf("%v", err)
	}
	for _, speed := range []float64{0, -1} {
		if _, err := Replay(t.Context(), chunks, io.Discard, speed); !errors.Is(err, ErrSpeed) {
			t.Errorf("speed %v: %v", speed, err)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(foreign))
	f.Add([]byte(`{"timeSec":"1","timeNano":"1","io":"input","data":"00","osdpTraceVersion":"1","lost":3,"deleteBy":"2026-11-29T12:00:00Z"}`))
	f.Add([]byte(`{"timeSec":"","timeNano":"`))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := Load(bytes.NewReader(b))
		if err != nil {
			if !errors.Is(err, ErrForm) && !errors.Is(err, ErrTooLarge) {
				t.Fatalf("an error without a kind: %v", err)
			}
			return
		}
		var again bytes.Buffer
		w := NewWriter(&again, "again")
		for _, k := range c.Chunks {
			if w.keep(k.At, map[bool]string{true: "output", false: "input"}[k.Sent], k.Data); w.Flush() != nil {
				t.Fatal(w.Err())
			}
		}
		d, err := Read(&again)
		if err != nil || len(d) < len(c.Chunks) {
			t.Fatalf("written again: %d of %d records, %v", len(d), len(c.Chunks), err)
		}
	})
}

func BenchmarkTap(b *testing.B) {
	b.ReportAllocs()
	w := NewWriter(io.Discard, "a benchmark")
	code := bytes.Repeat([]byte("A"), 141)
	for b.Loop() {
		w.Received(noon, code)
		if err := w.Flush(); err != nil {
			b.Fatal(err)
		}
	}
}
