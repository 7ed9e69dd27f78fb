package measure

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"turnstile/agent/access"
	"turnstile/agent/journal"
	"turnstile/central/link"
	"turnstile/central/pass"
	"turnstile/firmware-bridge/gate"
)

// errRefused tells that the product refused what it had to admit.
var errRefused = errors.New("the code was refused")

// door is a lane's decision on one good code.
type door struct {
	text      []byte
	signature []byte
	key       ed25519.PublicKey
	code      pass.Code
	facts     access.Facts
	now       time.Time
}

func newDoor() (*door, error) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make key: %w", err)
	}
	now := time.Now()
	day := pass.DayOf(now.UTC())
	p := pass.Pass{Kind: pass.ECard, KeyID: 1, Day: day, Index: 4711, Length: 144, Zones: 1}
	d := &door{signature: ed25519.Sign(private, p.Message()), key: public, now: now}
	d.text = []byte(p.Text(d.signature))
	state, err := link.NewState(1).Apply([]link.Event{{Type: link.OpenDay, Day: day, Value: link.MaxCapacity}})
	if err != nil {
		return nil, err
	}
	key := link.PassKey{ID: 1, Public: public, Kinds: 1 << pass.ECard, From: day, To: day}
	d.facts = access.Facts{
		State: state, Rules: &link.Rules{Zones: []link.Zone{{ID: 0}}, Policies: link.DefaultPolicies()},
		Keys: map[uint16]link.PassKey{1: key}, Head: now.UnixMilli(), Clock: link.ClockTrusted, Direction: gate.In,
	}
	code, reason := pass.Parse(d.text)
	if reason != pass.Granted {
		return nil, fmt.Errorf("%w: %s", errRefused, reason)
	}
	d.code = code
	return d, nil
}

// decide takes the text to the decision.
func (d *door) decide() error {
	code, reason := pass.Parse(d.text)
	if reason == pass.Granted {
		reason = access.Decide(&code, d.facts, d.now).Reason
	}
	if reason != pass.Granted {
		return fmt.Errorf("%w: %s", errRefused, reason)
	}
	return nil
}

// bare returns the limit as a function over the same message and signature.
func (d *door) bare() func() error {
	message, signature := d.code.Message(), d.signature
	return func() error {
		if !ed25519.Verify(d.key, message, signature) {
			return errRefused
		}
		return nil
	}
}

// decision measures code text -> "open" on the CPU.
func (r *rig) decision(context.Context) error {
	d, err := newDoor()
	if err != nil {
		return err
	}
	bare := d.bare()
	allocs := testing.AllocsPerRun(100, func() { err = d.decide() })
	if err != nil {
		return err
	}
	r.rows = append(r.rows, Row{Measure: "allocations of a decision", Limit: "none", Product: allocs, Unit: "allocs", Ratio: allocs})
	return r.compare(Row{Measure: "code text to decision, CPU", Limit: "bare ed25519.Verify", Mark: 1.10}, 2000, d.decide, bare)
}

// durable measures code text -> "open" with the entry on disk first.
func (r *rig) durable(ctx context.Context) error {
	d, err := newDoor()
	if err != nil {
		return err
	}
	bare := d.bare()
	j, _, err := journal.Open(filepath.Join(r.folder, "decisions"), journal.Options{})
	if err != nil {
		return err
	}
	defer j.Close()
	file, err := newFlat(filepath.Join(r.folder, "flat"))
	if err != nil {
		return err
	}
	defer file.Close()
	product := func() error {
		if err := d.decide(); err != nil {
			return err
		}
		_, err := j.Append(grant(d.code))
		return err
	}
	limit := func() error { return errors.Join(bare(), file.append()) }
	return r.comparePaced(ctx, Row{Measure: "code text to durable grant, paced 20 ms", Limit: "Verify + one append + fdatasync", Mark: 1.15}, product, limit)
}

// comparePaced is compare with a pause before each call and the median of a round.
func (r *rig) comparePaced(ctx context.Context, row Row, product, limit func() error) error {
	var ps, ls, ratios []float64
	for range r.Rounds {
		p, err := paced(ctx, 40, 20*time.Millisecond, product)
		if err != nil {
			return fmt.Errorf("%s: %w", row.Measure, err)
		}
		l, err := paced(ctx, 40, 20*time.Millisecond, limit)
		if err != nil {
			return fmt.Errorf("%s, its limit: %w", row.Measure, err)
		}
		ps, ls, ratios = append(ps, p), append(ls, l), append(ratios, p/l)
	}
	row.Product, row.Bound, row.Ratio, row.Unit = median(ps), median(ls), median(ratios), "ns"
	r.rows = append(r.rows, row)
	return nil
}

func grant(c pass.Code) link.Entry {
	return link.Entry{
		Type: link.EntryGranted, Lane: 1, Direction: 1, Clock: link.ClockTrusted, Wall: time.Now().UnixMilli(),
		Kind: c.Kind, KeyID: c.KeyID, Pass: c.ID(), Holder: c.Holder, FeedSeq: 7, FeedAge: 1,
	}
}

// flat is the bare limit of a durable record: a preallocated file, one write of
// an entry's size, one fdatasync.
type flat struct {
	*os.File
	at int64
}

func newFlat(path string) (*flat, error) {
	f, err := os.Create(path)
	if err != nil {
		return nil, fmt.Errorf("make file: %w", err)
	}
	const size = 1 << 20
	if _, err := f.WriteAt(make([]byte, size), 0); err != nil {
		return nil, errors.Join(fmt.Errorf("fill file: %w", err), f.Close())
	}
	return &flat{File: f}, f.Sync()
}

func (f *flat) append() error {
	var record [link.EntrySize + 8]byte
	if _, err := f.WriteAt(record[:], f.at); err != nil {
		return fmt.Errorf("append: %w", err)
	}
	f.at = (f.at + int64(len(record))) % (1<<20 - int64(len(record)))
	if err := unix.Fdatasync(int(f.Fd())); err != nil {
		return fmt.Errorf("fdatasync: %w", err)
	}
	return nil
}
