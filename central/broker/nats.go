package broker

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"turnstile/central/link"
)

// NATSNode is one server of a NATS cluster.
type NATSNode struct {
	Host    string // by which lanes and the other nodes reach it
	MQTT    int    // port of lanes and centrals
	Cluster int    // port of the other nodes
	Client  int    // port of NATS' own protocol, on loopback: for an operator's tools
	Server  tls.Certificate
}

// at returns where a node listens: on all addresses, unless it is reached on loopback.
func (n *NATSNode) at(port int) string {
	if ip := net.ParseIP(n.Host); ip != nil && ip.IsLoopback() {
		return net.JoinHostPort(n.Host, strconv.Itoa(port))
	}
	return net.JoinHostPort("0.0.0.0", strconv.Itoa(port))
}

// NATSCluster is what stock nats-servers need to serve a site in place of the
// embedded broker.
type NATSCluster struct {
	Site      string
	Centrals  []string // common names of the centrals' client certificates
	Lanes     []string // ids of all lane controllers that may connect
	Authority *x509.Certificate
	Nodes     []NATSNode
}

// NATSFiles writes a folder for each node and returns their nats.conf files, in the
// order of the nodes: nats-server -c FILE. Written again they keep the authority
// that the nodes know each other by, so that a reload (SIGHUP) takes in who was
// added and removed, and renewed certificates. Key files are readable by their
// owner only.
func NATSFiles(dir string, c NATSCluster) ([]string, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("write NATS files: %w", err)
	}
	routes, err := openRouteAuthority(filepath.Join(dir, "routes.key"))
	if err != nil {
		return nil, fmt.Errorf("write NATS files: %w", err)
	}
	var paths []string
	for i, n := range c.Nodes {
		folder, err := filepath.Abs(filepath.Join(dir, fmt.Sprintf("node-%d", i+1)))
		if err != nil {
			return nil, fmt.Errorf("write NATS files: %w", err)
		}
		if err := c.writeNode(folder, i, n, routes); err != nil {
			return nil, err
		}
		paths = append(paths, filepath.Join(folder, "nats.conf"))
	}
	return paths, nil
}

func (c *NATSCluster) writeNode(folder string, i int, n NATSNode, routes *routeAuthority) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return fmt.Errorf("write NATS files: %w", err)
	}
	key, err := keyPEM(n.Server)
	if err != nil {
		return err
	}
	certificate, err := routes.node(n.Host)
	if err != nil {
		return fmt.Errorf("write NATS files: %w", err)
	}
	routeKey, err := keyPEM(certificate)
	if err != nil {
		return err
	}
	for _, f := range []struct {
		name string
		mode os.FileMode
		data []byte
	}{
		{"rights.conf", 0o600, []byte(c.rights())},
		{"authority.crt", 0o644, encode("CERTIFICATE", c.Authority.Raw)},
		{"server.crt", 0o644, encode("CERTIFICATE", n.Server.Certificate[0])},
		{"server.key", 0o600, key},
		{"routes-authority.crt", 0o644, encode("CERTIFICATE", routes.certificate.Raw)},
		{"routes.crt", 0o644, encode("CERTIFICATE", certificate.Certificate[0])},
		{"routes.key", 0o600, routeKey},
		{"nats.conf", 0o644, []byte(c.configuration(folder, i, n))},
	} {
		if err := writePlain(filepath.Join(folder, f.name), f.data, f.mode); err != nil {
			return err
		}
	}
	return nil
}

// configuration of one node. Everybody shows a certificate of the authority, whose
// name gives the rights; the nodes among themselves have an authority of their own,
// so that no lane can be a node.
func (c *NATSCluster) configuration(folder string, i int, n NATSNode) string {
	var routes []string
	for k, other := range c.Nodes {
		if k != i {
			routes = append(routes, strconv.Quote("tls://"+net.JoinHostPort(other.Host, strconv.Itoa(other.Cluster))))
		}
	}
	files := func(name, authority string) string {
		return fmt.Sprintf("cert_file: %q, key_file: %q, ca_file: %q, timeout: 5",
			filepath.Join(folder, name+".crt"), filepath.Join(folder, name+".key"), filepath.Join(folder, authority+".crt"))
	}
	return fmt.Sprintf(`# Written by "central nats-cluster"; nats-server 2.11 or later.
server_name: "turnstile-%[1]d"
listen: "127.0.0.1:%[2]d"
tls { %[3]s, verify_and_map: true }
max_payload: %[4]d

# Retained messages. Central sends them again at each connect: what is here may be lost.
jetstream { store_dir: %[5]q, max_file: 1GB, max_mem: 256MB }

mqtt {
  listen: %[6]q
  tls { %[3]s, verify_and_map: true }
  # A node that died holds nobody up for longer.
  js_api_timeout: "2s"
  stream_replicas: %[7]d
}

cluster {
  name: %[8]q
  listen: %[9]q
  tls { %[10]s }
  routes: [ %[11]s ]
}

include "rights.conf"
`, i+1, n.Client, files("server", "authority"), 2*link.MaxDocument, filepath.Join(folder, "store"), n.at(n.MQTT), min(len(c.Nodes), 3), "turnstile-"+c.Site, n.at(n.Cluster), files("routes", "routes-authority"), strings.Join(routes, ", "))
}

// rights names each client that may connect, and what it may do: the same as the
// embedded broker allows. A server takes a change in at a reload, and throws out who
// is no longer named.
func (c *NATSCluster) rights() string {
	var b strings.Builder
	b.WriteString("# Written by \"central nats-cluster\".\nauthorization {\n  timeout: 5\n  users: [\n")
	for _, name := range c.Centrals {
		all := quoted("tg.1."+c.Site, "tg.1."+c.Site+".>")
		fmt.Fprintf(&b, "    { user: %q, permissions: { publish: { allow: %s }, subscribe: { allow: %s } } }\n", c.subject(name), all, all)
	}
	for _, lane := range c.Lanes {
		p := rights(c.Site, lane)
		fmt.Fprintf(&b, "    { user: %q, permissions: { publish: { allow: %s }, subscribe: { allow: %s } } }\n", c.subject(lane), quoted(p.Publish.Allow...), quoted(p.Subscribe.Allow...))
	}
	b.WriteString("  ]\n}\n")
	return b.String()
}

// subject is a client's name as its certificate has it.
func (c *NATSCluster) subject(name string) string { return "CN=" + name + ",O=" + c.Site }

func quoted(subjects ...string) string {
	list := make([]string, len(subjects))
	for i, s := range subjects {
		list[i] = strconv.Quote(s)
	}
	return "[" + strings.Join(list, ", ") + "]"
}
