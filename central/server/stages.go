package server

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

// stages run parts and stop them in the reverse order of their start, one stage
// after another. Used by one goroutine.
type stages struct {
	list []*stage
	fail chan struct{} // closed when a part ended by itself
	once sync.Once
}

// stage is a group of parts that stop together.
type stage struct {
	ctx    context.Context
	cancel context.CancelFunc
	parts  sync.WaitGroup
	mu     sync.Mutex // guards errs
	errs   []error
}

// next begins a stage that is stopped before the ones so far.
func (s *stages) next() {
	ctx, cancel := context.WithCancel(context.Background()) // ended by stop, in order
	s.list = append(s.list, &stage{ctx: ctx, cancel: cancel})
}

// errEnded tells that a part stopped working although nobody asked it to.
var errEnded = errors.New("ended by itself")

// add starts a part in the current stage. A part that ends before it is stopped
// makes failed.
func (s *stages) add(name string, run func(context.Context) error) {
	s.failed()
	if len(s.list) == 0 {
		s.next()
	}
	g := s.list[len(s.list)-1]
	g.parts.Go(func() {
		err := run(g.ctx)
		if err == nil && g.ctx.Err() == nil {
			err = errEnded
		}
		if err != nil {
			g.mu.Lock()
			g.errs = append(g.errs, fmt.Errorf("%s: %w", name, err))
			g.mu.Unlock()
			s.once.Do(func() { close(s.fail) })
		}
	})
}

// failed is closed when a part ended with an error.
func (s *stages) failed() <-chan struct{} {
	if s.fail == nil {
		s.fail = make(chan struct{})
	}
	return s.fail
}

// stop stops all stages and returns the parts' errors.
func (s *stages) stop() error {
	var errs []error
	for len(s.list) > 0 {
		g := s.list[len(s.list)-1]
		s.list = s.list[:len(s.list)-1]
		g.cancel()
		g.parts.Wait()
		errs = append(errs, g.errs...)
	}
	return errors.Join(errs...)
}
