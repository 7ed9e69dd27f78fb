package daemon

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// Config is the agent's configuration file. Keys that are not here are refused.
type Config struct {
	// Data is the folder of everything that the agent keeps: identity, cache,
	// gate keys, journal, status. Relative to the working directory. No default.
	Data string `yaml:"data"`
	// HTTP is where the lane's pages, /status, /check and /metrics are served.
	// A loopback address; port 0 takes a free one, which stands in
	// DATA/status.json. Default 127.0.0.1:8090.
	HTTP string `yaml:"http"`
	// Broker is the broker's address for this lane, ssl://host:port, where it is
	// reached by another way than the one that central told at enrolment; of a
	// cluster all nodes, with commas between. The host must stand in the broker's
	// certificate. Default: what central told.
	Broker string `yaml:"broker"`
	// Central is where this lane renews its certificate, https://host:port of
	// central's enrolment. Default: where it enrolled.
	Central string `yaml:"central"`
	// Clock says what is known of this machine's clock beyond the kernel's word.
	Clock Clock `yaml:"clock"`
	// Neighbours says how the zone's other controllers are reached without central.
	Neighbours Neighbours `yaml:"neighbours"`
	// Lanes are the lanes of this controller, at least one.
	Lanes []Lane `yaml:"lanes"`
}

// Clock configures how far the machine's clock is trusted.
type Clock struct {
	// TrustSystem vouches for a clock that is set by means which the kernel
	// does not know of, such as a hypervisor. Default false: the kernel must say
	// that it is synchronised (NTP), or central must have told the time.
	TrustSystem bool `yaml:"trust_system"`
}

// Lane configures one lane.
type Lane struct {
	// Number is the lane's number on this controller, 1..255. It stands in
	// journals for years: do not give it to another lane.
	Number int `yaml:"number"`
	// Name is what people call the lane. Default "Lane N".
	Name string `yaml:"name"`
	// Zone is the set of rules that the lane belongs to, 0..15. Default 0.
	Zone int `yaml:"zone"`
	// Scanners are one or two, each for one direction.
	Scanners []Scanner `yaml:"scanners"`
	// Gate is what lets people through.
	Gate Gate `yaml:"gate"`
}

// Duration is a time such as 200ms or 5s.
type Duration time.Duration

// UnmarshalYAML reads a duration; its error names the line, as yaml's own do.
func (d *Duration) UnmarshalYAML(n *yaml.Node) error {
	v, err := time.ParseDuration(n.Value)
	if err != nil || n.Kind != yaml.ScalarNode {
		return &yaml.TypeError{Errors: []string{fmt.Sprintf("line %d: %q is not a time; write 200ms or 5s", n.Line, n.Value)}}
	}
	*d = Duration(v)
	return nil
}

// maxConfig bounds the file in bytes.
const maxConfig = 256 << 10

// ConfigError lists everything that is wrong with a configuration file.
type ConfigError struct {
	Path     string
	Problems []string // each with its line, if it has one
}

// Error lists the problems, one a line.
func (e *ConfigError) Error() string {
	return fmt.Sprintf("configuration %s:\n  %s", e.Path, strings.Join(e.Problems, "\n  "))
}

// Load reads and checks a configuration file. Nothing is started. The error is
// a *ConfigError with all problems at once.
func Load(path string) (Config, error) {
	f, err := os.Open(path)
	if err != nil {
		return Config{}, &ConfigError{path, []string{"cannot be read: " + err.Error()}}
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxConfig+1))
	if err != nil || len(data) > maxConfig {
		return Config{}, &ConfigError{path, []string{fmt.Sprintf("cannot be read, or is larger than %d bytes", maxConfig)}}
	}
	c, problems := parse(data)
	if len(problems) > 0 {
		return Config{}, &ConfigError{path, problems}
	}
	return c, nil
}

// parse reads a configuration, fills in the defaults, and lists what is wrong.
func parse(data []byte) (c Config, problems []string) {
	dec := yaml.NewDecoder(bytes.NewReader(data))
	dec.KnownFields(true)
	err := dec.Decode(&c)
	var wrong *yaml.TypeError
	switch {
	case errors.Is(err, io.EOF):
		return c, []string{"is empty; begin with the example in configs/agent.yaml"}
	case errors.As(err, &wrong):
		problems = translate(wrong.Errors)
	case err != nil:
		return c, []string{strings.TrimPrefix(err.Error(), "yaml: ")} // not YAML: nothing else can be said
	}
	var second yaml.Node
	if err := dec.Decode(&second); !errors.Is(err, io.EOF) && len(problems) == 0 {
		problems = append(problems, "has more than one document; keep the first")
	}
	var root yaml.Node
	if err := yaml.Unmarshal(data, &root); err != nil {
		return c, append(problems, strings.TrimPrefix(err.Error(), "yaml: "))
	}
	if slices.ContainsFunc(problems, isDuplicate) {
		return c, problems // yaml did not read the rest
	}
	c.setDefaults()
	k := checker{root: &root}
	k.config(&c)
	return c, append(problems, k.problems...)
}

func isDuplicate(problem string) bool { return strings.Contains(problem, " already defined at line ") }

var unknownKey = regexp.MustCompile(`^(line \d+): field (.+) not found in type .*$`)

// translate puts yaml's messages into the words of a configuration.
func translate(messages []string) (problems []string) {
	for _, m := range messages {
		m = unknownKey.ReplaceAllString(m, "$1: unknown key $2")
		m = strings.ReplaceAll(m, "cannot unmarshal !!", "cannot use ")
		m = strings.ReplaceAll(m, " into daemon.", " as ")
		problems = append(problems, strings.ReplaceAll(m, " into ", " as "))
	}
	return problems
}

const (
	defaultHTTP   = "127.0.0.1:8090"
	defaultBaud   = 115200
	defaultModbus = 9600 // boards come so
)

func (c *Config) setDefaults() {
	if c.HTTP == "" {
		c.HTTP = defaultHTTP
	}
	for i := range c.Lanes {
		l := &c.Lanes[i]
		if l.Name == "" {
			l.Name = fmt.Sprintf("Lane %d", l.Number)
		}
		l.Gate.setDefaults()
		for j := range l.Scanners {
			l.Scanners[j].setDefaults()
		}
	}
}

func (g *Gate) setDefaults() {
	switch g.Driver {
	case driverModbus:
		g.Baud = cmp.Or(g.Baud, defaultModbus)
		g.Unit = cmp.Or(g.Unit, 1)
	case driverController:
		g.Baud = cmp.Or(g.Baud, defaultBaud)
	}
}

func (s *Scanner) setDefaults() {
	s.Driver = cmp.Or(s.Driver, driverLine)
	s.Direction = cmp.Or(s.Direction, "in")
	if s.Driver != driverWiegand && s.Driver != driverController {
		s.Baud = cmp.Or(s.Baud, defaultBaud)
	}
}
