package campus

import (
	"context"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"time"

	"turnstile/central/devmail"
	"turnstile/central/register"
	"turnstile/central/register/registertest"
	"turnstile/simulator/site"
)

// Portal shows the holders' pages on a campus, with a register of invented people and
// a mail server that shows what it gets instead of delivering it. eCards and guests are
// approved at once.
type Portal struct {
	People int      // of the register; 0: 40
	Frames []string // origins that may show the pages in a frame
}

// standardPeople have one of each kind of card, and graduates of all times.
const standardPeople = 40

// inventSeed makes the same people on each campus.
const inventSeed = 7

// Holders is what somebody needs who plays a holder.
type Holders struct {
	Portal string // address of the pages, without a slash at the end
	Mails  string // address of the page with what was mailed
	People []Persona
}

// Persona is an invented person of the register, as it stands on a card that a trainer
// hands out.
type Persona struct {
	ID             string // of the register
	Surname, Given string
	Born           string // YYYY-MM-DD
	Document       string // personal id
	Email          string // as the registry has it
	Card           string // number of the campus card, "" for none
	NetID          string // of a student or of staff, "" for none
	About          string // what they are to the campus
}

// Holders returns what somebody needs who plays a holder; nil without a portal.
func (c *Campus) Holders() *Holders { return c.holders }

// mails is the mail server.
type mails struct {
	*devmail.Catcher
	end  context.CancelFunc
	done chan error
}

func openMails(now func() time.Time, log *slog.Logger) (*mails, error) {
	catcher, err := devmail.Open(devmail.Options{Now: now, Log: log})
	if err != nil {
		return nil, fmt.Errorf("open mail server: %w", err)
	}
	ctx, end := context.WithCancel(context.Background())
	m := &mails{catcher, end, make(chan error, 1)}
	go func() { m.done <- catcher.Run(ctx) }() // close waits for it
	return m, nil
}

// close ends the server, if there is one; who mails to it has ended.
func (m *mails) close() error {
	if m == nil {
		return nil
	}
	m.end()
	return <-m.done
}

// openPortal opens what central needs for the holders' pages, before central starts.
func (c *Campus) openPortal(run *site.Config) (err error) {
	if c.config.Portal == nil {
		return nil
	}
	if c.mails, err = openMails(c.clock.Now, c.config.Log); err != nil {
		return err
	}
	run.Portal = &site.Portal{Mail: c.mails.SMTPAddress(), Frames: c.config.Portal.Frames}
	return nil
}

// people fills the register, after central's start.
func (c *Campus) people(ctx context.Context) error {
	if c.config.Portal == nil {
		return nil
	}
	n := c.config.Portal.People
	if n == 0 {
		n = standardPeople
	}
	list := registertest.People(n, inventSeed, c.clock.Now().In(zone))
	c.holders = &Holders{Portal: c.site.PortalURL(), Mails: c.mails.URL()}
	for i := range list {
		name, _, _ := strings.Cut(list[i].Email, "@")
		list[i].Email = name + "@example.org"
		c.holders.People = append(c.holders.People, persona(&list[i]))
	}
	if err := c.site.Invent(ctx, list); err != nil {
		return err
	}
	return c.site.Instant(ctx)
}

// cardNames are the kinds of cards as their owners call them.
var cardNames = map[register.CardKind]string{
	register.StudentCard: "student", register.StaffCard: "staff", register.CPCECard: "staff of CPCE", register.PTECCard: "staff of PTEC",
	register.VisitorCard: "visitor", register.RetireeCard: "long-serving retiree", register.EmeritusCard: "emeritus professor",
}

func persona(p *registertest.Invented) Persona {
	out := Persona{ID: p.ID, Surname: p.Surname, Given: p.Given, Born: p.Born, Document: p.Document, Email: p.Email, About: "in the register"}
	if len(p.NetIDs) > 0 {
		out.NetID = p.NetIDs[0]
	}
	if len(p.Cards) > 0 {
		out.Card, out.About = p.Cards[0].Number, cardNames[p.Cards[0].Kind]
	}
	if len(p.Degrees) > 0 {
		out.About = "graduate of " + p.Degrees[len(p.Degrees)-1].Graduated[:len("2006")]
	}
	return out
}

// What stands alone on a line of a mail.
var (
	mailCode = regexp.MustCompile(`(?m)^\s*([0-9]{8})\s*$`)
	mailLink = regexp.MustCompile(`(?m)^\s*(https?://\S+)\s*$`)
)

// pollMails looks what came.
func (c *Campus) pollMails(context.Context) {
	list := c.mails.Mails("")
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case len(list) == 0 && c.mail == nil:
		return
	case len(list) == 0: // somebody had them forgotten
		c.mail = nil
	case c.mail != nil && c.mail.ID == list[0].ID:
		return
	default:
		c.mail = read(list[0], c.mails.URL())
	}
	c.tell()
}

// read takes out of a mail what somebody with a phone needs; mails is the address of
// the page with all.
func read(x *devmail.Mail, mails string) *Mail {
	out := &Mail{ID: x.ID, To: strings.Join(x.To, ", "), Subject: x.Subject, Page: mails + "/mails/" + x.ID}
	if found := mailCode.FindStringSubmatch(x.Text); found != nil {
		out.Code = found[1]
	}
	if found := mailLink.FindStringSubmatch(x.Text); found != nil {
		out.Link = found[1]
	}
	return out
}
