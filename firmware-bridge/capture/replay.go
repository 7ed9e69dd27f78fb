package capture

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

// ErrSpeed says that a speed is no number above 0.
var ErrSpeed = errors.New("speed must be above 0; 1 is as recorded")

// Replay sends what was received to far, the other end of a line, with the gaps
// that it was received with, divided by speed: 2 is twice as fast. What the recorder
// sent is passed over: whoever has the line now sends by itself. A clock that was set
// back while recording makes no gap. It returns how many bytes it sent, and an error
// of far or ctx.
func Replay(ctx context.Context, chunks []Chunk, far io.Writer, speed float64) (int, error) {
	if !(speed > 0) {
		return 0, fmt.Errorf("replay capture: %w", ErrSpeed)
	}
	sent := 0
	var before time.Time
	for _, c := range chunks {
		if c.Sent {
			continue
		}
		if !before.IsZero() {
			rest(ctx, scaled(c.At.Sub(before), speed))
		}
		before = c.At
		if ctx.Err() != nil {
			return sent, fmt.Errorf("replay capture: %w", ctx.Err())
		}
		n, err := far.Write(c.Data)
		if sent += n; err != nil {
			return sent, fmt.Errorf("replay capture: %w", err)
		}
	}
	return sent, nil
}

// scaled is d at speed, held within what a time.Duration can say.
func scaled(d time.Duration, speed float64) time.Duration {
	const most = 1 << 62
	return time.Duration(min(max(float64(d)/speed, 0), most))
}

// rest returns after d or when ctx ends.
func rest(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
