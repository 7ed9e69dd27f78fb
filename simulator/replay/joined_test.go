package replay

import (
	"slices"
	"testing"
	"time"

	"turnstile/firmware-bridge/capture"
	"turnstile/firmware-bridge/gate"
)

// TestJoined: pieces of a line are one scan as a lane's reader would have them.
func TestJoined(t *testing.T) {
	began := time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)
	for name, x := range map[string]struct {
		pieces []string // or a time that passes
		want   []string
	}{
		"one piece":                    {[]string{"]Q1a\r\n"}, []string{"]Q1a\r\n"}},
		"in pieces":                    {[]string{"]Q1x\r\n", "]Q", "1a", "\r", "\n"}, []string{"]Q1x\r\n", "]Q1a\r\n"}},
		"two in a piece":               {[]string{"a\nb\n"}, []string{"a\n", "b\n"}},
		"a busy machine between":       {[]string{"x\n", "a", "+300ms", "b\n"}, []string{"x\n", "ab\n"}},
		"half a code, then a whole":    {[]string{"x\n", "a", "+700ms", "b\n"}, []string{"x\n", "a", "b\n"}},
		"silence ends a code":          {[]string{"a", "+80ms", "b"}, []string{"a", "b"}},
		"noise while it is plugged in": {[]string{"\x00\xff", "a\n"}, []string{"a\n"}},
	} {
		var chunks []capture.Chunk
		at := began
		for _, p := range x.pieces {
			if d, err := time.ParseDuration(p); err == nil {
				at = at.Add(d)
				continue
			}
			chunks = append(chunks, capture.Chunk{At: at, Data: []byte(p)}, capture.Chunk{At: at, Data: []byte("sent"), Sent: true})
		}
		var got []string
		for _, s := range joined(Scanner{1, gate.In}, chunks) {
			got = append(got, string(s.raw))
		}
		if !slices.Equal(got, x.want) {
			t.Errorf("%s: %q, want %q", name, got, x.want)
		}
	}
}
