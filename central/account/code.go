package account

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"time"

	"turnstile/central/database"
	"turnstile/central/letters"
	"turnstile/central/otp"
	"turnstile/central/register"
	"turnstile/central/throttle"
)

// What a code is for. A browser has one of each.
const (
	forSignIn   = "sign_in"
	forRegister = "register"
	forNew      = "change_new"
	forOld      = "change_old"
	forLink     = "link"
)

// Kinds of subjects that are counted, and how many tries of each are free.
const (
	mailSubject    = "mail"     // letters to an address
	networkSubject = "mailnet"  // letters asked for from a network
	ownSubject     = "mailown"  // letters asked for in a browser that the person has signed in in
	nameSubject    = "identify" // of one name
	askerSubject   = "asker"    // identifying from a network
)

var free = throttle.Free{mailSubject: 5, networkSubject: 30, ownSubject: 10, nameSubject: 5, askerSubject: 20}

// browserCookie binds what waits to the browser that asked.
const (
	browserCookie = "turnstile-browser"
	browserLife   = time.Hour
	maxNonce      = 64 // bytes
)

func (a *Accounts) cookieName() string {
	if a.secure() {
		return "__Host-" + browserCookie
	}
	return browserCookie
}

// browser returns what the browser of a request is called by; it gets a cookie if
// it has none.
func (a *Accounts) browser(w http.ResponseWriter, r *http.Request) []byte {
	nonce := rand.Text()
	if c, err := r.Cookie(a.cookieName()); err == nil && len(c.Value) == len(nonce) {
		nonce = c.Value
	}
	// Lax: it is needed again by who comes back from a provider's site.
	http.SetCookie(w, &http.Cookie{Name: a.cookieName(), Value: nonce, Path: "/", MaxAge: int(browserLife / time.Second), HttpOnly: true, Secure: a.secure(), SameSite: http.SameSiteLaxMode})
	return browserHash(nonce)
}

func browserHash(nonce string) []byte {
	sum := sha256.Sum256([]byte("turnstile-browser-1\x00" + nonce))
	return sum[:]
}

// known returns what the browser of a request is called by; of one without a cookie
// what no browser is.
func (a *Accounts) known(r *http.Request) []byte {
	c, err := r.Cookie(a.cookieName())
	if err != nil || len(c.Value) > maxNonce {
		return browserHash(rand.Text())
	}
	return browserHash(c.Value)
}

// codeHash is what stands in the database for a code.
func (a *Accounts) codeHash(browser []byte, purpose, number string) []byte {
	h := hmac.New(sha256.New, a.config.Key[:])
	fmt.Fprintf(h, "turnstile-code-1\x00%s\x00%x\x00%s", purpose, browser, number)
	return h.Sum(nil)
}

// typed is a code of a browser as somebody typed it.
func (a *Accounts) typed(r *http.Request, purpose, number string) database.Typed {
	browser := a.known(r)
	return database.Typed{Browser: browser, Purpose: purpose, Code: a.codeHash(browser, purpose, otp.Plain(number))}
}

// errand is a code that is to be sent.
type errand struct {
	purpose string
	person  string // "": of nobody; the letter says so instead
	address string
	detail  string
	lang    string
	words   func(lang letters.Language, number string, until time.Time) letters.Letter
}

// send stores codes with the letters that carry them.
func (a *Accounts) send(ctx context.Context, browser []byte, errands ...errand) error {
	var codes []database.AccountCode
	var rows []database.Letter
	for _, e := range errands {
		code, row, err := a.write(browser, e)
		if err != nil {
			return err
		}
		codes, rows = append(codes, code), append(rows, row)
	}
	if err := a.config.DB.AddCodes(ctx, codes, rows...); err != nil {
		return fmt.Errorf("store code: %w", err)
	}
	a.config.Wake()
	return nil
}

func (a *Accounts) write(browser []byte, e errand) (code database.AccountCode, row database.Letter, err error) {
	number, err := otp.New()
	if err != nil {
		return code, row, err
	}
	until := a.config.Now().Add(otp.Life)
	code = database.AccountCode{Browser: browser, Purpose: e.purpose, Person: e.person, Address: e.address, Detail: e.detail,
		Code: a.codeHash(browser, e.purpose, number), Tries: otp.Tries, Expires: until.UnixMilli()}
	row, err = a.letter(e.words(letters.Language(e.lang), number, until.In(a.config.Location)), e.address)
	return code, row, err
}

// refusedCode names what a typed code was refused for.
func refusedCode(err error) error {
	switch {
	case errors.Is(err, database.ErrNotFound):
		return ErrNoCode
	case errors.Is(err, database.ErrConflict):
		return ErrTaken
	}
	if _, ok := errors.AsType[*WrongCode](err); ok || err == nil {
		return err
	}
	return fmt.Errorf("take code: %w", err)
}

// subjects are what a letter to an address counts for. A browser that the person
// has signed in in is counted by itself: nobody locks somebody else out.
func (a *Accounts) subjects(r *http.Request, folded, person string) []string {
	if nonce, ok := a.browsers.Known(r, person); ok {
		return []string{ownSubject + " " + nonce}
	}
	return []string{throttle.Named(mailSubject, register.Mailbox(folded)), throttle.Network(networkSubject, throttle.Address(r))}
}
