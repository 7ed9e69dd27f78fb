package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"turnstile/central/issuer"
	"turnstile/central/link"
	"turnstile/central/office"
	"turnstile/central/pass"
)

// opened is a central whose feed runs, and nothing else.
type opened struct {
	*central
	stop func()
}

func openCentral(t *testing.T, c Config) *opened {
	t.Helper()
	if err := c.complete(); err != nil {
		t.Fatal(err)
	}
	s := &central{config: c, published: make(chan struct{}), refusals: make(chan string, maxRefusals)}
	if err := s.open(context.Background(), []byte("correct horse battery")); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var parts sync.WaitGroup
	for _, part := range []func(context.Context) error{s.feed.Run, s.embedded.Run} {
		parts.Go(func() {
			if err := part(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	return &opened{s, func() { cancel(); parts.Wait(); s.close() }}
}

var errCrash = errors.New("the power went away")

// TestWithdrawalSurvivesCrashes dies after each durable step of a withdrawal and
// starts again, until nothing is left to do: then each pass has exactly one new
// code, by a key that lanes have, and the old one is withdrawn in the feed.
func TestWithdrawalSurvivesCrashes(t *testing.T) {
	c := configure(t)
	s := openCentral(t, c)
	today := s.feed.Today()
	var before []office.Pass
	for n := range 7 {
		o := office.Order{Kind: pass.Guest, Holder: fmt.Sprint("A", n), GuestName: "G", Day: today + pass.Day(n%3), Zones: 1, Length: 24 * time.Hour}
		p, err := passes{s.central}.Issue(context.Background(), "test", o)
		if err != nil {
			t.Fatal(err)
		}
		before = append(before, p)
	}
	key := before[0].KeyID
	if _, err := (passes{s.central}).SetStatus(context.Background(), "test", before[3].ID(), link.Held, "why"); err != nil {
		t.Fatal(err)
	}
	crashes := 0
	for stop := 1; ; stop++ {
		steps := 0
		w := withdrawal{central: s.central, by: "test", key: key, reason: "stolen", after: func(string) error {
			if steps++; steps == stop {
				return errCrash
			}
			return nil
		}}
		err := w.run(context.Background())
		s.stop()
		s = openCentral(t, c)
		if err == nil {
			break
		}
		if !errors.Is(err, errCrash) || stop > 20 {
			t.Fatalf("step %d: %v", stop, err)
		}
		crashes++
	}
	defer func() { s.stop() }()
	if crashes < 3 {
		t.Fatalf("%d crashes tried", crashes)
	}
	if !s.feed.View().State.IsWithdrawn(key) {
		t.Error("lanes do not refuse the key")
	}
	for n, p := range before {
		checkReissued(t, s.central, p, key, n == 3)
	}
	s.finishWithdrawals(context.Background()) // as each start does: nothing is left
	checkReissued(t, s.central, before[0], key, false)
	if _, err := (keys{s.central}).Withdraw(context.Background(), "test", 999, "x"); !errors.Is(err, office.ErrNotFound) {
		t.Errorf("an unknown key: %v", err)
	}
}

func checkReissued(t *testing.T, s *central, was office.Pass, withdrawn uint16, held bool) {
	t.Helper()
	now, err := passes{s}.Find(context.Background(), was.ID())
	if err != nil {
		t.Fatal(err)
	}
	signs, ok := s.feed.View().Keys.Find(now.KeyID)
	if was.KeyID != withdrawn { // of next week
		if now.Generation != 0 {
			t.Errorf("pass %s of another key was re-issued", was.ID())
		}
		return
	}
	if now.Generation != 1 || now.KeyID == withdrawn || !ok || !signs.Signs(now.Kind, now.Day) || (now.Status == link.Held) != held || now.GuestName != "G" {
		t.Errorf("%s: generation %d, key %d known %v, status %d", was.ID(), now.Generation, now.KeyID, ok, now.Status)
	}
	code, err := passes{s}.Code(context.Background(), was.ID())
	if err != nil {
		t.Fatal(err)
	}
	parsed, reason := pass.Parse([]byte(code.Text))
	if reason != pass.Granted || !parsed.Verify(signs.Public) || parsed.Generation != 1 || parsed.Holder != was.Holder {
		t.Errorf("%s: the new code is %s", was.ID(), reason)
	}
}

// TestInterruptedWithdrawalIsFinished kills central after the first step; the
// next start does the rest by itself.
func TestInterruptedWithdrawalIsFinished(t *testing.T) {
	c := configure(t)
	s := openCentral(t, c)
	p, err := passes{s.central}.Issue(context.Background(), "test", office.Order{Kind: pass.ECard, Holder: "A", Day: s.feed.Today(), Zones: 1, Length: time.Hour * 24})
	if err != nil {
		t.Fatal(err)
	}
	w := withdrawal{central: s.central, by: "test", key: p.KeyID, reason: "stolen", after: func(string) error { return errCrash }}
	if err := w.run(context.Background()); !errors.Is(err, errCrash) {
		t.Fatal(err)
	}
	s.stop()
	r := run(t, c)
	a := r.api(t)
	until(t, "the pass has a new code", func() bool {
		var body office.PassBody
		return a.call(t, "GET", "/passes/"+p.ID().String(), nil, &body) == 200 && body.Generation == 1
	})
	var list office.KeyList
	if a.call(t, "GET", "/keys", nil, &list) != 200 || list.Keys[p.KeyID-1].Withdrawn == nil || list.Delegation.Offline || list.Delegation.Keys != 1 {
		t.Errorf("%+v", list)
	}
}

// until polls with a deadline.
func until(t *testing.T, what string, done func() bool) {
	t.Helper()
	limit, tick := time.NewTimer(patience), time.NewTicker(20*time.Millisecond)
	defer limit.Stop()
	defer tick.Stop()
	for !done() {
		select {
		case <-limit.C:
			t.Fatal(what + ": not in time")
		case <-tick.C:
		}
	}
}

// TestRootAway starts a central with an offline root: it refuses with the next
// step, serves after the ceremony, and is not healthy once the delegation ended.
func TestRootAway(t *testing.T) {
	c := configure(t)
	share := issuer.NewRootKey()
	c.Root = filepath.Join(t.TempDir(), "root.json")
	writeRoot(t, c.Root, share)
	err := Run(context.Background(), c, func(Endpoints) { t.Error("it serves") })
	var wants *issuer.NoDelegation
	if !errors.As(err, &wants) || !errors.Is(err, ErrConfig) {
		t.Fatalf("started: %v", err)
	}
	signature := signRequest(t, wants.Path, share)
	state, err := InstallDelegation(c, [][]byte{signature})
	if err != nil || !state.Offline {
		t.Fatalf("%+v, %v", state, err)
	}
	r := run(t, c)
	var list office.KeyList
	if r.api(t).call(t, "GET", "/keys", nil, &list) != 200 || !list.Delegation.Offline {
		t.Errorf("%+v", list.Delegation)
	}
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	s := openCentral(t, c)
	defer s.stop()
	if err := s.delegationGood(); err != nil {
		t.Error(err)
	}
	s.config.Now = func() time.Time { return state.Expires }
	if err := s.delegationGood(); !errors.Is(err, errDelegation) {
		t.Errorf("an expired delegation: %v", err)
	}
}

func writeRoot(t *testing.T, path string, keys ...*issuer.RootKey) {
	t.Helper()
	r := link.Root{Threshold: 1}
	for _, k := range keys {
		r.Keys = append(r.Keys, k.Public())
	}
	data, err := json.Marshal(r)
	if err == nil {
		err = os.WriteFile(path, data, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func signRequest(t *testing.T, path string, key *issuer.RootKey) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	r, err := issuer.ParseRequest(data)
	if err != nil {
		t.Fatal(err)
	}
	signature, err := r.Sign(key)
	if err != nil {
		t.Fatal(err)
	}
	return signature
}
