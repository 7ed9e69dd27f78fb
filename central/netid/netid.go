// Package netid keeps NetIDs: the one name and password with which a person signs
// in at the campus, and all that the person does with it alone.
//
// A NetID is registered against the register of the campus, with one of the seven
// kinds of cards or as a graduate, and by typing codes that came to the person's
// addresses. Nobody learns before that whether there is a NetID, and what else the
// register says; after it each refusal names the next step (Reason).
//
//	Begin ──codes by mail──▶ Confirm ──▶ Complete     a new NetID
//	BeginReset ────────────▶ Confirm ──▶ SetPassword  a forgotten NetPassword
//	ChangeEmail ───────────▶ Confirm                  another personal address
//
// What a step needs of the one before stands sealed in the database, under the hash
// of a token that the browser has. A code has eight digits, is good for ten minutes
// and five tries. The NetPassword is kept as argon2id, with those before it; it may
// consist of anything but what others have lost, or used, or would try first. A new
// one ends all that was signed in with the one before, in the same transaction.
package netid

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"time"
	"unicode/utf8"

	"turnstile/central/database"
	"turnstile/central/letters"
	"turnstile/central/password"
	"turnstile/central/register"
	"turnstile/central/seal"
	"turnstile/central/throttle"
)

// Alumni is the kind of a NetID that was registered without a card.
const Alumni = "alumni"

// Register is the campus register; *register.Register is one.
type Register interface {
	Identify(ctx context.Context, f register.Facts) (register.Person, error)
	Person(ctx context.Context, id string) (register.Person, error)
}

// Config of a Directory. All but Breached and Posted is needed.
type Config struct {
	DB       *database.DB
	Register Register
	Box      seal.Box
	Hasher   *password.Hasher
	Breached *password.Breached // nil: the built-in list alone
	Portal   string             // address of the holder's pages, without a slash at the end
	Office   string             // how to reach those who help, in letters
	Domain   string             // of the aliases: alias@Domain; "": an alias stands alone
	Issuer   string             // of the provider that signs people in elsewhere with the NetID
	Location *time.Location     // campus clock
	Now      func() time.Time
	Log      *slog.Logger
	// Posted is told that letters wait in the outbox.
	Posted func()
}

// Directory is safe for concurrent use.
type Directory struct {
	config Config
	tries  *throttle.Throttle
}

// Kinds of subjects that tries are counted by.
const (
	byName    = "netid"
	byFacts   = "netid-facts"
	byMail    = "netid-mail"
	byNetwork = "netid-network"
)

// New returns the directory of NetIDs.
func New(c Config) *Directory {
	free := throttle.Free{byName: 5, byFacts: 5, byMail: 5, byNetwork: 30}
	return &Directory{config: c, tries: throttle.New(c.DB, free, c.Now)}
}

// Entry is a NetID as its person sees it.
type Entry struct {
	NetID       string
	Person      string // of the register
	Card        string // the kind it was registered with, or Alumni
	DisplayName string
	Alias       string // with the domain, if there is one
	Email       string // personal
	Lang        letters.Language
	Changed     time.Time // of the NetPassword; zero: none set yet
	Created     time.Time
}

func (d *Directory) entry(n database.NetID) Entry {
	e := Entry{NetID: n.ID, Person: n.Person, Card: n.Card, DisplayName: n.Name, Alias: d.address(n.Alias), Email: n.Email, Lang: letters.Language(n.Lang), Created: time.UnixMilli(n.Created)}
	if n.Password != "" {
		e.Changed = time.UnixMilli(n.Changed)
	}
	return e
}

func (d *Directory) address(alias string) string {
	if d.config.Domain == "" {
		return alias
	}
	return alias + "@" + d.config.Domain
}

// maxNetID bounds what is looked up as a NetID, in bytes.
const maxNetID = 64

// normal is the form that a NetID is kept in.
func normal(netID string) string { return strings.ToLower(strings.TrimSpace(netID)) }

// use returns a NetID that is in use; database.ErrNotFound.
func (d *Directory) use(ctx context.Context, netID string) (database.NetID, error) {
	if len(netID) > maxNetID || !utf8.ValidString(netID) || strings.ContainsRune(netID, 0) {
		return database.NetID{}, database.ErrNotFound
	}
	n, err := d.config.DB.NetID(ctx, normal(netID))
	if err == nil && n.Ended != 0 {
		return database.NetID{}, database.ErrNotFound
	}
	if err != nil && !errors.Is(err, database.ErrNotFound) {
		err = fmt.Errorf("look for NetID: %w", err)
	}
	return n, err
}

// Profile returns a NetID that is in use; Unknown.
func (d *Directory) Profile(ctx context.Context, netID string) (Entry, error) {
	n, err := d.use(ctx, netID)
	if errors.Is(err, database.ErrNotFound) {
		return Entry{}, &Refusal{Reason: Unknown}
	}
	if err != nil {
		return Entry{}, err
	}
	return d.whose(ctx, n)
}

// whose is entry with the person that the register knows today: rows of one human
// being are merged there.
func (d *Directory) whose(ctx context.Context, n database.NetID) (Entry, error) {
	e := d.entry(n)
	p, err := d.config.Register.Person(ctx, n.Person)
	switch {
	case err == nil:
		e.Person = p.ID
	case !errors.Is(err, register.ErrNotFound): // who has left the register keeps the NetID until it is ended
		return Entry{}, fmt.Errorf("read the register: %w", err)
	}
	return e, nil
}

// Of returns the NetIDs of a person that are in use, the oldest first.
func (d *Directory) Of(ctx context.Context, person string) (list []Entry, err error) {
	rows, err := d.config.DB.NetIDsOf(ctx, person)
	if err != nil {
		return nil, fmt.Errorf("list NetIDs: %w", err)
	}
	for _, n := range rows {
		if n.Ended == 0 {
			list = append(list, d.entry(n))
		}
	}
	return list, nil
}

// Check returns the NetID whose password that is. WrongPassword says no more:
// nobody learns which NetIDs there are, nor by the time that it takes. Tries are
// counted by NetID and network: *throttle.Wait.
func (d *Directory) Check(ctx context.Context, netID, typed string, from net.IP) (Entry, error) {
	subjects := []string{throttle.Named(byName, normal(netID)), throttle.Network(byNetwork, from)}
	if err := d.tries.Try(ctx, subjects...); err != nil {
		return Entry{}, err
	}
	n, err := d.use(ctx, netID)
	if err != nil && !errors.Is(err, database.ErrNotFound) {
		return Entry{}, err
	}
	ok, err := d.match(ctx, &n, typed)
	if err != nil {
		return Entry{}, err
	}
	if !ok {
		return Entry{}, &Refusal{Reason: WrongPassword}
	}
	if err := d.tries.Succeeded(ctx, subjects...); err != nil {
		return Entry{}, err
	}
	return d.whose(ctx, n)
}

// match compares, and hashes anew what was hashed with less work.
func (d *Directory) match(ctx context.Context, n *database.NetID, typed string) (bool, error) {
	stored := n.Password
	if len(typed) > password.MaxBytes { // no password is, and none is as long as a stranger likes
		typed, stored = typed[:password.MaxBytes], ""
	}
	ok, stale, err := d.config.Hasher.Match(ctx, typed, stored)
	if err != nil || !ok || !stale {
		return ok, err
	}
	hash, err := d.config.Hasher.Hash(ctx, typed)
	if err != nil {
		return false, err
	}
	if err := d.config.DB.RehashNetPassword(ctx, n.ID, n.Password, hash); err != nil {
		return false, fmt.Errorf("store hash: %w", err)
	}
	n.Password = hash
	return true, nil
}

// End takes a NetID out of use for good, on the word of somebody of the office.
// Unknown.
func (d *Directory) End(ctx context.Context, netID, by, reason string) error {
	n, err := d.use(ctx, netID)
	if err == nil {
		err = d.config.DB.EndNetID(ctx, n.ID, d.config.Issuer, by, reason, d.now())
	}
	if errors.Is(err, database.ErrNotFound) {
		return &Refusal{Reason: Unknown}
	}
	if err != nil {
		return fmt.Errorf("end NetID: %w", err)
	}
	return nil
}

func (d *Directory) now() int64 { return d.config.Now().UnixMilli() }

func (d *Directory) posted() {
	if d.config.Posted != nil {
		d.config.Posted()
	}
}

// page is the address of one of the portal's pages.
func (d *Directory) page(path string) string { return d.config.Portal + path }

// letter seals a letter for the outbox.
func (d *Directory) letter(l letters.Letter, address string) (database.Letter, error) {
	return letters.Seal(d.config.Box, l, addressee(address), "netid", d.config.Now())
}

// ofNobody begins what stands for an address where there is none: what is asked about
// nobody costs what is asked about somebody, and no letter is sent.
const ofNobody = "nobody "

// nobody stands for the address of somebody who does not exist, by what was typed.
func nobody(typed string) string { return fmt.Sprintf("%s%x", ofNobody, hashed(normal(typed))) }

// addressee is where a letter goes, "" for nobody's.
func addressee(address string) string {
	if strings.HasPrefix(address, ofNobody) {
		return ""
	}
	return address
}
