package fleet

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/mattn/go-isatty"
)

// bar is the line that shows how far a step is. A terminal sees one that moves, a
// file one every five seconds.
type bar struct {
	out io.Writer

	mu          sync.Mutex // guards the following
	what        string
	done, of    int
	shown       time.Time
	began       time.Time
	lately      Sample
	interactive bool
}

func (b *bar) begin(what string, of int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	f, ok := b.out.(*os.File)
	b.interactive = ok && isatty.IsTerminal(f.Fd())
	if what != b.what {
		b.began = time.Now()
	}
	b.what, b.done, b.of, b.shown = what, 0, of, time.Time{}
	b.show()
}

func (b *bar) set(done int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.done = done
	b.show()
}

func (b *bar) sample(s Sample) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.lately = s
}

// show draws the line if it is time; mu is held.
func (b *bar) show() {
	every := 5 * time.Second
	if b.interactive {
		every = 100 * time.Millisecond
	}
	if time.Since(b.shown) < every && b.done < b.of {
		return
	}
	b.shown = time.Now()
	const width = 30
	text := fmt.Sprintf("%-36s", b.what)
	if b.of > 0 {
		full := width * min(max(b.done, 0), b.of) / b.of
		text += fmt.Sprintf(" [%s%s] %d/%d", strings.Repeat("#", full), strings.Repeat(".", width-full), b.done, b.of)
	}
	text += fmt.Sprintf("  %.0f s", time.Since(b.began).Seconds())
	if s := b.lately; s.Lanes.RSS > 0 {
		text += fmt.Sprintf("  %d connected, central %d MB, lanes %d MB", s.Connected, s.Central.RSS>>20, s.Lanes.RSS>>20)
	}
	if b.interactive {
		fmt.Fprintf(b.out, "\r\x1b[K%s", text)
		return
	}
	fmt.Fprintln(b.out, text)
}

func (b *bar) end() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.interactive {
		fmt.Fprintln(b.out)
	}
}
