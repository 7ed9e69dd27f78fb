package office

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"turnstile/central/link"
	"turnstile/central/pass"
	"turnstile/central/rights"
)

// Commands tells single lanes what to do now, once. The argument by is who says
// so, for the audit. Nothing of by and of a reason leaves central.
type Commands interface {
	// Open tells a lane to open for one person. It returns when the command is
	// durable and on its way; whether the lane obeyed, Find tells later. A lane that
	// is off is no error: the command expires. ErrInvalid: no direction or no reason;
	// ErrNotFound: no such lane; ErrConflict: it never reported, its agent takes no
	// commands, or another command to open it waits for its answer. ErrUnavailable:
	// the signer does not answer, or too many commands wait.
	Open(ctx context.Context, by string, o Opening) (Command, error)
	// Identify makes a lane show by lamp and display which one it is, for some
	// seconds. Errors as of Open.
	Identify(ctx context.Context, by, lane string, index uint8) (Command, error)
	// Find returns a command by its id, or ErrNotFound.
	Find(ctx context.Context, id string) (Command, error)
	// List returns up to limit commands to a lane controller, to all for "", the
	// newest first.
	List(ctx context.Context, lane string, limit int) ([]Command, error)
}

// Opening asks a lane to open once.
type Opening struct {
	Lane      string     // lane controller
	Index     uint8      // number of the lane on it, from 1
	Direction uint8      // 1 in, 2 out
	Cause     pass.Cause // 0: not told. The lane hears and writes down this alone
	Reason    string     // why, in words
}

// CommandState is what became of a command.
type CommandState string

// The states. An expired command becomes another one when a lane that was cut off
// has obeyed in time and tells so later.
const (
	CommandSent    CommandState = "sent"    // the lane has not answered yet
	CommandOpened  CommandState = "opened"  // the gate is open; the result is to come
	CommandDone    CommandState = "done"    // see Result
	CommandRefused CommandState = "refused" // see Refused
	CommandExpired CommandState = "expired" // the lane did not answer in time
)

// Command is a command and what the ledger says became of it.
type Command struct {
	ID        string // LANE.NUMBER
	Lane      string
	Index     uint8
	Action    link.CommandAction
	Direction uint8 // 1 in, 2 out; 0 of Identify
	Cause     pass.Cause
	Reason    string
	By        string
	Issued    time.Time
	Expires   time.Time
	State     CommandState
	Result    link.EntryType // of CommandDone: EntryPassed, EntryNotPassed, EntryUnknown, or EntryShown
	Refused   pass.Reason    // of CommandRefused
	Fire      bool           // of CommandRefused: the fire alarm had released the gate
	Answered  time.Time      // when the newest answer came; zero: none did
	Entry     int64          // its number in the ledger, 0: none
}

// Modes changes what lanes of a zone do for everybody.
type Modes interface {
	// SetModes sets the standing mode of zones, of all that there are for none named,
	// keeps everything else of the rules and publishes them: all of these zones, or
	// none. The mode that stands already changes nothing and is no error.
	// ErrNotFound: one of the zones does not exist. ErrInvalid: no mode or no reason.
	SetModes(ctx context.Context, by string, zones []uint8, m link.Mode, reason string) (link.Rules, error)
}

// CommandBody is a command.
type CommandBody struct {
	ID         string     `json:"id" example:"north-1.1795233609150"`
	Controller string     `json:"controller" example:"north-1"`
	Lane       int        `json:"lane"`
	Action     string     `json:"action" enum:"open,identify"`
	Direction  string     `json:"direction,omitempty" enum:"in,out"`
	Cause      string     `json:"cause,omitempty"`
	Reason     string     `json:"reason,omitempty"`
	By         string     `json:"by"`
	Issued     time.Time  `json:"issued"`
	Expires    time.Time  `json:"expires"`
	State      string     `json:"state" enum:"sent,opened,done,refused,expired" doc:"sent: the lane has not answered; opened: the result is to come. An expired one can still become done, when a lane that was cut off tells of it."`
	Result     string     `json:"result,omitempty" enum:"passed,not_passed,unknown,shown" doc:"Of done."`
	Refused    string     `json:"refused,omitempty" example:"GATE_FAULT" doc:"Of refused: why."`
	Fire       bool       `json:"fire,omitempty" doc:"Of refused: the fire alarm had released the gate."`
	Answered   *time.Time `json:"answered,omitempty"`
	Ledger     int64      `json:"ledger,omitempty" doc:"Number of the answer in the ledger."`
}

// CommandList is commands, the newest first.
type CommandList struct {
	Commands []CommandBody `json:"commands"`
}

type commandAnswer struct{ Body CommandBody }

func (a *api) commandRoutes(h huma.API) {
	open := operation(rights.LanesOpen, "open-lane", http.MethodPost, "/lanes/{id}/open", "Open a lane once", http.StatusNotFound, http.StatusConflict, http.StatusServiceUnavailable)
	open.DefaultStatus = http.StatusAccepted
	huma.Register(h, open, a.openLane)
	identify := operation(rights.LanesOpen, "identify-lane", http.MethodPost, "/lanes/{id}/identify", "Make a lane show which one it is", http.StatusNotFound, http.StatusConflict, http.StatusServiceUnavailable)
	identify.DefaultStatus = http.StatusAccepted
	huma.Register(h, identify, a.identifyLane)
	huma.Register(h, operation(rights.LanesRead, "list-commands", http.MethodGet, "/commands", "Show commands to lanes and what became of them"), a.listCommands)
	huma.Register(h, operation(rights.LanesRead, "get-command", http.MethodGet, "/commands/{id}", "Show what became of a command", http.StatusNotFound), a.getCommand)
	all := operation(rights.ZonesMode, "set-modes", http.MethodPost, "/zones/mode", "Close all zones at once, set them free, or back to normal", http.StatusNotFound, http.StatusConflict)
	huma.Register(h, repeatable(all), a.setModes)
	huma.Register(h, operation(rights.ZonesMode, "set-mode", http.MethodPost, "/zones/{id}/mode", "Close a zone, set it free, or back to normal", http.StatusNotFound, http.StatusConflict), a.setMode)
}

// resultWords are what an answer's entry type says of a command.
var resultWords = map[link.EntryType]string{
	link.EntryPassed: "passed", link.EntryNotPassed: "not_passed", link.EntryUnknown: "unknown", link.EntryShown: "shown",
}

func (a *api) commandBody(c Command) CommandBody {
	out := CommandBody{
		ID: c.ID, Controller: c.Lane, Lane: int(c.Index), Action: c.Action.String(), Direction: directionName(c.Direction), Reason: c.Reason, By: c.By,
		Issued: a.at(c.Issued), Expires: a.at(c.Expires), State: string(c.State), Fire: c.Fire, Answered: a.maybe(c.Answered), Ledger: c.Entry,
	}
	if c.Cause != 0 {
		out.Cause = c.Cause.String()
	}
	switch c.State {
	case CommandDone:
		out.Result = resultWords[c.Result]
	case CommandRefused:
		out.Refused = c.Refused.String()
	}
	return out
}

func (a *api) oneCommand(ctx context.Context, c Command, err error) (*commandAnswer, error) {
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	return &commandAnswer{a.commandBody(c)}, nil
}

type openInput struct {
	ID   string `path:"id" pattern:"^[A-Za-z0-9_-]{1,32}$" doc:"The lane controller."`
	Body struct {
		Lane      int    `json:"lane" minimum:"1" maximum:"255" doc:"Number of the lane on its controller."`
		Direction string `json:"direction" enum:"in,out" doc:"The way that the person walks."`
		Reason    string `json:"reason" minLength:"1" maxLength:"200" doc:"Why. It stays at central, and stands in the audit." example:"Delivery for the library"`
		Cause     string `json:"cause,omitempty" enum:"outage,code,assistance,visitor,rescue,incident,evacuation,maintenance,event,drill" doc:"What the lane's journal says of the reason."`
	}
}

func (a *api) openLane(ctx context.Context, in *openInput) (*commandAnswer, error) {
	b := in.Body
	if !printable(b.Reason) {
		return nil, wrong("body.reason", "has control characters", nil)
	}
	cause, _ := pass.ParseCause(b.Cause) // of the enum, or none
	o := Opening{Lane: in.ID, Index: uint8(b.Lane), Direction: 1, Cause: cause, Reason: b.Reason}
	if b.Direction == "out" {
		o.Direction = 2
	}
	c, err := a.Commands.Open(ctx, caller(ctx), o)
	return a.oneCommand(ctx, c, err)
}

type identifyInput struct {
	ID   string `path:"id" pattern:"^[A-Za-z0-9_-]{1,32}$" doc:"The lane controller."`
	Body struct {
		Lane int `json:"lane" minimum:"1" maximum:"255" doc:"Number of the lane on its controller."`
	}
}

func (a *api) identifyLane(ctx context.Context, in *identifyInput) (*commandAnswer, error) {
	c, err := a.Commands.Identify(ctx, caller(ctx), in.ID, uint8(in.Body.Lane))
	return a.oneCommand(ctx, c, err)
}

type commandInput struct {
	ID string `path:"id" pattern:"^[A-Za-z0-9_-]{1,32}\\.[0-9]{1,19}$" example:"north-1.1795233609150"`
}

func (a *api) getCommand(ctx context.Context, in *commandInput) (*commandAnswer, error) {
	c, err := a.Commands.Find(ctx, in.ID)
	return a.oneCommand(ctx, c, err)
}

type commandsInput struct {
	Lane  string `query:"lane" pattern:"^[A-Za-z0-9_-]{1,32}$" doc:"To this lane controller alone."`
	Limit int    `query:"limit" minimum:"1" maximum:"500" default:"50"`
}

func (a *api) listCommands(ctx context.Context, in *commandsInput) (*struct{ Body CommandList }, error) {
	list, err := a.Commands.List(ctx, in.Lane, in.Limit)
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	out := CommandList{Commands: make([]CommandBody, 0, len(list))}
	for _, c := range list {
		out.Commands = append(out.Commands, a.commandBody(c))
	}
	return &struct{ Body CommandList }{out}, nil
}

type modeInput struct {
	ID   int `path:"id" minimum:"0" maximum:"15" doc:"The zone."`
	Body struct {
		Mode   string `json:"mode" enum:"normal,lockdown,free_passage" doc:"It stands until it is changed, also over restarts of lanes that are cut off."`
		Reason string `json:"reason" minLength:"1" maxLength:"200" doc:"Why. It stays at central, and stands in the audit." example:"Fire drill"`
	}
}

func (a *api) setMode(ctx context.Context, in *modeInput) (*rulesAnswer, error) {
	return a.modes(ctx, []uint8{uint8(in.ID)}, in.Body.Mode, in.Body.Reason)
}

type modesInput struct {
	Body struct {
		Zones  []int  `json:"zones,omitempty" minItems:"1" maxItems:"16" uniqueItems:"true" minimum:"0" maximum:"15" doc:"These zones, all of them or none. Missing: all zones that there are."`
		Mode   string `json:"mode" enum:"normal,lockdown,free_passage" doc:"It stands until it is changed, also over restarts of lanes that are cut off."`
		Reason string `json:"reason" minLength:"1" maxLength:"200" doc:"Why. It stays at central, and stands in the audit." example:"Fire drill"`
	}
}

func (a *api) setModes(ctx context.Context, in *modesInput) (*rulesAnswer, error) {
	var zones []uint8
	for _, z := range in.Body.Zones {
		zones = append(zones, uint8(z))
	}
	return a.modes(ctx, zones, in.Body.Mode, in.Body.Reason)
}

func (a *api) modes(ctx context.Context, zones []uint8, mode, reason string) (*rulesAnswer, error) {
	if !printable(reason) {
		return nil, wrong("body.reason", "has control characters", nil)
	}
	r, err := a.Modes.SetModes(ctx, caller(ctx), zones, numberOf[link.Mode](modeNames, mode), reason)
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	return &rulesAnswer{a.rulesBody(r)}, nil
}
