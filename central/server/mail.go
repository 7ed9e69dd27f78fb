package server

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	netmail "net/mail"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"turnstile/central/database"
	"turnstile/central/issuer"
	"turnstile/central/letters"
	"turnstile/central/link"
	"turnstile/central/mail"
	"turnstile/central/office"
	"turnstile/central/pass"
	"turnstile/central/photo"
	"turnstile/central/sign"
	"turnstile/central/symbol"
)

// Office is how the office works.
type Office struct {
	// TwoPersonsAbove is how many passes one person can revoke, hold or release in
	// one go; above that a second one has to confirm. Default 20; 0: always two.
	TwoPersonsAbove int `yaml:"two_persons_above"`
}

func (o *Office) problems(wrong func(bad bool, key, format string, args ...any)) {
	wrong(o.TwoPersonsAbove < 0 || o.TwoPersonsAbove > maxAbove, "office.two_persons_above", "want 0 to %d", maxAbove)
}

// Mail is the server that codes are mailed with. Without a host nothing is
// mailed.
type Mail struct {
	Host string `yaml:"host"`
	Port int    `yaml:"port"` // default 587
	// From is the sender, such as Campus passes <passes@campus.example>.
	From string `yaml:"from"`
	// User signs in at the mail server; default nobody does. Password says where the
	// password is: a file, an environment variable or a systemd credential.
	User     string            `yaml:"user"`
	Password issuer.Passphrase `yaml:"password"`
	// Security is starttls (default), tls (port 465), or none for a server on this
	// machine.
	Security mail.Security `yaml:"security"`
	// CA is a PEM file of the mail server's authority. Default the machine's.
	CA string `yaml:"ca"`
}

func (m *Mail) problems(wrong func(bad bool, key, format string, args ...any)) {
	if m.Host == "" {
		wrong(m.From != "" || m.User != "", "mail.host", "want the mail server's name, or none of the other settings")
		return
	}
	s := m.server()
	setting, text := s.Check()
	wrong(setting != "", "mail."+setting, "%s", text)
	wrong(s.From == "", "mail.from", "want a sender such as Campus passes <passes@campus.example>")
	wrong((m.User == "") != (m.Password == issuer.Passphrase{}), "mail.password", "user and password belong together")
}

// server returns the settings with defaults, without the password.
func (m *Mail) server() mail.Server {
	s := mail.Server{Host: m.Host, Port: m.Port, User: m.User, Security: m.Security, CA: m.CA}
	if s.Port == 0 {
		s.Port = 587
	}
	if s.Security == "" {
		s.Security = mail.StartTLS
	}
	if from, err := netmail.ParseAddress(m.From); err == nil {
		s.From, s.FromName = from.Address, from.Name
	}
	return s
}

// chores is what goes on in the background of the office.
type chores struct {
	*central
	pace     *rate.Limiter // of issuing from files
	mail     *mail.Worker  // nil: mail is not set up
	changing sync.Mutex    // one bulk change at a time in this process
	due      chan struct{}
}

func (s *central) openChores(context.Context) error {
	s.photos = photo.NewMaker()
	s.chores = &chores{central: s, pace: rate.NewLimiter(rate.Inf, importBatch), due: make(chan struct{}, 1)}
	if s.config.Sign.Socket != "" {
		// Half of what the signer signs in a minute: people issue passes meanwhile.
		most := s.config.Sign.Limits.Mint
		if most == 0 {
			most = sign.DefaultLimits().Mint
		}
		s.chores.pace = rate.NewLimiter(rate.Limit(float64(most)/2/60), importBatch)
	}
	if s.config.Mail.Host == "" {
		return nil
	}
	return s.chores.openMail()
}

func (c *chores) openMail() error {
	server := c.config.Mail.server()
	if server.User != "" {
		password, err := c.config.Mail.Password.Read()
		if err != nil {
			return fmt.Errorf("%w: mail.password: %w", ErrConfig, err)
		}
		server.Password = string(password)
	}
	box, err := c.box()
	if err != nil {
		return err
	}
	compose := func(ctx context.Context, m database.Mail) (letters.Letter, error) {
		if m.Kind == database.PassMail {
			return c.letter(ctx, m.Pass)
		}
		l, err := letters.Open(box, m.ID, m.Sealed)
		if err != nil {
			return l, &mail.ErrNoLetter{Why: letters.ErrUnreadable.Error()}
		}
		return l, nil
	}
	c.mail, err = mail.New(mail.Config{Server: server, Store: c.db, Compose: compose, Location: c.location, Now: c.config.Now, Log: c.config.Log})
	if err != nil {
		return fmt.Errorf("%w: mail: %w", ErrConfig, err)
	}
	return nil
}

// posted has letters sent at once that a part of central has put into the outbox.
func (s *central) posted() {
	if s.chores != nil && s.chores.mail != nil {
		s.chores.mail.Wake()
	}
}

// wake makes the background look at once.
func (c *chores) wake() {
	select {
	case c.due <- struct{}{}:
	default:
	}
}

// Times of the background.
const (
	choresEvery  = 3 * time.Second // looks for what another central left undone
	tidyEvery    = time.Hour
	previewLife  = 24 * time.Hour      // a file that nobody confirmed
	importLife   = 30 * 24 * time.Hour // a file that was issued
	bulkLife     = 90 * 24 * time.Hour
	maxUnsettled = 16 // imports and changes that are looked at in one round
)

// run goes on with imports and bulk changes, and sends mail, until ctx ends.
func (c *chores) run(ctx context.Context) error {
	var all sync.WaitGroup
	defer all.Wait()
	if c.mail != nil {
		all.Go(func() { c.mail.Run(ctx) }) // ends with ctx, and never otherwise
	}
	look, tidy := time.NewTicker(choresEvery), time.NewTicker(tidyEvery)
	defer look.Stop()
	defer tidy.Stop()
	c.tidy(ctx)
	for {
		if err := c.round(ctx); err != nil && ctx.Err() == nil {
			c.config.Log.Warn("work on many passes", "cause", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-c.due:
		case <-look.C:
		case <-tidy.C:
			c.tidy(ctx)
		}
	}
}

// round does what waits. What fails is tried again in the next one.
func (c *chores) round(ctx context.Context) error {
	changes, err := c.db.Bulks(ctx, database.BulkRunning, 0, maxUnsettled)
	if err != nil {
		return err
	}
	for _, b := range changes { // revocations first
		err = errors.Join(err, c.change(ctx, b.ID))
	}
	files, more := c.db.Imports(ctx, database.ImportRunning, maxUnsettled)
	err = errors.Join(err, more)
	for _, i := range files {
		err = errors.Join(err, c.issueImport(ctx, i))
	}
	return errors.Join(err, c.applySyncs(ctx))
}

// tidy erases what nobody needs any more.
func (c *chores) tidy(ctx context.Context) {
	now := c.config.Now()
	err := errors.Join(
		c.db.PruneImports(ctx, now.Add(-previewLife).UnixMilli(), now.Add(-importLife).UnixMilli()),
		c.db.PruneRegisterSyncs(ctx, now.Add(-previewLife).UnixMilli(), now.Add(-importLife).UnixMilli()),
		c.db.PruneBulks(ctx, now.Add(-bulkLife).UnixMilli()))
	if err != nil && ctx.Err() == nil {
		c.config.Log.Warn("tidy up imports and bulk changes", "cause", err)
	}
}

// mails is the API's office.Mails.
type mails struct{ *central }

func (s mails) Ready() error {
	if s.chores.mail == nil {
		return office.Refuse(office.ErrUnavailable, "Mail is not set up: an operator sets mail.host and mail.from in central's configuration.")
	}
	return nil
}

func (s mails) Send(ctx context.Context, by string, id pass.ID, address string) error {
	if err := s.Ready(); err != nil {
		return err
	}
	if !office.ValidAddress(address) {
		return office.Refuse(office.ErrInvalid, "Want an address such as name@example.org.")
	}
	p, err := (passes{s.central}).row(ctx, id)
	if err != nil {
		return err
	}
	if why := unmailable(&p); why != "" {
		return office.Refuse(office.ErrConflict, "This code cannot be mailed: %s.", why)
	}
	m := database.Mail{ID: rand.Text(), Pass: id, Address: address, By: by, At: s.config.Now().UnixMilli()}
	if err := s.db.AddMail(ctx, m); err != nil {
		return fmt.Errorf("store mail: %w", err)
	}
	s.chores.mail.Wake()
	return nil
}

// unmailable says why a code is not mailed, "" if it can be.
func unmailable(p *database.Pass) string {
	switch {
	case p.Status == link.Revoked:
		return "the pass is revoked"
	case p.Status == link.Held:
		return "the pass is held"
	case p.Flags&pass.LiveRequired != 0:
		return "it is only valid as a live code, shown on the holder's phone"
	}
	return ""
}

func (s mails) Of(ctx context.Context, id pass.ID) ([]office.Mail, error) {
	rows, err := s.db.MailsOf(ctx, id, 20)
	if err != nil {
		return nil, fmt.Errorf("read outbox: %w", err)
	}
	out := make([]office.Mail, 0, len(rows))
	for _, m := range rows {
		o := office.Mail{Address: m.Address, State: office.MailState(m.State), By: m.By, At: time.UnixMilli(m.At), Attempts: m.Attempts, Error: m.Error}
		if m.State == database.MailWaiting {
			o.Next = time.UnixMilli(m.Next)
		}
		if m.Ended != 0 {
			o.Ended = time.UnixMilli(m.Ended)
		}
		out = append(out, o)
	}
	return out, nil
}

// letter is the mail with a pass's code, as the pass is at this moment, in both
// languages: who gets it chose none.
func (c *chores) letter(ctx context.Context, id pass.ID) (l letters.Letter, err error) {
	p, err := c.db.Pass(ctx, id)
	if errors.Is(err, database.ErrNotFound) {
		return l, &mail.ErrNoLetter{Why: "the pass was erased"}
	}
	if err != nil {
		return l, fmt.Errorf("find pass: %w", err)
	}
	from, until := p.Window()
	why := unmailable(&p)
	if why == "" && until <= c.config.Now().Unix() {
		why = "the pass is over"
	}
	if why != "" {
		return l, &mail.ErrNoLetter{Why: why}
	}
	s, err := symbol.Draw(p.Text(p.Signature))
	if err != nil {
		return l, err
	}
	w := letters.Pass{ID: p.ID().String(), Day: p.Day.String(), From: time.Unix(from, 0).In(c.location), Until: time.Unix(until, 0).In(c.location),
		FileName: "pass-" + strings.ReplaceAll(id.String(), "/", "-") + ".png"}
	for _, z := range c.feed.View().Rules.Zones {
		if p.Zones&(1<<z.ID) != 0 {
			w.Zones, w.ZonesZH = append(w.Zones, z.Name), append(w.ZonesZH, cmp.Or(z.NameZH, z.Name))
		}
	}
	if w.PNG, err = s.PNG(10); err != nil {
		return l, err
	}
	return letters.PassCode(letters.Both, w), nil
}
