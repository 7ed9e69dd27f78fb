// Package lease divides the work of one site between the centrals that share its
// database, so that each part is done by one of them, and by another one when that
// dies. LEASES.md says how, and why nothing is done twice or lost.
package lease

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"turnstile/central/database"
	"turnstile/central/link"
)

// Signer is the job of the central that publishes the feed.
const Signer = "signer"

// Times of a lease. A holder stops acting at validFor after it began the last beat
// that the database took; the others bury it when they have seen no new beat for
// life. The rest is for clocks that run at different speeds.
const (
	Every    = time.Second // beats
	life     = 5 * time.Second
	validFor = 3500 * time.Millisecond
	limit    = 2 * time.Second // of one round's statements
)

// Why a central cannot join the others.
var (
	ErrName     = errors.New("another central of this database has the same name: give each its own with the setting name")
	ErrSettings = errors.New("the centrals of a database must agree")
	ErrBroker   = errors.New("several centrals need a broker outside of them: set broker.external for each (central nats-cluster, central mosquitto)")
	ErrTwin     = errors.New("another central runs on a copy of this data folder: give each its own")
)

// Config of a keeper; all but Elapsed is needed.
type Config struct {
	DB       *database.DB
	Name     string   // of this central
	Folder   string   // names its data folder, which no other process has
	Settings Settings // that all centrals must have alike
	Jobs     []string // beside the partitions; each is held by one central
	// Changed is told that something was gained or lost. It must not block.
	Changed func()
	Now     func() time.Time
	Elapsed func() time.Duration // that nobody sets; nil: this process's
	Log     *slog.Logger
}

// Keeper holds leases for one central; safe for concurrent use.
type Keeper struct {
	config Config
	shared bool

	mu      sync.Mutex // guards the following
	id      string
	until   time.Duration // by Elapsed: what is held is held so long
	held    map[string]held
	wanted  [link.Partitions]bool // that this central is to have, or had a moment ago
	members []Member

	// The following belong to Join and then to Run.
	seen map[string]beat // centrals by ID
}

// held is a lease of this central.
type held struct {
	database.Lease
	since time.Duration // by Elapsed
	until int64         // Unix ms: what is signed must be dated before; 0: unshared
	late  bool          // the clock is behind an earlier owner's, and was waited for
}

// beat is when a central's beat was first seen.
type beat struct {
	number int64
	at     time.Duration
}

// Member is one central as it was last seen.
type Member struct {
	Name       string
	Self       bool
	Joined     time.Time
	Jobs       []string
	Partitions int
}

// Join enters this central beside the others and takes what is free; Run keeps it.
// ErrName, ErrSettings or ErrBroker if it does not fit to one that lives. A dead
// one of the same name is waited for, some seconds.
func Join(ctx context.Context, c Config) (*Keeper, error) {
	if c.Elapsed == nil {
		start := time.Now()
		c.Elapsed = func() time.Duration { return time.Since(start) }
	}
	k := &Keeper{config: c, shared: c.DB.IsShared(), held: map[string]held{}, seen: map[string]beat{}}
	if err := k.clear(ctx); err != nil {
		return nil, err
	}
	if err := k.enter(ctx); err != nil {
		return nil, fmt.Errorf("join the centrals of this database: %w", err)
	}
	if err := k.round(ctx); err != nil {
		return nil, fmt.Errorf("take leases: %w", err)
	}
	return k, nil
}

// clear forgets the centrals of a database that is this one's alone: whose data
// folder it was before does not matter.
func (k *Keeper) clear(ctx context.Context) error {
	if k.shared {
		return nil
	}
	list, err := k.config.DB.Centrals(ctx)
	if err != nil {
		return fmt.Errorf("list centrals: %w", err)
	}
	for _, c := range list {
		if err := k.config.DB.Leave(ctx, c.ID); err != nil {
			return fmt.Errorf("forget central %s: %w", c.Name, err)
		}
	}
	return nil
}

// enter adds this central under a new ID.
func (k *Keeper) enter(ctx context.Context) error {
	settings, err := k.config.Settings.encode()
	if err != nil {
		return err
	}
	c := database.Central{ID: rand.Text(), Name: k.config.Name, Folder: k.config.Folder, Settings: settings, Joined: k.config.Now().UnixMilli()}
	names := append(partitionNames(), k.config.Jobs...)
	for {
		var against *misfit
		err := k.config.DB.Join(ctx, c, names, func(others []database.Central) error { return fits(c, others) })
		if errors.As(err, &against) {
			err = k.outlive(ctx, against)
		} else if err == nil {
			k.mu.Lock()
			k.id = c.ID
			k.mu.Unlock()
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// outlive returns nil when a central that does not fit was found dead, and the
// misfit if it lives.
func (k *Keeper) outlive(ctx context.Context, m *misfit) error {
	began := k.config.Elapsed()
	k.config.Log.Warn("another central does not fit to this one; is it alive?", "name", m.central.Name, "problem", m.err)
	tick := time.NewTicker(Every / 2)
	defer tick.Stop()
	for k.config.Elapsed()-began < life {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
		list, err := k.config.DB.Centrals(ctx)
		if err != nil {
			return err
		}
		now, there := find(list, m.central.ID)
		switch {
		case !there:
			return nil
		case now.Beat != m.central.Beat:
			return m
		}
	}
	if err := k.config.DB.Bury(ctx, m.central); errors.Is(err, database.ErrNotFound) {
		return m // it moved in this moment
	} else {
		return err
	}
}

func find(list []database.Central, id string) (database.Central, bool) {
	for _, c := range list {
		if c.ID == id {
			return c, true
		}
	}
	return database.Central{}, false
}

// Run keeps the leases until ctx ends, and gives them back. The error is ErrTwin,
// or why this central does not fit to the others any more.
func (k *Keeper) Run(ctx context.Context) error {
	defer k.Leave(context.WithoutCancel(ctx))
	if !k.shared {
		<-ctx.Done()
		return nil
	}
	tick := time.NewTicker(Every)
	defer tick.Stop()
	failed := false
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		err := k.round(ctx)
		switch {
		case errors.Is(err, ErrTwin), errors.Is(err, ErrName), errors.Is(err, ErrSettings), errors.Is(err, ErrBroker):
			return err
		case err != nil && !failed && ctx.Err() == nil:
			k.config.Log.Error("keep leases; it is tried again", "error", err)
		}
		failed = err != nil
	}
}

// Leave frees everything; a database that does not answer is left to the others.
// Run does so at its end. Again it does nothing.
func (k *Keeper) Leave(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	k.mu.Lock()
	k.held, k.until = map[string]held{}, 0
	id := k.id
	k.id = ""
	k.mu.Unlock()
	if id == "" {
		return
	}
	if err := k.config.DB.Leave(ctx, id); err != nil {
		k.config.Log.Warn("leave the other centrals; they notice in some seconds", "error", err)
	}
}
