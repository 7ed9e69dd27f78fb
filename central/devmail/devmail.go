// Package devmail is a mail server that delivers nothing: it keeps what it gets in
// memory and shows it in a page, for demos and tests.
//
// It listens on loopback alone, takes every sender and receiver without a
// password, and forgets the oldest mails beyond its bounds. Tests read GET /mails.
package devmail

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/emersion/go-smtp"
)

// Bounds: of one mail, of all, and of a connection.
const (
	maxMail       = 5 << 20 // bytes
	maxMails      = 500
	maxAll        = 64 << 20 // bytes of all mails
	maxRecipients = 50
	idle          = time.Minute
	stopLimit     = 2 * time.Second
)

// ErrLoopback refuses an address that other machines reach: what comes here are
// codes, and anybody may read them.
var ErrLoopback = errors.New("dev-mail listens on loopback alone: use 127.0.0.1:PORT, or port 0 for a free one")

// Options of a Catcher; the zero value takes free ports and speaks no TLS.
type Options struct {
	SMTP   string      // host:port; "" is 127.0.0.1:0
	Listen string      // of the page; "" is 127.0.0.1:0
	TLS    *tls.Config // offered by STARTTLS; nil: not
	Now    func() time.Time
	Log    *slog.Logger
}

// Catcher keeps mails. Safe for concurrent use.
type Catcher struct {
	options Options
	smtp    *smtp.Server
	page    *http.Server
	mail    net.Listener
	web     net.Listener

	sessions sync.WaitGroup // of SMTP

	mu      sync.Mutex // guards the following
	mails   []*Mail    // the oldest first
	size    int
	number  int
	changed chan struct{} // closed with the next change
}

// Open listens; Run serves.
func Open(o Options) (c *Catcher, err error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	c = &Catcher{options: o, changed: make(chan struct{})}
	if c.mail, err = listen(o.SMTP); err != nil {
		return nil, fmt.Errorf("listen for mail: %w", err)
	}
	if c.web, err = listen(o.Listen); err != nil {
		c.mail.Close()
		return nil, fmt.Errorf("listen for the page: %w", err)
	}
	c.smtp = smtp.NewServer(c)
	c.smtp.Domain, c.smtp.TLSConfig, c.smtp.ErrorLog = "localhost", o.TLS, quiet{}
	c.smtp.MaxMessageBytes, c.smtp.MaxRecipients, c.smtp.EnableSMTPUTF8 = maxMail, maxRecipients, true
	c.smtp.ReadTimeout, c.smtp.WriteTimeout = idle, idle
	c.page = &http.Server{Handler: c.handler(), ReadHeaderTimeout: 10 * time.Second, MaxHeaderBytes: 16 << 10, ErrorLog: slog.NewLogLogger(o.Log.Handler(), slog.LevelDebug)}
	return c, nil
}

// listen refuses names too: what localhost is another machine may decide.
func listen(address string) (net.Listener, error) {
	if address == "" {
		address = "127.0.0.1:0"
	}
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	if ip := net.ParseIP(host); ip == nil || !ip.IsLoopback() {
		return nil, fmt.Errorf("%w (%s)", ErrLoopback, address)
	}
	return net.Listen("tcp", address)
}

// quiet drops what connections fail for: scanners and tests that go away.
type quiet struct{}

func (quiet) Printf(string, ...any) {}
func (quiet) Println(...any)        {}

// SMTPAddress is host:port where mail is handed in.
func (c *Catcher) SMTPAddress() string { return c.mail.Addr().String() }

// Port is SMTPAddress' port.
func (c *Catcher) Port() int { return c.mail.Addr().(*net.TCPAddr).Port }

// URL is the page's address.
func (c *Catcher) URL() string { return "http://" + c.web.Addr().String() }

// Run serves until ctx ends, and closes both listeners.
func (c *Catcher) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	c.page.BaseContext = func(net.Listener) context.Context { return ctx } // live pages end with it
	var all sync.WaitGroup
	errs := make(chan error, 2)
	all.Go(func() {
		defer cancel()
		errs <- named("take mail", c.smtp.Serve(c.mail))
	})
	all.Go(func() {
		defer cancel()
		errs <- named("serve the page", c.page.Serve(c.web))
	})
	<-ctx.Done()
	c.smtp.Close() // its connections too
	limit, done := context.WithTimeout(context.WithoutCancel(ctx), stopLimit)
	defer done()
	if c.page.Shutdown(limit) != nil {
		c.page.Close()
	}
	all.Wait()
	c.sessions.Wait()
	return errors.Join(<-errs, <-errs)
}

// named is nil for the end that was asked for.
func named(what string, err error) error {
	if err == nil || errors.Is(err, http.ErrServerClosed) || errors.Is(err, smtp.ErrServerClosed) || errors.Is(err, net.ErrClosed) {
		return nil
	}
	return fmt.Errorf("%s: %w", what, err)
}

// NewSession implements smtp.Backend.
func (c *Catcher) NewSession(conn *smtp.Conn) (smtp.Session, error) {
	c.sessions.Add(1)
	return &session{catcher: c, conn: conn, ended: sync.OnceFunc(c.sessions.Done)}, nil
}

// session is one connection.
type session struct {
	catcher *Catcher
	conn    *smtp.Conn
	ended   func()
	from    string
	to      []string
}

func (s *session) Reset() { s.from, s.to = "", nil }

func (s *session) Logout() error {
	s.ended()
	return nil
}

func (s *session) Mail(from string, _ *smtp.MailOptions) error {
	s.from = from
	return nil
}

func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.to = append(s.to, to)
	return nil
}

func (s *session) Data(r io.Reader) error {
	raw, err := io.ReadAll(io.LimitReader(r, maxMail+1))
	if err != nil {
		return err
	}
	if len(raw) > maxMail {
		return smtp.ErrDataTooLarge
	}
	_, secure := s.conn.TLSConnectionState()
	s.catcher.keep(s.from, slices.Clone(s.to), secure, raw)
	return nil
}

// keep adds a mail, and forgets the oldest beyond the bounds.
func (c *Catcher) keep(from string, to []string, secure bool, raw []byte) {
	m := Parse(raw)
	m.From, m.To, m.TLS, m.At, m.Size = from, to, secure, c.options.Now(), len(raw)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.number++
	m.ID = strconv.Itoa(c.number)
	c.mails = append(c.mails, m)
	c.size += m.Size
	for len(c.mails) > maxMails || c.size > maxAll {
		c.size -= c.mails[0].Size
		c.mails = slices.Delete(c.mails, 0, 1)
	}
	c.tell()
}

// tell wakes who waits; mu is held.
func (c *Catcher) tell() {
	close(c.changed)
	c.changed = make(chan struct{})
}

// Clear forgets all mails.
func (c *Catcher) Clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mails, c.size = nil, 0
	c.tell()
}

// Mails returns what came for an address, "" for everybody, the newest first.
func (c *Catcher) Mails(to string) []*Mail {
	list, _ := c.look(to)
	return list
}

func (c *Catcher) look(to string) (list []*Mail, changed <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, m := range slices.Backward(c.mails) {
		if to == "" || slices.ContainsFunc(m.To, func(a string) bool { return strings.EqualFold(a, to) }) {
			list = append(list, m)
		}
	}
	return list, c.changed
}

// Wait returns the mails to an address, the newest first, as soon as there are n.
func (c *Catcher) Wait(ctx context.Context, to string, n int) ([]*Mail, error) {
	for {
		list, changed := c.look(to)
		if len(list) >= n {
			return list, nil
		}
		select {
		case <-ctx.Done():
			return list, fmt.Errorf("wait for %d mails, have %d: %w", n, len(list), ctx.Err())
		case <-changed:
		}
	}
}

func (c *Catcher) find(id string) *Mail {
	for _, m := range c.Mails("") {
		if m.ID == id {
			return m
		}
	}
	return nil
}
