package main

import (
	"context"
	"fmt"

	"turnstile/central/devmail"
)

type devMailCommand struct {
	SMTP   string `default:"127.0.0.1:1025" placeholder:"ADDRESS" help:"Where mail is handed in; port 0 takes a free one."`
	Listen string `default:"127.0.0.1:8025" placeholder:"ADDRESS" help:"Where the page is; port 0 takes a free one."`
}

// Help implements kong.HelpProvider.
func (devMailCommand) Help() string {
	return "Delivers nothing, and shows what it gets to whoever is on this machine: for a demo or tests, with mail: {host: 127.0.0.1, port: 1025, security: none} in central's configuration. GET /mails?to=ADDRESS is the list as JSON."
}

func (x *devMailCommand) Run(ctx context.Context, c *console, cl *cli) error {
	catcher, err := devmail.Open(devmail.Options{SMTP: x.SMTP, Listen: x.Listen, Log: c.logger()})
	if err != nil {
		return err
	}
	err = c.show(cl, map[string]string{"smtp": catcher.SMTPAddress(), "url": catcher.URL()}, func() {
		fmt.Fprintf(c.out, "Mail is caught at %s and shown at %s/\n", catcher.SMTPAddress(), catcher.URL())
	})
	if err != nil {
		return err
	}
	return catcher.Run(ctx)
}
