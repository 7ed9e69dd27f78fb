package cameratest

import (
	"context"
	"sync"
	"time"

	"turnstile/firmware-bridge/camera"
)

// Player is a camera that shows what the test puts before it. Use NewPlayer.
type Player struct {
	mu    sync.Mutex // guards the following
	frame camera.Frame
	lost  bool
	even  bool
	pulls int // how often the plug was pulled
	busy  bool
	shown int
}

// NewPlayer returns a camera that sees f thirty times a second.
func NewPlayer(f camera.Frame) *Player {
	return &Player{frame: f}
}

// Show puts f before the camera.
func (p *Player) Show(f camera.Frame) { p.change(func() { p.frame = f }) }

// Even makes frames a thirtieth of a second apart by their own times, however long
// their reader takes for each.
func (p *Player) Even() { p.change(func() { p.even = true }) }

// Lose pulls the camera's plug: Open fails until Find, and Next of what was open
// before for ever, as that of a device that went away does.
func (p *Player) Lose() { p.change(func() { p.lost, p.pulls = true, p.pulls+1 }) }

// Find plugs it in again: it is another device from then on.
func (p *Player) Find() { p.change(func() { p.lost = false }) }

// Shown is how many frames were delivered.
func (p *Player) Shown() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.shown
}

func (p *Player) change(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f()
}

// Open is for camera.Config.Open: like a device, it has one user at a time.
func (p *Player) Open(string) (camera.Frames, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.lost:
		return nil, camera.ErrGone
	case p.busy:
		return nil, camera.ErrBusy
	}
	p.busy = true
	return &showing{player: p, pulls: p.pulls}, nil
}

// interval is the time from one frame to the next.
const interval = time.Second / 30

// showing is an opened Player.
type showing struct {
	player *Player
	pulls  int // of the player, when it was opened
	last   time.Time
}

// Next implements camera.Frames.
func (s *showing) Next(ctx context.Context) (camera.Frame, error) {
	next := time.NewTimer(time.Until(s.last.Add(interval)))
	defer next.Stop()
	select {
	case <-ctx.Done():
	case <-next.C:
	}
	p := s.player
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case ctx.Err() != nil:
		return camera.Frame{}, ctx.Err()
	case s.pulls != p.pulls:
		return camera.Frame{}, camera.ErrGone
	}
	f := p.frame
	if f.At = time.Now(); p.even && !s.last.IsZero() {
		f.At = s.last.Add(interval)
	}
	s.last = f.At
	p.shown++
	return f, nil
}

// Close implements camera.Frames.
func (s *showing) Close() error {
	s.player.mu.Lock()
	defer s.player.mu.Unlock()
	s.player.busy = false
	return nil
}
