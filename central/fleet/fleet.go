// Package fleet knows the lane controllers: who may enrol, who is enrolled with
// which keys, who is alive, and who has applied which event of the feed.
package fleet

import (
	"context"
	"crypto/ecdh"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"turnstile/central/database"
	"turnstile/central/issuer"
	"turnstile/central/link"
)

// What a caller can branch on.
var (
	ErrUnknown = errors.New("no such lane controller")
	ErrID      = errors.New("not an id for a lane controller: 1 to 32 of A-Z a-z 0-9 _ -")
)

// InvitationLife is how long an enrolment token can be used.
const InvitationLife = time.Hour

// Config of the fleet.
type Config struct {
	Site   string
	DB     *database.DB
	Issuer issuer.Certificates
	Broker func() string // URL that lanes are told; of a cluster's nodes all, with commas between
	// TrustRetained: a retained "alive" counts. An external broker replaces it by
	// the lane's will when the lane dies; the embedded one was down when central was.
	TrustRetained bool
	Enrolled      func(ctx context.Context, lane string) // after an enrolment is durable, here or at another central
	Removed       func(ctx context.Context, lane string) // after a removal is durable, here or at another central
	// Mine reports whether this central stores what a lane reports; nil: always.
	Mine  func(lane string) bool
	Alarm func(ctx context.Context, code, lane, subject, detail string)
	Now   func() time.Time
	Log   *slog.Logger
}

// Fleet is the fleet of one site; safe for concurrent use.
type Fleet struct {
	config Config
	gate   limiter

	changing sync.Mutex // held from the database to the map, so that both tell the same
	revision int64      // of the lanes in the database that were read last; guarded by changing

	mu      sync.RWMutex // guards the following
	lanes   map[string]*member
	version uint64                     // rises with each change of lanes
	reports []database.Report          // not in the database yet
	others  map[string]database.Report // the latest of each lane whose reports another central stores
	flush   chan struct{}              // holds one value while reports wait
	saving  sync.Mutex                 // one writer of reports at a time, in order
}

// member is a lane controller; replaced, never changed, once it is in the map.
type member struct {
	row   database.Lane
	keys  link.Keys       // nil if only invited
	seal  *ecdh.PublicKey // nil if only invited
	state *link.LaneState // nil if never heard
	heard time.Time       // last, or when this central began to listen
}

// Open loads the fleet. With the embedded broker, which was down when central was,
// nobody is alive until heard of. An external one has kept the will of who died
// meanwhile, and other centrals have listened.
func Open(ctx context.Context, c Config) (*Fleet, error) {
	f := &Fleet{config: c, lanes: map[string]*member{}, others: map[string]database.Report{}, flush: make(chan struct{}, 1)}
	var err error
	if f.revision, err = c.DB.Revision(ctx, database.LaneRevision); err != nil { // before the rows: what changes between is read again
		return nil, fmt.Errorf("load lanes: %w", err)
	}
	rows, err := c.DB.Lanes(ctx)
	if err != nil {
		return nil, fmt.Errorf("load lanes: %w", err)
	}
	for _, row := range rows {
		if row.Alive && !c.TrustRetained {
			row.Alive, row.Since = false, c.Now().UnixMilli()
		}
		m, err := newMember(c.Site, row)
		if err != nil {
			return nil, fmt.Errorf("load lane %s: %w", row.ID, err)
		}
		m.heard = c.Now()
		f.lanes[row.ID] = m
	}
	return f, nil
}

func newMember(site string, row database.Lane) (*member, error) {
	m := &member{row: row}
	if row.Enrolled == 0 {
		return m, nil
	}
	var err error
	if m.seal, err = ecdh.X25519().NewPublicKey(row.SealKey); err != nil {
		return nil, err
	}
	m.keys = link.KeysOf(row.JournalKey)
	if s, err := link.Open[link.LaneState](row.State, link.TypeState, site, m.keys, link.MaxState); err == nil {
		m.state = s // one of an earlier enrolment does not open any more
	}
	return m, nil
}

func (f *Fleet) member(lane string) *member {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.lanes[lane]
}

// Allow reports whether a lane controller may connect with a certificate: the
// one of its last enrolment alone.
func (f *Fleet) Allow(lane string, c *x509.Certificate) bool {
	m := f.member(lane)
	return m != nil && m.row.Enrolled != 0 && slices.Equal(m.row.Certificate, c.Raw)
}

// Keys returns the key that signs what a lane controller says, nil if it is not
// enrolled.
func (f *Fleet) Keys(lane string) link.Keys {
	if m := f.member(lane); m != nil {
		return m.keys
	}
	return nil
}

// Lane is a lane controller as it stands.
type Lane struct {
	ID       string
	Enrolled time.Time // zero: invited only
	Expires  time.Time // of its certificate
	SealKey  *ecdh.PublicKey
	Alive    bool
	Since    time.Time       // since when Alive is what it is; zero if never heard
	State    *link.LaneState // as last reported, nil if never; not to be changed

	Certificate []byte // DER, empty if it has none
}

// put replaces a member; mu is held.
func (f *Fleet) put(lane string, m *member) {
	f.version++
	f.lanes[lane] = m
}

// Version rises whenever Lanes would tell something new.
func (f *Fleet) Version() uint64 {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.version
}

// Lanes returns all lane controllers by id.
func (f *Fleet) Lanes() []Lane {
	f.mu.RLock()
	defer f.mu.RUnlock()
	list := make([]Lane, 0, len(f.lanes))
	for _, id := range slices.Sorted(maps.Keys(f.lanes)) {
		list = append(list, f.lanes[id].lane(id))
	}
	return list
}

// Lane returns one lane controller; the zero Lane if there is none of that id.
func (f *Fleet) Lane(id string) Lane {
	if m := f.member(id); m != nil {
		return m.lane(id)
	}
	return Lane{}
}

func (m *member) lane(id string) Lane {
	return Lane{ID: id, Enrolled: timeOf(m.row.Enrolled), Expires: timeOf(m.row.Expires), SealKey: m.seal,
		Alive: m.row.Alive, Since: timeOf(m.row.Since), State: m.state, Certificate: m.row.Certificate}
}

// timeOf returns the time of Unix ms; 0 is the zero time.
func timeOf(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms)
}

// Invite makes a one-use token for a lane controller, new or enrolled. Of the
// secret only a hash is stored, so the token cannot be had again; earlier ones
// of the lane end. ErrID for an impossible id.
func (f *Fleet) Invite(ctx context.Context, by, lane string) (link.EnrolToken, time.Time, error) {
	if !link.ValidID(lane) || lane == ReservedID {
		return link.EnrolToken{}, time.Time{}, fmt.Errorf("%w: %.40q", ErrID, lane)
	}
	now := f.config.Now()
	t := link.NewEnrolToken(f.config.Issuer.AuthorityHash())
	i := database.Invitation{ID: t.ID, Lane: lane, Secret: sha256.Sum256(t.Secret[:]), Created: now.UnixMilli(),
		Expires: now.Add(InvitationLife).UnixMilli()}
	if err := f.config.DB.Invite(ctx, i, by); err != nil {
		return link.EnrolToken{}, time.Time{}, fmt.Errorf("invite lane %s: %w", lane, err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.lanes[lane] == nil {
		f.put(lane, &member{row: database.Lane{ID: lane}})
	}
	return t, time.UnixMilli(i.Expires), nil
}

// ReservedID is central's own name at the broker.
const ReservedID = "central"
