package main

import (
	"context"
	"flag"
	"log/slog"

	"turnstile/firmware-bridge/camera"
)

// camera reads codes before a camera until Ctrl-C or SIGTERM.
func (t tool) camera(ctx context.Context, args []string) error {
	c := camera.Config{Log: slog.New(slog.NewTextHandler(t.errs, nil))}
	_, err := t.parse("camera", args, func(set *flag.FlagSet) {
		set.StringVar(&c.Device, "device", "", "camera, best by /dev/v4l/by-id/")
		set.StringVar(&c.Link, "link", "", "where its scanner appears, such as /run/turnstile/camera0; the agent reads it with driver line")
		set.StringVar(&c.Group, "group", "", "group that may open the link's line besides this user")
	})
	if err != nil {
		return err
	}
	return camera.Run(ctx, c)
}
