package serialport

import (
	"context"
	"time"
)

// Between two tries to open a port that is not there, Keep waits firstPause,
// then twice as long each time, up to lastPause.
const (
	firstPause = 50 * time.Millisecond
	lastPause  = time.Second
	// settled is how long a session must have lasted for the pause to start
	// over: a port that fails at once each time must not be hammered.
	settled = 2 * time.Second
)

// Keep opens the port and runs session on it, again and again until ctx ends,
// and then returns nil. A session returns when the port is gone or ctx has
// ended; Keep closes the port each time, at once, so that a device plugged in
// again gets its old name. Each error of an opening or a session goes to lost,
// which is called by Keep's goroutine. The one error Keep returns is that of an
// unusable configuration.
func Keep(ctx context.Context, c Config, session func(context.Context, *Port) error, lost func(error)) error {
	if err := c.Check(); err != nil {
		return err
	}
	pause := firstPause
	for ctx.Err() == nil {
		began := time.Now()
		if err := once(ctx, c, session); err != nil && ctx.Err() == nil {
			lost(err)
		}
		if time.Since(began) >= settled {
			pause = firstPause
		}
		wait(ctx, pause)
		pause = min(2*pause, lastPause)
	}
	return nil
}

// once opens the port, runs one session on it and closes it.
func once(ctx context.Context, c Config, session func(context.Context, *Port) error) error {
	p, err := Open(c)
	if err != nil {
		return err
	}
	err = session(ctx, p)
	if closeErr := p.Close(); err == nil {
		err = closeErr
	}
	return err
}

// wait returns after d or when ctx ends.
func wait(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
