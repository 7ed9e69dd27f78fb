package main

import (
	"context"
	"fmt"
	"strings"

	"turnstile/central/server"
)

type natsCommand struct {
	configFlag  `embed:""`
	Out         string   `required:"" short:"o" placeholder:"DIR" help:"Folder for the files, one below it for each node."`
	Host        []string `required:"" placeholder:"NAME" help:"Name or address of a node; three times for three nodes. Of the same host ports follow one another."`
	Port        int      `default:"8883" help:"Where lanes and centrals reach a node."`
	ClusterPort int      `default:"6222" help:"Where the nodes reach one another."`
	ClientPort  int      `default:"4222" help:"NATS' own protocol, on loopback, for an operator's tools."`
	Central     []string `placeholder:"NAME" help:"Name of a central that does not run yet; may be given again."`
}

// maxNodes bounds a cluster; three nodes hold out without one, five without two.
const maxNodes = 7

func (x *natsCommand) Run(ctx context.Context, c *console, cl *cli) error {
	for flag, port := range map[string]int{"port": x.Port, "cluster-port": x.ClusterPort, "client-port": x.ClientPort} {
		if port < 1 || port > 65535-maxNodes {
			return fmt.Errorf("%w: --%s %d is no port", errUsage, flag, port)
		}
	}
	if len(x.Host) != 1 && len(x.Host) != 3 && len(x.Host) != 5 && len(x.Host) != maxNodes {
		return fmt.Errorf("%w: %d nodes: a cluster has 3, 5 or %d, or 1 to try it", errUsage, len(x.Host), maxNodes)
	}
	conf, err := x.load(c, cl)
	if err != nil {
		return err
	}
	o := server.NATSOptions{Hosts: x.Host, MQTT: x.Port, Cluster: x.ClusterPort, Client: x.ClientPort, Centrals: x.Central}
	paths, err := server.NATSCluster(ctx, conf, x.Out, o)
	if err != nil {
		return err
	}
	url := server.NATSBroker(o)
	return c.show(cl, map[string]any{"configurations": paths, "url": url}, func() {
		fmt.Fprintf(c.out, "Wrote %s and what they name.\nMove each folder to its host, under the same path, and start there: nats-server -c FILE\nWritten again after lanes were added or removed: nats-server --signal reload\nThen set broker.external.url: %s in each central's configuration.\n",
			strings.Join(paths, ", "), url)
	})
}
