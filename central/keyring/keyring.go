// Package keyring is the private keys of several centrals: each has them in a
// folder of its own, and all folders are kept alike through the database.
//
// Keys are made as weeks go by, withdrawn and replaced. Whoever does so holds the
// lock of the stored files meanwhile, takes in what others did before, and stores
// the result before anybody hears of a new key. The files are encrypted with the
// passphrase, in the database as in the folder.
package keyring

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"turnstile/central/database"
	"turnstile/central/issuer"
	"turnstile/central/link"
	"turnstile/central/pass"
)

// ErrForeign tells that the folder has keys of its own, and the database other ones.
var ErrForeign = errors.New("the key folder has other keys than the database: for a further central start with an empty key folder; it is filled from the database")

// Config of a ring; all of it is needed.
type Config struct {
	DB      *database.DB
	Options issuer.Options // Now is the time of opening
	Log     *slog.Logger
}

// Ring is an issuer.Service; safe for concurrent use.
type Ring struct {
	config  Config
	current atomic.Pointer[issuer.Issuer]

	mu       sync.Mutex      // guards the following, and the folder
	base     map[string]hash // what folder and database had alike, by name
	revision int64           // of the files that current was opened from
	last     renewal         // what was renewed
	at       time.Time       // when
}

var _ issuer.Service = (*Ring)(nil)

type hash = [sha256.Size]byte

// renewal is what Renew was asked for.
type renewal struct {
	from, to pass.Day
	test     bool
}

// limit bounds one look at the stored files.
const limit = 10 * time.Second

// Open opens the keys of a site, from the folder or the database, and makes them if
// there are none. ErrForeign, and the errors of issuer.OpenWith.
func Open(ctx context.Context, c Config) (*Ring, error) {
	r := &Ring{config: c}
	if err := r.readBase(); err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.change(ctx, func(*issuer.Issuer) error { return nil }); err != nil {
		return nil, err
	}
	return r, nil
}

// Follow takes in what other centrals changed, and reports whether there was any.
func (r *Ring) Follow(ctx context.Context) (bool, error) {
	n, err := r.config.DB.Revision(ctx, database.KeyRevision)
	if err != nil {
		return false, fmt.Errorf("follow keys: %w", err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if n == r.revision {
		return false, nil
	}
	r.last = renewal{}
	return true, r.change(ctx, func(*issuer.Issuer) error { return nil })
}

// change lets do work on the keys as all centrals have them, and stores what it
// changed. What somebody changed in the folder, as the commands for the root do, is
// stored as well. mu is held.
func (r *Ring) change(ctx context.Context, do func(*issuer.Issuer) error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	var after map[string][]byte
	revision, err := r.config.DB.ChangeKeyFiles(ctx, func(stored []database.KeyFile) ([]database.KeyFile, error) {
		changed, err := r.pull(stored)
		if err != nil {
			return nil, err
		}
		i := r.current.Load()
		if changed || i == nil {
			if i, err = issuer.OpenWith(r.config.Options); err != nil {
				return nil, err
			}
			r.current.Store(i)
		}
		if err := do(i); err != nil {
			return nil, err
		}
		if after, err = readFolder(r.config.Options.Dir); err != nil {
			return nil, err
		}
		return list(after, stored), nil
	})
	if err != nil {
		return fmt.Errorf("share keys: %w", err)
	}
	r.revision = revision
	return r.keepBase(after)
}

// renewEvery is how often missing keys are looked for without an occasion, and a
// delegation that was installed in the folder.
const renewEvery = time.Minute

// Renew is issuer.Issuer's, for all centrals.
func (r *Ring) Renew(from, to pass.Day, test bool, now time.Time) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.config.Options.Now = now // should the keys be opened again
	since := now.Sub(r.at)
	if asked := (renewal{from, to, test}); asked == r.last && since >= 0 && since < renewEvery {
		return nil
	}
	err := r.change(context.Background(), func(i *issuer.Issuer) error { return i.Renew(from, to, test, now) })
	if err == nil {
		r.last, r.at = renewal{from, to, test}, now
	}
	return err
}

// Withdraw is issuer.Issuer's, for all centrals.
func (r *Ring) Withdraw(id uint16, now time.Time) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last = renewal{} // a new spare is due
	return r.change(context.Background(), func(i *issuer.Issuer) error { return i.Withdraw(id, now) })
}

// signer signs with the key in force at the moment.
type signer struct {
	ring *Ring
	of   func(*issuer.Issuer) link.Signer
}

func (s signer) KeyID() link.KeyID { return s.of(s.ring.current.Load()).KeyID() }

func (s signer) Sign(message []byte) ([]byte, error) {
	return s.of(s.ring.current.Load()).Sign(message)
}

// Status and Keyset are issuer.Issuer's, with the keys in force when they sign.
func (r *Ring) Status() link.Signer { return signer{r, (*issuer.Issuer).Status} }
func (r *Ring) Keyset() link.Signer { return signer{r, (*issuer.Issuer).Keyset} }

// isNotThere is errors.Is(err, fs.ErrNotExist).
func isNotThere(err error) bool { return errors.Is(err, fs.ErrNotExist) }
