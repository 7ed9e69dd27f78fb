package cluster

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"turnstile/central/database"
	"turnstile/central/database/postgrestest"
	"turnstile/central/office"
	"turnstile/central/rights"
	"turnstile/central/server"
	"turnstile/simulator/site"
)

// centrals is how many there are of each kind, and lanes how many controllers.
const (
	centrals = 3
	nodes    = 3
	lanes    = 24
)

// campus is three centrals on one PostgreSQL and a broker outside of them.
type campus struct {
	t      testing.TB
	folder string
	url    string // of the database
	db     *database.DB
	broker string // broker.external.url

	centrals []*process
	ports    int // the first of the centrals' APIs, and behind them of their enrolment
	brokers  []*process
	lanes    []*lane
	token    string
}

// hosts of a test are one: what differs is the port.
const host = "127.0.0.1"

func newCampus(t testing.TB) *campus {
	t.Helper()
	c := &campus{t: t, folder: t.TempDir(), url: postgrestest.URL(t), ports: freePorts(t, 2*centrals)}
	for i := range centrals {
		name := string(rune('a' + i))
		c.centrals = append(c.centrals, c.child("central-"+name, "central", c.config(name), c.answers(i)))
	}
	t.Cleanup(c.close)
	return c
}

func (c *campus) close() {
	for _, p := range append(append([]*process{}, c.centrals...), c.brokers...) {
		p.kill()
		if c.t.Failed() {
			c.t.Logf("%s:\n%s", p.name, tail(p.log))
		}
	}
	if c.db != nil {
		c.db.Close()
	}
}

func (c *campus) config(name string) string { return filepath.Join(c.folder, "central-"+name+".yaml") }

// configure writes the centrals' configurations.
func (c *campus) configure() {
	c.t.Helper()
	for i := range centrals {
		name := string(rune('a' + i))
		text := fmt.Sprintf(`name: %s
data: %s
database: %s
heads: 1s
capacity: 16384
http: {listen: "127.0.0.1:%d"}
enrol: {listen: "127.0.0.1:%d", hosts: [127.0.0.1]}
broker:
  external: {url: %q}
`, name, filepath.Join(c.folder, "data-"+name), c.url, c.ports+i, c.ports+centrals+i, c.broker)
		if err := os.WriteFile(c.config(name), []byte(text), 0o600); err != nil {
			c.t.Fatal(err)
		}
	}
}

// answers reports whether a central is alive; it need not have a broker.
func (c *campus) answers(i int) func() bool {
	return func() bool {
		r, err := http.Get(fmt.Sprintf("http://%s:%d/livez", host, c.ports+i))
		if err != nil {
			return false
		}
		r.Body.Close()
		return true
	}
}

// admit makes a token for the API.
func (c *campus) admit() {
	c.t.Helper()
	conf, err := server.Load(c.config("a"))
	if err != nil {
		c.t.Fatal(err)
	}
	tokens, closer, err := server.OpenTokens(c.t.Context(), conf)
	if err != nil {
		c.t.Fatal(err)
	}
	defer closer.Close()
	if c.token, err = tokens.Create(c.t.Context(), "test", office.NewToken{Name: "test", Role: rights.Admin}); err != nil {
		c.t.Fatal(err)
	}
	if c.db, err = database.Open(c.t.Context(), c.url); err != nil {
		c.t.Fatal(err)
	}
}

// api calls central i.
func (c *campus) api(i int) *site.API {
	return &site.API{URL: fmt.Sprintf("http://%s:%d", host, c.ports+i), Token: c.token}
}

// anywhere calls centrals, from a random one on, until one did it.
func (c *campus) anywhere(ctx context.Context, call func(*site.API) error) error {
	var errs []error
	first := rand.N(centrals)
	for i := range centrals {
		short, cancel := context.WithTimeout(ctx, 4*time.Second)
		err := call(c.api((first + i) % centrals))
		cancel()
		if short.Err() == nil && err == nil {
			return nil
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// openCampus starts everything, with the broker that the function makes when
// central knows its lanes.
func openCampus(t testing.TB, broker func(*campus)) *campus {
	t.Helper()
	c := newCampus(t)
	broker(c)
	return c
}

// withNATS is a cluster of three stock servers, with files as an operator has them
// written.
func withNATS(c *campus) {
	c.t.Helper()
	first := freePorts(c.t, 3*nodes)
	o := server.NATSOptions{MQTT: first, Cluster: first + nodes, Client: first + 2*nodes, Centrals: []string{"a", "b", "c"}}
	for range nodes {
		o.Hosts = append(o.Hosts, host)
	}
	c.broker = server.NATSBroker(o)
	c.configure()
	c.centrals[0].start(c.t)
	c.admit()
	c.invite()
	conf, err := server.Load(c.config("b")) // whose data folder is nobody's yet
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Setenv("TURNSTILE_PASSPHRASE", "correct horse battery")
	paths, err := server.NATSCluster(c.t.Context(), conf, filepath.Join(c.folder, "nats"), o)
	if err != nil {
		c.t.Fatal(err)
	}
	for i, path := range paths {
		c.brokers = append(c.brokers, c.child(fmt.Sprintf("node-%d", i+1), "nats", path, listens(o.MQTT+i)))
	}
	for _, n := range c.brokers {
		n.start(c.t)
	}
	c.rest()
}

// withMosquitto is Debian's, which make test installs.
func withMosquitto(c *campus) {
	c.t.Helper()
	port := freePorts(c.t, 1)
	c.broker = fmt.Sprintf("ssl://%s:%d", host, port)
	c.configure()
	c.centrals[0].start(c.t)
	c.admit()
	c.invite()
	conf, err := server.Load(c.config("b"))
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Setenv("TURNSTILE_PASSPHRASE", "correct horse battery")
	folder := filepath.Join(c.folder, "mosquitto")
	path, err := server.Mosquitto(c.t.Context(), conf, folder, []string{host}, port, "a", "b", "c")
	if err != nil {
		c.t.Fatal(err)
	}
	if os.Geteuid() == 0 { // it would change to a user who cannot read its files
		text, err := os.ReadFile(path)
		if err == nil {
			err = os.WriteFile(path, append(text, "\nuser root\n"...), 0o644)
		}
		if err != nil {
			c.t.Fatal(err)
		}
	}
	c.brokers = []*process{{name: "mosquitto", program: "/usr/sbin/mosquitto", args: []string{"-c", path},
		log: filepath.Join(c.folder, "mosquitto.log"), ready: listens(port)}}
	c.brokers[0].start(c.t)
	c.rest()
}

// rest starts the other centrals and enrols the lanes, at one central and another.
func (c *campus) rest() {
	c.t.Helper()
	for _, p := range c.centrals[1:] {
		p.start(c.t)
	}
	for i, l := range c.lanes {
		l.open(c, c.ports+centrals+i%centrals)
	}
}

// invite makes the lanes known, so that the broker's files can name them.
func (c *campus) invite() {
	c.t.Helper()
	for i := range lanes {
		l := &lane{id: fmt.Sprintf("lane-%d", i+1), folder: filepath.Join(c.folder, "lanes", fmt.Sprint(i+1))}
		var answer struct {
			Token string `json:"token"`
		}
		if err := c.api(0).Do(c.t.Context(), http.MethodPost, "/lanes", map[string]string{"id": l.id}, &answer); err != nil {
			c.t.Fatal(err)
		}
		l.token = strings.TrimSpace(answer.Token)
		c.lanes = append(c.lanes, l)
	}
}
