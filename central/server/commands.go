package server

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"turnstile/central/database"
	"turnstile/central/fleet"
	"turnstile/central/link"
	"turnstile/central/office"
	"turnstile/central/status"
)

// What a command to a lane lives by. It is sent again until it is answered: lanes
// subscribe at QoS 0, and one where somebody walks passes it over.
const (
	resendEvery = time.Second
	maxWaiting  = 1000 // commands of this process that are not answered
	// adoptAfter is how old a command is that a central sends which did not give it:
	// who gave it is dead, or has the lane's answer in a moment.
	adoptAfter = 3 * time.Second
	maxAdopted = 4 * maxWaiting
)

// waiting are the commands that nobody has answered and that this process sends:
// those that it gave, and those of the lanes that it serves.
type waiting struct {
	given, answered, expired atomic.Uint64 // of those that it gave, since the start

	mu   sync.Mutex // guards the following
	list map[string]waitingCommand
	own  int // of list that this process gave
}

type waitingCommand struct {
	link.Command
	sealed []byte
	own    bool // given by this process
}

func (w *waiting) full() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.own >= maxWaiting
}

func (w *waiting) add(c waitingCommand) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.list == nil {
		w.list = map[string]waitingCommand{}
	}
	id := commandID(c.Lane, c.Number)
	if _, have := w.list[id]; have {
		return
	}
	w.list[id] = c
	if c.own {
		w.own++
		w.given.Add(1)
	}
}

func (w *waiting) drop(id string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.list[id].own {
		w.own--
	}
	delete(w.list, id)
}

func (w *waiting) all() []waitingCommand {
	w.mu.Lock()
	defer w.mu.Unlock()
	list := make([]waitingCommand, 0, len(w.list))
	for _, c := range w.list {
		list = append(list, c)
	}
	return list
}

func (w *waiting) has(id string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	_, have := w.list[id]
	return have
}

// sendCommands sends commands again until the ledger has an answer or they are
// over, until ctx ends.
func (s *central) sendCommands(ctx context.Context) error {
	tick := time.NewTicker(resendEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if err := s.adoptCommands(ctx); err != nil && ctx.Err() == nil {
			s.config.Log.Warn("look for commands that wait", "cause", err) // those that are known are sent all the same
		}
		for _, c := range s.waiting.all() {
			if s.isOver(ctx, &c) {
				s.waiting.drop(commandID(c.Lane, c.Number))
				continue
			}
			s.sendCommand(ctx, &c)
		}
	}
}

// adoptCommands takes over what was given to the lanes that this central serves,
// by one that died since, or by this one before it was started again. Two that
// send the same command do no harm: its number is obeyed once.
func (s *central) adoptCommands(ctx context.Context) error {
	now := s.config.Now().UnixMilli()
	rows, err := s.db.WaitingCommands(ctx, now, maxAdopted)
	if err != nil {
		return err
	}
	var errs []error
	for _, row := range rows {
		id := commandID(row.Lane, row.Number)
		if now-row.Issued < adoptAfter.Milliseconds() || !s.leases.Mine(row.Lane) || s.waiting.has(id) {
			continue
		}
		sealed, err := link.Seal(s.issuer.Status(), link.TypeCommand, s.config.Site, row.Command)
		if err != nil {
			errs = append(errs, fmt.Errorf("seal command %s: %w", id, err)) // the others are sent all the same
			continue
		}
		s.waiting.add(waitingCommand{Command: row.Command, sealed: sealed})
	}
	return errors.Join(errs...)
}

func (s *central) sendCommand(ctx context.Context, c *waitingCommand) {
	if err := s.session.Publish(ctx, link.Topics{Site: s.config.Site}.Command(c.Lane), c.sealed, 0, false); err != nil {
		s.config.Log.Debug("send command", "lane", c.Lane, "number", c.Number, "error", err) // the next time
	}
}

// isOver reports whether a command need not be sent any more, and counts it if it
// is this process's own. What cannot be read is sent: a repeat is harmless.
func (s *central) isOver(ctx context.Context, c *waitingCommand) bool {
	row, err := s.db.Command(ctx, c.Lane, c.Number)
	count := &s.waiting.expired
	switch {
	case err == nil && row.Answer != 0:
		count = &s.waiting.answered
	case s.config.Now().UnixMilli() < c.Expires:
		return !c.own && !s.leases.Mine(c.Lane) // another serves the lane by now
	}
	if c.own {
		count.Add(1)
	}
	return true
}

// commands is the API's office.Commands.
type commands struct{ *central }

func (s commands) Open(ctx context.Context, by string, o office.Opening) (office.Command, error) {
	if o.Direction != 1 && o.Direction != 2 || strings.TrimSpace(o.Reason) == "" {
		return office.Command{}, office.Refuse(office.ErrInvalid, "Say which way the person walks, and why the lane is opened.")
	}
	return s.give(ctx, database.Command{By: by, Reason: o.Reason, Command: link.Command{
		Lane: o.Lane, Action: link.CommandOpen, Index: o.Index, Direction: o.Direction, Cause: o.Cause,
	}})
}

func (s commands) Identify(ctx context.Context, by, lane string, index uint8) (office.Command, error) {
	return s.give(ctx, database.Command{By: by, Command: link.Command{Lane: lane, Action: link.CommandIdentify, Index: index}})
}

// give numbers, seals, stores and sends a command.
func (s commands) give(ctx context.Context, c database.Command) (office.Command, error) {
	var err error
	if c.Start, err = startOf(s.fleet.Lane(c.Lane), c.Lane, c.Index); err != nil {
		return office.Command{}, err
	}
	c.Issued = s.config.Now().UnixMilli()
	c.Expires = c.Issued + link.MaxCommandLife.Milliseconds()
	if s.waiting.full() {
		return office.Command{}, office.Refuse(office.ErrUnavailable, "%d commands wait for lanes to answer; try again in half a minute.", maxWaiting)
	}
	var sealed []byte
	err = s.db.AddCommand(ctx, &c, fmt.Sprintf("%s/%d", c.Lane, c.Index), deedOf(&c), func() (err error) {
		sealed, err = link.Seal(s.issuer.Status(), link.TypeCommand, s.config.Site, c.Command)
		return err
	})
	switch {
	case errors.Is(err, database.ErrConflict):
		return office.Command{}, office.Refuse(office.ErrConflict, "Lane %s/%d was told to open and has not answered yet; wait for its answer, or half a minute.", c.Lane, c.Index)
	case err != nil:
		return office.Command{}, signerAway(err)
	}
	w := waitingCommand{c.Command, sealed, true} // it is sent when it is durable: a lane may answer at once
	s.waiting.add(w)
	s.sendCommand(ctx, &w)
	return s.officeCommand(&c), nil
}

// startOf returns the start that a command to a lane has to name.
func startOf(l fleet.Lane, lane string, index uint8) (start link.Nonce, err error) {
	switch {
	case l.Enrolled.IsZero():
		return start, office.Refuse(office.ErrNotFound, "There is no lane controller %.40q that is enrolled.", lane)
	case l.State == nil:
		return start, office.Refuse(office.ErrConflict, "Lane controller %s never reported; see to its network.", lane)
	case !hasNumber(l.State.Lanes, index):
		return start, office.Refuse(office.ErrNotFound, "Lane controller %s reports no lane %d.", lane, index)
	case copy(start[:], l.State.Start) != len(start) || len(l.State.Start) != len(start) || start == link.Nonce{}:
		return start, office.Refuse(office.ErrConflict, "The agent of %s is too old for commands; update it. Until then there are supervisor codes.", lane)
	}
	return start, nil
}

// deedOf says for the audit what a command is.
func deedOf(c *database.Command) string {
	if c.Action != link.CommandOpen {
		return ""
	}
	text := map[uint8]string{1: "in", 2: "out"}[c.Direction]
	if c.Cause != 0 {
		text += ", " + c.Cause.String()
	}
	return text + ": " + c.Reason
}

func commandID(lane string, number uint64) string { return lane + "." + strconv.FormatUint(number, 10) }

func (s commands) Find(ctx context.Context, id string) (office.Command, error) {
	lane, text, _ := strings.Cut(id, ".")
	number, err := strconv.ParseUint(text, 10, 63)
	if err != nil || commandID(lane, number) != id {
		return office.Command{}, office.Refuse(office.ErrNotFound, "There is no command %.60q; an id is LANE.NUMBER.", id)
	}
	row, err := s.db.Command(ctx, lane, number)
	if errors.Is(err, database.ErrNotFound) {
		return office.Command{}, office.Refuse(office.ErrNotFound, "There is no command %s.", id)
	}
	if err != nil {
		return office.Command{}, fmt.Errorf("read command: %w", err)
	}
	return s.officeCommand(&row), nil
}

func (s commands) List(ctx context.Context, lane string, limit int) ([]office.Command, error) {
	rows, err := s.db.Commands(ctx, lane, limit)
	if err != nil {
		return nil, fmt.Errorf("list commands: %w", err)
	}
	list := make([]office.Command, 0, len(rows))
	for i := range rows {
		list = append(list, s.officeCommand(&rows[i]))
	}
	return list, nil
}

func (s commands) officeCommand(c *database.Command) office.Command {
	out := office.Command{
		ID: commandID(c.Lane, c.Number), Lane: c.Lane, Index: c.Index, Action: c.Action, Direction: c.Direction, Cause: c.Cause, Reason: c.Reason, By: c.By,
		Issued: time.UnixMilli(c.Issued), Expires: time.UnixMilli(c.Expires), Entry: c.Entry,
	}
	if c.Answered != 0 {
		out.Answered = time.UnixMilli(c.Answered)
	}
	switch refused := c.Refused != 0; {
	case c.Answer == 0 && s.config.Now().UnixMilli() >= c.Expires:
		out.State = office.CommandExpired
	case c.Answer == 0:
		out.State = office.CommandSent
	case c.Answer == link.EntryGranted:
		out.State = office.CommandOpened
	case c.Answer == link.EntryDenied, refused: // also a grant that was given back for the gate's fault
		out.State, out.Refused, out.Fire = office.CommandRefused, c.Refused, c.Answer == link.EntryDenied && c.Detail == link.FaultFire
	default:
		out.State, out.Result = office.CommandDone, c.Answer
	}
	return out
}

// SetModes is office.Modes: a change of modes is tried again when the rules were
// changed meanwhile, for it is meant whatever else they say.
func (s rules) SetModes(ctx context.Context, by string, zones []uint8, m link.Mode, reason string) (r link.Rules, err error) {
	if m > link.FreePassage || strings.TrimSpace(reason) == "" {
		return r, office.Refuse(office.ErrInvalid, "Say which mode the zones are to have, and why.")
	}
	for range modeTries {
		if r, err = s.feed.SetModes(ctx, by, zones, m, reason); !errors.Is(err, status.ErrVersion) {
			break
		}
	}
	switch {
	case errors.Is(err, status.ErrZone):
		return r, office.Refuse(office.ErrNotFound, "There is no such zone, and nothing was changed; the rules name those that there are.")
	case errors.Is(err, status.ErrVersion):
		return r, office.Refuse(office.ErrConflict, "Somebody changes the rules all the time; try again.")
	case err != nil:
		return r, signerAway(err)
	}
	return clone(r)
}

// modeTries bounds how often another central can be first.
const modeTries = 5
