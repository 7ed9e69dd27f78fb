package mail

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"io"
	"log/slog"
	"mime"
	"mime/multipart"
	"net"
	netmail "net/mail"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"turnstile/central/database"
	"turnstile/central/database/databasetest"
	"turnstile/central/letters"
	"turnstile/central/mail/mailtest"
	"turnstile/central/pass"
	"turnstile/central/symbol"
)

// catcher is a mail server that keeps what it gets, after it refused as told.
type catcher struct {
	port int

	mu     sync.Mutex // guards the following
	refuse []*smtp.SMTPError
	got    []string // mails
	to     []string
	user   string
	secure bool
}

type catching struct {
	*catcher
	conn *smtp.Conn
}

func (c *catcher) NewSession(conn *smtp.Conn) (smtp.Session, error) { return &catching{c, conn}, nil }

func (c *catching) Reset()        {}
func (c *catching) Logout() error { return nil }

func (c *catching) Mail(string, *smtp.MailOptions) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, c.secure = c.conn.TLSConnectionState()
	if len(c.refuse) > 0 {
		err := c.refuse[0]
		c.refuse = c.refuse[1:]
		return err
	}
	return nil
}

func (c *catching) Rcpt(to string, _ *smtp.RcptOptions) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.to = append(c.to, to)
	return nil
}

func (c *catching) Data(r io.Reader) error {
	data, err := io.ReadAll(r)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.got = append(c.got, string(data))
	return err
}

func (c *catching) AuthMechanisms() []string { return []string{sasl.Plain} }

func (c *catching) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, password string) error {
		if password != "mail secret" {
			return smtp.ErrAuthFailed
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.user = user
		return nil
	}), nil
}

func (c *catcher) mails() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.got)
}

// catch starts a mail server that speaks STARTTLS, and returns how to reach it.
func catch(t *testing.T, refuse ...*smtp.SMTPError) (*catcher, Server) {
	t.Helper()
	c := &catcher{refuse: refuse}
	s := smtp.NewServer(c)
	own, ca := mailtest.Certificate(t)
	s.Domain, s.TLSConfig, s.ErrorLog = "localhost", own, quiet{}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { defer close(ended); s.Serve(l) }()
	t.Cleanup(func() { s.Close(); <-ended })
	c.port = l.Addr().(*net.TCPAddr).Port
	return c, Server{Host: "localhost", Port: c.port, From: "passes@campus.example", FromName: "Campus passes", User: "central", Password: "mail secret", Security: StartTLS, CA: ca}
}

type quiet struct{}

func (quiet) Printf(string, ...any) {}
func (quiet) Println(...any)        {}

// post is a worker on a real database with a clock of its own.
type post struct {
	*Worker
	db  *database.DB
	now time.Time
	log bytes.Buffer
}

var hongKong = time.FixedZone("HKT", 8*3600)

var passID = pass.ID{Day: 2516, Index: 4711}

func newPost(t *testing.T, s Server, compose func(context.Context, database.Mail) (letters.Letter, error)) *post {
	t.Helper()
	p := &post{db: databasetest.Open(t, filepath.Join(t.TempDir(), "central.db")), now: time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)}
	if compose == nil {
		compose = letter
	}
	var err error
	p.Worker, err = New(Config{Server: s, Store: p.db, Compose: compose, Location: hongKong, Now: func() time.Time { return p.now }, Log: slog.New(slog.NewTextHandler(&p.log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	p.add(t, "first", "guest@example.org")
	return p
}

func (p *post) add(t *testing.T, id, address string) {
	t.Helper()
	if err := p.db.AddMail(t.Context(), database.Mail{ID: id, Pass: passID, Address: address, By: "desk", At: p.now.UnixMilli()}); err != nil {
		t.Fatal(err)
	}
}

func (p *post) state(t *testing.T) database.Mail {
	t.Helper()
	list, err := p.db.MailsOf(t.Context(), passID, 9)
	if err != nil || len(list) == 0 {
		t.Fatal(list, err)
	}
	return list[0]
}

const code = "TURNSTILE7CODE7OF7A7PASS"

// letter is a pass's, or the one that the row has.
func letter(_ context.Context, m database.Mail) (letters.Letter, error) {
	if m.Kind != database.PassMail {
		return letters.Open(box, m.ID, m.Sealed)
	}
	s, err := symbol.Draw(code)
	if err != nil {
		return letters.Letter{}, err
	}
	png, err := s.PNG(8)
	return letters.Letter{Subject: "Your pass 通行證", Text: "Good for 22 November.\nOne person.\n\n請出示 <此碼>。", HTML: "<p>&lt;此碼&gt;</p>", PNG: png, Name: "pass.png"}, err
}

// box binds what it seals to the purpose, and hides it.
var box = turned{}

type turned struct{}

func (turned) Seal(purpose string, secret []byte) []byte {
	out := append([]byte(purpose+"\x00"), secret...)
	for i := range out {
		out[i] ^= 0x5a
	}
	return out
}

func (turned) Open(purpose string, sealed []byte) ([]byte, error) {
	out := slices.Clone(sealed)
	for i := range out {
		out[i] ^= 0x5a
	}
	rest, ok := bytes.CutPrefix(out, []byte(purpose+"\x00"))
	if !ok {
		return nil, errors.New("another purpose")
	}
	return rest, nil
}

// TestSent: the mail arrives over TLS with the symbol, and only once.
func TestSent(t *testing.T) {
	c, server := catch(t)
	p := newPost(t, server, nil)
	for range 2 {
		p.round(t.Context())
	}
	got := c.mails()
	if len(got) != 1 || !c.secure || c.user != "central" || !slices.Equal(c.to, []string{"guest@example.org"}) {
		t.Fatalf("%d mails, secure %v, user %q, to %v", len(got), c.secure, c.user, c.to)
	}
	if m := p.state(t); m.State != database.MailSent || m.Attempts != 1 {
		t.Errorf("%+v", m)
	}
	m, err := netmail.ReadMessage(strings.NewReader(got[0]))
	if err != nil {
		t.Fatal(err)
	}
	subject, err := new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject"))
	if err != nil || subject != "Your pass 通行證" || m.Header.Get("Message-Id") != "<first@campus.example>" || m.Header.Get("Auto-Submitted") != "auto-generated" {
		t.Errorf("%q %v, %v", subject, m.Header, err)
	}
	parts := map[string][]byte{}
	collect(t, m.Header.Get("Content-Type"), m.Body, parts)
	if text, err := symbol.ReadPicture(decode(t, parts["image/png"])); err != nil || text != code {
		t.Errorf("the symbol reads %q, %v", text, err)
	}
	if len(parts["text/plain"]) == 0 || !bytes.Contains(parts["text/html"], []byte("&lt;")) {
		t.Errorf("parts %v", parts)
	}
	if strings.Contains(p.log.String(), "guest@") {
		t.Errorf("the log names who it is for: %s", p.log.String())
	}
}

// collect walks through a mail's parts.
func collect(t *testing.T, content string, body io.Reader, parts map[string][]byte) {
	t.Helper()
	kind, params, err := mime.ParseMediaType(content)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(kind, "multipart/") {
		if parts[kind], err = io.ReadAll(body); err != nil {
			t.Fatal(err)
		}
		return
	}
	for r := multipart.NewReader(body, params["boundary"]); ; {
		p, err := r.NextRawPart()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		collect(t, p.Header.Get("Content-Type"), p, parts)
	}
}

// TestLetter: a code goes before passes that wait already, as text and HTML, is
// nowhere in the database before and erased after, and is not sent too late.
func TestLetter(t *testing.T) {
	c, server := catch(t)
	p := newPost(t, server, nil)
	for i, until := range []time.Time{p.now.Add(10 * time.Minute), p.now} {
		row, err := letters.Seal(box, letters.OneTime(letters.English, "40718265", until), "who@example.org", "portal", p.now)
		if err != nil {
			t.Fatal(i, err)
		}
		if err := p.db.AddLetters(t.Context(), row); err != nil {
			t.Fatal(i, err)
		}
	}
	rows := func() []database.Mail {
		list, err := p.db.LettersTo(t.Context(), "who@example.org", 9)
		if err != nil || len(list) != 2 {
			t.Fatal(list, err)
		}
		return list
	}
	for _, m := range rows() {
		if len(m.Sealed) == 0 || bytes.Contains(m.Sealed, []byte("40718265")) {
			t.Errorf("waits as %q", m.Sealed)
		}
	}
	p.round(t.Context())
	ends := map[string]int{}
	for _, m := range rows() {
		ends[m.State]++
		if len(m.Sealed) != 0 || m.Attempts != 1 {
			t.Errorf("after the end %+v", m)
		}
	}
	got := c.mails()
	if ends[database.MailSent] != 1 || ends[database.MailFailed] != 1 || len(got) != 2 {
		t.Fatalf("%v, %d mails", ends, len(got))
	}
	m, err := netmail.ReadMessage(strings.NewReader(got[0]))
	if err != nil {
		t.Fatal(err)
	}
	parts := map[string][]byte{}
	collect(t, m.Header.Get("Content-Type"), m.Body, parts)
	if m.Header.Get("Subject") != "Your one-time password" || !bytes.Contains(parts["text/plain"], []byte("40718265")) || !bytes.Contains(parts["text/html"], []byte("40718265")) || len(parts) != 2 {
		t.Errorf("%v %q", m.Header, parts)
	}
	if log := p.log.String(); strings.Contains(log, "who@") || strings.Contains(log, "40718265") || !strings.Contains(log, "one_time") {
		t.Errorf("the log: %s", log)
	}
}

// TestNobodySends: what is of no use any more goes, also where mail is not sent.
func TestNobodySends(t *testing.T) {
	_, server := catch(t)
	p := newPost(t, server, nil)
	row, err := letters.Seal(box, letters.OneTime(letters.English, "40718265", p.now.Add(time.Minute)), "who@example.org", "portal", p.now)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.db.AddLetters(t.Context(), row); err != nil {
		t.Fatal(err)
	}
	for _, wait := range []time.Duration{0, keep + time.Hour} {
		p.now = p.now.Add(wait)
		p.prune(t.Context())
		if list, err := p.db.LettersTo(t.Context(), "who@example.org", 9); err != nil || (len(list) == 0) != (wait > 0) {
			t.Errorf("after %s: %d rows, %v", wait, len(list), err)
		}
	}
}

func TestTriedAgain(t *testing.T) {
	busy := &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 7, 1}, Message: "greylisted guest@example.org"}
	c, server := catch(t, busy, busy)
	p := newPost(t, server, nil)
	for i, wait := range []time.Duration{0, waits[0], waits[1]} {
		p.now = p.now.Add(wait)
		p.round(t.Context())
		p.round(t.Context()) // not before its time
		m := p.state(t)
		if m.Attempts != i+1 || (m.State == database.MailSent) != (i == 2) {
			t.Errorf("after attempt %d: %+v", i+1, m)
		}
		if strings.Contains(m.Error+p.log.String(), "guest@") {
			t.Errorf("%q or the log names who it is for", m.Error)
		}
	}
	if len(c.mails()) != 1 {
		t.Errorf("%d mails", len(c.mails()))
	}
}

// TestNight: what nobody asked for waits for the day, also where it was tried before
// and the server was busy, or nobody sent for hours; a code never waits.
func TestNight(t *testing.T) {
	busy := &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 7, 1}, Message: "later"}
	c, server := catch(t, busy)
	p := newPost(t, server, nil)
	p.round(t.Context()) // the pass's, which is refused
	p.now = time.Date(2026, 11, 22, 19, 59, 0, 0, hongKong)
	c.mu.Lock()
	c.refuse = []*smtp.SMTPError{busy, busy}
	c.mu.Unlock()
	write := func(l letters.Letter) {
		t.Helper()
		row, err := letters.Seal(box, l, l.Kind+"@example.org", "netid", p.now)
		if err == nil {
			err = p.db.AddLetters(t.Context(), row)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	write(letters.Reminder(letters.English, p.now, "https://ecard.example/netid"))
	p.round(t.Context()) // both are refused, and due again at 20:00
	to := func() int {
		c.mu.Lock()
		defer c.mu.Unlock()
		n := 0
		for _, address := range c.to {
			if address == "password_reminder@example.org" {
				n++
			}
		}
		return n
	}
	for _, at := range []time.Time{p.now.Add(time.Minute), p.now.Add(5 * time.Hour), time.Date(2026, 11, 23, 8, 59, 59, 0, hongKong)} {
		p.now = at
		write(letters.Advice(letters.Chinese, p.now, "https://ecard.example/netid"))
		write(letters.OneTime(letters.English, "40718265", p.now.Add(time.Minute)))
		p.round(t.Context())
		for _, kind := range []string{"password_reminder", "password_advice"} {
			if list, err := p.db.LettersTo(t.Context(), kind+"@example.org", 9); err != nil || len(list) == 0 || list[0].State != database.MailWaiting {
				t.Errorf("%s at %s: %+v, %v", kind, at, list, err)
			}
		}
		if list, err := p.db.LettersTo(t.Context(), "one_time@example.org", 9); err != nil || list[0].State != database.MailSent {
			t.Errorf("a code at %s: %+v, %v", at, list, err)
		}
	}
	if to() != 0 {
		t.Errorf("%d at night", to())
	}
	p.now = time.Date(2026, 11, 23, 9, 0, 0, 0, hongKong)
	p.round(t.Context())
	if list, err := p.db.LettersTo(t.Context(), "password_reminder@example.org", 9); err != nil || len(list) != 1 || list[0].State != database.MailSent || list[0].Attempts != 2 || to() != 1 {
		t.Errorf("in the morning: %+v, %v, %d", list, err, to())
	}
}

func TestRefusedForGood(t *testing.T) {
	_, server := catch(t, &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "no such user"})
	p := newPost(t, server, nil)
	p.round(t.Context())
	if m := p.state(t); m.State != database.MailFailed || !strings.Contains(m.Error, "550") {
		t.Errorf("%+v", m)
	}
}

// TestNotSentAnyMore: a pass that was revoked meanwhile is not mailed.
func TestNotSentAnyMore(t *testing.T) {
	c, server := catch(t)
	p := newPost(t, server, func(context.Context, database.Mail) (letters.Letter, error) {
		return letters.Letter{}, &ErrNoLetter{"the pass is revoked"}
	})
	p.round(t.Context())
	if m := p.state(t); m.State != database.MailFailed || m.Error != "the pass is revoked" || len(c.mails()) != 0 {
		t.Errorf("%+v", m)
	}
}

// TestAway: nothing is lost while the server is off, until the last attempt.
func TestAway(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	p := newPost(t, Server{Host: "127.0.0.1", Port: l.Addr().(*net.TCPAddr).Port, From: "a@campus.example", Security: None}, nil)
	p.add(t, "second", "other@example.org")
	for _, wait := range append([]time.Duration{0}, waits...) {
		if m := p.state(t); m.State != database.MailWaiting {
			t.Errorf("given up at %s: %+v", p.now, m)
		}
		p.now = p.now.Add(wait)
		p.round(t.Context())
	}
	if m := p.state(t); m.State != database.MailFailed || m.Attempts != len(waits)+1 || m.Error == "" {
		t.Errorf("%+v", m)
	}
}

// TestForeignServer: the password goes to no server that cannot prove its name.
func TestForeignServer(t *testing.T) {
	c, server := catch(t)
	_, server.CA = mailtest.Certificate(t)
	p := newPost(t, server, nil)
	p.round(t.Context())
	if m := p.state(t); m.State != database.MailWaiting || c.user != "" || len(c.mails()) != 0 {
		t.Errorf("%+v, user %q", m, c.user)
	}
}

func TestRun(t *testing.T) {
	c, server := catch(t)
	p := newPost(t, server, nil)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	p.Wake()
	limit, tick := time.NewTimer(20*time.Second), time.NewTicker(10*time.Millisecond)
	defer limit.Stop()
	defer tick.Stop()
	for len(c.mails()) == 0 {
		select {
		case <-limit.C:
			t.Fatal("no mail came")
		case <-tick.C:
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestCheck(t *testing.T) {
	good := Server{Host: "mail.example.org", Port: 587, Security: StartTLS}
	for name, spoil := range map[string]func(*Server){
		"host": func(s *Server) { s.Host = "" }, "port": func(s *Server) { s.Port = 0 }, "security": func(s *Server) { s.Security = "ssl" },
	} {
		s := good
		spoil(&s)
		if setting, wrong := s.Check(); setting != name || wrong == "" {
			t.Errorf("%s: %q %q", name, setting, wrong)
		}
	}
	open := good
	open.Security = None
	if setting, _ := open.Check(); setting != "security" {
		t.Error("codes may travel in the open")
	}
	if setting, wrong := good.Check(); setting != "" {
		t.Error(setting, wrong)
	}
}

// decode reads the base64 of a part.
func decode(t *testing.T, part []byte) []byte {
	t.Helper()
	out, err := base64.StdEncoding.DecodeString(strings.NewReplacer("\r", "", "\n", "").Replace(string(part)))
	if err != nil {
		t.Fatal(err)
	}
	return out
}
