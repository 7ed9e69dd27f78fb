package daemon

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"

	"go.yaml.in/yaml/v3"

	"turnstile/agent/enrol"
	"turnstile/firmware-bridge/serialport"
)

const (
	maxLanes = 32
	maxName  = 64 // bytes; it goes to central with each report
)

// checker finds what is wrong beyond the types, with the line it stands on.
type checker struct {
	root     *yaml.Node
	problems []string
	ports    map[string]string // device -> who has it
	lines    map[string]string // GPIO line -> who has it
	numbers  map[int]bool
}

// wrong adds a problem at a path of keys and list positions.
func (k *checker) wrong(path []any, format string, args ...any) {
	k.problems = append(k.problems, fmt.Sprintf("line %d: ", k.line(path))+fmt.Sprintf(format, args...))
}

// line returns the line of the deepest part of path that is in the file.
func (k *checker) line(path []any) int {
	n, line := k.root, 1
	if len(n.Content) > 0 && n.Kind == yaml.DocumentNode {
		n = n.Content[0]
	}
	for _, p := range path {
		line = n.Line
		if n = child(n, p); n == nil {
			return line
		}
	}
	return n.Line
}

// child returns the value of a key, or an element of a list; nil if there is none.
func child(n *yaml.Node, p any) *yaml.Node {
	switch p := p.(type) {
	case int:
		if n.Kind == yaml.SequenceNode && p < len(n.Content) {
			return n.Content[p]
		}
	case string:
		for i := 0; n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
			if n.Content[i].Value == p {
				return n.Content[i+1]
			}
		}
	}
	return nil
}

func (k *checker) config(c *Config) {
	k.ports, k.lines, k.numbers = map[string]string{}, map[string]string{}, map[int]bool{}
	if c.Data == "" {
		k.wrong([]any{"data"}, "data: name the folder for identity, cache and journal, such as /var/lib/turnstile/agent")
	}
	if why := checkLoopback(c.HTTP); why != "" {
		k.wrong([]any{"http"}, "http: %q %s", c.HTTP, why)
	}
	if err := c.Neighbours.multicast().Check(); err != nil {
		k.wrong([]any{"neighbours"}, "neighbours: %v", err)
	}
	if u, err := url.Parse(c.Central); c.Central != "" && (err != nil || u.Scheme != "https" || u.Host == "") {
		k.wrong([]any{"central"}, "central: %.80q; write https://host:port", c.Central)
	}
	if _, err := enrol.Brokers(c.Broker); c.Broker != "" && err != nil {
		k.wrong([]any{"broker"}, "broker: %.80q; %v", c.Broker, err)
	}
	if len(c.Lanes) == 0 || len(c.Lanes) > maxLanes {
		k.wrong([]any{"lanes"}, "lanes: %d of them; 1 to %d are possible", len(c.Lanes), maxLanes)
		return
	}
	for i := range c.Lanes {
		k.lane([]any{"lanes", i}, &c.Lanes[i])
	}
}

// checkLoopback returns what is wrong with an address to listen on, "" if nothing.
func checkLoopback(address string) string {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return "is not host:port, such as " + defaultHTTP
	}
	if n, err := strconv.Atoi(port); err != nil || n < 0 || n > 65535 {
		return "has no port from 0 to 65535"
	}
	if ip, err := netip.ParseAddr(host); err != nil || !ip.IsLoopback() {
		return "is not a loopback address: whoever reaches it can ask about codes; use 127.0.0.1 or [::1]"
	}
	return ""
}

func (k *checker) lane(at []any, l *Lane) {
	if l.Number < 1 || l.Number > 255 || k.numbers[l.Number] {
		k.wrong(under(at, "number"), "number: %d; each lane needs its own, 1 to 255", l.Number)
	}
	k.numbers[l.Number] = true
	if l.Zone < 0 || l.Zone > 15 {
		k.wrong(under(at, "zone"), "zone: %d; 0 to 15 are possible", l.Zone)
	}
	if len(l.Name) > maxName {
		k.wrong(under(at, "name"), "name: %d bytes, at most %d", len(l.Name), maxName)
	}
	if len(l.Scanners) < 1 || len(l.Scanners) > 2 {
		k.wrong(under(at, "scanners"), "scanners: %d of them; a lane has one or two", len(l.Scanners))
	}
	for i := range l.Scanners {
		k.scanner(under(at, "scanners", i), l, i)
	}
	k.gate(under(at, "gate"), l)
}

func under(at []any, path ...any) []any { return append(slices.Clip(at), path...) }

// port checks a serial port, and that nobody else in the file has it. It reports
// whether nothing is wrong.
func (k *checker) port(at []any, who, port string, baud int) bool {
	before := len(k.problems)
	if port == "" {
		k.wrong(under(at, "port"), "port: name the device of the %s, such as /dev/serial/by-id/...", who)
		return false
	}
	if !slices.Contains(serialport.Rates(), baud) {
		k.wrong(under(at, "baud"), "baud: %d; use one of %v", baud, serialport.Rates())
	}
	if other, taken := k.ports[port]; taken {
		k.wrong(under(at, "port"), "port: %s is the %s already", port, other)
	}
	k.ports[port] = who
	return len(k.problems) == before
}
