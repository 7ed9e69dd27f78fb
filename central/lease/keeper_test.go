package lease

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"turnstile/central/database"
	"turnstile/central/database/databasetest"
	"turnstile/central/database/postgrestest"
	"turnstile/central/link"
)

// clock is a machine's: both kinds of time, set by hand.
type clock struct{ elapsed, wall atomic.Int64 }

func newClock() *clock {
	c := &clock{}
	c.wall.Store(time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC).UnixNano())
	return c
}

func (c *clock) pass(d time.Duration) {
	c.elapsed.Add(int64(d))
	c.wall.Add(int64(d))
}

var alike = Settings{Site: "campus", Timezone: "Asia/Hong_Kong", Capacity: 1024, Authority: "ab", Keys: "socket", Broker: "ssl://broker:8883"}

func config(db *database.DB, name string, c *clock) Config {
	return Config{DB: db, Name: name, Folder: "folder of " + name, Settings: alike, Jobs: []string{Signer}, Changed: func() {},
		Now: func() time.Time { return time.Unix(0, c.wall.Load()) }, Elapsed: func() time.Duration { return time.Duration(c.elapsed.Load()) },
		Log: slog.New(slog.DiscardHandler)}
}

func open(t testing.TB, c Config) *Keeper {
	t.Helper()
	k, err := Join(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func (k *Keeper) mustRound(t testing.TB) {
	t.Helper()
	if err := k.round(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// sole checks that each lease is held by one keeper at most, and returns how many
// partitions each has.
func sole(t testing.TB, keepers ...*Keeper) []int {
	t.Helper()
	counts := make([]int, len(keepers))
	for p := range link.Partitions {
		holders := 0
		for i, k := range keepers {
			if _, ok := k.lease(partitionName(p)); ok {
				counts[i]++
				holders++
			}
		}
		if holders > 1 {
			t.Errorf("partition %d is held %d times", p, holders)
		}
	}
	leaders := 0
	for _, k := range keepers {
		if k.Job(Signer).Held() {
			leaders++
		}
	}
	if leaders > 1 {
		t.Errorf("%d signers", leaders)
	}
	return counts
}

// TestAlone: on SQLite one central has everything, without a beat.
func TestAlone(t *testing.T) {
	c := newClock()
	db := databasetest.Open(t, t.TempDir()+"/central.db")
	if err := db.Join(t.Context(), database.Central{ID: "old", Name: "a", Folder: "elsewhere"}, []string{Signer}, func([]database.Central) error { return nil }); err != nil {
		t.Fatal(err)
	}
	k := open(t, config(db, "a", c))
	c.pass(24 * time.Hour)
	if n := sole(t, k); n[0] != link.Partitions || !k.Job(Signer).Held() || !k.Mine("N1") {
		t.Errorf("%d partitions, signer %v", n[0], k.Job(Signer).Held())
	}
	if err := k.Job(Signer).Confirm(t.Context(), 1<<60); err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := k.Run(ctx); err != nil || k.Mine("N1") {
		t.Errorf("after its end: %v", err)
	}
}

// TestShare: three divide the work; one that dies loses it before the others take
// it, and gets a part again.
func TestShare(t *testing.T) {
	t.Parallel()
	url := postgrestest.URL(t)
	clocks := []*clock{newClock(), newClock(), newClock()}
	var keepers []*Keeper
	for i, c := range clocks {
		keepers = append(keepers, open(t, config(databasetest.Open(t, url), fmt.Sprintf("central-%d", i), c)))
	}
	rounds := func(n int, of ...int) {
		t.Helper()
		for range n {
			for _, i := range of {
				keepers[i].mustRound(t)
				sole(t, keepers...)
			}
			for _, c := range clocks {
				c.pass(Every)
			}
			sole(t, keepers...)
		}
	}
	rounds(3, 0, 1, 2)
	counts := sole(t, keepers...)
	if counts[0]+counts[1]+counts[2] != link.Partitions || counts[0] < 10 || counts[1] < 10 || counts[2] < 10 || !keepers[0].Job(Signer).Held() {
		t.Fatalf("partitions %v", counts)
	}
	if m := keepers[1].Members(); len(m) != 3 || m[0].Name != "central-0" || len(m[0].Jobs) != 1 || !m[1].Self || m[2].Partitions != counts[2] {
		t.Errorf("%+v", m)
	}
	old, ok := keepers[0].Job(Signer).Lease()
	if !ok {
		t.Fatal("no lease")
	}
	rounds(9, 1, 2) // the first one is stopped
	now := sole(t, keepers...)
	if now[0] != 0 || now[1]+now[2] != link.Partitions || !keepers[1].Job(Signer).Held() {
		t.Fatalf("after a death: %v", now)
	}
	// It wakes: nothing that it decided on counts.
	if err := keepers[0].config.DB.Feed(t.Context(), func(tx *database.FeedTx) error { return tx.Fence(old) }); !errors.Is(err, database.ErrFenced) {
		t.Errorf("it writes: %v", err)
	}
	if err := keepers[0].Job(Signer).Confirm(t.Context(), 0); !errors.Is(err, database.ErrFenced) {
		t.Errorf("it signs: %v", err)
	}
	rounds(4, 0, 1, 2)
	if again := sole(t, keepers...); again[0] != counts[0] || again[1] != counts[1] || !keepers[1].Job(Signer).Held() {
		t.Errorf("after its return: %v, before %v", again, counts)
	}
	keepers[1].Leave(t.Context())
	rounds(2, 0, 2)
	if left := sole(t, keepers...); left[0]+left[2] != link.Partitions {
		t.Errorf("after one left: %v", left)
	}
}

// TestLapse: without the database nobody acts, by its own clock.
func TestLapse(t *testing.T) {
	t.Parallel()
	c := newClock()
	k := open(t, config(databasetest.Open(t, postgrestest.URL(t)), "a", c))
	if !k.Job(Signer).Held() || !k.Mine("N1") || k.Partitions() != link.Partitions {
		t.Fatal("nothing held")
	}
	c.pass(validFor - 1)
	if !k.Job(Signer).Held() {
		t.Error("given up too early")
	}
	c.pass(1)
	if k.Job(Signer).Held() || k.Mine("N1") || k.Partitions() != 0 {
		t.Error("held beyond its time")
	}
	if l := k.Listens(); !l[0] || !l[63] {
		t.Error("journals are taken in as long as nobody else is there")
	}
}

// TestSigned: who takes over signs nothing that is dated before what may have been
// signed; a clock that is far behind is waited for some seconds.
func TestSigned(t *testing.T) {
	t.Parallel()
	url := postgrestest.URL(t)
	c := newClock()
	a := open(t, config(databasetest.Open(t, url), "a", c))
	job := a.Job(Signer)
	if err := job.Confirm(t.Context(), a.config.Now().UnixMilli()); err != nil {
		t.Fatal(err)
	}
	if err := job.Confirm(t.Context(), a.config.Now().Add(time.Minute).UnixMilli()); err == nil {
		t.Error("a time beyond what the database was told is confirmed")
	}
	a.Leave(t.Context())
	slow := newClock()
	slow.wall.Add(-int64(3 * time.Second))
	b := open(t, config(databasetest.Open(t, url), "b", slow))
	for range 7 {
		if b.Job(Signer).Held() {
			t.Fatalf("it signs at %s", b.config.Now())
		}
		slow.pass(Every)
		b.mustRound(t)
	}
	slow.pass(Every)
	b.mustRound(t)
	if !b.Job(Signer).Held() {
		t.Error("it does not sign when its clock is past")
	}
	b.Leave(t.Context())
	wrong := newClock()
	wrong.wall.Add(-int64(time.Hour))
	d := open(t, config(databasetest.Open(t, url), "d", wrong))
	wrong.pass(patience)
	d.mustRound(t)
	if !d.Job(Signer).Held() {
		t.Error("a clock that is an hour behind is waited for")
	}
}

// TestMisfits: a living central that does not fit is told by name; a dead one is
// buried.
func TestMisfits(t *testing.T) {
	t.Parallel()
	url := postgrestest.URL(t)
	db := databasetest.Open(t, url)
	alive, cancel := context.WithCancel(t.Context())
	a := config(db, "a", newClock())
	a.Elapsed = nil
	first := open(t, a)
	ended := make(chan error, 1)
	go func() { ended <- first.Run(alive) }()
	for name, c := range map[string]struct {
		change func(*Config)
		want   error
	}{
		"name":     {func(c *Config) { c.Name = "a" }, ErrName},
		"site":     {func(c *Config) { c.Settings.Site = "other" }, ErrSettings},
		"timezone": {func(c *Config) { c.Settings.Timezone = "Europe/Zurich" }, ErrSettings},
		"capacity": {func(c *Config) { c.Settings.Capacity = 2048 }, ErrSettings},
		"keys":     {func(c *Config) { c.Settings.Authority = "cd" }, ErrSettings},
		"broker":   {func(c *Config) { c.Settings.Broker = "" }, ErrBroker},
	} {
		t.Run(name, func(t *testing.T) {
			b, began := config(db, "b", newClock()), time.Now()
			b.Elapsed = func() time.Duration { return time.Since(began) / 10 } // however late the other one's beat is
			c.change(&b)
			if _, err := Join(t.Context(), b); !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
		})
	}
	cancel()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	// One that left no trace but its row.
	if err := db.Join(t.Context(), database.Central{ID: "dead", Name: "b", Folder: "x", Settings: "{}"}, nil, func([]database.Central) error { return nil }); err != nil {
		t.Fatal(err)
	}
	b := config(db, "b", newClock())
	b.Elapsed = nil
	if k := open(t, b); k.Partitions() != link.Partitions {
		t.Error("a dead central of the same name is in the way")
	}
}

// TestTwin: two processes on a copied data folder.
func TestTwin(t *testing.T) {
	t.Parallel()
	url := postgrestest.URL(t)
	one := open(t, config(databasetest.Open(t, url), "a", newClock()))
	open(t, config(databasetest.Open(t, url), "a", newClock()))
	if err := one.round(t.Context()); !errors.Is(err, ErrTwin) {
		t.Errorf("got %v, want ErrTwin", err)
	}
}

// TestWhile: work runs as long as the job is held, and again.
func TestWhile(t *testing.T) {
	t.Parallel()
	c := newClock()
	k := open(t, config(databasetest.Open(t, postgrestest.URL(t)), "a", c))
	began, lost, ended := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	failure := errors.New("failure")
	go func() {
		ended <- k.Job(Signer).While(t.Context(), func(ctx context.Context) error {
			began <- struct{}{}
			select {
			case <-ctx.Done():
				lost <- struct{}{}
				return ctx.Err()
			case began <- struct{}{}:
				return failure
			}
		})
	}()
	<-began
	c.pass(life)
	<-lost
	k.mustRound(t)
	<-began
	<-began
	if err := <-ended; !errors.Is(err, failure) {
		t.Errorf("got %v", err)
	}
}
