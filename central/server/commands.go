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
)

// waiting are the commands that this process gave and nobody has answered.
type waiting struct {
	given, answered, expired atomic.Uint64 // since the start

	mu   sync.Mutex // guards the following
	list map[string]waitingCommand
}

type waitingCommand struct {
	link.Command
	sealed []byte
}

func (w *waiting) full() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.list) >= maxWaiting
}

func (w *waiting) add(c waitingCommand) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.list == nil {
		w.list = map[string]waitingCommand{}
	}
	w.list[commandID(c.Lane, c.Number)] = c
	w.given.Add(1)
}

func (w *waiting) drop(id string) {
	w.mu.Lock()
	defer w.mu.Unlock()
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
		for _, c := range s.waiting.all() {
			if s.isOver(ctx, &c) {
				s.waiting.drop(commandID(c.Lane, c.Number))
				continue
			}
			s.sendCommand(ctx, &c)
		}
	}
}

func (s *central) sendCommand(ctx context.Context, c *waitingCommand) {
	if err := s.session.Publish(ctx, link.Topics{Site: s.config.Site}.Command(c.Lane), c.sealed, 0, false); err != nil {
		s.config.Log.Debug("send command", "lane", c.Lane, "number", c.Number, "error", err) // the next time
	}
}

// isOver reports whether a command need not be sent any more. What cannot be read
// is sent: a repeat is harmless.
func (s *central) isOver(ctx context.Context, c *waitingCommand) bool {
	row, err := s.db.Command(ctx, c.Lane, c.Number)
	switch {
	case err == nil && row.Answer != 0:
		s.waiting.answered.Add(1)
	case s.config.Now().UnixMilli() >= c.Expires:
		s.waiting.expired.Add(1)
	default:
		return false
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
	w := waitingCommand{c.Command, sealed} // it is sent when it is durable: a lane may answer at once
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

// SetMode is office.Modes: a change of one zone's mode is tried again when the
// rules were changed meanwhile, for it is meant whatever else they say.
func (s rules) SetMode(ctx context.Context, by string, zone uint8, m link.Mode, reason string) (r link.Rules, err error) {
	if m > link.FreePassage || strings.TrimSpace(reason) == "" {
		return r, office.Refuse(office.ErrInvalid, "Say which mode the zone is to have, and why.")
	}
	for range modeTries {
		if r, err = s.feed.SetMode(ctx, by, zone, m, reason); !errors.Is(err, status.ErrVersion) {
			break
		}
	}
	switch {
	case errors.Is(err, status.ErrZone):
		return r, office.Refuse(office.ErrNotFound, "There is no zone %d; the rules name those that there are.", zone)
	case errors.Is(err, status.ErrVersion):
		return r, office.Refuse(office.ErrConflict, "Somebody changes the rules all the time; try again.")
	case err != nil:
		return r, signerAway(err)
	}
	return clone(r)
}

// modeTries bounds how often another central can be first.
const modeTries = 5
