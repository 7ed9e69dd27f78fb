package machine

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
)

// ErrSilent says that a console did not show what was expected.
var ErrSilent = errors.New("the console does not show it")

// maxLines bounds what a console keeps.
const maxLines = 100_000

// Console is what a computer's console has shown. Its methods may be called from
// any goroutine.
type Console struct {
	ended <-chan struct{}

	mu    sync.Mutex // guards the following
	lines []string
	more  chan struct{} // closed and replaced with each line
}

func newConsole(ended <-chan struct{}) *Console {
	return &Console{ended: ended, more: make(chan struct{})}
}

// read takes lines until r ends, and copies them to log, which it closes if it can.
func (c *Console) read(r io.ReadCloser, log io.Writer) {
	defer r.Close()
	if f, ok := log.(io.Closer); ok {
		defer f.Close()
	}
	s := bufio.NewScanner(io.TeeReader(r, log))
	s.Buffer(nil, 1<<20)
	for s.Scan() {
		c.mu.Lock()
		if len(c.lines) < maxLines {
			c.lines = append(c.lines, strings.TrimRight(s.Text(), "\r"))
		}
		close(c.more)
		c.more = make(chan struct{})
		c.mu.Unlock()
	}
}

// Mark returns the number of lines so far, for Expect.
func (c *Console) Mark() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.lines)
}

// Expect waits for a line from the mark on that contains text, and returns it.
func (c *Console) Expect(ctx context.Context, mark int, text string) (string, error) {
	for {
		c.mu.Lock()
		lines, more := c.lines, c.more
		c.mu.Unlock()
		for ; mark < len(lines); mark++ {
			if strings.Contains(lines[mark], text) {
				return lines[mark], nil
			}
		}
		select {
		case <-more:
		case <-ctx.Done():
			return "", fmt.Errorf("%w: %q: %w\n%s", ErrSilent, text, ctx.Err(), c.Tail(40))
		case <-c.ended:
			return "", fmt.Errorf("%w: %q: the computer is off\n%s", ErrSilent, text, c.Tail(40))
		}
	}
}

// Tail returns the last n lines.
func (c *Console) Tail(n int) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return strings.Join(c.lines[max(0, len(c.lines)-n):], "\n")
}
