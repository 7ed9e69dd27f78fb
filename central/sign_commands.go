package main

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"turnstile/central/server"
	"turnstile/central/sign"
)

// signCommand is the process that has the private keys, and its audit.
type signCommand struct {
	Run   signRunCommand   `cmd:"" default:"withargs" help:"Run the signing process, with a user of its own."`
	Audit signAuditCommand `cmd:"" help:"Check the audit's chain and show what was signed."`
}

type signRunCommand struct {
	configFlag `embed:""`
}

// Run serves the socket; it may be started again under a running central.
func (x *signRunCommand) Run(ctx context.Context, c *console, cl *cli) error {
	conf, err := x.load(c, cl)
	if err != nil {
		return err
	}
	return server.RunSign(ctx, conf, func(socket string) {
		conf.Log.Info("central sign is ready", "socket", socket)
	})
}

type signAuditCommand struct {
	configFlag `embed:""`
	What       string `help:"Only lines of this kind, such as mint, delta, gate_keys, refused."`
}

// Run prints the lines and the last chain value, to be compared with one that
// was written down elsewhere.
func (x *signAuditCommand) Run(c *console, cl *cli) error {
	conf, err := x.load(c, cl)
	if err != nil {
		return err
	}
	var shown []sign.Line
	n, chain, err := server.SignAudit(conf, func(l sign.Line) {
		if x.What == "" || x.What == l.What {
			shown = append(shown, l)
		}
	})
	if err != nil {
		return err
	}
	answer := struct {
		Lines []sign.Line `json:"lines"`
		Of    int         `json:"of"`
		Chain string      `json:"chain"`
	}{shown, n, chain}
	return c.show(cl, answer, func() {
		t := table{heading: []string{"TIME (UTC)", "UID", "WHAT", "COUNT", "DETAIL"}}
		for _, l := range shown {
			t.add(text(l.At.Format(time.DateTime)), number(l.UID), text(l.What), text(times(l.Count)), text(l.Detail))
		}
		t.print(c)
		fmt.Fprintln(c.out, "The chain is whole: "+strconv.Itoa(n)+" lines up to "+chain)
	})
}
