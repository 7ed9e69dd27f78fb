// Package site runs the product on one machine: central, agents on virtual lanes,
// and network links between them that can be cut.
//
// The programs run as processes; or, by a clock that the caller plays, central and
// agents run within this process, by the same calls as in the programs' mains.
package site

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"turnstile/agent/wallclock"
)

// startLimit is how long a program may take to be ready.
const startLimit = 30 * time.Second

// Config says what to run.
type Config struct {
	Programs  string        // folder of the binaries agent and central
	Data      string        // everything is kept here
	Agents    []AgentSetup  // one process each
	Mosquitto string        // path of a mosquitto to use in place of central's own broker
	Heads     time.Duration // central's; 0: 2 s
	Host      string        // another name or address by which agents reach central's own broker, "": none
	Portal    *Portal       // nil: central has no holders' pages
	// Now plays central and all agents in this process, by this clock; with it
	// Programs and Mosquitto are not used. Nil: the programs, by the machine's clock.
	Now func() time.Time
	// Ticks is the monotonic clock of played agents, for a Now that goes faster than
	// the machine's; nil: the kernel's.
	Ticks func() wallclock.Ticks
}

// Site is a running campus of one central and some agents.
type Site struct {
	API    *API
	Agents []*Agent

	config     Config
	central    *Process
	broker     *Process // of a mosquitto
	brokerAddr string   // its host:port
	ports      int      // the first of central's own, 0 before its first start
	endpoints  endpoints
	cancel     context.CancelFunc // ends the links and devices
}

// endpoints is what central writes to endpoints.json.
type endpoints struct {
	HTTP   string `json:"http"`
	Enrol  string `json:"enrol"`
	Broker string `json:"broker"`
	Portal string `json:"portal"`
}

// Start makes the folder, starts central, enrols and starts all agents. When it
// fails, what was started is ended.
func Start(ctx context.Context, c Config) (*Site, error) {
	s := &Site{config: c}
	ctx, s.cancel = context.WithCancel(ctx)
	for _, folder := range []string{c.Data, s.path("logs"), s.path("dev"), s.path("central")} {
		if err := os.MkdirAll(folder, 0o700); err != nil {
			return nil, fmt.Errorf("make data folder: %w", err)
		}
	}
	if err := s.open(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *Site) open(ctx context.Context) error {
	if err := s.makePassphrase(); err != nil {
		return err
	}
	if s.config.Mosquitto != "" {
		if err := s.StartBroker(); err != nil {
			return err
		}
	}
	if err := s.StartCentral(); err != nil {
		return err
	}
	for _, setup := range s.config.Agents {
		a, err := s.newAgent(ctx, setup, "")
		if err != nil {
			return err
		}
		s.Agents = append(s.Agents, a)
	}
	return s.startAgents()
}

// startAgents starts them when all are enrolled, so that each hears of the others from
// central's first word on.
func (s *Site) startAgents() error {
	for _, a := range s.Agents {
		if err := a.Launch(); err != nil {
			return err
		}
	}
	for _, a := range s.Agents {
		if err := a.await(); err != nil {
			return err
		}
	}
	return nil
}

// Close ends everything in order: agents first, so that their last entries
// still find central; then central, then the links and devices.
func (s *Site) Close() error {
	var errs []error
	for _, a := range s.Agents {
		errs = append(errs, a.Stop())
	}
	if s.central != nil {
		errs = append(errs, s.central.Stop())
	}
	if s.broker != nil {
		s.broker.Kill() // it has nothing to lose
	}
	s.cancel()
	for _, a := range s.Agents {
		a.wait.Wait()
	}
	return errors.Join(errs...)
}

func (s *Site) path(parts ...string) string {
	return filepath.Join(append([]string{s.config.Data}, parts...)...)
}

func (s *Site) program(name string) string { return filepath.Join(s.config.Programs, name) }

// makePassphrase writes a random passphrase for central's keys, once.
func (s *Site) makePassphrase() error {
	file := s.path("central", "passphrase")
	if _, err := os.Stat(file); err == nil {
		return nil
	}
	if err := os.WriteFile(file, []byte(rand.Text()+"\n"), 0o600); err != nil {
		return fmt.Errorf("write passphrase: %w", err)
	}
	return nil
}

// StartCentral starts central, each time on the same ports.
func (s *Site) StartCentral() error {
	if err := s.configureCentral(); err != nil {
		return err
	}
	written := s.path("central", "data", "endpoints.json")
	os.Remove(written) // of an earlier start; it need not exist
	p, err := s.serve()
	if err != nil {
		return err
	}
	s.central = p
	err = p.await("endpoints", startLimit, func() bool {
		b, err := os.ReadFile(written)
		return err == nil && json.Unmarshal(b, &s.endpoints) == nil
	})
	if err != nil {
		return err
	}
	return s.makeAPI()
}

// serve starts the program, or what it does.
func (s *Site) serve() (*Process, error) {
	if s.config.Now != nil {
		return s.playCentral()
	}
	return start(s.program("central"), "central", s.path("logs"), nil, "serve", "--config", s.path("central", "central.yaml"))
}

func (s *Site) configureCentral() error {
	if err := s.takePorts(); err != nil {
		return err
	}
	if err := os.WriteFile(s.path("central", "central.yaml"), []byte(s.centralConfig()), 0o600); err != nil {
		return fmt.Errorf("write central's configuration: %w", err)
	}
	return nil
}

// makeAPI creates an admin's token on the first start and keeps it afterwards.
func (s *Site) makeAPI() error {
	file := s.path("central", "token")
	b, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		b, err = s.makeToken()
		if err == nil {
			err = os.WriteFile(file, b, 0o600)
		}
	}
	if err != nil {
		return fmt.Errorf("make API token: %w", err)
	}
	s.API = newAPI(s.endpoints.HTTP, strings.TrimSpace(string(b)))
	return nil
}

func (s *Site) makeToken() ([]byte, error) {
	if s.config.Now != nil {
		return s.playToken()
	}
	return run(s.program("central"), nil, "", "token", "create", "simulator", "--role", "admin", "--data", s.path("central", "data"))
}

// Central returns central's process; it is another one after each start.
func (s *Site) Central() *Process { return s.central }

// Data is the folder that everything is kept in.
func (s *Site) Data() string { return s.config.Data }

// Central's ports, as they follow each other.
const (
	portHTTP = iota
	portEnrol
	portBroker
	portPortal
	centralPorts // how many there are
)

// takePorts finds central's ports before its first start; they are its own for good.
func (s *Site) takePorts() (err error) {
	if s.ports != 0 {
		return nil
	}
	if s.ports, err = FreePorts(centralPorts); err != nil {
		return fmt.Errorf("find ports for central: %w", err)
	}
	return nil
}

// listen returns host:port of one of central's addresses.
func (s *Site) listen(port int) string { return fmt.Sprintf("127.0.0.1:%d", s.ports+port) }

func (s *Site) centralConfig() string {
	heads := s.config.Heads
	if heads == 0 {
		heads = 2 * time.Second
	}
	hosts := "127.0.0.1"
	if s.config.Host != "" {
		hosts += ", " + s.config.Host
	}
	broker := fmt.Sprintf("  listen: %s\n  hosts: [%s]\n", s.listen(portBroker), hosts)
	if s.brokerAddr != "" {
		broker = fmt.Sprintf("  external: {url: %q}\n", "ssl://"+s.brokerAddr)
	}
	return fmt.Sprintf(`site: demo
data: %s
passphrase: {file: %s}
http: {listen: %q}
enrol: {listen: %q, hosts: [127.0.0.1]}
broker:
%sheads: %s
zones:
  - {id: 0, name: Main, name_zh: 主樓, passback: soft}
  - {id: 1, name: Library, name_zh: 圖書館}
%s%s`, s.path("central", "data"), s.path("central", "passphrase"), s.listen(portHTTP), s.listen(portEnrol), broker, heads, s.moreZones(), s.portalConfig())
}

// moreZones are those of the lanes beside the first two.
func (s *Site) moreZones() (lines string) {
	more := map[int]bool{}
	for _, a := range s.config.Agents {
		for _, l := range a.Lanes {
			if l.Zone > 1 {
				more[l.Zone] = true
			}
		}
	}
	for _, z := range slices.Sorted(maps.Keys(more)) {
		lines += fmt.Sprintf("  - {id: %d, name: Zone %d}\n", z, z)
	}
	return lines
}

// campus is the demo's clock: Hong Kong, which has had no summer time since 1979.
var campus = time.FixedZone("HKT", 8*3600)

// Today returns the campus day of now, as 2026-11-21.
func Today(now time.Time) string { return now.In(campus).Format(time.DateOnly) }

// BrokerAddr is the broker's host and port.
func (s *Site) BrokerAddr() string {
	if s.brokerAddr != "" {
		return s.brokerAddr
	}
	return s.listen(portBroker)
}

// EnrolURL is where lane controllers enrol.
func (s *Site) EnrolURL() string { return s.endpoints.Enrol }
