package parity

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"turnstile/central/database"
	"turnstile/central/issuer"
	"turnstile/central/link"
	"turnstile/central/pass"
	"turnstile/central/status"
)

// siteName and campus are the simulated campus and its clock.
const siteName = "campus"

var campus = time.FixedZone("HKT", 8*3600)

// message is what central said on a topic.
type message struct {
	topic   string
	payload []byte
}

// office is central without its network: the database, the keys and the feed,
// with a broker in memory.
type office struct {
	clock  *clock
	db     *database.DB
	keys   *issuer.Issuer
	feed   *status.Feed
	cancel context.CancelFunc
	ended  chan error

	mu   sync.Mutex // guards the following
	said []message
}

// Publish implements status.Publisher: the broker in memory.
func (o *office) Publish(_ context.Context, topic string, payload []byte, _ byte, _ bool) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.said = append(o.said, message{topic, payload})
	return nil
}

// take returns what was said since the last call.
func (o *office) take() []message {
	o.mu.Lock()
	defer o.mu.Unlock()
	said := o.said
	o.said = nil
	return said
}

// openOffice starts central in a folder, with gate keys for the given lane controllers.
func openOffice(ctx context.Context, folder string, c *clock, rules link.Rules, lanes []status.Lane) (*office, error) {
	o := &office{clock: c, ended: make(chan error, 1)}
	var err error
	if o.db, err = database.Open(ctx, filepath.Join(folder, "central.db")); err != nil {
		return nil, err
	}
	if o.keys, err = issuer.Open(filepath.Join(folder, "keys"), siteName, []byte("a simulated campus"), c.Now()); err != nil {
		return nil, errors.Join(err, o.db.Close())
	}
	o.feed, err = status.Open(ctx, status.Config{
		Site: siteName, Capacity: link.MaxCapacity, Location: campus, Heads: headEvery, Seed: rules, DB: o.db, Issuer: o.keys,
		Publisher: o, Lanes: func() []status.Lane { return lanes }, Keys: func(string) link.Keys { return nil },
		Exchange: silence{}, Alarm: func(context.Context, string, string, string, string) {}, Now: c.Now, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return nil, errors.Join(err, o.db.Close())
	}
	run, cancel := context.WithCancel(ctx)
	o.cancel = cancel
	go func() { o.ended <- o.feed.Run(run) }()
	return o, nil
}

func (o *office) close() error {
	o.cancel()
	return errors.Join(<-o.ended, o.db.Close())
}

// issue makes a pass as the office does: a row with its index, signed.
func (o *office) issue(ctx context.Context, p pass.Pass, person string) (database.Pass, error) {
	var err error
	if p.Holder, err = o.keys.Holder(p.Day, person); err != nil {
		return database.Pass{}, err
	}
	row, err := o.db.InsertPass(ctx, p.Day, link.MaxCapacity, func(number, capacity uint32) (database.Pass, error) {
		if p.Index, err = o.keys.Index(p.Day, number, capacity); err != nil {
			return database.Pass{}, err
		}
		signed, signature, err := o.keys.Mint(p)
		return database.Pass{Pass: signed, Signature: signature, Holder: person, Issued: o.clock.Now().UnixMilli(), IssuedBy: "parity"}, err
	})
	if err != nil {
		return row, fmt.Errorf("issue pass: %w", err)
	}
	return row, nil
}

// code is the text of a pass in a live slot; slot 0 is the still code.
func (o *office) code(p *database.Pass, slot uint32) (string, error) {
	if slot == 0 {
		return p.Text(p.Signature), nil
	}
	key, err := o.keys.LiveKey(&p.Pass)
	return p.LiveText(p.Signature, key, slot), err
}

// set revokes, holds or releases a pass, as of now.
func (o *office) set(ctx context.Context, id pass.ID, s link.Status) error {
	_, err := o.feed.SetStatus(ctx, status.Change{ID: id, Status: s, By: "parity", Reason: "simulated"})
	return err
}

// turn waits until the lists of the campus day of now are open: central looks
// at the day each second.
func (o *office) turn(ctx context.Context) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	over := time.NewTimer(30 * time.Second)
	defer over.Stop()
	tomorrow := o.feed.Today() + 1
	for !slices.ContainsFunc(o.feed.View().State.Days, func(l *link.List) bool { return l.Day == tomorrow }) {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		case <-over.C:
			return fmt.Errorf("central opened no list for %s", tomorrow)
		}
	}
	return nil
}

// silence is central's exchange of uses: there is one controller in each world,
// which has nobody to tell.
type silence struct{}

// Online implements status.Exchange.
func (silence) Online(context.Context) error { return nil }

// Answer implements status.Exchange.
func (silence) Answer(*link.Ask) error { return nil }

// Version implements status.Exchange.
func (silence) Version() uint64 { return 0 }
