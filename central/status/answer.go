package status

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"turnstile/central/link"
)

// What one lane controller may ask: once in two seconds on the long run. Its
// answers are up to half a megabyte.
const (
	asksPerSecond = 0.5
	askBurst      = 6
)

// What one lane controller may ask for the time: it does so each hour, after
// each connect, and with growing pauses while it has no answer. An answer is small
// and signed at once.
const (
	timesPerSecond = 1
	timeBurst      = 10
)

// maxRange is the longest range that is sent as events; beyond it snapshots are
// the shorter answer.
const maxRange = 8 * deltaEvents

// ErrTooOften tells that a lane controller asks more often than it should.
var ErrTooOften = errors.New("asks too often")

// limits are what lanes may ask, and what they may be told.
type limits struct {
	mu     sync.Mutex
	lanes  map[string]laneLimits // of enrolled lanes alone, so bounded
	signed int64                 // Unix ms, the latest that a head or an answer told
}

// forward reports whether a time is none that lies before what was signed, and
// notes it.
func (l *limits) forward(at int64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if at < l.signed-setBack.Milliseconds() {
		return false
	}
	l.signed = max(l.signed, at)
	return true
}

type laneLimits struct{ documents, time *rate.Limiter }

func (l *limits) allow(a *link.Ask, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.lanes == nil {
		l.lanes = map[string]laneLimits{}
	}
	r, ok := l.lanes[a.Lane]
	if !ok {
		r = laneLimits{rate.NewLimiter(asksPerSecond, askBurst), rate.NewLimiter(timesPerSecond, timeBurst)}
		l.lanes[a.Lane] = r
	}
	if a.Want == link.WantTime {
		return r.time.AllowN(now, 1)
	}
	return r.documents.AllowN(now, 1)
}

// Ask answers what came on a lane controller's ask topic. A message that is not
// that lane's own is alarmed and changes nothing.
func (f *Feed) Ask(ctx context.Context, lane string, message []byte) error {
	mine := f.config.Mine == nil || f.config.Mine(lane)
	if !mine && !f.held() {
		return nil // another central answers
	}
	keys := f.config.Keys(lane)
	if keys == nil {
		return fmt.Errorf("%w: lane %.40q is not enrolled", link.ErrUnknown, lane)
	}
	a, err := link.Open[link.Ask](message, link.TypeAsk, f.config.Site, keys, link.MaxState)
	if err == nil && a.Lane != lane {
		err = fmt.Errorf("%w: lane %.40q asks for %.40q", link.ErrMalformed, lane, a.Lane)
	}
	if err != nil {
		f.config.Alarm(ctx, "forged_ask", lane, "", err.Error())
		return err
	}
	if !f.limits.allow(a, f.config.Now()) {
		return ErrTooOften
	}
	switch {
	case a.Want == link.WantUses:
		return f.config.Exchange.Answer(a) // which knows whose it is
	case a.Want != link.WantTime:
		return f.call(ctx, func(ctx context.Context) { f.answer(ctx, a) })
	case mine:
		return f.answerTime(ctx, a)
	}
	return nil
}

// errNonce tells that a question for the time has none.
var errNonce = fmt.Errorf("%w: a nonce has %d bytes", link.ErrMalformed, len(link.Nonce{}))

// answerTime signs the time, in the caller's goroutine: what it waits for makes
// the lane's bound larger. Central's clock is the campus's: passes and heads
// are dated by it, so it is told however sure the machine is of it. But not a
// time that lies before what was signed: a clock that was set back under this
// process is wrong now or was then, and lanes take no head from it either.
func (f *Feed) answerTime(ctx context.Context, a *link.Ask) error {
	t := link.Time{Lane: a.Lane}
	if copy(t.Nonce[:], a.Nonce) != len(a.Nonce) || len(a.Nonce) != len(t.Nonce) {
		return errNonce
	}
	t.At = f.config.Now().UnixMilli()
	if !f.limits.forward(t.At) {
		return ErrSetBack
	}
	data, err := f.seal(link.TypeTime, t)
	if err != nil {
		return fmt.Errorf("sign the time: %w", err)
	}
	f.send(ctx, f.topics.Time(a.Lane), data, false)
	return nil
}

// setBack is how far central's clock may go back without doubt: a leap second,
// and a time daemon's step.
const setBack = 2 * time.Second

// ErrSetBack tells that central's clock runs behind what it signed before.
var ErrSetBack = errors.New("central's clock was set back: see to its time synchronisation; lanes get no time until it has caught up")

// answer answers a question about the feed, if this central is the signer: another
// one may be behind, and its head would look like a fork.
func (f *Feed) answer(ctx context.Context, a *link.Ask) {
	if !f.publishes() {
		return
	}
	topic := f.topics.Repeat(a.Lane)
	switch a.Want {
	case link.WantKeys:
		f.answerKeys(ctx, a.Lane, topic)
	case link.WantSnapshots:
		f.answerSnapshots(ctx, topic)
	case link.WantRange:
		if err := f.answerRange(ctx, a, topic); err == nil {
			return
		} else if !errors.Is(err, errNoRange) {
			f.config.Log.Error("read feed log", "error", err)
			return
		}
		f.answerSnapshots(ctx, topic)
	}
}

var errNoRange = errors.New("not a range of this feed")

func (f *Feed) answerRange(ctx context.Context, a *link.Ask, topic string) error {
	to := min(a.To, f.state.Seq)
	if a.Epoch != f.state.Epoch || a.From >= to || to-a.From > maxRange {
		return errNoRange
	}
	before, err := f.config.DB.Chain(ctx, a.Epoch, a.From)
	if err != nil {
		return err
	}
	events, err := f.config.DB.Events(ctx, a.Epoch, a.From, to)
	if err != nil {
		return err
	}
	from := a.From
	for chunk := range slices.Chunk(events, deltaEvents) {
		d := link.Delta{Epoch: a.Epoch, From: from, To: from + uint64(len(chunk)), Before: before, Data: link.EncodeEvents(chunk)}
		d.After = d.Before
		for i, e := range chunk {
			d.After = link.Chain(d.After, from+uint64(i)+1, e)
		}
		f.sealAndSend(ctx, link.TypeDelta, topic, d, false)
		from, before = d.To, d.After
	}
	return nil
}

// answerSnapshots sends the snapshots that the head names, and the head.
func (f *Feed) answerSnapshots(ctx context.Context, topic string) {
	for _, h := range f.snaps.hashes {
		f.send(ctx, topic, f.snaps.sealed[h.Day], false)
	}
	h := f.head()
	if err := f.confirm(ctx, h.Issued); err != nil {
		f.config.Log.Warn("no head is signed", "error", err)
		return
	}
	f.sealAndSend(ctx, link.TypeHead, topic, h, false)
}

func (f *Feed) answerKeys(ctx context.Context, lane, topic string) {
	f.send(ctx, topic, f.keys, false)
	f.sealAndSend(ctx, link.TypeRules, topic, f.rules, false)
	for _, l := range f.config.Lanes() {
		if l.ID == lane {
			f.publishGateKeys(ctx, l, topic, false)
		}
	}
}
