package server

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"turnstile/central/database"
	"turnstile/central/issuer"
	"turnstile/central/office"
	"turnstile/central/pass"
	"turnstile/central/status"
)

// keys is the API's office.Keys.
type keys struct{ *central }

func (s keys) List(context.Context) ([]office.Key, office.Delegation, error) {
	list, err := s.issuer.PassKeys()
	if err != nil {
		return nil, office.Delegation{}, fmt.Errorf("list pass keys: %w", err)
	}
	d, err := s.issuer.Delegation()
	if err != nil {
		return nil, office.Delegation{}, fmt.Errorf("read delegation: %w", err)
	}
	published := s.feed.View().Keys
	out := make([]office.Key, 0, len(list))
	for _, k := range list {
		_, known := published.Find(k.ID)
		key := office.Key{ID: k.ID, Use: string(k.Use), From: k.From, To: k.To, Published: known, Withdrawn: k.Withdrawn}
		if k.Made.Unix() > 0 {
			key.Made = k.Made
		}
		out = append(out, key)
	}
	return out, office.Delegation{Version: d.Version, Expires: d.Expires, Threshold: d.Threshold, Keys: d.Keys, Offline: d.Offline, Request: d.Request}, nil
}

func (s keys) Withdraw(ctx context.Context, by string, id uint16, reason string) (office.Withdrawal, error) {
	s.withdrawing.Lock()
	defer s.withdrawing.Unlock()
	w := withdrawal{central: s.central, by: by, key: id, reason: reason}
	err := w.run(ctx)
	if errors.Is(err, issuer.ErrUnknownKey) {
		return office.Withdrawal{}, office.Refuse(office.ErrNotFound, "There is no pass key %d; central keys list shows those that there are.", id)
	}
	return office.Withdrawal{Key: id, Reissued: w.reissued, Stuck: w.stuck}, signerAway(err)
}

// withdrawal ends a pass key in steps. Each is durable before the next begins,
// and finds out what is done already, so that it can be run again after a crash
// in between: the key signs nothing more; lanes refuse it; what it had signed is
// re-issued, batch by batch; the audit says so.
type withdrawal struct {
	*central
	by     string
	key    uint16
	reason string

	reissued, stuck int
	after           func(step string) error // nil but in tests, which fail after a step
}

func (w *withdrawal) done(step string) error {
	if w.after == nil {
		return nil
	}
	return w.after(step)
}

func (w *withdrawal) run(ctx context.Context) error {
	if err := w.issuer.Withdraw(w.key, w.config.Now()); err != nil {
		return err
	}
	if err := w.done("issuer"); err != nil {
		return err
	}
	if err := w.feed.WithdrawKey(ctx, w.by, w.key, w.reason); err != nil {
		return err
	}
	if err := w.done("feed"); err != nil {
		return err
	}
	// yesterday's passes may reach into today
	for day := w.feed.Today() - 1; day <= w.feed.Today()+status.MaxAhead; day++ {
		if err := w.reissue(ctx, day); err != nil {
			return fmt.Errorf("re-issue passes of %s: %w; withdraw key %d again to go on", day, err, w.key)
		}
	}
	if w.reissued == 0 && w.stuck == 0 {
		return nil
	}
	detail := fmt.Sprintf("%d passes re-issued, %d cannot be", w.reissued, w.stuck)
	w.config.Log.Warn("pass key withdrawn", "key", w.key, "by", w.by, "reissued", w.reissued, "stuck", w.stuck)
	return w.db.Audit(ctx, w.config.Now().UnixMilli(), w.by, "reissue", fmt.Sprint(w.key), detail)
}

// reissueBatch is how many passes one transaction looks at: others wait for it.
const reissueBatch = 500

func (w *withdrawal) reissue(ctx context.Context, day pass.Day) error {
	for from, more := uint32(0), true; more; {
		if err := ctx.Err(); err != nil {
			return err
		}
		stuck, n := 0, 0
		var err error
		from, n, more, err = w.db.Reissue(ctx, day, from, reissueBatch, w.key, func(p database.Pass) (pass.Pass, []byte, error) {
			_, until := p.Window()
			switch {
			case until <= w.config.Now().Unix():
				return p.Pass, nil, database.ErrKeep
			case p.Generation == math.MaxUint8:
				stuck++
				return p.Pass, nil, database.ErrKeep
			}
			p.Generation++
			signed, signature, err := w.issuer.Mint(p.Pass)
			if errors.Is(err, issuer.ErrNoKey) { // a test pass, when there are none any more
				stuck++
				err = database.ErrKeep
			}
			return signed, signature, err
		})
		if err != nil {
			return err
		}
		w.reissued, w.stuck = w.reissued+n, w.stuck+stuck
		if n > 0 {
			if err := w.done("batch"); err != nil {
				return err
			}
		}
	}
	return nil
}

// keysEvery is how often central looks after its keys.
const keysEvery = time.Hour

// keepKeys finishes withdrawals that a crash interrupted, and says long before
// the delegation ends that the root has to sign.
func (s *central) keepKeys(ctx context.Context) error {
	tick := time.NewTicker(keysEvery)
	defer tick.Stop()
	s.finishWithdrawals(ctx)
	s.checkDelegation(ctx)
	for {
		select {
		case <-ctx.Done():
			return nil
		case detail := <-s.refusals:
			s.alarmRefusal(ctx, detail)
		case <-tick.C:
			s.checkDelegation(ctx)
		}
	}
}

func (s *central) finishWithdrawals(ctx context.Context) {
	list, err := s.issuer.PassKeys()
	if err != nil {
		s.config.Log.Error("list pass keys", "error", err)
		return
	}
	for _, k := range list {
		if k.Withdrawn.IsZero() || k.To+1 < s.feed.Today() {
			continue
		}
		if _, err := (keys{s}).Withdraw(ctx, "central", k.ID, "finish an interrupted withdrawal"); err != nil && ctx.Err() == nil {
			s.config.Log.Error("finish the withdrawal of a pass key", "key", k.ID, "error", err)
		}
	}
}

// checkDelegation warns by log and alarm; the metric and the health tell the rest.
func (s *central) checkDelegation(ctx context.Context) {
	d, err := s.issuer.Delegation()
	if err != nil {
		s.config.Log.Error("read delegation", "error", err)
		return
	}
	if d.Problem != nil {
		s.config.Log.Error("the delegation in the key folder cannot be used; central goes on with the one before", "error", d.Problem)
	}
	if d.Request == "" {
		return
	}
	detail := fmt.Sprintf("version %d ends at %s", d.Version, d.Expires.UTC().Format(time.DateTime))
	next := fmt.Sprintf("Sign %s with the root's keys (central root sign) and install the signatures (central root install).", d.Request)
	s.config.Log.Warn("the root has to sign the next delegation", "detail", detail, "next", next)
	if err := s.alarms.Raise(ctx, "delegation_due", "", fmt.Sprint(d.Version+1), detail, next); err != nil {
		s.config.Log.Error("store alarm", "error", err)
	}
}

// errDelegation tells that lanes with a good clock refuse central's keys.
var errDelegation = errors.New("the root's delegation has expired: sign delegation.request with the root's keys and install it")

// delegationGood returns errDelegation when it is over.
func (s *central) delegationGood() error {
	d, err := s.issuer.Delegation()
	if err == nil && !s.config.Now().Before(d.Expires) {
		err = errDelegation
	}
	return err
}
