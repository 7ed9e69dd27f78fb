package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"turnstile/central/link"
	"turnstile/central/office"
	"turnstile/central/rights"
	"turnstile/central/server"
)

type tokenCommand struct {
	configFlag `embed:""`
	Remote     bool `help:"Ask the running central over its API, with your own token, instead of opening its database here."`

	Create tokenCreateCommand `cmd:"" help:"Make a token and print it, once."`
	List   tokenListCommand   `cmd:"" help:"List the tokens, without their secrets."`
	Rotate tokenRotateCommand `cmd:"" help:"Give a token another secret; the old one ends at once."`
	Revoke tokenRevokeCommand `cmd:"" help:"End a token at once."`
}

// tokenDesk is where tokens are made and ended: central's database, or its API.
type tokenDesk interface {
	create(ctx context.Context, n office.NewTokenBody) (office.TokenSecretBody, error)
	list(ctx context.Context) ([]office.TokenBody, error)
	rotate(ctx context.Context, name string) (office.TokenSecretBody, error)
	revoke(ctx context.Context, name string) error
	io.Closer
}

// open returns the API, or the tokens of central's own database: an operator may
// make the first token before the first start.
func (x *tokenCommand) open(ctx context.Context, c *console, cl *cli) (tokenDesk, error) {
	if x.Remote {
		api, err := cl.client(c)
		return remoteTokens{api}, err
	}
	conf, err := x.load(c, cl)
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(conf.Data); errors.Is(err, os.ErrNotExist) {
		if err := os.MkdirAll(conf.Data, 0o700); err != nil {
			return nil, fmt.Errorf("make data folder: %w", err)
		}
		fmt.Fprintln(c.err, "central: made the data folder", conf.Data)
	}
	tokens, db, err := server.OpenTokens(ctx, conf)
	return localTokens{tokens, db}, err
}

// localTokens works on the database. Whoever can do that is not named by it.
type localTokens struct {
	office.Tokens
	io.Closer
}

// thisMachine is who did what was done without the API, in the audit.
const thisMachine = "local"

func (t localTokens) create(ctx context.Context, b office.NewTokenBody) (out office.TokenSecretBody, err error) {
	n := office.NewToken{Name: b.Name, Role: rights.Role(b.Role), Lanes: b.Lanes}
	for _, s := range b.Scopes {
		n.Scopes = append(n.Scopes, rights.Permission(s))
	}
	if b.Expires != nil {
		n.Expires = *b.Expires
	}
	secret, err := t.Create(ctx, thisMachine, n)
	if err != nil {
		return out, refusal(err)
	}
	return t.named(ctx, b.Name, secret)
}

// named returns a token with its secret.
func (t localTokens) named(ctx context.Context, name, secret string) (out office.TokenSecretBody, err error) {
	all, err := t.list(ctx)
	for _, b := range all {
		if b.Name == name {
			out.TokenBody = b
		}
	}
	out.Secret = secret
	return out, err
}

func (t localTokens) list(ctx context.Context) ([]office.TokenBody, error) {
	all, err := t.List(ctx)
	if err != nil {
		return nil, refusal(err)
	}
	out := []office.TokenBody{}
	for _, t := range all {
		b := office.TokenBody{Name: t.Name, Role: string(t.Role), Lanes: t.Lanes, Created: t.Created.UTC(), CreatedBy: t.CreatedBy, Expires: orNil(t.Expires), Used: orNil(t.Used)}
		for _, p := range t.Scopes {
			b.Scopes = append(b.Scopes, string(p))
		}
		out = append(out, b)
	}
	return out, nil
}

func (t localTokens) rotate(ctx context.Context, name string) (out office.TokenSecretBody, err error) {
	secret, err := t.Rotate(ctx, thisMachine, name)
	if err != nil {
		return out, refusal(err)
	}
	return t.named(ctx, name, secret)
}

func (t localTokens) revoke(ctx context.Context, name string) error {
	return refusal(t.Revoke(ctx, thisMachine, name))
}

// refusal gives a service's words alone.
func refusal(err error) error {
	if r, ok := errors.AsType[*office.Refusal](err); ok {
		return errors.New(r.Detail)
	}
	return err
}

func orNil(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

// remoteTokens works over the API.
type remoteTokens struct{ api *client }

// Close does nothing: each request is by itself.
func (remoteTokens) Close() error { return nil }

func (t remoteTokens) create(ctx context.Context, n office.NewTokenBody) (out office.TokenSecretBody, err error) {
	err = t.api.call(ctx, "POST", "/tokens", n, &out)
	return out, err
}

func (t remoteTokens) list(ctx context.Context) (all []office.TokenBody, err error) {
	all = []office.TokenBody{}
	for cursor := ""; ; {
		var page office.TokenList
		if err := t.api.call(ctx, "GET", "/tokens"+query("limit", "500", "cursor", cursor), nil, &page); err != nil {
			return nil, err
		}
		all = append(all, page.Tokens...)
		if cursor = page.Next; cursor == "" {
			return all, nil
		}
	}
}

func (t remoteTokens) rotate(ctx context.Context, name string) (out office.TokenSecretBody, err error) {
	path, err := tokenPath(name)
	if err == nil {
		err = t.api.call(ctx, "POST", path+"/rotate", nil, &out)
	}
	return out, err
}

func (t remoteTokens) revoke(ctx context.Context, name string) error {
	path, err := tokenPath(name)
	if err != nil {
		return err
	}
	return t.api.call(ctx, "DELETE", path, nil, nil)
}

// tokenPath returns the API path of a token.
func tokenPath(name string) (string, error) {
	if !link.ValidID(name) {
		return "", fmt.Errorf("%w: %q: a token's name is 1 to 32 of A-Z a-z 0-9 _ -", errUsage, name)
	}
	return "/tokens/" + name, nil
}

// lifetime is how long something is good: 90d, 12w or 36h.
type lifetime time.Duration

// UnmarshalText reads days and weeks beside what Go reads.
func (l *lifetime) UnmarshalText(text []byte) error {
	s := string(text)
	for unit, d := range map[string]time.Duration{"d": 24 * time.Hour, "w": 7 * 24 * time.Hour} {
		if n, err := strconv.ParseUint(strings.TrimSuffix(s, unit), 10, 16); err == nil && strings.HasSuffix(s, unit) {
			*l = lifetime(time.Duration(n) * d)
			return nil
		}
	}
	d, err := time.ParseDuration(s)
	if err != nil || d <= 0 {
		return fmt.Errorf("want a time to come such as 90d, 12w or 36h, not %q", s)
	}
	*l = lifetime(d)
	return nil
}

type tokenCreateCommand struct {
	Name    string   `arg:"" help:"Who or what it is for; stands in the audit. Letters, digits, _ and -."`
	Role    string   `enum:",viewer,issuer,approver,security,auditor,admin" default:"" help:"viewers look, issuers also issue and revoke passes, approvers judge applications, security opens lanes and changes modes, auditors read the audit, admins do everything."`
	Scope   []string `placeholder:"PERMISSION" help:"Instead of a role: one thing that it may do, such as passes.read; may be given again. ${permissions}."`
	Lane    []string `placeholder:"ID" help:"Limits it to calls about this lane controller; may be given again."`
	Expires lifetime `placeholder:"90d" help:"How long it is good; without, until it is revoked."`
	Out     string   `short:"o" placeholder:"FILE" help:"Write the token to a file that only you can read."`
}

func (x *tokenCreateCommand) Run(ctx context.Context, c *console, cl *cli) error {
	n := office.NewTokenBody{Name: x.Name, Role: x.Role, Scopes: x.Scope, Lanes: x.Lane}
	if x.Expires > 0 {
		until := time.Now().Add(time.Duration(x.Expires)).UTC()
		n.Expires = &until
	}
	desk, err := cl.Token.open(ctx, c, cl)
	if err != nil {
		return err
	}
	defer desk.Close()
	t, err := desk.create(ctx, n)
	if err != nil {
		return err
	}
	return c.handOver(cl, t, x.Out)
}

// handOver prints a token's secret, once, or writes it to a file.
func (c *console) handOver(cl *cli, t office.TokenSecretBody, file string) error {
	if file != "" {
		if err := os.WriteFile(file, []byte(t.Secret+"\n"), 0o600); err != nil {
			return fmt.Errorf("write token: %w; revoke %s and make it anew", err, t.Name)
		}
		fmt.Fprintf(c.err, "The token %s is in %s; use it with --token-file %s\n", t.Name, file, file)
		return nil
	}
	return c.show(cl, t, func() {
		fmt.Fprintln(c.out, t.Secret)
		fmt.Fprintln(c.err, "Keep it now: it is not shown again. Use it as TURNSTILE_TOKEN, or in a file with --token-file.")
	})
}

type tokenListCommand struct{}

func (tokenListCommand) Run(ctx context.Context, c *console, cl *cli) error {
	desk, err := cl.Token.open(ctx, c, cl)
	if err != nil {
		return err
	}
	defer desk.Close()
	rows, err := desk.list(ctx)
	if err != nil {
		return err
	}
	return c.show(cl, office.TokenList{Tokens: rows}, func() {
		t := table{heading: []string{"NAME", "ROLE OR SCOPES", "LANES", "CREATED", "BY", "EXPIRES", "LAST USED"}}
		for _, r := range rows {
			t.add(text(r.Name), text(r.Role+strings.Join(r.Scopes, " ")), text(strings.Join(r.Lanes, " ")), text(clock(r.Created)), text(r.CreatedBy),
				text(maybeClock(r.Expires, "never")), text(maybeClock(r.Used, "never")))
		}
		t.print(c)
	})
}

type tokenRotateCommand struct {
	Name string `arg:"" help:"Name of the token."`
	Out  string `short:"o" placeholder:"FILE" help:"Write the new secret to a file that only you can read."`
}

func (x *tokenRotateCommand) Run(ctx context.Context, c *console, cl *cli) error {
	desk, err := cl.Token.open(ctx, c, cl)
	if err != nil {
		return err
	}
	defer desk.Close()
	t, err := desk.rotate(ctx, x.Name)
	if err != nil {
		return err
	}
	return c.handOver(cl, t, x.Out)
}

type tokenRevokeCommand struct {
	Name string `arg:"" help:"Name of the token."`
}

func (x *tokenRevokeCommand) Run(ctx context.Context, c *console, cl *cli) error {
	desk, err := cl.Token.open(ctx, c, cl)
	if err != nil {
		return err
	}
	defer desk.Close()
	if err := desk.revoke(ctx, x.Name); err != nil {
		return err
	}
	return c.show(cl, map[string]string{"revoked": x.Name}, func() { fmt.Fprintln(c.out, "revoked", x.Name) })
}
