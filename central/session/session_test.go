package session

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"turnstile/central/database"
)

func TestStands(t *testing.T) {
	c := Config{Idle: time.Minute, Lifetime: time.Hour}
	const now = 10_000_000
	for name, s := range map[string]struct {
		begun, seen int64
		want        bool
	}{
		"new": {now, now, true}, "idle": {now - 100_000, now - 60_000, false}, "in use": {now - 100_000, now - 59_999, true},
		"old": {now - 3_600_000, now, false}, "of a clock ahead": {now + maxSkew, now, true}, "of the future": {now + maxSkew + 1, now, false},
	} {
		if got := c.Stands(database.Session{Created: s.begun, Seen: s.seen}, now); got != s.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// FuzzAgent takes what a browser calls itself.
func FuzzAgent(f *testing.F) {
	f.Add("Mozilla/5.0")
	f.Add("\x00\u202e\xff<script>")
	f.Fuzz(func(t *testing.T, in string) {
		if out := Agent(in); !utf8.ValidString(out) || strings.ContainsAny(out, "\x00\r\n") || len(out) > maxAgent {
			t.Errorf("%q becomes %q", in, out)
		}
	})
}
