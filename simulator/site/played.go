package site

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"

	"turnstile/agent/daemon"
	"turnstile/agent/enrol"
	"turnstile/central/link"
	"turnstile/central/office"
	"turnstile/central/rights"
	"turnstile/central/server"
)

// playedVersion is what played programs say of themselves.
const playedVersion = "simulator"

// errMosquitto: a broker of its own is a process, whose clock nobody plays.
var errMosquitto = errors.New("a mosquitto goes by the machine's clock: run the programs as processes with it")

func (s *Site) centralSettings() (server.Config, error) {
	c, err := server.Load(s.path("central", "central.yaml"))
	c.Version, c.Now = playedVersion, s.config.Now
	return c, err
}

// playCentral runs central in this process.
func (s *Site) playCentral() (*Process, error) {
	if s.config.Mosquitto != "" {
		return nil, errMosquitto
	}
	c, err := s.centralSettings()
	if err != nil {
		return nil, err
	}
	return play("central", s.path("logs"), func(ctx context.Context, log *slog.Logger) error {
		c.Log = log
		return server.Run(ctx, c, func(server.Endpoints) {})
	})
}

// playToken makes an admin's token beside the central that runs.
func (s *Site) playToken() ([]byte, error) {
	c, err := s.centralSettings()
	if err != nil {
		return nil, err
	}
	ctx := context.Background()
	tokens, closer, err := server.OpenTokens(ctx, c)
	if err != nil {
		return nil, err
	}
	text, err := tokens.Create(ctx, "simulator", office.NewToken{Name: "simulator", Role: rights.Admin})
	return []byte(text), errors.Join(err, closer.Close())
}

// play runs the agent in this process.
func (a *Agent) play() (*Process, error) {
	c, err := daemon.Load(a.config)
	if err != nil {
		return nil, err
	}
	return play(a.ID, a.site.path("logs"), func(ctx context.Context, log *slog.Logger) error {
		return daemon.Run(ctx, c, daemon.Options{
			Version: playedVersion, Log: log, Now: a.now, Ticks: a.site.config.Ticks, Devices: daemon.Hardware(nil, os.ErrNotExist, log),
			Notify: func(string) error { return nil },
		})
	})
}

// playEnrol enrols in this process.
func (a *Agent) playEnrol(ctx context.Context, text string) error {
	token, err := link.ParseEnrolToken(text)
	if err != nil {
		return fmt.Errorf("read token of %s: %w", a.ID, err)
	}
	_, err = enrol.Enrol(ctx, a.site.endpoints.Enrol, token, a.Data)
	return err
}
