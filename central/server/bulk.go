package server

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"turnstile/central/database"
	"turnstile/central/link"
	"turnstile/central/office"
	"turnstile/central/status"
)

// bulk is the API's office.Bulk.
type bulk struct{ *central }

// Bounds of bulk changes.
const (
	maxBulk      = 500_000        // passes of one
	maxAbove     = 100_000        // passes that one person can be trusted with by configuration
	proposalLife = 24 * time.Hour // then nobody confirms it any more
	bulkBatch    = 256            // passes that are under way to the feed at once
)

// errSkipped tells that a pass stays as it is.
var errSkipped = errors.New("the pass is in another state by now")

// selected returns the passes that a change is of.
func (s bulk) selected(ctx context.Context, d office.StatusChange) ([]database.BulkPass, error) {
	q := database.BulkSelection{IDs: d.IDs, Holder: d.Holder, Day: d.Day, From: s.feed.Today() - 1, Limit: maxBulk + 1}
	if d.Zone != nil {
		q.Zones = 1 << (*d.Zone & 15)
	}
	switch {
	case len(d.IDs) > office.MaxSelected:
		return nil, office.Refuse(office.ErrInvalid, "At most %d passes can be named one by one.", office.MaxSelected)
	case len(d.IDs) == 0 && d.Holder == "" && d.Day == nil && d.Zone == nil:
		return nil, office.Refuse(office.ErrInvalid, "Select passes, a person, a day or a zone.")
	case d.Day != nil && *d.Day < q.From:
		return nil, office.Refuse(office.ErrInvalid, "%s is over; lanes no longer have its list.", d.Day)
	}
	switch d.Status {
	case link.Revoked:
		q.Status = []link.Status{link.Good, link.Held}
	case link.Held:
		q.Status = []link.Status{link.Good}
	case link.Good:
		if q.Status = []link.Status{link.Held}; len(d.IDs) > 0 {
			q.Status = append(q.Status, link.Revoked)
		}
	default:
		return nil, office.Refuse(office.ErrInvalid, "Passes can be revoked, held and released.")
	}
	list, err := s.db.BulkPasses(ctx, q)
	switch {
	case errors.Is(err, database.ErrNotFound):
		return nil, office.Refuse(office.ErrNotFound, "One of these passes was never issued.")
	case err != nil:
		return nil, fmt.Errorf("select passes: %w", err)
	case len(list) > maxBulk:
		return nil, office.Refuse(office.ErrInvalid, "That selects more than %d passes; take them day by day.", maxBulk)
	}
	return list, nil
}

func (s bulk) Count(ctx context.Context, d office.StatusChange) (n, above int, err error) {
	list, err := s.selected(ctx, d)
	return len(list), s.config.Office.TwoPersonsAbove, err
}

// maxReasonText is how long a reason is, in characters.
const maxReasonText = 200

func (s bulk) Propose(ctx context.Context, by string, d office.StatusChange, due int) (office.BulkChange, error) {
	if d.Reason = strings.TrimSpace(d.Reason); d.Reason == "" || utf8.RuneCountInString(d.Reason) > maxReasonText {
		return office.BulkChange{}, office.Refuse(office.ErrInvalid, "Give a reason of at most %d characters.", maxReasonText)
	}
	list, err := s.selected(ctx, d)
	switch {
	case err != nil:
		return office.BulkChange{}, err
	case len(list) == 0:
		return office.BulkChange{}, office.Refuse(office.ErrInvalid, "That selects no pass whose status would change.")
	case due > 0 && due != len(list):
		return office.BulkChange{}, office.Refuse(office.ErrConflict, "It would be %d passes now, and not %d; look at them again.", len(list), due)
	}
	selection, err := json.Marshal(d.Selection)
	if err != nil {
		return office.BulkChange{}, fmt.Errorf("encode selection: %w", err)
	}
	now := s.config.Now()
	b := database.Bulk{ID: rand.Text(), State: database.BulkRunning, Selection: string(selection), Status: d.Status, Reason: d.Reason,
		By: by, At: now.UnixMilli(), Expires: now.Add(proposalLife).UnixMilli()}
	if len(list) > s.config.Office.TwoPersonsAbove {
		b.State = database.BulkProposed
	}
	if err := s.db.AddBulk(ctx, b, list); err != nil {
		return office.BulkChange{}, fmt.Errorf("store bulk change: %w", err)
	}
	return s.begin(ctx, b.ID)
}

// begin does a small change at once, and leaves a large one to the background.
func (s bulk) begin(ctx context.Context, id string) (office.BulkChange, error) {
	b, err := s.Find(ctx, id)
	if err != nil || b.State != office.BulkRunning {
		return b, err
	}
	if b.Passes > bulkBatch {
		s.chores.wake()
		return b, nil
	}
	if err := s.chores.change(ctx, id); err != nil {
		// What is stored is done by the background as soon as it can be.
		s.config.Log.Warn("bulk change", "id", id, "cause", err)
	}
	return s.Find(ctx, id)
}

func (s bulk) Settle(ctx context.Context, by, id string, confirm bool) (office.BulkChange, error) {
	b, err := s.Find(ctx, id)
	if err != nil {
		return b, err
	}
	to := database.BulkWithdrawn
	if confirm {
		to = database.BulkRunning
	}
	if confirm {
		if err := s.another(ctx, by, b); err != nil {
			return b, err
		}
	}
	err = s.db.SettleBulk(ctx, id, to, by, s.config.Now().UnixMilli())
	if errors.Is(err, database.ErrConflict) {
		return b, office.Refuse(office.ErrConflict, "Nobody can decide this any more: it is %s. Propose it again if it is still wanted.", b.State)
	}
	if err != nil {
		return b, fmt.Errorf("settle bulk change: %w", err)
	}
	return s.begin(ctx, id)
}

// maxMakers bounds how far it is followed who made the token that made a token.
const maxMakers = 8

// another refuses who proposed a change, also by a token: one that they made, or that
// such a token made. Its secret was shown to them.
func (s bulk) another(ctx context.Context, by string, b office.BulkChange) error {
	proposer := b.By
	for range maxMakers {
		if samePerson(by, proposer) {
			return office.Refuse(office.ErrConflict, "Somebody else has to confirm what you proposed, yourself or with a token that you made.")
		}
		if strings.HasPrefix(proposer, personPrefix) {
			return nil
		}
		maker, err := s.db.TokenMaker(ctx, proposer, b.At.UnixMilli())
		if errors.Is(err, database.ErrNotFound) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("find who made token %s: %w", proposer, err)
		}
		proposer = maker
	}
	return office.Refuse(office.ErrConflict, "Nobody can tell any more who proposed it: its token was made by a token, and so on. Propose it again at the console.")
}

// personPrefix begins the name of who did something at the console; of a token it is the
// bare name.
const personPrefix = "user:"

// samePerson compares who did something, at the console or by a token that bears
// a person's name.
func samePerson(a, b string) bool {
	return strings.EqualFold(strings.TrimPrefix(a, personPrefix), strings.TrimPrefix(b, personPrefix))
}

func (s bulk) Find(ctx context.Context, id string) (office.BulkChange, error) {
	row, err := s.db.Bulk(ctx, id)
	if errors.Is(err, database.ErrNotFound) {
		return office.BulkChange{}, office.Refuse(office.ErrNotFound, "There is no such change; it may have been erased.")
	}
	if err != nil {
		return office.BulkChange{}, fmt.Errorf("find bulk change: %w", err)
	}
	b, err := s.officeBulk(&row)
	if err == nil && b.State == office.BulkDone && b.Changed > 0 {
		b.RefusedBy, err = (passes{s.central}).refusedBy(ctx, row.Seq)
	}
	return b, err
}

func (s bulk) officeBulk(row *database.Bulk) (office.BulkChange, error) {
	b := office.BulkChange{
		ID: row.ID, StatusChange: office.StatusChange{Status: row.Status, Reason: row.Reason}, State: office.BulkState(row.State), By: row.By,
		At: time.UnixMilli(row.At), Expires: time.UnixMilli(row.Expires), SettledBy: row.SettledBy, Passes: row.Passes, Changed: row.Changed, Skipped: row.Skipped,
	}
	if err := json.Unmarshal([]byte(row.Selection), &b.Selection); err != nil {
		return b, fmt.Errorf("read bulk change: %w: %w", database.ErrDamaged, err)
	}
	if row.Settled != 0 {
		b.Settled = time.UnixMilli(row.Settled)
	}
	if b.State == office.BulkProposed && !s.config.Now().Before(b.Expires) {
		b.State = office.BulkExpired
	}
	return b, nil
}

func (s bulk) List(ctx context.Context, open bool, limit int) ([]office.BulkChange, error) {
	state := ""
	if open {
		state = database.BulkProposed
	}
	rows, err := s.db.Bulks(ctx, state, s.config.Now().UnixMilli(), limit)
	if err != nil {
		return nil, fmt.Errorf("list bulk changes: %w", err)
	}
	out := make([]office.BulkChange, 0, len(rows))
	for i := range rows {
		b, err := s.officeBulk(&rows[i])
		if err != nil {
			return nil, err
		}
		out = append(out, b)
	}
	return out, nil
}

// change changes the passes of a running bulk change, or the rest of them. Each
// step finds out what is done already, so that it goes on after a crash.
func (c *chores) change(ctx context.Context, id string) error {
	c.changing.Lock()
	defer c.changing.Unlock()
	b, err := c.db.Bulk(ctx, id)
	if err != nil || b.State != database.BulkRunning {
		return err
	}
	for {
		open, err := c.db.OpenBulkPasses(ctx, id, bulkBatch)
		if err != nil {
			return fmt.Errorf("read bulk change: %w", err)
		}
		p := database.BulkProgress{ID: id, Over: len(open) < bulkBatch}
		if err := c.changeSome(ctx, &b, open, &p); err != nil {
			return err
		}
		err = c.db.SaveBulk(ctx, p, c.config.Now().UnixMilli())
		switch {
		case errors.Is(err, database.ErrConflict): // another central was faster; nothing is counted twice
		case err != nil:
			return fmt.Errorf("save bulk change: %w", err)
		case p.Over:
			return nil
		}
	}
}

// changeSome hands some passes to the feed together, which takes them into few
// transactions.
func (c *chores) changeSome(ctx context.Context, b *database.Bulk, open []database.BulkPass, p *database.BulkProgress) error {
	rows, errs := make([]database.Pass, len(open)), make([]error, len(open))
	var all sync.WaitGroup
	for i, x := range open {
		all.Go(func() {
			rows[i], errs[i] = c.feed.SetStatus(ctx, status.Change{ID: x.ID, Status: b.Status, Was: &x.Was, By: b.By, Reason: b.Reason})
			if errs[i] == nil && rows[i].Status != b.Status {
				errs[i] = errSkipped
			}
		})
	}
	all.Wait()
	for i, x := range open {
		p.Positions = append(p.Positions, x.Position)
		switch err := errs[i]; {
		case err == nil:
			p.Changed++
			p.Seq = max(p.Seq, rows[i].StatusSeq)
		case errors.Is(err, errSkipped), errors.Is(err, status.ErrClosed), errors.Is(err, database.ErrNotFound), errors.Is(err, database.ErrWithdrawn):
			p.Skipped++
		default:
			return fmt.Errorf("change pass %s: %w", x.ID, err)
		}
	}
	return nil
}

// acknowledged changes with each event of the feed, with each lane controller that
// applies it, and with each that comes or goes: what stands behind "41 of 42 lanes
// refuse it".
func (s *central) acknowledged() string {
	var sum, alive uint64
	for _, l := range s.fleet.Lanes() {
		if l.State != nil {
			sum += l.State.Seq
		}
		if l.Alive {
			alive++
		}
	}
	return fmt.Sprintf("%d.%d.%d", s.feed.View().State.Seq, sum, alive)
}

// undecided changes with everything that waits for somebody in the office.
func (s *central) undecided(ctx context.Context) (string, error) {
	open, newest, err := s.db.OpenApplications(ctx)
	if err != nil {
		return "", err
	}
	list, err := s.db.Bulks(ctx, database.BulkProposed, s.config.Now().UnixMilli(), maxUnsettled)
	return fmt.Sprintf("%d.%d.%d", open, newest, len(list)), err
}
