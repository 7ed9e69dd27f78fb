// Package sign puts the private keys into a process of their own: Run serves
// them on a unix socket, within limits and with an audit, and Client is the
// issuer.Service on the other side.
//
// No private key and no gate key ever goes over the socket; the key of central's
// own secrets (one-time codes of staff, webhooks) does, to who has RightServers.
// The process takes its own clock; days that are too far from it are refused. It
// can be restarted under a running central: calls are tried again for a few
// seconds.
package sign

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"turnstile/central/issuer"
)

// Right is what a user of the socket may do.
type Right string

// The rights.
const (
	RightMint    Right = "mint"    // sign passes
	RightLive    Right = "live"    // live keys and short codes, one by one
	RightFeed    Right = "feed"    // heads, deltas, rules, acknowledgements; see the pass keys
	RightLanes   Right = "lanes"   // lanes' certificates, and gate keys sealed to them
	RightServers Right = "servers" // certificates of central's own servers, and the key of its secrets
	RightKeys    Right = "keys"    // withdraw pass keys
)

// Rights lists all rights.
func Rights() []Right {
	return []Right{RightMint, RightLive, RightFeed, RightLanes, RightServers, RightKeys}
}

// User is a user of this machine who may use the socket.
type User struct {
	UID int     `yaml:"uid"`
	May []Right `yaml:"may"`
}

// Config of the signing process.
type Config struct {
	Site   string
	Socket string        // path; made with mode 0660
	Audit  string        // folder
	Keep   time.Duration // how long a file of the audit stays at least; 0: DefaultKeep
	Users  []User        // at most MaxUsers
	Limits Limits
	Keys   issuer.Service // in this process
	Alive  func()         // told each second that the process works; nil: nobody
	Now    func() time.Time
	Log    *slog.Logger
}

// ErrSocket tells that the socket cannot be opened.
var ErrSocket = errors.New("cannot open the socket")

// Bounds of connections.
const (
	// MaxUsers bounds the users of the socket.
	MaxUsers = 24
	// perUser connections of one user stand at a time; central keeps a few. Each
	// user has its own, so that none can keep the others out.
	perUser      = 32
	idleLimit    = 10 * time.Minute
	frameLimit   = 5 * time.Second // for the rest of a message, and for its answer
	syncEvery    = time.Second
	routineEvery = time.Minute
)

// user is one of Config.Users.
type user struct {
	uid   int
	may   map[Right]bool
	slots chan struct{} // one in it for each connection
}

// server is a running signing process.
type server struct {
	config  Config
	users   map[int]*user
	budget  *budget
	audit   *audit
	routine routine

	mu    sync.Mutex // guards the following
	open  map[net.Conn]bool
	epoch uint32 // of the newest delta signed
	seq   uint64 // up to which deltas were signed in that epoch
	conns sync.WaitGroup
}

// Run serves until ctx ends; ready is called once the socket answers.
func Run(ctx context.Context, c Config, ready func()) error {
	a, err := openAudit(c.Audit, cmp.Or(c.Keep, DefaultKeep))
	if err != nil {
		return err
	}
	s := &server{config: c, users: map[int]*user{}, budget: newBudget(c.Limits), audit: a, open: map[net.Conn]bool{}}
	for _, u := range c.Users[:min(len(c.Users), MaxUsers)] {
		s.users[u.UID] = &user{u.UID, map[Right]bool{}, make(chan struct{}, perUser)}
		for _, r := range u.May {
			s.users[u.UID].may[r] = true
		}
	}
	l, err := listen(c.Socket)
	if err != nil {
		return errors.Join(err, a.close())
	}
	if err := s.note(-1, "start", fmt.Sprintf("site %s, %d users", c.Site, len(c.Users))); err != nil {
		l.Close()
		return errors.Join(err, a.close())
	}
	return s.run(ctx, l, ready)
}

// run accepts connections until ctx ends, then ends those that stand.
func (s *server) run(ctx context.Context, l net.Listener, ready func()) error {
	var parts sync.WaitGroup
	inner, cancel := context.WithCancel(ctx)
	parts.Go(func() { s.flush(inner) })
	parts.Go(func() {
		<-inner.Done()
		l.Close()
		s.closeAll()
	})
	ready()
	err := s.accept(inner, l)
	cancel()
	parts.Wait()
	s.conns.Wait()
	s.flushRoutine()
	return errors.Join(err, s.note(-1, "stop", ""), s.audit.close())
}

func (s *server) accept(ctx context.Context, l net.Listener) error {
	for {
		c, err := l.Accept()
		if ctx.Err() != nil {
			if err == nil {
				c.Close()
			}
			return nil
		}
		if err != nil {
			return fmt.Errorf("accept on the socket: %w", err)
		}
		u := s.admit(c)
		if u == nil {
			c.Close()
			continue
		}
		if !s.opened(ctx, c) {
			return nil
		}
		s.conns.Go(func() {
			defer func() { <-u.slots }()
			defer s.closed(c)
			s.serve(c, u)
		})
	}
}

// admit returns who connects, with a slot taken; nil for a stranger, and for a
// user who has all of its connections already.
func (s *server) admit(c net.Conn) *user {
	uid, err := peer(c)
	u := s.users[uid]
	if err != nil || u == nil {
		s.alarm(uid, "stranger", "a user who is not named in sign.users")
		return nil
	}
	select {
	case u.slots <- struct{}{}:
		return u
	default:
		s.alarm(uid, "connections", fmt.Sprintf("more than %d at a time", perUser))
		return nil
	}
}

func (s *server) opened(ctx context.Context, c net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if ctx.Err() != nil {
		c.Close()
		return false
	}
	s.open[c] = true
	return true
}

func (s *server) closed(c net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, c)
	c.Close()
}

func (s *server) closeAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.open {
		c.Close()
	}
}

// listen takes the place of a socket that nobody serves any more.
func listen(path string) (net.Listener, error) {
	if c, err := net.Dial("unix", path); err == nil {
		c.Close()
		return nil, fmt.Errorf("%w: another central sign serves %s; stop it first", ErrSocket, path)
	}
	if info, err := os.Lstat(path); err == nil && info.Mode()&fs.ModeSocket != 0 {
		if err := os.Remove(path); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrSocket, err)
		}
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("%w: %w; its folder must be this user's, see sign.socket", ErrSocket, err)
	}
	if err := os.Chmod(path, 0o660); err != nil { // who connects is checked besides
		l.Close()
		return nil, fmt.Errorf("%w: %w", ErrSocket, err)
	}
	return l, nil
}

// peer returns the user at the other end, as the kernel knows it.
func peer(c net.Conn) (uid int, err error) {
	u, ok := c.(*net.UnixConn)
	if !ok {
		return 0, fmt.Errorf("%w: not a unix socket", ErrSocket)
	}
	raw, err := u.SyscallConn()
	if err != nil {
		return 0, err
	}
	var cred *unix.Ucred
	var err2 error
	err = raw.Control(func(fd uintptr) { cred, err2 = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) })
	if err = errors.Join(err, err2); err != nil {
		return 0, err
	}
	return int(cred.Uid), nil
}

// serve answers one connection's requests, one after another.
func (s *server) serve(c net.Conn, u *user) {
	for {
		c.SetDeadline(time.Now().Add(idleLimit))
		var r request
		err := read(c, &r, func() { c.SetDeadline(time.Now().Add(frameLimit)) })
		if errors.Is(err, errFrame) {
			s.alarm(u.uid, "malformed", err.Error())
		}
		if err != nil {
			return
		}
		c.SetDeadline(time.Now().Add(frameLimit))
		if err := write(c, s.answer(u.uid, u.may, &r)); err != nil {
			return // the other side is gone, and asks again
		}
	}
}

// note writes a line into the audit.
func (s *server) note(uid int, what, detail string) error {
	return s.audit.add(Line{At: s.config.Now().UTC(), UID: uid, What: what, Detail: detail})
}

// alarm tells of something that should not happen, by log and audit; many alike
// in one minute become one line.
func (s *server) alarm(uid int, what, detail string) {
	if !s.routine.first(uid, what) {
		return
	}
	s.config.Log.Warn("refused", "uid", uid, "what", what, "detail", detail)
	if err := s.note(uid, "refused", what+": "+detail); err != nil {
		s.config.Log.Error("write audit", "error", err)
	}
}

// flush brings the audit to the disk, and once a minute what is only counted.
func (s *server) flush(ctx context.Context) {
	quick, slow := time.NewTicker(syncEvery), time.NewTicker(routineEvery)
	defer quick.Stop()
	defer slow.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-slow.C:
			s.flushRoutine()
		case <-quick.C:
		}
		if err := errors.Join(s.audit.sync(), s.audit.tidy(s.config.Now().UTC())); err != nil {
			s.config.Log.Error("keep audit", "error", err)
		}
		s.standing() // takes the locks that an answer takes
		if s.config.Alive != nil {
			s.config.Alive()
		}
	}
}

func (s *server) flushRoutine() {
	for _, l := range s.routine.take() {
		l.At = s.config.Now().UTC()
		if err := s.audit.add(l); err != nil {
			s.config.Log.Error("write audit", "error", err)
		}
	}
}

// routine counts what comes many times a second: heads and acknowledgements.
type routine struct {
	mu     sync.Mutex
	counts map[routineKey]int
}

type routineKey struct {
	uid  int
	what string
}

const maxRoutine = 256 // kinds counted apart; a user makes no more than these

func (r *routine) count(uid int, what string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.counts == nil {
		r.counts = map[routineKey]int{}
	}
	if k := (routineKey{uid, what}); len(r.counts) < maxRoutine || r.counts[k] > 0 {
		r.counts[k]++
	}
}

// first counts a refusal and reports whether it is the minute's first.
func (r *routine) first(uid int, what string) bool {
	what = "refused " + what
	r.count(uid, what)
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.counts[routineKey{uid, what}] == 1
}

func (r *routine) take() (lines []Line) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for k, n := range r.counts {
		lines = append(lines, Line{UID: k.uid, What: k.what, Count: n})
	}
	r.counts = nil
	return lines
}
