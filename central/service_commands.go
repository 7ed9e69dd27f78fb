package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"turnstile/central/office"
	"turnstile/central/rights"
	"turnstile/central/server"
)

// endpointsFile is where a running central says in its data folder how to reach it.
const endpointsFile = server.EndpointsFile

// isConfigError reports whether an error is mended in the configuration.
func isConfigError(err error) bool { return errors.Is(err, server.ErrConfig) }

// configFlag is for the commands that work on central's own files.
type configFlag struct {
	Config string `short:"c" placeholder:"FILE" help:"Configuration; without one everything has its default."`
}

// load returns the configuration with what the command line overrides.
func (f configFlag) load(c *console, cl *cli) (server.Config, error) {
	conf, err := server.Load(f.Config)
	if err != nil {
		return conf, err
	}
	if cl.Data != "" {
		conf.Data = cl.Data
	}
	conf.Version, conf.Log = programVersion(), c.logger()
	return conf, nil
}

type serveCommand struct {
	configFlag `embed:""`
}

func (x *serveCommand) Run(ctx context.Context, c *console, cl *cli) error {
	conf, err := x.load(c, cl)
	if err != nil {
		return err
	}
	return server.Run(ctx, conf, func(e server.Endpoints) {
		if c.outIsTerm { // the log has it for everybody else
			fmt.Fprintf(c.out, "Central is ready at %s; its data is in %s. Ctrl-C stops it.\nFor a token: central --data %s token create NAME --role admin\n", e.HTTP, conf.Data, conf.Data)
		}
	})
}

type tokenCommand struct {
	configFlag `embed:""`
	Create     tokenCreateCommand `cmd:"" help:"Make a token and print it, once."`
	List       tokenListCommand   `cmd:"" help:"List the tokens, without their secrets."`
	Revoke     tokenRevokeCommand `cmd:"" help:"End a token at once."`
}

// open returns the tokens of the data folder, which it makes if there is none:
// an operator may make the first token before the first start.
func (x *tokenCommand) open(ctx context.Context, c *console, cl *cli) (office.Tokens, io.Closer, error) {
	conf, err := x.load(c, cl)
	if err != nil {
		return nil, nil, err
	}
	if _, err := os.Stat(conf.Data); errors.Is(err, os.ErrNotExist) {
		if err := os.MkdirAll(conf.Data, 0o700); err != nil {
			return nil, nil, fmt.Errorf("make data folder: %w", err)
		}
		fmt.Fprintln(c.err, "central: made the data folder", conf.Data)
	}
	return server.OpenTokens(ctx, conf)
}

type tokenCreateCommand struct {
	Name    string        `arg:"" help:"Who or what it is for; stands in the audit. Letters, digits, _ and -."`
	Role    string        `required:"" enum:"viewer,issuer,approver,security,auditor,admin" help:"${enum}: viewers look, issuers also issue and revoke passes, security opens lanes and changes modes, auditors read the audit, admins do everything."`
	Expires time.Duration `placeholder:"720h" help:"How long it is good; without, until it is revoked."`
	Out     string        `short:"o" placeholder:"FILE" help:"Write the token to a file that only you can read."`
}

func (x *tokenCreateCommand) Run(ctx context.Context, c *console, cl *cli) error {
	if x.Expires < 0 {
		return fmt.Errorf("%w: --expires %s lies in the past", errUsage, x.Expires)
	}
	var until time.Time
	if x.Expires > 0 {
		until = time.Now().Add(x.Expires)
	}
	tokens, db, err := cl.Token.open(ctx, c, cl)
	if err != nil {
		return err
	}
	defer db.Close()
	secret, err := tokens.Create(ctx, x.Name, rights.Role(x.Role), until)
	if err != nil {
		return refusal(err)
	}
	if x.Out != "" {
		if err := os.WriteFile(x.Out, []byte(secret+"\n"), 0o600); err != nil {
			return fmt.Errorf("write token: %w; revoke %s and make it anew", err, x.Name)
		}
		fmt.Fprintf(c.err, "The token %s is in %s; use it with --token-file %s\n", x.Name, x.Out, x.Out)
		return nil
	}
	return c.show(cl, map[string]string{"name": x.Name, "role": x.Role, "token": secret}, func() {
		fmt.Fprintln(c.out, secret)
		fmt.Fprintln(c.err, "Keep it now: it is not shown again. Use it as TURNSTILE_TOKEN, or in a file with --token-file.")
	})
}

// refusal gives a service's words alone.
func refusal(err error) error {
	if r, ok := errors.AsType[*office.Refusal](err); ok {
		return errors.New(r.Detail)
	}
	return err
}

type tokenListCommand struct{}

// tokenRow is a token for programs.
type tokenRow struct {
	Name    string     `json:"name"`
	Role    string     `json:"role"`
	Created time.Time  `json:"created"`
	Expires *time.Time `json:"expires,omitempty"`
	Used    *time.Time `json:"used,omitempty"`
}

func (tokenListCommand) Run(ctx context.Context, c *console, cl *cli) error {
	tokens, db, err := cl.Token.open(ctx, c, cl)
	if err != nil {
		return err
	}
	defer db.Close()
	list, err := tokens.List(ctx)
	if err != nil {
		return refusal(err)
	}
	rows := []tokenRow{}
	for _, t := range list {
		rows = append(rows, tokenRow{t.Name, string(t.Role), t.Created.UTC(), orNil(t.Expires), orNil(t.Used)})
	}
	return c.show(cl, map[string][]tokenRow{"tokens": rows}, func() {
		t := table{heading: []string{"NAME", "ROLE", "CREATED (UTC)", "EXPIRES", "LAST USED"}}
		for _, r := range rows {
			t.add(text(r.Name), text(r.Role), text(clock(r.Created)), text(maybeClock(r.Expires, "never")), text(maybeClock(r.Used, "never")))
		}
		t.print(c)
	})
}

func orNil(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

type tokenRevokeCommand struct {
	Name string `arg:"" help:"Name of the token."`
}

func (x *tokenRevokeCommand) Run(ctx context.Context, c *console, cl *cli) error {
	tokens, db, err := cl.Token.open(ctx, c, cl)
	if err != nil {
		return err
	}
	defer db.Close()
	if err := tokens.Revoke(ctx, x.Name); err != nil {
		return refusal(err)
	}
	return c.show(cl, map[string]string{"revoked": x.Name}, func() { fmt.Fprintln(c.out, "revoked", x.Name) })
}

type mosquittoCommand struct {
	configFlag `embed:""`
	Out        string   `required:"" short:"o" placeholder:"DIR" help:"Folder for the files."`
	Host       []string `required:"" placeholder:"NAME" help:"Name or address under which lanes reach the broker; may be given again."`
	Port       int      `default:"8883" help:"Its port."`
}

func (x *mosquittoCommand) Run(ctx context.Context, c *console, cl *cli) error {
	if x.Port < 1 || x.Port > 65535 {
		return fmt.Errorf("%w: --port %d is no port", errUsage, x.Port)
	}
	conf, err := x.load(c, cl)
	if err != nil {
		return err
	}
	path, err := server.Mosquitto(ctx, conf, x.Out, x.Host, x.Port)
	if err != nil {
		return err
	}
	return c.show(cl, map[string]string{"configuration": path}, func() {
		fmt.Fprintf(c.out, "Wrote %s and what it names.\nStart the broker with: mosquitto -c %s\nThen set broker.external.url: ssl://%s:%d in central's configuration.\n", path, path, x.Host[0], x.Port)
	})
}
