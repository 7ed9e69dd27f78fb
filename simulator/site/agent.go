package site

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"turnstile/agent/daemon"
	"turnstile/simulator/device"
	"turnstile/simulator/fault"
)

// AgentSetup is one lane controller.
type AgentSetup struct {
	ID    string // link.ValidID
	Lanes []LaneSetup
	// Command runs the agent in place of `agent run`: a program and its
	// arguments, to which --config FILE is added. Nil for the program itself.
	Command []string
	// Multicast is a group and port by which the controllers hear each other on
	// this machine without a broker, such as 239.84.83.1:7744; "": they do not.
	Multicast string
	// Now is the controller's own clock where agents are played; nil: Config.Now.
	Now func() time.Time
}

// LaneSetup is one lane of a controller.
type LaneSetup struct {
	Name     string
	Zone     int
	AutoWalk time.Duration // a person walks that long after each opening; 0: nobody
	Window   time.Duration // 0: 3 s
	Exit     bool          // a second scanner, for the way out
	Changed  func(device.ControllerState)
	// Wires are the lane's scanners and gate as they stand in a configuration,
	// two lines of YAML, for devices that the caller plays. Then the lane has no
	// virtual ones, and what is above about them means nothing.
	Wires string
}

// Baud is the pace of the virtual scanners' wires.
const Baud = 115200

// Agent is one agent process with its virtual lanes and its network cable.
type Agent struct {
	ID    string
	Lanes []*Lane
	Cable *fault.Link // to the broker
	Data  string      // the agent's data folder

	site    *Site
	config  string // path of its configuration
	command []string
	now     func() time.Time // of a played one
	group   string           // of multicast
	process *Process
	wait    sync.WaitGroup // devices and cable
}

// Lane is the virtual steel of one lane.
type Lane struct {
	Setup      LaneSetup
	Number     int
	Scanner    *device.Scanner    // nil with Setup.Wires
	Exit       *device.Scanner    // nil without Setup.Exit
	Controller *device.Controller // nil with Setup.Wires
}

// Scanners are the virtual ones of the lane.
func (l *Lane) Scanners() (list []*device.Scanner) {
	for _, s := range []*device.Scanner{l.Scanner, l.Exit} {
		if s != nil {
			list = append(list, s)
		}
	}
	return list
}

// newAgent enrols a lane controller, if it is new, and plugs its devices in. It
// asks central for a token unless it is given one.
func (s *Site) newAgent(ctx context.Context, setup AgentSetup, token string) (*Agent, error) {
	a := &Agent{ID: setup.ID, group: setup.Multicast, site: s, Data: s.path(setup.ID, "data"), config: s.path(setup.ID, "agent.yaml"), command: setup.Command}
	if a.command == nil {
		a.command = []string{s.program("agent"), "run"}
	}
	if a.now = setup.Now; a.now == nil {
		a.now = s.config.Now
	}
	if err := os.MkdirAll(a.Data, 0o700); err != nil {
		return nil, fmt.Errorf("make folder of %s: %w", a.ID, err)
	}
	broker, err := url.Parse(s.endpoints.Broker)
	if err != nil {
		return nil, fmt.Errorf("read broker's address: %w", err)
	}
	if a.Cable, err = fault.NewLink(broker.Host); err != nil {
		return nil, err
	}
	a.wait.Go(func() { a.Cable.Run(ctx) }) // ends with ctx
	if err := a.plug(ctx, setup.Lanes); err != nil {
		return nil, err
	}
	if err := os.WriteFile(a.config, []byte(a.yaml()), 0o600); err != nil {
		return nil, fmt.Errorf("write configuration of %s: %w", a.ID, err)
	}
	return a, a.enrol(ctx, token)
}

func (a *Agent) plug(ctx context.Context, setups []LaneSetup) error {
	for i, setup := range setups {
		if setup.Wires != "" {
			a.Lanes = append(a.Lanes, &Lane{Setup: setup, Number: i + 1})
			continue
		}
		scanner, gate := a.port(i, "scanner"), a.port(i, "gate")
		l := &Lane{Setup: setup, Number: i + 1, Scanner: device.NewScanner(scanner, Baud)}
		if setup.Exit {
			l.Exit = device.NewScanner(a.port(i, "exit"), Baud)
		}
		l.Controller = device.NewController(device.ControllerConfig{Link: gate, AutoWalk: setup.AutoWalk, Changed: setup.Changed})
		for _, scanner := range l.Scanners() {
			if err := scanner.Plug(); err != nil {
				return fmt.Errorf("plug scanner: %w", err)
			}
			a.wait.Go(func() { <-ctx.Done(); scanner.Unplug() })
		}
		a.wait.Go(func() { l.Controller.Run(ctx) }) // ends with ctx
		l.Controller.State()                        // it is plugged in then
		a.Lanes = append(a.Lanes, l)
	}
	return nil
}

func (a *Agent) port(lane int, what string) string {
	return a.site.path("dev", fmt.Sprintf("%s-%d-%s", a.ID, lane+1, what))
}

func (a *Agent) yaml() string {
	var b strings.Builder
	fmt.Fprintf(&b, "data: %s\nhttp: 127.0.0.1:0\nbroker: ssl://%s\nclock: {trust_system: true}\n", a.Data, a.Cable.Addr())
	if a.group != "" {
		fmt.Fprintf(&b, "neighbours: {multicast: %q, interface: lo}\n", a.group)
	}
	b.WriteString("lanes:\n")
	for i, l := range a.Lanes {
		window := l.Setup.Window
		if window == 0 {
			window = 3 * time.Second
		}
		fmt.Fprintf(&b, "  - number: %d\n    name: %s\n    zone: %d\n", l.Number, l.Setup.Name, l.Setup.Zone)
		if l.Setup.Wires != "" {
			for line := range strings.Lines(l.Setup.Wires) {
				fmt.Fprintf(&b, "    %s\n", strings.TrimSpace(line))
			}
			continue
		}
		exit := ""
		if l.Exit != nil {
			exit = fmt.Sprintf(", {port: %s, baud: %d, direction: out}", a.port(i, "exit"), Baud)
		}
		fmt.Fprintf(&b, "    scanners: [{port: %s, baud: %d, direction: in}%s]\n", a.port(i, "scanner"), Baud, exit)
		fmt.Fprintf(&b, "    gate: {driver: controller, port: %s, baud: %d, window: %s}\n", a.port(i, "gate"), Baud, window)
	}
	return b.String()
}

// enrol enrols with a token, once.
func (a *Agent) enrol(ctx context.Context, token string) error {
	if _, err := os.Stat(a.Data + "/identity.json"); err == nil {
		return nil
	}
	if token == "" {
		var invitation struct {
			Token string `json:"token"`
		}
		if err := a.site.API.Do(ctx, "POST", "/lanes", map[string]string{"id": a.ID}, &invitation); err != nil {
			return fmt.Errorf("invite %s: %w", a.ID, err)
		}
		token = invitation.Token
	}
	if a.now != nil {
		return a.playEnrol(ctx, token)
	}
	_, err := run(a.site.program("agent"), nil, token+"\n", "enroll", "--central", a.site.endpoints.Enrol, "--token-file", "-", "--config", a.config)
	return err
}

// Start starts the agent and waits until it has all its devices.
func (a *Agent) Start() error {
	if err := a.Launch(); err != nil {
		return err
	}
	return a.await()
}

// await waits until a launched agent has all its devices.
func (a *Agent) await() error { return a.process.await("devices", startLimit, a.ready) }

// Launch starts the agent and waits for nothing.
func (a *Agent) Launch() error {
	os.Remove(a.statusFile()) // of an earlier start; it need not exist
	p, err := a.run()
	if err != nil {
		return err
	}
	a.process = p
	for _, l := range a.Lanes {
		for _, s := range l.Scanners() {
			s.Anew()
		}
	}
	return nil
}

// run starts the program, or what it does.
func (a *Agent) run() (*Process, error) {
	if a.now != nil {
		return a.play()
	}
	args := append(slices.Clone(a.command[1:]), "--config", a.config)
	return start(a.command[0], a.ID, a.site.path("logs"), nil, args...)
}

// Replace puts an empty disk into a controller that was stopped, and enrols it anew.
func (a *Agent) Replace(ctx context.Context) error {
	if err := os.RemoveAll(a.Data); err != nil {
		return fmt.Errorf("empty disk of %s: %w", a.ID, err)
	}
	if err := os.MkdirAll(a.Data, 0o700); err != nil {
		return fmt.Errorf("make folder of %s: %w", a.ID, err)
	}
	return a.enrol(ctx, "")
}

// Instead has another command run the agent from its next start on, as
// AgentSetup.Command says.
func (a *Agent) Instead(command ...string) { a.command = command }

// ready reports whether every gate and scanner answers.
func (a *Agent) ready() bool {
	s, err := a.Status()
	for _, l := range s.Lanes {
		for _, d := range append(l.Scanners, l.Gate) {
			if !d.Connected {
				return false
			}
		}
	}
	return err == nil
}

// Process returns the agent's process; it is another one after each start.
func (a *Agent) Process() *Process { return a.process }

// Stop ends the agent as an operator would.
func (a *Agent) Stop() error {
	if a.process == nil {
		return nil
	}
	return a.process.Stop()
}

func (a *Agent) statusFile() string { return filepath.Join(a.Data, daemon.StatusFile) }

// Status asks the agent how it is. The status file says where it listens.
func (a *Agent) Status() (daemon.Status, error) { return a.Ask(context.Background()) }

// Ask is Status with an end: a frozen agent takes its time.
func (a *Agent) Ask(ctx context.Context) (s daemon.Status, err error) {
	if err := readJSON(a.statusFile(), &s); err != nil {
		return s, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.HTTP+"/status", nil)
	if err != nil {
		return s, fmt.Errorf("ask %s: %w", a.ID, err)
	}
	b, err := newAPI(s.HTTP, "").send(req)
	if err != nil {
		return s, err
	}
	var now daemon.Status // not into what the file had: a word that is left out would stay
	if err := json.Unmarshal(b, &now); err != nil {
		return s, fmt.Errorf("decode status of %s: %w", a.ID, err)
	}
	return now, nil
}

// Check has the program decide a code without opening (`agent check`).
func (a *Agent) Check(code string) (r daemon.CheckResult, err error) {
	out, err := run(a.site.program("agent"), nil, code+"\n", "check", "--config", a.config, "--json", "-")
	if json.Unmarshal(out, &r) == nil {
		return r, nil // a refused code makes an exit code of its own
	}
	return r, err
}

func readJSON(path string, v any) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("read file: %w", err)
	}
	if err := json.Unmarshal(b, v); err != nil {
		return fmt.Errorf("decode %s: %w", filepath.Base(path), err)
	}
	return nil
}
