package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"turnstile/agent/daemon"
	"turnstile/agent/enrol"
	"turnstile/central/link"
)

// maxToken bounds what is read as a token, in bytes.
const maxToken = 1 << 10

// enroll makes this machine a lane controller. The token comes from a file or
// from standard input, never as an argument: arguments stand in process lists.
func (p *program) enroll(args []string) (int, error) {
	f := p.flags("enroll")
	central := f.String("central", "", "central's enrolment `address`, https://HOST:8443")
	tokenFile := f.String("token-file", "", "`file` with the token, - for standard input")
	if _, err := f.parse(args, 0); err != nil {
		return 0, err
	}
	if *central == "" || *tokenFile == "" {
		fmt.Fprintf(p.err, "agent enroll: --central and --token-file are needed\n\n%s", usage)
		return 0, errUsage
	}
	c, err := daemon.Load(*f.config)
	if err != nil {
		return 0, err
	}
	token, err := p.readToken(*tokenFile)
	if err != nil {
		return 0, err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	id, err := enrol.Enrol(ctx, *central, token, c.Data)
	if err != nil {
		return 0, err
	}
	fmt.Fprintf(p.out, "enrolled as %s at %s until %s; its broker is %s\nnext: agent run --config %s\n",
		id.Lane, id.Site, id.Certificate.Leaf.NotAfter.Format("2006-01-02"), id.Broker, *f.config)
	return exitOK, nil
}

func (p *program) readToken(name string) (link.EnrolToken, error) {
	in := p.in
	if name != "-" {
		file, err := os.Open(name)
		if err != nil {
			return link.EnrolToken{}, fmt.Errorf("read token: %w", err)
		}
		defer file.Close()
		in = file
	}
	text, err := io.ReadAll(io.LimitReader(in, maxToken))
	if err != nil {
		return link.EnrolToken{}, fmt.Errorf("read token: %w", err)
	}
	return link.ParseEnrolToken(string(text))
}
