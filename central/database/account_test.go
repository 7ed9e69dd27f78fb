package database

import (
	"context"
	"errors"
	"sync"
	"testing"
)

func (d *DB) mustAccount(t *testing.T, person, address string) {
	t.Helper()
	if _, err := d.AddAccount(t.Context(), Account{Person: person, Address: address, Folded: address, Handle: "handle of " + person, Created: 1}); err != nil {
		t.Fatal(err)
	}
}

// code makes a code of a browser that says "right", and returns how it is typed.
func (d *DB) code(t *testing.T, purpose, person, address, detail string) Typed {
	t.Helper()
	typed := Typed{Browser: []byte("browser"), Purpose: purpose, Code: []byte("right " + purpose)}
	c := AccountCode{Browser: typed.Browser, Purpose: purpose, Person: person, Address: address, Detail: detail, Code: typed.Code, Tries: 5, Expires: 1000}
	if err := d.AddCodes(t.Context(), []AccountCode{c}); err != nil {
		t.Fatal(err)
	}
	return typed
}

func (d *DB) erase(person string, at int64) error {
	return d.Feed(ctx, func(tx *FeedTx) error { _, err := tx.EraseAccount(person, 0, at); return err })
}

func wrongly(t Typed) Typed { t.Code = []byte("wrong"); return t }

func TestAccountCodes(t *testing.T) {
	onDatabases(t, func(t *testing.T, d *DB) {
		ctx := t.Context()
		letter := Letter{ID: "l", Kind: "one_time", Address: "a@b.c", Sealed: []byte("x"), At: 1}
		wants(t, "code", d.AddCodes(ctx, []AccountCode{{Browser: []byte("b"), Purpose: "p", Person: "x", Code: []byte("c"), Tries: 5, Expires: 1000}}, letter), nil)
		// With the letter goes the code, and the one before stands.
		wants(t, "the same letter again", d.AddCodes(ctx, []AccountCode{{Browser: []byte("b"), Purpose: "p", Person: "x", Code: []byte("d"), Tries: 5, Expires: 1000}}, letter), ErrConflict)
		if c, err := d.WaitingCode(ctx, []byte("b"), "p", 1); err != nil || string(c.Code) != "c" {
			t.Errorf("%+v %v", c, err)
		}
		typed := d.code(t, "sign_in", "p-chan", "chan@example.org", "")
		left := func(err error) int {
			if w, ok := errors.AsType[*WrongCode](err); ok {
				return w.Left
			}
			return -1
		}
		_, err := d.TakeCode(ctx, wrongly(typed), 10)
		if left(err) != 4 {
			t.Errorf("wrong: %v", err)
		}
		other := typed
		other.Browser = []byte("another")
		_, err = d.TakeCode(ctx, other, 10)
		wants(t, "another browser", err, ErrNotFound)
		other = typed
		other.Purpose = "link"
		_, err = d.TakeCode(ctx, other, 10)
		wants(t, "another purpose", err, ErrNotFound)
		_, err = d.TakeCode(ctx, typed, 1000)
		wants(t, "expired", err, ErrNotFound)
		if c, err := d.TakeCode(ctx, typed, 10); err != nil || c.Person != "p-chan" || c.Address != "chan@example.org" {
			t.Errorf("%+v %v", c, err)
		}
		_, err = d.TakeCode(ctx, typed, 10)
		wants(t, "twice", err, ErrNotFound)
		nobody := d.code(t, "sign_in", "", "nobody@example.org", "")
		if _, err := d.TakeCode(ctx, nobody, 10); left(err) != 4 {
			t.Errorf("nobody's: %v", err)
		}
		// Of many at once each counts.
		typed = d.code(t, "sign_in", "p-chan", "chan@example.org", "")
		var wg sync.WaitGroup
		var mu sync.Mutex
		judged := 0
		for range 12 {
			wg.Go(func() {
				if _, err := d.TakeCode(context.WithoutCancel(ctx), wrongly(typed), 10); left(err) >= 0 {
					mu.Lock()
					judged++
					mu.Unlock()
				} else if !errors.Is(err, ErrNotFound) {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if judged != 5 {
			t.Errorf("%d tries were judged", judged)
		}
		d.code(t, "sign_in", "p-chan", "chan@example.org", "")
		wants(t, "prune", d.PruneAccounts(ctx, 0, 0, 2000), nil)
		if _, err := d.WaitingCode(ctx, []byte("browser"), "sign_in", 10); !errors.Is(err, ErrNotFound) {
			t.Error(err)
		}
	})
}

func TestRegisterAddress(t *testing.T) {
	onDatabases(t, func(t *testing.T, d *DB) {
		ctx := t.Context()
		d.mustAccount(t, "p-chan", "chan@example.org")
		taken := d.code(t, "register", "p-lee", "Chan@example.org", "chan@example.org")
		_, err := d.RegisterAddress(ctx, taken, Account{Handle: "h", Created: 2}, 2)
		wants(t, "another's address", err, ErrConflict)
		if c, err := d.WaitingCode(ctx, taken.Browser, "register", 3); err != nil || c.Tries != 5 {
			t.Errorf("the code of what was refused: %+v %v", c, err)
		}
		if _, err := d.Account(ctx, "p-lee"); !errors.Is(err, ErrNotFound) {
			t.Errorf("half of it stands: %v", err)
		}
		good := d.code(t, "register", "p-lee", "Lee@example.org", "lee@example.org")
		if a, err := d.RegisterAddress(ctx, good, Account{Handle: "h", Created: 2}, 2); err != nil || a.Person != "p-lee" || a.Address != "Lee@example.org" {
			t.Errorf("%+v %v", a, err)
		}
		// A registered address is not replaced by registering another.
		again := d.code(t, "register", "p-lee", "x@example.org", "x@example.org")
		_, err = d.RegisterAddress(ctx, again, Account{Handle: "i", Created: 2}, 2)
		wants(t, "another address", err, ErrConflict)
		if a, err := d.AccountOf(ctx, "lee@example.org"); err != nil || a.Person != "p-lee" {
			t.Errorf("%+v %v", a, err)
		}
		if _, err := d.AccountOf(ctx, ""); !errors.Is(err, ErrNotFound) {
			t.Errorf("an account of no address: %v", err)
		}
		for _, person := range []string{"p-ho", "p-ng"} { // many have none
			_, err := d.AddAccount(ctx, Account{Person: person, Handle: "of " + person, Created: 1})
			wants(t, "without an address", err, nil)
		}
	})
}

func TestAddressChanges(t *testing.T) {
	onDatabases(t, func(t *testing.T, d *DB) {
		ctx := t.Context()
		d.mustAccount(t, "p-chan", "chan@example.org")
		d.mustAccount(t, "p-lee", "lee@example.org")
		wants(t, "session", Holders{d}.SaveSession(ctx, Session{ID: "s", Person: "p-chan", Created: 1}), nil)
		notice := Letter{ID: "n", Kind: "address_changed", Address: "chan@example.org", Sealed: []byte("x"), At: 5}
		toNew, toOld := d.code(t, "new", "p-chan", "new@example.org", "new@example.org"), d.code(t, "old", "p-chan", "chan@example.org", "chan@example.org")
		_, err := d.ChangeAddress(ctx, toNew, wrongly(toOld), Account{}, AddressChange{ID: "1", At: 5}, notice)
		if w, ok := errors.AsType[*WrongCode](err); !ok || w.Purpose != "old" || w.Left != 4 {
			t.Errorf("%v", err)
		}
		if c, err := d.WaitingCode(ctx, toNew.Browser, "new", 5); err != nil || c.Tries != 4 {
			t.Errorf("the other code: %+v %v", c, err)
		}
		// What cannot be told to the old address is not done.
		wants(t, "a letter in the way", d.AddLetters(ctx, notice), nil)
		_, err = d.ChangeAddress(ctx, toNew, toOld, Account{}, AddressChange{ID: "1", At: 5}, notice)
		wants(t, "no notice", err, ErrConflict)
		if a, err := d.Account(ctx, "p-chan"); err != nil || a.Address != "chan@example.org" {
			t.Errorf("%+v %v", a, err)
		}
		notice.ID = "n2"
		c, err := d.ChangeAddress(ctx, toNew, toOld, Account{}, AddressChange{ID: "1", At: 5}, notice)
		if err != nil || c.State != ChangeDone || c.Old != "chan@example.org" {
			t.Fatalf("%+v %v", c, err)
		}
		if a, err := d.Account(ctx, "p-chan"); err != nil || a.Address != "new@example.org" {
			t.Errorf("%+v %v", a, err)
		}
		if _, err := (Holders{d}).Session(ctx, "s"); !errors.Is(err, ErrNotFound) {
			t.Errorf("a session stands: %v", err)
		}
		// The code of another person's old address agrees to nothing.
		toNew, toOld = d.code(t, "new", "p-chan", "x@example.org", "x@example.org"), d.code(t, "old", "p-lee", "lee@example.org", "lee@example.org")
		_, err = d.ChangeAddress(ctx, toNew, toOld, Account{}, AddressChange{ID: "2", At: 6}, notice)
		wants(t, "another's word", err, ErrConflict)
		// An account without an address gets the registry's, and that one is replaced.
		_, err = d.AddAccount(ctx, Account{Person: "p-ho", Handle: "ho", Created: 1})
		wants(t, "account", err, nil)
		toNew = d.code(t, "new", "p-ho", "ho@new.example.org", "ho@new.example.org")
		if c, err := d.ProposeChange(ctx, toNew, Account{Address: "ho@example.org", Folded: "ho@example.org"}, AddressChange{ID: "3", At: 7}); err != nil || c.Old != "ho@example.org" || c.State != ChangeWaiting {
			t.Errorf("%+v %v", c, err)
		}
		if a, err := d.AccountOf(ctx, "ho@example.org"); err != nil || a.Person != "p-ho" {
			t.Errorf("%+v %v", a, err)
		}
		// Unless that is somebody else's: then the office alone decides.
		toNew = d.code(t, "new", "p-ng", "ng@new.example.org", "ng@new.example.org")
		if c, err := d.ProposeChange(ctx, toNew, Account{Address: "lee@example.org", Folded: "lee@example.org", Handle: "ng", Created: 1}, AddressChange{ID: "4", At: 8}); err != nil || c.Old != "" {
			t.Errorf("%+v %v", c, err)
		}
		due, err := d.AddressChange(ctx, "3")
		if err != nil {
			t.Fatal(err)
		}
		due.State, due.Effect, due.Decided, due.DecidedBy = ChangeDue, 100, 9, "user:ho"
		wants(t, "approve", d.DecideChange(ctx, due, Letter{ID: "l3", Kind: "address_changing", Address: "ho@example.org", Sealed: []byte("x"), At: 9}), nil)
		wants(t, "approve twice", d.DecideChange(ctx, due), ErrNotFound)
		wants(t, "too early", d.FinishChange(ctx, due, Letter{ID: "l4"}, 99), ErrNotFound)
		wants(t, "finish", d.FinishChange(ctx, due, Letter{ID: "l4", Kind: "address_changed", Address: "ho@example.org", Sealed: []byte("x"), At: 100}, 100), nil)
		wants(t, "finish twice", d.FinishChange(ctx, due, Letter{ID: "l5"}, 100), ErrNotFound)
		wants(t, "stop what is done", d.StopChange(ctx, "p-ho", "", 101), ErrNotFound)
		wants(t, "stop", d.StopChange(ctx, "p-ng", "", 101), nil)
		for state, want := range map[string]int{ChangeDone: 2, ChangeStopped: 1, ChangeWaiting: 0, ChangeDue: 0} {
			if list, err := d.AddressChanges(ctx, state, 10); err != nil || len(list) != want {
				t.Errorf("%s: %d, %v", state, len(list), err)
			}
		}
	})
}

func TestHolders(t *testing.T) {
	onDatabases(t, func(t *testing.T, d *DB) {
		ctx, h := t.Context(), Holders{d}
		wants(t, "without an account", h.SaveSession(ctx, Session{ID: "s", Person: "p-chan"}), ErrNotFound)
		d.mustAccount(t, "p-chan", "chan@example.org")
		d.mustAccount(t, "p-lee", "lee@example.org")
		for n := range maxSessions + 3 {
			wants(t, "session", h.SaveSession(ctx, Session{ID: string(rune('a' + n)), Person: "p-chan", Method: "mail", Created: int64(100 + n), Signed: 1, Seen: int64(100 + n), Agent: "陳/1"}), nil)
		}
		if list, err := h.Sessions(ctx, "p-chan", 0, 0); err != nil || len(list) != maxSessions || list[0].ID != "w" || list[0].Agent != "陳/1" {
			t.Errorf("%d %v", len(list), err)
		}
		wants(t, "another's", h.EndPersonSession(ctx, "p-lee", "w"), ErrNotFound)
		wants(t, "own", h.EndPersonSession(ctx, "p-chan", "w"), nil)
		key := Passkey{ID: []byte("key"), Person: "p-chan", Label: "x", Record: []byte("1"), Created: 1}
		wants(t, "passkey", d.AddHolderPasskey(ctx, key, Letter{ID: "k", Kind: "method_added", Address: "chan@example.org", Sealed: []byte("x"), At: 1}), nil)
		stolen := key
		stolen.Person = "p-lee"
		wants(t, "another's passkey", d.AddHolderPasskey(ctx, stolen), ErrConflict)
		wants(t, "used", d.HolderPasskeyUsed(ctx, key, []byte("2"), 2), nil)
		wants(t, "used at once", d.HolderPasskeyUsed(ctx, key, []byte("3"), 2), ErrConflict)
		link := d.code(t, "link", "p-chan", "chan@example.org", "x")
		l := AccountLink{OpenID: OpenID{"https://id.example", "s"}, Provider: "google", Linked: 3}
		_, err := d.LinkAccount(ctx, link, l, Letter{ID: "k", Kind: "method_added", Sealed: []byte("x"), At: 3})
		wants(t, "a letter in the way", err, ErrConflict)
		if _, err := d.UseLink(ctx, l.OpenID, 4); !errors.Is(err, ErrNotFound) {
			t.Errorf("linked without a notice: %v", err)
		}
		if got, err := d.LinkAccount(ctx, link, l, Letter{ID: "m", Kind: "method_added", Sealed: []byte("x"), At: 3}); err != nil || got.Person != "p-chan" {
			t.Errorf("%+v %v", got, err)
		}
		if got, err := d.UseLink(ctx, l.OpenID, 4); err != nil || got.Person != "p-chan" {
			t.Errorf("%+v %v", got, err)
		}
		wants(t, "another's link", d.Unlink(ctx, "p-lee", l.OpenID, "", 5), ErrNotFound)
		wants(t, "profile", d.SetProfile(ctx, Profile{"p-chan", `{"phone":"1"}`, 6}, 0), nil)
		wants(t, "the first again", d.SetProfile(ctx, Profile{"p-chan", `{}`, 6}, 0), ErrConflict)
		wants(t, "the next, within a millisecond", d.SetProfile(ctx, Profile{"p-chan", `{"phone":"2"}`, 6}, 6), nil)
		wants(t, "an old one", d.SetProfile(ctx, Profile{"p-chan", `{}`, 9}, 6), ErrConflict)
		// A merge takes everything along.
		wants(t, "onto an account", d.MoveAccount(ctx, "p-chan", "p-lee", 7), ErrConflict)
		wants(t, "move", d.MoveAccount(ctx, "p-chan", "p-new", 7), nil)
		if a, err := d.AccountOf(ctx, "chan@example.org"); err != nil || a.Person != "p-new" || a.Handle != "handle of p-chan" {
			t.Errorf("%+v %v", a, err)
		}
		if p, err := d.Profile(ctx, "p-new"); err != nil || p.Body != `{"phone":"2"}` {
			t.Errorf("%+v %v", p, err)
		}
		wants(t, "erase", d.erase("p-new", 8), nil)
		wants(t, "erase twice", d.erase("p-new", 8), ErrNotFound)
		for _, table := range []string{"account_sessions", "account_changes", "account_links", "account_passkeys", "account_profiles"} {
			var n int
			if err := d.sql.QueryRowContext(ctx, `SELECT COUNT(*) FROM `+table).Scan(&n); err != nil || n != 0 {
				t.Errorf("%s: %d %v", table, n, err)
			}
		}
		if list, err := d.LettersTo(ctx, "chan@example.org", 10); err != nil || len(list) != 0 {
			t.Errorf("%d letters %v", len(list), err)
		}
	})
}
