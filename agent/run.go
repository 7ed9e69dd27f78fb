package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"turnstile/agent/daemon"
)

// run runs the agent until a signal stops it. A second signal ends it at once:
// what a passage under way became of is then unknown.
func (p *program) run(args []string) (int, error) {
	f := p.flags("run")
	if _, err := f.parse(args, 0); err != nil {
		return 0, err
	}
	c, err := daemon.Load(*f.config)
	if err != nil {
		return 0, err
	}
	exe, err := os.Executable()
	if err != nil {
		return 0, fmt.Errorf("find own program: %w", err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // from then on signals have their usual effect
	return exitOK, daemon.Run(ctx, c, daemon.Options{
		Version: versionText(), Log: p.log, Exe: exe, Devices: daemon.Hardware(p.lines, p.gpioErr, p.log),
	})
}
