package netid

import (
	"strings"
	"sync"
	"testing"
	"time"

	"turnstile/central/letters"
)

// TestQuarters: by the calendar, also from a 31st.
func TestQuarters(t *testing.T) {
	d := newDesk(t)
	changed := time.Date(2026, 8, 31, 23, 30, 0, 0, hongKong)
	for n, want := range []string{"2026-08-31", "2026-11-30", "2027-02-28", "2027-05-31", "2027-08-31"} {
		if got := d.quarter(changed, n).Format(time.DateOnly); got != want {
			t.Errorf("%d quarters after: %s, want %s", n, got, want)
		}
		at := d.quarter(changed, n)
		if got := d.quarters(changed, at); got != n {
			t.Errorf("at %s: %d quarters", at, got)
		}
		if got := d.quarters(changed, at.Add(-time.Second)); n > 0 && got != n-1 {
			t.Errorf("before %s: %d quarters", at, got)
		}
	}
}

// TestRemind: through two years with two centrals at once, one letter each quarter,
// each half year the reminder, by day, and from anew after a change.
func TestRemind(t *testing.T) {
	d := newDesk(t)
	e := d.enrolled(d.add("a", "CHAN", "Tai Man", 2005), "a@example.org", "Tai Man CHAN") // 2026-03-31 10:00
	other := New(d.config)
	type wrote struct {
		at   time.Time
		kind string
	}
	var all []wrote
	seen := len(d.mails("a@example.org"))
	look := func() {
		t.Helper()
		var both sync.WaitGroup
		for _, dir := range []*Directory{d.Directory, other} {
			both.Go(func() {
				if _, err := dir.Remind(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		both.Wait()
		list := d.mails("a@example.org")
		for _, l := range list[:len(list)-seen] {
			all = append(all, wrote{d.now(), l.Kind})
			if !strings.Contains(l.Text, "https://ecard.example/netid/password") {
				t.Errorf("%s", l.Text)
			}
		}
		seen = len(list)
	}
	for d.now().Before(time.Date(2028, 4, 1, 0, 0, 0, 0, hongKong)) {
		d.wait(7 * time.Hour)
		look()
	}
	want := []struct{ day, kind string }{
		{"2026-06-30", "password_advice"}, {"2026-09-30", "password_reminder"}, {"2026-12-31", "password_advice"}, {"2027-03-31", "password_reminder"},
		{"2027-06-30", "password_advice"}, {"2027-09-30", "password_reminder"}, {"2027-12-31", "password_advice"}, {"2028-03-31", "password_reminder"}}
	if len(all) != len(want) {
		t.Fatalf("%d letters: %+v", len(all), all)
	}
	for i, w := range all {
		due, err := time.ParseInLocation(time.DateOnly, want[i].day, hongKong)
		if err != nil {
			t.Fatal(err)
		}
		if w.kind != want[i].kind || w.at.Before(due.Add(10*time.Hour)) || w.at.After(due.Add(58*time.Hour)) || letters.Night(w.at.In(hongKong)) {
			t.Errorf("letter %d: %s at %s, want %+v", i, w.kind, w.at, want[i])
		}
	}
	// What stood still for a year writes one letter, not four.
	d.wait(366 * 24 * time.Hour)
	for range 12 {
		d.wait(4 * time.Hour)
		look()
	}
	if len(all) != len(want)+1 || all[len(want)].kind != "password_reminder" {
		t.Errorf("after a standstill: %+v", all[len(want):])
	}
	// A change begins anew.
	if err := d.ChangePassword(t.Context(), e.NetID, good, "nine yellow houses", from); err != nil {
		t.Fatal(err)
	}
	seen = len(d.mails("a@example.org"))
	d.wait(80 * 24 * time.Hour)
	for range 6 {
		d.wait(4 * time.Hour)
		look()
	}
	if len(all) != len(want)+1 {
		t.Errorf("80 days after a change: %+v", all[len(want):])
	}
}

// TestNoAddress: who has no address is written nothing, and the next one is due a
// quarter later; nobody else waits for that.
func TestNoAddress(t *testing.T) {
	d := newDesk(t)
	d.enrolled(d.add("a", "CHAN", "Tai Man", 2005), "a@example.org", "Tai Man CHAN")
	e := d.enrolled(d.add("b", "WONG", "Ada", 2005), "b@example.org", "Ada WONG")
	token, err := d.begin(t.Context(), flow{Kind: Email, NetID: e.NetID, subject: e.NetID}, posting{"b@example.org", letters.ConfirmAddress})
	if err == nil {
		err = d.db.SetNetIDEmail(t.Context(), hashed(token), e.NetID, "", d.Directory.now())
	}
	if err != nil {
		t.Fatal(err)
	}
	d.wait(92 * 24 * time.Hour)
	for _, want := range []int{1, 0} {
		if n, err := d.Remind(t.Context()); err != nil || n != want {
			t.Errorf("%d letters, %v; want %d", n, err, want)
		}
	}
	if l := d.mails("a@example.org"); l[0].Kind != "password_advice" || len(d.mails("")) != 0 {
		t.Errorf("%+v", l[0])
	}
	if n, err := d.db.NetID(t.Context(), e.NetID); err != nil || n.Due != d.quarter(time.UnixMilli(n.Changed), 2).UnixMilli() {
		t.Errorf("%+v, %v", n, err)
	}
}

// TestSummerTime: on a campus whose clocks are changed a quarter ends at the hour at
// which it began, and night is what people there call so.
func TestSummerTime(t *testing.T) {
	london, err := time.LoadLocation("Europe/London")
	if err != nil {
		t.Fatal(err)
	}
	d := newDesk(t)
	d.config.Location = london
	d.clock = time.Date(2026, 1, 29, 8, 30, 0, 0, time.UTC) // 08:30 there, which is 08:30 again on 29 April, an hour earlier elsewhere
	d.enrolled(d.add("a", "CHAN", "Tai Man", 2005), "a@example.org", "Tai Man CHAN")
	for _, x := range []struct {
		at   time.Time
		want int
	}{{time.Date(2026, 4, 29, 7, 59, 0, 0, time.UTC), 0}, {time.Date(2026, 4, 29, 8, 0, 0, 0, time.UTC), 1}, {time.Date(2026, 7, 28, 18, 0, 0, 0, time.UTC), 0}, {time.Date(2026, 7, 29, 8, 0, 0, 0, time.UTC), 1}, {time.Date(2026, 10, 29, 8, 59, 0, 0, time.UTC), 0}, {time.Date(2026, 10, 29, 9, 0, 0, 0, time.UTC), 1}} {
		d.mu.Lock()
		d.clock = x.at
		d.mu.Unlock()
		if n, err := d.Remind(t.Context()); err != nil || n != x.want {
			t.Errorf("at %s: %d letters, %v", x.at, n, err)
		}
	}
}

// TestNight: what falls due at night is written in the morning.
func TestNight(t *testing.T) {
	d := newDesk(t)
	d.clock = time.Date(2026, 3, 31, 23, 50, 0, 0, hongKong)
	d.enrolled(d.add("a", "CHAN", "Tai Man", 2005), "a@example.org", "Tai Man CHAN")
	first := len(d.mails("a@example.org"))
	for at, want := range map[time.Duration]int{0: 0, 9*time.Hour - time.Minute: 0} {
		d.mu.Lock()
		d.clock = time.Date(2026, 6, 30, 23, 55, 0, 0, hongKong).Add(at)
		d.mu.Unlock()
		if n, err := d.Remind(t.Context()); err != nil || n != want {
			t.Errorf("at %s: %d letters, %v", d.now(), n, err)
		}
	}
	d.mu.Lock()
	d.clock = time.Date(2026, 7, 1, 9, 0, 0, 0, hongKong)
	d.mu.Unlock()
	if n, err := d.Remind(t.Context()); err != nil || n != 1 {
		t.Errorf("in the morning: %d letters, %v", n, err)
	}
	if list := d.mails("a@example.org"); len(list) != first+1 || list[0].Kind != letters.Advice(letters.English, d.now(), "").Kind {
		t.Errorf("%d letters", len(list))
	}
}
