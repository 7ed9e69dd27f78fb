package main

import (
	"context"
	"errors"
	"fmt"

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

type mosquittoCommand struct {
	configFlag `embed:""`
	Out        string   `required:"" short:"o" placeholder:"DIR" help:"Folder for the files."`
	Host       []string `required:"" placeholder:"NAME" help:"Name or address under which lanes reach the broker; may be given again."`
	Port       int      `default:"8883" help:"Its port."`
	Central    []string `placeholder:"NAME" help:"Name of a central that does not run yet; may be given again."`
}

func (x *mosquittoCommand) Run(ctx context.Context, c *console, cl *cli) error {
	if x.Port < 1 || x.Port > 65535 {
		return fmt.Errorf("%w: --port %d is no port", errUsage, x.Port)
	}
	conf, err := x.load(c, cl)
	if err != nil {
		return err
	}
	path, err := server.Mosquitto(ctx, conf, x.Out, x.Host, x.Port, x.Central...)
	if err != nil {
		return err
	}
	return c.show(cl, map[string]string{"configuration": path}, func() {
		fmt.Fprintf(c.out, "Wrote %s and what it names.\nStart the broker with: mosquitto -c %s\nThen set broker.external.url: ssl://%s:%d in central's configuration.\n", path, path, x.Host[0], x.Port)
	})
}
