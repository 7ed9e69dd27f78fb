// Package cluster runs several centrals on one PostgreSQL behind a NATS cluster or
// a mosquitto, kills them under load, and checks that nothing was lost.
package cluster

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"testing"

	"github.com/nats-io/nats-server/v2/server"

	central "turnstile/central/server"
)

// roleVariable makes this test program one of the processes that the tests kill.
const roleVariable = "TURNSTILE_CLUSTER_ROLE"

func TestMain(m *testing.M) {
	role := os.Getenv(roleVariable)
	if role == "" {
		os.Exit(m.Run())
	}
	if err := play(role, os.Args[len(os.Args)-1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// play is what a child process does until it is ended.
func play(role, config string) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	if role == "nats" {
		return node(ctx, config)
	}
	c, err := central.Load(config)
	if err != nil {
		return err
	}
	c.Log = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelInfo}))
	if role == "sign" {
		return central.RunSign(ctx, c, func(string) {})
	}
	return central.Run(ctx, c, func(central.Endpoints) {})
}

// node is a stock nats-server on one configuration file.
func node(ctx context.Context, config string) error {
	o, err := server.ProcessConfigFile(config)
	if err != nil {
		return err
	}
	s, err := server.NewServer(o)
	if err != nil {
		return err
	}
	s.ConfigureLogger()
	s.Start()
	<-ctx.Done()
	s.Shutdown()
	s.WaitForShutdown()
	return nil
}
