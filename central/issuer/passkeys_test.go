package issuer

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"turnstile/central/link"
	"turnstile/central/pass"
)

// published returns the keyset that lanes are told.
func published(t *testing.T, i *Issuer) link.Keyset {
	t.Helper()
	k, _, err := i.Keys()
	if err != nil || k.Check() != nil {
		t.Fatalf("keyset %d: %v, %v", k.Version, err, k.Check())
	}
	return k
}

// mint signs a guest's pass, checks that lanes with the keyset take it, and
// returns the key.
func mint(t *testing.T, i *Issuer, kind pass.Kind, day pass.Day, lanes link.Keyset) uint16 {
	t.Helper()
	p, signature, err := i.Mint(pass.Pass{Kind: kind, Day: day, Index: 5, Length: 6, Zones: 1})
	if err != nil {
		t.Fatalf("mint for %s: %v", day, err)
	}
	c, reason := pass.Parse([]byte(p.Text(signature)))
	key, known := lanes.Find(p.KeyID)
	if reason != pass.Granted || !i.Verify(&c) || !known || !key.Signs(kind, day) || !c.Verify(key.Public) {
		t.Fatalf("minted for %s with key %d, known %v: %s", day, p.KeyID, known, reason)
	}
	return p.KeyID
}

// TestPassKeys lets ten weeks go by: one key a week, made ahead, a spare that
// signs nothing, one for supervisor codes; and what lanes heard 48 hours ago is
// enough for every pass of today and tomorrow.
func TestPassKeys(t *testing.T) {
	i := openIn(t, t.TempDir())
	var history []link.Keyset
	minted := map[uint16]bool{}
	for n := range 70 {
		day := today + pass.Day(n)
		if err := i.Renew(day-1, day+37, false, now.AddDate(0, 0, n)); err != nil {
			t.Fatal(err)
		}
		k := published(t, i)
		if n > 0 && k.Version < history[n-1].Version || len(k.Keys) < 8 || len(k.Keys) > 13 {
			t.Fatalf("%s: version %d, %d keys", day, k.Version, len(k.Keys))
		}
		history = append(history, k)
		then := history[max(0, n-2)]
		minted[mint(t, i, pass.Guest, day, then)] = true
		minted[mint(t, i, pass.ECard, day+1, then)] = true
		for d := day - 1; d <= day+37; d++ {
			if week, spare, codes := signers(t, i, k, d); week != 1 || spare < 1 || codes < 1 {
				t.Fatalf("%s: %d keys of the week, %d spares, %d for supervisor codes sign on %s", day, week, spare, codes, d)
			}
		}
	}
	if v := history[69].Version; v < 10 || v > 40 {
		t.Errorf("version %d after ten weeks", v)
	}
	if len(minted) != 11 && len(minted) != 12 {
		t.Errorf("%d keys signed in ten weeks", len(minted))
	}
	list, err := i.PassKeys()
	if err != nil || len(list) < 17 {
		t.Fatalf("%d keys: %v", len(list), err)
	}
	for _, k := range list {
		if minted[k.ID] && k.Use != UseWeek {
			t.Errorf("key %d signed, and is %s", k.ID, k.Use)
		}
		if k.Use == UseWeek && k.To-k.From != 6 {
			t.Errorf("key %d is for %s to %s", k.ID, k.From, k.To)
		}
	}
}

// signers counts the published keys for eCards, and for supervisor codes, on a day.
func signers(t *testing.T, i *Issuer, k link.Keyset, day pass.Day) (week, spare, codes int) {
	t.Helper()
	list, err := i.PassKeys()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range list {
		key, ok := k.Find(s.ID)
		switch {
		case !ok || !s.Withdrawn.IsZero():
		case s.Use == UseSupervisor && key.Signs(pass.Supervisor, day):
			codes++
		case s.Use == UseSpare && key.Signs(pass.ECard, day) && key.Signs(pass.Supervisor, day):
			spare++
		case s.Use == UseWeek && key.Signs(pass.ECard, day):
			week++
		}
	}
	return week, spare, codes
}

func TestMintRefuses(t *testing.T) {
	i := openIn(t, t.TempDir())
	if err := i.Renew(today, today+7, false, now); err != nil {
		t.Fatal(err)
	}
	p := pass.Pass{Kind: pass.Test, Day: today + 3, Index: 5, Length: 6, Zones: 1}
	if _, _, err := i.Mint(p); !errors.Is(err, ErrNoKey) {
		t.Errorf("test pass without a test key: %v", err)
	}
	if err := i.Renew(today, today+7, true, now); err != nil {
		t.Fatal(err)
	}
	p, _, err := i.Mint(p)
	if err != nil {
		t.Errorf("test pass: %v", err)
	}
	p.Length = 0
	if _, _, err := i.Mint(p); err == nil {
		t.Error("minted what lanes refuse")
	}
	for _, span := range [][2]pass.Day{{today, today - 1}, {today, today + maxSpan + 1}} {
		if err := i.Renew(span[0], span[1], false, now); !errors.Is(err, ErrSpan) {
			t.Errorf("keys for %s to %s: %v", span[0], span[1], err)
		}
	}
}

// TestWithdraw: the spare, which lanes have, takes over at once; the key that is
// made in its place signs when lanes have had it for 48 hours; the withdrawn one
// never signs again, also after a restart.
func TestWithdraw(t *testing.T) {
	dir := t.TempDir()
	i := openIn(t, dir)
	renew := func(at time.Time) link.Keyset {
		t.Helper()
		day := pass.DayOf(at)
		if err := i.Renew(day-1, day+37, false, at); err != nil {
			t.Fatal(err)
		}
		return published(t, i)
	}
	renew(now)
	monday := now.AddDate(0, 0, 2) // 2026-11-23
	before := renew(monday)
	day := pass.DayOf(monday)
	stolen := mint(t, i, pass.ECard, day, before)
	if err := i.Withdraw(stolen, monday); err != nil {
		t.Fatal(err)
	}
	spare := mint(t, i, pass.ECard, day, before)
	if i.Withdraw(stolen, monday.Add(time.Hour)) != nil || !errors.Is(i.Withdraw(999, monday), ErrUnknownKey) {
		t.Error("a second withdrawal, or one of no key")
	}
	i = openIn(t, dir)
	after := renew(monday.Add(time.Minute))
	if _, still := after.Find(stolen); !still || after.Version <= before.Version {
		t.Errorf("keyset %d after %d; lanes still know the withdrawn key: %v", after.Version, before.Version, still)
	}
	week, spares, _ := signers(t, i, after, day)
	if got := mint(t, i, pass.ECard, day, before); got != spare || week != 1 || spares != 2 {
		t.Errorf("minted with %d, not %d; %d keys of the week and %d spares", got, spare, week, spares)
	}
	later := monday.Add(Ripe + time.Hour)
	renew(later)
	if got := mint(t, i, pass.ECard, pass.DayOf(later), after); got == spare || got == stolen {
		t.Errorf("after 48 hours still minted with key %d", got)
	}
	list, err := i.PassKeys()
	if err != nil || list[stolen-1].Withdrawn.Unix() != monday.Unix() {
		t.Errorf("%+v, %v", list[stolen-1], err)
	}
	if err := i.Withdraw(spare, later); err != nil {
		t.Fatal(err)
	}
	renew(later)
	if got := mint(t, i, pass.ECard, day, published(t, i)); got == spare {
		t.Error("minted with a withdrawn spare")
	}
	checkSeedGone(t, i, stolen)
}

// checkSeedGone looks into the key's file.
func checkSeedGone(t *testing.T, i *Issuer, id uint16) {
	t.Helper()
	secret, err := i.vault.get(keyName(id))
	if err != nil {
		t.Fatal(err)
	}
	if len(secret) > 300 || !containsAll(secret, `"withdrawn"`, `"public"`) || containsAll(secret, `"seed"`) {
		t.Errorf("the file of the withdrawn key holds %s", secret)
	}
	if _, err := os.Stat(filepath.Join(i.vault.dir, keyName(id)+".key")); err != nil {
		t.Error(err)
	}
}

// TestWithdrawOnTheFirstDay: all keys are new, and the spare that lanes have takes
// over rather than the one that is made in the stolen one's place.
func TestWithdrawOnTheFirstDay(t *testing.T) {
	i := openIn(t, t.TempDir())
	for n := range 2 {
		if err := i.Renew(today-1, today+37, false, now.Add(time.Duration(n)*time.Hour)); err != nil {
			t.Fatal(err)
		}
	}
	lanes := published(t, i)
	if err := i.Withdraw(mint(t, i, pass.ECard, today, lanes), now.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if err := i.Renew(today-1, today+37, false, now.Add(2*time.Hour)); err != nil {
		t.Fatal(err)
	}
	list, err := i.PassKeys()
	if err != nil {
		t.Fatal(err)
	}
	if id := mint(t, i, pass.ECard, today, lanes); list[id-1].Use != UseSpare {
		t.Errorf("key %d, %s, took over", id, list[id-1].Use)
	}
}

// TestSupervisorKey: it signs no pass, and no pass key but the spare signs codes.
func TestSupervisorKey(t *testing.T) {
	i := openIn(t, t.TempDir())
	if err := i.Renew(today-1, today+37, true, now); err != nil {
		t.Fatal(err)
	}
	own := 0
	for _, k := range published(t, i).Keys {
		if k.Kinds == supervisor {
			own++
			if !k.Signs(pass.Supervisor, today) || k.Signs(pass.Staff, today) || k.To < today+37 {
				t.Errorf("%+v", k)
			}
		}
	}
	if own != 1 {
		t.Errorf("%d keys for supervisor codes", own)
	}
	key, ok := i.find(pass.Supervisor, today)
	if !ok || key.spare || key.public.Kinds != supervisor {
		t.Errorf("supervisor codes are signed with %+v", key.public)
	}
	// lanes know the key as long as a code that it signed may be used
	last := key.public.To
	for d := today; d <= last+supervisorDays; d += 7 {
		if err := i.Renew(d, d+37, false, now.AddDate(0, 0, int(d-today))); err != nil {
			t.Fatal(err)
		}
		k := published(t, i)
		if _, known := k.Find(key.public.ID); !known && d <= last+supervisorDays {
			t.Errorf("lanes forgot the key on %s, codes are good until %s", d, last+7)
		}
	}
}
