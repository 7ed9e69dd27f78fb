// Package netid is the portal's pages of the NetID: registering one, finding a
// forgotten one, its profile, its personal address and its NetPassword.
//
// The pages work without JavaScript. What a step needs of the one before is in a
// cookie, the token of package central/netid; nothing of it stands in an address.
package netid

import (
	"context"
	"embed"
	"errors"
	"io/fs"
	"net"
	"net/http"
	"strings"
	"time"

	directory "turnstile/central/netid"
	"turnstile/central/office"
	"turnstile/central/portal"
	"turnstile/central/throttle"
)

//go:embed pages/*.html
var files embed.FS

var pages = portal.MustParse(sub(), words)

func sub() fs.FS {
	f, err := fs.Sub(files, "pages")
	if err != nil {
		panic(err) // embedded above
	}
	return f
}

// Self is what people do with their NetID; *directory.Directory is one.
type Self interface {
	Of(ctx context.Context, person string) ([]directory.Entry, error)
	ChangePassword(ctx context.Context, netID, present, typed string, from net.IP) error
	ChangeEmail(ctx context.Context, netID, typed string) (token string, err error)
	Confirm(ctx context.Context, token string, codes ...string) (directory.Step, error)
}

// Strangers is what somebody does who is not signed in; *directory.Directory is one.
type Strangers interface {
	Begin(ctx context.Context, a directory.Applicant) (token string, err error)
	Complete(ctx context.Context, token, display, typed string) (directory.Entry, error)
	Find(ctx context.Context, a directory.Applicant) error
	BeginReset(ctx context.Context, netID string, from net.IP) (token string, err error)
	SetPassword(ctx context.Context, token, typed string) (directory.Entry, error)
}

// Services are what the pages stand on.
type Services struct {
	Self      Self
	Strangers Strangers
	// Human refuses who has not shown to be no program, before mail is sent or a
	// person identified; nil: everybody is let.
	Human func(*portal.Request) error
	// Challenge is what Human wants answered, for the forms; nil: nothing.
	Challenge func(*portal.Request) (any, error)
	Secure    bool // browsers come over HTTPS
}

// The pages' paths.
const (
	home     = "/netid"
	register = "/netid/register"
	codes    = "/netid/code"
	choose   = "/netid/choose"
	forgot   = "/netid/forgot"
	reset    = "/netid/reset"
	fresh    = "/netid/new"
	change   = "/netid/password"
	address  = "/netid/email"
)

type desk struct{ Services }

// Routes returns the pages.
func Routes(s Services) []portal.Route {
	d := &desk{s}
	get := func(path string, public bool, h func(*portal.Request) error) portal.Route {
		return portal.Route{Method: http.MethodGet, Pattern: path, Public: public, Handle: h}
	}
	post := func(path string, public bool, h func(*portal.Request) error) portal.Route {
		return portal.Route{Method: http.MethodPost, Pattern: path, Public: public, Handle: h}
	}
	recent := func(r portal.Route) portal.Route {
		r.Recent = true
		return r
	}
	return []portal.Route{
		get(home, false, d.home),
		get(register, true, d.registerPage), post(register, true, d.register),
		get(codes, true, d.codesPage), post(codes, true, d.confirm),
		get(choose, true, d.choosePage), post(choose, true, d.complete),
		get(forgot, true, d.forgotPage), post(forgot, true, d.find),
		get(reset, true, d.resetPage), post(reset, true, d.beginReset),
		get(fresh, true, d.freshPage), post(fresh, true, d.setPassword),
		get(change, false, d.changePage), post(change, false, d.change),
		recent(get(address, false, d.addressPage)), recent(post(address, false, d.changeAddress)),
	}
}

// problem is what a page says of a deed that was refused.
type problem struct {
	What, Next string
	Names      []directory.Name
	NetIDs     []string
	Netpage    bool // the way to Forgot NetID and NetPassword helps
}

// told words a refusal, and returns what is none as an error.
func told(r *portal.Request, err error) (*problem, error) {
	var refusal *directory.Refusal
	var wait *throttle.Wait
	var other *office.Refusal
	switch {
	case errors.As(err, &refusal):
		w := refusal.Reason.Words(letterLang(r))
		helps := refusal.Reason == directory.Already || refusal.Reason == directory.KeepsStudent || refusal.Reason == directory.WrongPassword
		return &problem{w.What, w.Next, refusal.Names, refusal.NetIDs, helps}, nil
	case errors.As(err, &wait):
		minutes := max(1, int(wait.Until.Sub(r.Now()).Round(time.Minute)/time.Minute))
		return &problem{What: r.Say(pages, "There were too many tries."), Next: r.Say(pages, "Wait %d minutes and try again.", minutes)}, nil
	case errors.As(err, &other): // of who is taken for a program
		return &problem{Next: r.Told(pages, other)}, nil
	}
	return nil, err
}

// status is that of a page that says what is wrong.
func (p *problem) status() int {
	if p == nil {
		return http.StatusOK
	}
	return http.StatusUnprocessableEntity
}

// tokenCookie has the token of what was begun.
const tokenCookie = "turnstile-netid-flow"

// tokenLife is longer than anything that was begun.
const tokenLife = time.Hour

func (d *desk) cookieName() string {
	if d.Secure {
		return "__Host-" + tokenCookie
	}
	return tokenCookie
}

func (d *desk) remember(r *portal.Request, token string) {
	life := int(tokenLife / time.Second)
	if token == "" {
		life = -1
	}
	http.SetCookie(r.Writer, &http.Cookie{Name: d.cookieName(), Value: token, Path: "/", MaxAge: life, HttpOnly: true, Secure: d.Secure, SameSite: http.SameSiteLaxMode})
}

func (d *desk) token(r *portal.Request) string {
	c, err := r.Cookie(d.cookieName())
	if err != nil {
		return ""
	}
	return c.Value
}

// field is a field of the form, bounded and without space around it.
func field(r *portal.Request, name string) string {
	const most = 300
	v := strings.TrimSpace(r.PostFormValue(name))
	return strings.ToValidUTF8(v[:min(len(v), most)], "")
}
