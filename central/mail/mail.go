// Package mail sends what waits in the outbox over SMTP, and tries again what was
// not taken.
//
// A mail is sent at least once: a crash between the server's word and the
// database's sends it again. What a server refuses for good is not tried again,
// nor what is of no use any more. What a mail says is package letters' business.
package mail

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"slices"
	"strings"
	"time"

	gomail "github.com/wneessen/go-mail"

	"turnstile/central/database"
	"turnstile/central/letters"
)

// Security is how the connection to the server is kept private.
type Security string

// The ways. None is for a server on this machine alone.
const (
	StartTLS Security = "starttls" // port 587, the usual one
	Implicit Security = "tls"      // port 465
	None     Security = "none"
)

// Server is where mail is handed to.
type Server struct {
	Host     string
	Port     int
	From     string // address of the sender
	FromName string
	User     string // "": without
	Password string
	Security Security
	CA       string // PEM file of its authority; "": the machine's
}

// ErrNoLetter is what Compose returns, with words, for a mail that is not to be
// sent any more.
type ErrNoLetter struct{ Why string }

func (e *ErrNoLetter) Error() string { return "not to be sent: " + e.Why }

// Store keeps the outbox; *database.DB is one.
type Store interface {
	TakeMail(ctx context.Context, now, until int64, limit int, resting ...string) ([]database.Mail, error)
	SettleMail(ctx context.Context, m database.Mail) error
	PruneMail(ctx context.Context, before int64) error
}

// Config of a Worker.
type Config struct {
	Server Server
	Store  Store
	// Compose returns what a mail says; *ErrNoLetter if it is not to be sent any more.
	Compose func(ctx context.Context, m database.Mail) (letters.Letter, error)
	// Location is the campus clock: what nobody asked for waits for its day, however
	// often it was tried.
	Location *time.Location
	Now      func() time.Time
	Log      *slog.Logger
}

// Times of the worker.
const (
	look      = 5 * time.Second  // for mail that another central put there
	sendLimit = 30 * time.Second // of one connection
	batch     = 20               // mails of one connection
	claim     = 10 * time.Minute // how long a mail that was taken is nobody else's
	keep      = 7 * 24 * time.Hour
	tidy      = time.Hour // between looks for what is older
)

// waits are the times between attempts; after the last one a mail has failed.
var waits = []time.Duration{time.Minute, 5 * time.Minute, 20 * time.Minute, time.Hour, 4 * time.Hour, 12 * time.Hour}

// Worker sends what waits. Its methods are safe for concurrent use.
type Worker struct {
	config Config
	client *gomail.Client
	wake   chan struct{}
}

// New returns a worker; the server is not asked yet.
func New(c Config) (*Worker, error) {
	options := []gomail.Option{gomail.WithPort(c.Server.Port), gomail.WithTimeout(sendLimit)}
	t, err := c.Server.tls()
	if err != nil {
		return nil, err
	}
	switch c.Server.Security {
	case Implicit:
		options = append(options, gomail.WithSSL(), gomail.WithTLSConfig(t))
	case None:
		options = append(options, gomail.WithTLSPolicy(gomail.NoTLS))
	default:
		options = append(options, gomail.WithTLSPolicy(gomail.TLSMandatory), gomail.WithTLSConfig(t))
	}
	if c.Server.User != "" {
		kind := gomail.SMTPAuthAutoDiscover
		if c.Server.Security == None {
			kind = gomail.SMTPAuthPlainNoEnc
		}
		options = append(options, gomail.WithSMTPAuth(kind), gomail.WithUsername(c.Server.User), gomail.WithPassword(c.Server.Password))
	}
	client, err := gomail.NewClient(c.Server.Host, options...)
	if err != nil {
		return nil, fmt.Errorf("set up mail: %w", err)
	}
	return &Worker{c, client, make(chan struct{}, 1)}, nil
}

func (s *Server) tls() (*tls.Config, error) {
	t := &tls.Config{ServerName: s.Host, MinVersion: tls.VersionTLS12}
	if s.CA == "" {
		return t, nil
	}
	text, err := os.ReadFile(s.CA)
	if err != nil {
		return nil, fmt.Errorf("read mail authority: %w", err)
	}
	t.RootCAs = x509.NewCertPool()
	if !t.RootCAs.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("read mail authority: %s holds no certificate", s.CA)
	}
	return t, nil
}

// Wake makes the worker look at once.
func (w *Worker) Wake() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// Run sends until ctx ends.
func (w *Worker) Run(ctx context.Context) error {
	t, old := time.NewTicker(look), time.NewTicker(tidy)
	defer t.Stop()
	defer old.Stop()
	w.prune(ctx)
	for {
		for w.round(ctx) == batch {
		}
		select {
		case <-ctx.Done():
			return nil
		case <-w.wake:
		case <-t.C:
		case <-old.C:
			w.prune(ctx)
		}
	}
}

// prune erases mails that ended days ago: addresses are personal data.
func (w *Worker) prune(ctx context.Context) {
	if err := w.config.Store.PruneMail(ctx, w.config.Now().Add(-keep).UnixMilli()); err != nil && ctx.Err() == nil {
		w.config.Log.Error("tidy the outbox", "cause", err)
	}
}

// round sends what is due and returns how many mails it took.
func (w *Worker) round(ctx context.Context) int {
	now := w.config.Now()
	list, err := w.config.Store.TakeMail(ctx, now.UnixMilli(), now.Add(claim).UnixMilli(), batch, letters.Resting(now.In(w.config.Location))...)
	if err != nil && ctx.Err() == nil {
		w.config.Log.Error("look at the outbox", "cause", err)
	}
	for i, m := range list {
		sent := w.send(ctx, m)
		if ctx.Err() != nil {
			return 0 // not settled: it is sent again after the claim
		}
		w.settle(ctx, m, sent)
		if errors.Is(sent, errAway) {
			for _, m := range list[i+1:] { // the others would wait for it as long
				w.settle(ctx, m, sent)
			}
			return 0
		}
	}
	return len(list)
}

// errAway tells that the server could not be reached, whatever the mail.
var errAway = errors.New("the mail server cannot be reached")

// send hands one mail over. Its errors name no address.
func (w *Worker) send(ctx context.Context, m database.Mail) error {
	if m.Until != 0 && w.config.Now().UnixMilli() >= m.Until {
		return &ErrNoLetter{"it came too late to be of use"}
	}
	letter, err := w.config.Compose(ctx, m)
	if err != nil {
		return err
	}
	message, err := w.message(m, letter)
	if err != nil {
		return &ErrNoLetter{"no valid address"}
	}
	limit, cancel := context.WithTimeout(ctx, sendLimit)
	defer cancel()
	if err := w.client.DialWithContext(limit); err != nil {
		return fmt.Errorf("%w: %w", errAway, withoutAddress(err, m.Address))
	}
	defer w.client.Close()
	err = w.client.Send(message)
	refused, ok := errors.AsType[*gomail.SendError](err)
	switch {
	case err == nil:
		return nil
	case ok && !refused.IsTemp():
		return &ErrNoLetter{fmt.Sprintf("the mail server refused it: %d %s", refused.ErrorCode(), refused.EnhancedStatusCode())}
	case ok:
		return fmt.Errorf("the mail server did not take it yet: %d %s", refused.ErrorCode(), refused.EnhancedStatusCode())
	}
	return withoutAddress(err, m.Address)
}

// withoutAddress keeps whom a mail is for out of logs.
func withoutAddress(err error, address string) error {
	var host *net.OpError
	if errors.As(err, &host) {
		return host
	}
	return errors.New(strings.ReplaceAll(err.Error(), address, "(address)"))
}

// message is the mail as it travels: plain text, and the same in HTML with the
// symbol, if there is one.
func (w *Worker) message(m database.Mail, l letters.Letter) (*gomail.Msg, error) {
	out := gomail.NewMsg()
	if err := out.FromFormat(w.config.Server.FromName, w.config.Server.From); err != nil {
		return nil, err
	}
	if err := out.To(m.Address); err != nil {
		return nil, err
	}
	out.Subject(l.Subject)
	out.SetDateWithValue(w.config.Now())
	// The same for each attempt: a mailbox that has it keeps one.
	_, domain, _ := strings.Cut(w.config.Server.From, "@")
	out.SetMessageIDWithValue(strings.ToLower(m.ID) + "@" + domain)
	out.SetGenHeader("Auto-Submitted", "auto-generated")
	out.SetUserAgent("Turnstile")
	out.SetBodyString(gomail.TypeTextPlain, l.Text)
	out.AddAlternativeString(gomail.TypeTextHTML, l.HTML)
	if l.PNG != nil {
		out.EmbedReadSeeker(l.Name, bytes.NewReader(l.PNG), gomail.WithFileContentType("image/png"))
	}
	return out, nil
}

// settle writes down how an attempt came out.
func (w *Worker) settle(ctx context.Context, m database.Mail, sent error) {
	now := w.config.Now()
	final, _ := errors.AsType[*ErrNoLetter](sent)
	switch {
	case sent == nil:
		m.State, m.Ended, m.Error = database.MailSent, now.UnixMilli(), ""
	case final != nil || m.Attempts > len(waits):
		m.State, m.Ended, m.Error = database.MailFailed, now.UnixMilli(), shorten(sent)
		w.config.Log.Warn("mail failed for good", about(&m), "attempts", m.Attempts, "cause", m.Error)
	default:
		m.Next, m.Error = now.Add(waits[m.Attempts-1]).UnixMilli(), shorten(sent)
		w.config.Log.Info("mail is tried again", about(&m), "attempts", m.Attempts, "cause", m.Error)
	}
	if err := w.config.Store.SettleMail(ctx, m); err != nil && ctx.Err() == nil {
		w.config.Log.Error("settle mail", about(&m), "cause", err)
	}
}

// about names a mail in the log, without whom it is for.
func about(m *database.Mail) slog.Attr {
	if m.Kind == database.PassMail {
		return slog.String("pass", m.Pass.String())
	}
	return slog.Group("letter", "kind", m.Kind, "id", m.ID)
}

// maxError bounds what is kept of an error, in bytes.
const maxError = 300

func shorten(err error) string {
	text := err.Error()
	var final *ErrNoLetter
	if errors.As(err, &final) {
		text = final.Why
	}
	return strings.ToValidUTF8(text[:min(len(text), maxError)], "")
}

// Check returns what is wrong with a server's settings, "" for nothing, and the
// name of the setting.
func (s *Server) Check() (setting, wrong string) {
	switch {
	case s.Host == "":
		return "host", "want the mail server's name"
	case s.Port < 1 || s.Port > 65535:
		return "port", "want 1 to 65535; 587 is usual"
	case !slices.Contains([]Security{StartTLS, Implicit, None}, s.Security):
		return "security", "want starttls, tls or none"
	case s.Security == None && !local(s.Host):
		return "security", "none is for a server on this machine alone: codes would travel in the open"
	}
	return "", ""
}

func local(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
