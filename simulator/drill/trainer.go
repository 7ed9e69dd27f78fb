package drill

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"turnstile/simulator/campus"
	"turnstile/simulator/promise"
)

// Campus is what drills are run on: a *campus.Campus.
type Campus interface {
	Do(ctx context.Context, a campus.Act) error
	View() campus.View
	Changed() <-chan struct{}
	Check(ctx context.Context) ([]promise.Violation, error)
	History() []string
}

// Options of a Trainer.
type Options struct {
	Now      func() time.Time // nil: time.Now. The machine's time, not the campus's
	Patience time.Duration    // a drill that nobody has looked at for so long is given up; 0: one minute
	Log      *slog.Logger     // nil: thrown away
}

// Trainer runs one drill at a time on a campus. All methods are safe for concurrent
// use; Run has to run. Use NewTrainer.
type Trainer struct {
	campus   Campus
	drills   []*Drill
	now      func() time.Time
	patience time.Duration
	log      *slog.Logger
	jobs     chan job // what takes time, one after the other

	mu      sync.Mutex // guards the following, and what the session points at
	session *session   // nil: no drill is on
	dirty   bool       // a drill has been at the campus, and nobody has tidied up
	number  int        // of the newest session
	results map[string]*Result
	kept    []string // tokens of results, oldest first
	changed chan struct{}
}

// job is something that takes time in a session.
type job struct {
	of *session
	do func(ctx context.Context, s *session) error
}

// Bounds.
const (
	maxJobs     = 4
	maxResults  = 50
	tidyLimit   = 30 * time.Second
	lookEvery   = time.Second
	onePatience = time.Minute
)

// BusyError refuses a second drill.
type BusyError struct {
	Title string
	Since time.Time
}

// Error says what can be done.
func (e *BusyError) Error() string {
	return fmt.Sprintf("the drill %q is under way since %s, in another window. Go on there, or end it and begin again.", e.Title, e.Since.Format("15:04"))
}

// Errors of what is asked of a drill.
var (
	ErrNoDrill = errors.New("there is no such drill; the list has those that there are")
	ErrOver    = errors.New("this drill is over; begin it again from the list")
	ErrNotNow  = errors.New("the drill does not wait for that now")
)

// NewTrainer returns a trainer with the drills of the library.
func NewTrainer(c Campus, o Options) (*Trainer, error) {
	list, err := Library()
	if err != nil {
		return nil, err
	}
	return newTrainer(c, list, o), nil
}

func newTrainer(c Campus, list []*Drill, o Options) *Trainer {
	t := &Trainer{campus: c, drills: list, now: o.Now, patience: o.Patience, log: o.Log, jobs: make(chan job, maxJobs), results: map[string]*Result{}, changed: make(chan struct{})}
	if t.now == nil {
		t.now = time.Now
	}
	if t.patience == 0 {
		t.patience = onePatience
	}
	if t.log == nil {
		t.log = slog.New(slog.DiscardHandler)
	}
	return t
}

// Drills are those that can be started.
func (t *Trainer) Drills() []*Drill { return slices.Clone(t.drills) }

// Drill returns one by its name, nil if there is none.
func (t *Trainer) Drill(name string) *Drill {
	i := slices.IndexFunc(t.drills, func(d *Drill) bool { return d.Name == name })
	if i < 0 {
		return nil
	}
	return t.drills[i]
}

// Run sets stages, does what guards do and tidies up after them, until ctx ends.
func (t *Trainer) Run(ctx context.Context) error {
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			t.end(t.current())
			return t.tidyLate(ctx)
		case j := <-t.jobs:
			t.work(ctx, j)
		case <-look.C:
			t.abandoned()
		}
		if t.idle() {
			if err := t.tidyUp(ctx); err != nil && ctx.Err() == nil {
				t.log.Warn("tidy up behind a drill", "error", err)
			}
		}
	}
}

// work does a job, unless its drill is over.
func (t *Trainer) work(ctx context.Context, j job) {
	if t.current() != j.of {
		return
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(j.of.living, cancel)()
	err := j.do(ctx, j.of)
	if err != nil && ctx.Err() == nil {
		t.stop(j.of, err)
	}
}

// current is the drill that is on, nil if none is.
func (t *Trainer) current() *session {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.session
}

// idle reports that a drill has left something to tidy up.
func (t *Trainer) idle() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	over := t.session == nil || t.session.phase == Over || t.session.phase == Stopped
	return over && t.dirty
}

// tidyUp heals the campus and gives it back its rules.
func (t *Trainer) tidyUp(ctx context.Context) error {
	err := t.tidy(ctx, usualRepeat)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.dirty = false // also if it failed: the next drill begins with the same
	t.tell()
	return err
}

// tidyLate does that when all is about to end: a lane that is left in lockdown would
// be in lockdown when the campus is opened again.
func (t *Trainer) tidyLate(ctx context.Context) error {
	if !t.idle() {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), tidyLimit)
	defer cancel()
	return t.tidyUp(ctx)
}

// abandoned ends a drill that nobody looks at.
func (t *Trainer) abandoned() {
	t.mu.Lock()
	s := t.session
	lost := s != nil && s.watchers == 0 && t.now().Sub(s.left) > t.patience
	t.mu.Unlock()
	if lost {
		t.end(s)
	}
}

// end ends a drill; nil is none.
func (t *Trainer) end(s *session) {
	if s == nil {
		return
	}
	s.die()
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.session == s {
		t.session = nil
	}
	t.tell()
}

// Start begins a drill and returns the token by which its page goes on. A *BusyError
// says that another one is under way.
func (t *Trainer) Start(name string, unhurried bool) (token string, err error) {
	d := t.Drill(name)
	if d == nil {
		return "", ErrNoDrill
	}
	v := t.campus.View()
	t.mu.Lock()
	defer t.mu.Unlock()
	if s := t.session; s != nil && s.phase != Over && s.phase != Stopped {
		return "", &BusyError{s.drill.Title, s.began.In(v.Now.Location())}
	}
	s := &session{token: rand.Text(), drill: d, unhurried: unhurried, began: t.now(), left: t.now(), phase: Staging}
	s.living, s.die = context.WithCancel(context.Background())
	for free := false; !free; {
		t.number++
		s.number = t.number
		free = !slices.ContainsFunc(v.Passes, func(p campus.Pass) bool { return s.owns(p.Name) })
	}
	if err := t.ask(s, t.open); err != nil {
		return "", err
	}
	if t.session != nil { // it was over, and its page may still show it
		t.session.die()
	}
	t.session, t.dirty = s, true
	t.tell()
	return s.token, nil
}

// ask has something done when what was asked before is done. mu is held.
func (t *Trainer) ask(s *session, do func(context.Context, *session) error) error {
	select {
	case t.jobs <- job{s, do}:
		return nil
	default:
		return ErrNotNow
	}
}

// tell wakes all who look. mu is held.
func (t *Trainer) tell() {
	close(t.changed)
	t.changed = make(chan struct{})
}

// Changed returns a channel that is closed at the next change of a State.
func (t *Trainer) Changed() <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.changed
}

// Busy is the drill that is under way; ok is false if none is.
func (t *Trainer) Busy() (title string, since time.Time, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if s := t.session; s != nil && s.phase != Over && s.phase != Stopped {
		return s.drill.Title, s.began, true
	}
	return "", time.Time{}, false
}

// Quit ends a drill before it is over; with the token of none, whichever is on: a page
// that lost its token has to be able to begin again.
func (t *Trainer) Quit(token string) error {
	s := t.current()
	if s == nil || token != "" && s.token != token {
		return ErrOver
	}
	t.end(s)
	return nil
}

// Attend notes that a page looks at a drill, until it calls leave.
func (t *Trainer) Attend(token string) (leave func(), err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s, err := t.of(token)
	if err != nil {
		return nil, err
	}
	s.watchers++
	return sync.OnceFunc(func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		s.watchers--
		s.left = t.now()
	}), nil
}

// of returns the session of a token. mu is held.
func (t *Trainer) of(token string) (*session, error) {
	if t.session == nil || t.session.token != token {
		return nil, ErrOver
	}
	return t.session, nil
}

// Result returns what came out of a drill that was gone through to its end.
func (t *Trainer) Result(token string) (*Result, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	r := t.results[token]
	if r == nil {
		return nil, ErrOver
	}
	return r, nil
}

// keep keeps a result, and forgets the oldest. mu is held.
func (t *Trainer) keep(token string, r *Result) {
	t.results[token] = r
	t.kept = append(t.kept, token)
	if len(t.kept) > maxResults {
		delete(t.results, t.kept[0])
		t.kept = t.kept[1:]
	}
}
