package enginetest

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"turnstile/firmware-bridge/serialport"
)

// What passes between ends of different rates is garbage, both ways.
func TestRatesCount(t *testing.T) {
	d := NewDevice(filepath.Join(t.TempDir(), "scanner"), NewGM65(9600))
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- d.Run(ctx) }()
	defer func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}()
	if err := d.Plug(); err != nil {
		t.Fatal(err)
	}
	defer d.Unplug()
	for _, baud := range []int{9600, 115200} {
		p, err := serialport.Open(serialport.Config{Path: d.Link(), Baud: baud})
		if err != nil {
			t.Fatal(err)
		}
		if err := d.Send([]byte("CODE")); err != nil {
			t.Fatal(err)
		}
		var got []byte
		b := make([]byte, 16)
		for end := time.Now().Add(10 * time.Second); len(got) < 4 && time.Now().Before(end); {
			n, err := p.Read(b, time.Second)
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, b[:n]...)
		}
		if (string(got) == "CODE") != (baud == 9600) || len(got) != 4 {
			t.Errorf("at %d baud read %q", baud, got)
		}
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	}
}
