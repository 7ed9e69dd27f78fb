package officetest

import (
	"context"
	"testing"
	"time"

	"turnstile/central/office"
	"turnstile/central/pass"
)

// keys is the fake's office.Keys: one key a pass, which is 1 at first.
type keys struct{ f *Fake }

func (s keys) List(context.Context) ([]office.Key, office.Delegation, error) {
	s.f.mu.Lock()
	defer s.f.mu.Unlock()
	var list []office.Key
	today := pass.DayOf(s.f.Now().In(HongKong))
	for id := uint16(1); id <= uint16(len(s.f.withdrawn))+1; id++ {
		list = append(list, office.Key{ID: id, Use: "week", From: today - 7, To: today + 30, Made: s.f.Now(), Published: true, Withdrawn: s.f.withdrawn[id]})
	}
	return list, office.Delegation{Version: 1, Expires: s.f.Now().AddDate(2, 0, 0), Threshold: 1, Keys: 1}, nil
}

func (s keys) Withdraw(_ context.Context, _ string, id uint16, _ string) (office.Withdrawal, error) {
	s.f.mu.Lock()
	defer s.f.mu.Unlock()
	if id == 0 || int(id) > len(s.f.withdrawn)+1 {
		return office.Withdrawal{}, office.Refuse(office.ErrNotFound, "There is no pass key %d.", id)
	}
	if s.f.withdrawn == nil {
		s.f.withdrawn = map[uint16]time.Time{}
	}
	if s.f.withdrawn[id].IsZero() {
		s.f.withdrawn[id] = s.f.Now()
	}
	w := office.Withdrawal{Key: id}
	for _, p := range s.f.passes {
		if p.KeyID == id {
			p.KeyID, p.Generation = uint16(len(s.f.withdrawn))+1, p.Generation+1
			w.Reissued++
		}
	}
	return w, nil
}

// suiteKeys withdraws the key of a pass; a second withdrawal finds nothing to do.
func suiteKeys(t *testing.T, s office.Services, d pass.Day) {
	ctx := context.Background()
	p := must[office.Pass](t)(s.Passes.Issue(ctx, "suite", order(d, "A1")))
	before := must[office.Code](t)(s.Passes.Code(ctx, p.ID()))
	w := must[office.Withdrawal](t)(s.Keys.Withdraw(ctx, "suite", p.KeyID, "stolen"))
	again := must[office.Withdrawal](t)(s.Keys.Withdraw(ctx, "suite", p.KeyID, "stolen"))
	if w.Key != p.KeyID || w.Reissued < 1 || w.Stuck != 0 || again.Reissued != 0 {
		t.Errorf("%+v, then %+v", w, again)
	}
	now := must[office.Pass](t)(s.Passes.Find(ctx, p.ID()))
	after := must[office.Code](t)(s.Passes.Code(ctx, p.ID()))
	if now.KeyID == p.KeyID || now.Generation != p.Generation+1 || after.Text == before.Text || now.HolderName != "A1" || now.Holder != p.Holder {
		t.Errorf("re-issued: %+v, was %+v", now, p)
	}
	list, delegation, err := s.Keys.List(ctx)
	found := 0
	for _, k := range list {
		if k.ID == p.KeyID && !k.Withdrawn.IsZero() || k.ID == now.KeyID && k.Withdrawn.IsZero() && k.Published {
			found++
		}
	}
	if err != nil || found != 2 || delegation.Threshold < 1 || delegation.Expires.IsZero() {
		t.Errorf("%d of the two keys as they should be, %+v, %v", found, delegation, err)
	}
	_, err = s.Keys.Withdraw(ctx, "suite", 60000, "no such key")
	wants(t, "withdraw an unknown key", err, office.ErrNotFound)
}
