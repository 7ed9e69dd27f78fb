package server

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/url"
	"os"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"turnstile/central/database"
	"turnstile/central/issuer"
	"turnstile/central/link"
	"turnstile/central/retention"
)

// ErrConfig marks every error that a change of the configuration or of the
// environment mends: the program ends with exit code 2 before it starts anything.
var ErrConfig = errors.New("configuration")

// ConfigError lists everything that is wrong with a configuration file.
type ConfigError struct {
	Path     string
	Problems []string // each with its line
}

// Error lists all problems, one a line.
func (e *ConfigError) Error() string {
	return fmt.Sprintf("configuration %s:\n  %s", e.Path, strings.Join(e.Problems, "\n  "))
}

// Unwrap makes errors.Is(err, ErrConfig) true.
func (e *ConfigError) Unwrap() error { return ErrConfig }

// Config is central's configuration. A key that is not here is refused.
type Config struct {
	// Site names the campus in topics and signatures: 1 to 32 of A-Z a-z 0-9 _ -.
	// Lanes of another site take nothing from this one. Default campus.
	Site string `yaml:"site"`
	// Data is the folder of database, keys and broker store; made with mode 0700.
	// Default central-data.
	Data string `yaml:"data"`
	// Database is postgres://USER@HOST:PORT/NAME: passes and ledger are then kept
	// there, for several centrals or a database that others run. Keys stay in Data.
	// The password stands in the file ~/.pgpass, or one that ?passfile=FILE names;
	// in the URL it works too. Default: SQLite in Data/central.db.
	Database string `yaml:"database"`
	// Name tells this central from others on the same database, which each have their
	// own: 1 to 32 of A-Z a-z 0-9 _ -. Default none, for the only one.
	Name string `yaml:"name"`
	// Timezone is the campus clock's IANA name; campus days begin at its midnight.
	// Default Asia/Hong_Kong.
	Timezone string `yaml:"timezone"`
	// Passphrase says where the passphrase of the private keys is. Default the
	// environment variable TURNSTILE_PASSPHRASE.
	Passphrase issuer.Passphrase `yaml:"passphrase"`
	// Root is the file with the public keys of an offline root (central root new).
	// Central then asks the root's keepers to sign what it may do; with another file
	// than before, to hand over to another root. Default: central has its own root,
	// one key of one, in its key folder.
	Root     string   `yaml:"root"`
	Sign     Sign     `yaml:"sign"`
	HTTP     HTTP     `yaml:"http"`
	SignIn   SignIn   `yaml:"sign_in"`
	Portal   Portal   `yaml:"portal"`
	NetID    NetID    `yaml:"netid"`
	Enrol    Enrol    `yaml:"enrol"`
	Broker   Broker   `yaml:"broker"`
	Office   Office   `yaml:"office"`
	Mail     Mail     `yaml:"mail"`
	Webhooks Webhooks `yaml:"webhooks"`
	Register Register `yaml:"register"`
	// Retention erases what was kept long enough.
	Retention Retention `yaml:"retention"`
	// Capacity is how many passes a day can have: a power of two, 1024..131072.
	// Days that passes were issued for keep theirs. Default 131072.
	Capacity uint32 `yaml:"capacity"`
	// Heads is how often lanes hear from central at least; after three times that
	// they know that they do not. 100ms..1m, default 5s.
	Heads time.Duration `yaml:"heads"`
	// Zones seed the rules at the first start; afterwards the database is right.
	// Default one zone 0 that is always open.
	Zones []Zone `yaml:"zones"`

	Version string           `yaml:"-"` // of the program
	Now     func() time.Time `yaml:"-"` // nil: time.Now
	Log     *slog.Logger     `yaml:"-"` // nil: slog.Default()
}

// HTTP is the API's listener.
type HTTP struct {
	// Listen is host:port; port 0 takes a free one. Default 127.0.0.1:8080.
	Listen string `yaml:"listen"`
	// URL is the address of the console as browsers show it, https://host without a
	// path: passkeys and cookies are bound to it. Default localhost with Listen's port.
	URL string `yaml:"url"`
	// Proxies are the addresses or networks (10.0.0.0/8) of reverse proxies. From
	// these alone X-Forwarded-For and X-Forwarded-Proto are believed. Default none.
	Proxies []string `yaml:"proxies"`
	// Drain is how long central, told to stop, says so at /readyz and works on before
	// its listeners close: a few seconds behind a balancer. 0s..20s, default 0s.
	Drain time.Duration `yaml:"drain"`
	// Public allows an address that other machines reach; it needs Certificate and Key, or ACME.
	Public bool `yaml:"public"`
	// Certificate and Key are PEM files; with them the API speaks HTTPS.
	Certificate string `yaml:"certificate"`
	Key         string `yaml:"key"`
	// ACME gets the certificate from an authority instead. Default none.
	ACME *ACME `yaml:"acme"`
}

// safe reports whether the API speaks HTTPS itself.
func (h *HTTP) safe() bool { return h.Certificate != "" || h.ACME != nil }

// Enrol is the listener where lane controllers enrol, HTTPS with a certificate
// of central's own authority.
type Enrol struct {
	Listen string `yaml:"listen"` // default 127.0.0.1:8443
	// Hosts are the names and addresses in its certificate; the first stands in
	// endpoints.json. Default localhost, 127.0.0.1.
	Hosts []string `yaml:"hosts"`
}

// Broker is the embedded MQTT broker, or the way to an external one.
type Broker struct {
	Listen string `yaml:"listen"` // of the embedded one, TLS; default 127.0.0.1:8883
	// Hosts are the names in its certificate; lanes are told the first. Default
	// localhost, 127.0.0.1.
	Hosts    []string  `yaml:"hosts"`
	External *External `yaml:"external"`
}

// External is a broker outside of central, for instance a mosquitto that
// `central mosquitto` wrote the files for.
type External struct {
	// URL is ssl://host:port as central reaches it; of a cluster's nodes all, with
	// commas between.
	URL       string `yaml:"url"`
	Advertise string `yaml:"advertise"` // as lanes reach it; default URL
	CA        string `yaml:"ca"`        // PEM of its authority; default central's own
	// Certificate and Key are central's client certificate, PEM. Default: one of
	// central's own authority, made at each start.
	Certificate string `yaml:"certificate"`
	Key         string `yaml:"key"`
}

// Default returns the configuration of an empty file.
func Default() Config {
	local := []string{"localhost", "127.0.0.1"}
	return Config{
		Site: "campus", Data: "central-data", Timezone: "Asia/Hong_Kong", Capacity: link.MaxCapacity, Heads: 5 * time.Second,
		HTTP: HTTP{Listen: "127.0.0.1:8080"}, Enrol: Enrol{Listen: "127.0.0.1:8443", Hosts: local},
		Broker: Broker{Listen: "127.0.0.1:8883", Hosts: local}, Office: Office{TwoPersonsAbove: 20},
		Retention: Retention(retention.DefaultPolicy()),
	}
}

// maxConfig bounds a configuration file in bytes.
const maxConfig = 256 << 10

// Load reads a configuration file; "" is the default configuration. The error
// is a *ConfigError that lists all problems with their lines.
func Load(path string) (Config, error) {
	c := Default()
	if path == "" {
		return c, c.Check()
	}
	f, err := os.Open(path)
	if err != nil {
		return c, &ConfigError{path, []string{err.Error()}}
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxConfig+1))
	if err != nil || len(text) > maxConfig {
		return c, &ConfigError{path, []string{fmt.Sprintf("cannot be read, or has more than %d bytes: %v", maxConfig, err)}}
	}
	return parse(path, text)
}

func parse(path string, text []byte) (Config, error) {
	c := Default()
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	err := d.Decode(&c)
	var wrong *yaml.TypeError
	var lines []string
	switch {
	case errors.As(err, &wrong):
		lines = plain(wrong.Errors)
	case err != nil && !errors.Is(err, io.EOF): // an empty file is the default
		return c, &ConfigError{path, []string{err.Error()}}
	}
	var root yaml.Node
	if err := yaml.Unmarshal(text, &root); err != nil {
		return c, &ConfigError{path, append(lines, err.Error())}
	}
	for _, q := range c.problems() {
		lines = append(lines, fmt.Sprintf("line %d: %s: %s", lineOf(&root, strings.Split(q.key, ".")), q.key, q.text))
	}
	if len(lines) > 0 {
		return c, &ConfigError{path, lines}
	}
	return c, nil
}

// plain takes Go's type names out of yaml's messages.
func plain(list []string) []string {
	out := make([]string, len(list))
	for i, s := range list {
		s, _, _ = strings.Cut(s, " in type ")
		s = strings.Replace(s, "field ", "key ", 1)
		out[i] = strings.Replace(s, " not found", " does not exist", 1)
	}
	return out
}

// lineOf returns the line of a key, or of the nearest one above it that stands
// in the file.
func lineOf(n *yaml.Node, path []string) int {
	if n.Kind == yaml.DocumentNode && len(n.Content) == 1 {
		return lineOf(n.Content[0], path)
	}
	if n.Kind == yaml.MappingNode && len(path) > 0 {
		for i := 0; i+1 < len(n.Content); i += 2 {
			if n.Content[i].Value != path[0] {
				continue
			}
			if l := lineOf(n.Content[i+1], path[1:]); len(path) > 1 && l > 0 {
				return l
			}
			return n.Content[i].Line
		}
	}
	return n.Line
}

// problem is one wrong value.
type problem struct{ key, text string }

// Check returns a *ConfigError if values contradict each other or their bounds.
func (c *Config) Check() error {
	p := c.problems()
	if len(p) == 0 {
		return nil
	}
	lines := make([]string, len(p))
	for i, q := range p {
		lines[i] = q.key + ": " + q.text
	}
	return &ConfigError{"(in use)", lines}
}

func (c *Config) problems() (list []problem) {
	wrong := func(bad bool, key, format string, args ...any) {
		if bad {
			list = append(list, problem{key, fmt.Sprintf(format, args...)})
		}
	}
	wrong(!link.ValidID(c.Site), "site", "want 1 to 32 of A-Z a-z 0-9 _ -")
	_, err := parseProxies(c.HTTP.Proxies)
	wrong(err != nil, "http.proxies", "%v", err)
	wrong(c.Data == "", "data", "want a folder")
	wrong(c.Name != "" && !link.ValidID(c.Name), "name", "want 1 to 32 of A-Z a-z 0-9 _ -, or nothing for the only central")
	wrong(c.Database != "" && !database.IsPostgres(c.Database), "database", "want postgres://USER@HOST:PORT/NAME, or nothing for SQLite in the data folder")
	_, err = time.LoadLocation(c.Timezone)
	wrong(err != nil || c.Timezone == "" || c.Timezone == "Local", "timezone", "want an IANA name as Asia/Hong_Kong")
	_, err = link.NewList(0, c.Capacity)
	wrong(err != nil, "capacity", "want a power of two in %d..%d", link.MinCapacity, link.MaxCapacity)
	wrong(c.Heads < 100*time.Millisecond || c.Heads > time.Minute, "heads", "want 100ms to 1m")
	for _, l := range []struct{ key, address string }{{"http.listen", c.HTTP.Listen}, {"enrol.listen", c.Enrol.Listen}, {"broker.listen", c.Broker.Listen}} {
		_, _, err := net.SplitHostPort(l.address)
		wrong(err != nil, l.key, "want host:port")
	}
	wrong((c.HTTP.Certificate == "") != (c.HTTP.Key == ""), "http.certificate", "certificate and key belong together")
	wrong(!loopback(c.HTTP.Listen) && !c.HTTP.Public, "http.listen", "other machines reach this address: use 127.0.0.1 behind a proxy, or set http.public with certificate and key")
	wrong(c.HTTP.Public && !c.HTTP.safe(), "http.public", "needs http.certificate and http.key, or http.acme")
	if c.HTTP.ACME != nil {
		wrong(c.HTTP.Certificate != "", "http.acme", "the certificate comes from files or from an authority, not from both")
		c.HTTP.ACME.check(wrong)
	}
	wrong(c.HTTP.Drain < 0 || c.HTTP.Drain > maxDrain, "http.drain", "want 0s to %s", maxDrain)
	wrong(len(c.Enrol.Hosts) == 0, "enrol.hosts", "want at least one name or address")
	wrong(len(c.Broker.Hosts) == 0, "broker.hosts", "want at least one name or address")
	if e := c.Broker.External; e != nil {
		wrong(!brokerURL(e.URL), "broker.external.url", "want ssl://host:port, of a cluster all nodes with commas between")
		wrong(e.Advertise != "" && !brokerURL(e.Advertise), "broker.external.advertise", "want ssl://host:port, of a cluster all nodes with commas between")
		wrong((e.Certificate == "") != (e.Key == ""), "broker.external.certificate", "certificate and key belong together")
	}
	c.Sign.problems(wrong)
	c.Webhooks.problems(wrong)
	c.Office.problems(wrong)
	c.Register.problems(wrong)
	c.Retention.problems(wrong)
	c.Mail.problems(wrong)
	c.SignIn.problems(wrong)
	c.NetID.problems(wrong)
	c.Portal.problems(wrong)
	if _, err := c.zones(); err != nil {
		wrong(true, "zones", "%s", err)
	}
	return list
}

func loopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return true // told as such
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// maxNodes bounds the addresses of a broker.
const maxNodes = 16

func brokerURL(list string) bool {
	nodes := strings.Split(list, ",")
	for _, s := range nodes {
		u, err := url.Parse(s)
		if err != nil || u.Scheme != "ssl" || u.Hostname() == "" || u.Port() == "" || u.Path != "" {
			return false
		}
	}
	return len(nodes) <= maxNodes
}
