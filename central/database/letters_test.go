package database

import (
	"bytes"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"testing"

	"turnstile/central/pass"
)

// TestTaken: of many centrals that look at once one takes each letter, and none those
// that rest.
func TestTaken(t *testing.T) { both(t, testTaken) }

func testTaken(t *testing.T, d *DB) {
	for i := range 30 {
		kind := []string{"one_time", "password_reminder", "password_advice"}[i%3]
		if err := d.AddLetters(ctx, Letter{ID: fmt.Sprint(kind, i), Kind: kind, Address: "a@example.org", Sealed: []byte{1}, At: 1}); err != nil {
			t.Fatal(err)
		}
	}
	var all sync.WaitGroup
	var mu sync.Mutex
	taken := map[string]int{}
	for range 6 {
		all.Go(func() {
			list, err := d.TakeMail(ctx, 5, 100, 9, "password_reminder", "password_advice")
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			for _, m := range list {
				taken[m.ID]++
				if m.Kind != "one_time" || m.Attempts != 1 {
					t.Errorf("%+v", m)
				}
			}
		})
	}
	all.Wait()
	for id, n := range taken {
		if n != 1 {
			t.Errorf("%s was taken %d times", id, n)
		}
	}
	rest, err := d.TakeMail(ctx, 5, 100, 99)
	if err != nil || len(taken) != 10 || len(rest) != 20 {
		t.Errorf("%d taken, %d rested, %v", len(taken), len(rest), err)
	}
}

// TestLetters: with the deed there is the letter, without it there is none; what is
// urgent comes first, each once, and what was said is gone with the end.
func TestLetters(t *testing.T) { both(t, testLetters) }

func testLetters(t *testing.T, d *DB) {
	row := func(id string, until int64) Letter {
		return Letter{ID: id, Kind: "one_time", Lang: "zh-Hant", Address: "a@example.org", Sealed: []byte{0, 1, 0xff}, Until: until, By: "test", At: 5}
	}
	undone := errors.New("the deed failed")
	err := d.write(ctx, func(tx *sql.Tx) error {
		if err := addLetter(ctx, tx, row("undone", 0)); err != nil {
			return err
		}
		return undone
	})
	if !errors.Is(err, undone) {
		t.Fatal(err)
	}
	if err := d.AddMail(ctx, Mail{ID: "pass", Pass: pass.ID{Day: 7, Index: 0}, Address: "b@example.org", By: "test", At: 1}); err != nil {
		t.Fatal(err)
	}
	if err := d.AddLetters(ctx, row("calm", 0), row("urgent", 900)); err != nil {
		t.Fatal(err)
	}
	if err := d.AddLetters(ctx, row("third", 0), row("calm", 0)); !errors.Is(err, ErrConflict) {
		t.Errorf("the same letter twice: %v", err)
	}
	if list, err := d.MailsOf(ctx, pass.ID{}, 9); err != nil || len(list) != 0 {
		t.Errorf("a letter is a pass's: %+v, %v", list, err)
	}
	nobodys := row("nobody's", 900)
	nobodys.Address = ""
	if err := d.AddLetters(ctx, nobodys); err != nil {
		t.Fatal(err)
	}
	if list, err := d.LettersTo(ctx, "", 9); err != nil || len(list) != 0 {
		t.Errorf("nobody's letter waits: %+v, %v", list, err)
	}
	first, err := d.TakeMail(ctx, 5, 100, 2)
	if err != nil || len(first) != 2 || first[0].ID != "urgent" || first[1].ID != "pass" || first[1].Kind != PassMail {
		t.Fatalf("%+v, %v", first, err)
	}
	second, err := d.TakeMail(ctx, 5, 100, 2)
	if err != nil || len(second) != 1 || second[0].ID != "calm" || !bytes.Equal(second[0].Sealed, []byte{0, 1, 0xff}) || second[0].Lang != "zh-Hant" || second[0].Until != 0 {
		t.Fatalf("%+v, %v", second, err)
	}
	for _, state := range []string{MailWaiting, MailSent} {
		m := second[0]
		m.State, m.Next = state, 200
		if state == MailSent {
			m.Ended = 300
		}
		if err := d.SettleMail(ctx, m); err != nil {
			t.Fatal(err)
		}
		list, err := d.LettersTo(ctx, "a@example.org", 9)
		if err != nil || len(list) != 2 {
			t.Fatal(list, err)
		}
		for _, m := range list {
			if m.ID == "calm" && (m.State != state || (len(m.Sealed) == 0) != (state == MailSent)) {
				t.Errorf("%+v", m)
			}
		}
	}
	if err := d.PruneMail(ctx, 900); err != nil {
		t.Fatal(err)
	}
	if list, err := d.LettersTo(ctx, "a@example.org", 9); err != nil || len(list) != 1 || list[0].ID != "urgent" {
		t.Errorf("%+v, %v", list, err)
	}
	if err := d.PruneMail(ctx, 901); err != nil {
		t.Fatal(err)
	}
	if list, err := d.LettersTo(ctx, "a@example.org", 9); err != nil || len(list) != 0 {
		t.Errorf("useless and kept: %+v, %v", list, err)
	}
}
