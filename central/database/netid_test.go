package database

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
)

func someNetID(person, name string) NetID {
	return NetID{Person: person, Card: "staff", Name: name, NameKey: name, Alias: "a." + name, Email: person + "@example.org", Lang: "en", Password: "hash-1", Changed: 10, Due: 100, Created: 10}
}

// issuer of the NetIDs.
const issuer = "https://ecard.example/openid"

func someLetter(id string) func(string) (Letter, error) {
	return func(string) (Letter, error) {
		return Letter{ID: id, Kind: "netid_done", Address: "x@example.org", Sealed: []byte("s"), By: "netid", At: 1}, nil
	}
}

func (d *DB) someFlow(t *testing.T, id, subject string) []byte {
	t.Helper()
	if err := d.BeginFlow(ctx, Flow{ID: []byte(id), Subject: subject, Data: []byte{0, 1, 0xff}, Expires: 1000}); err != nil {
		t.Fatal(err)
	}
	return []byte(id)
}

// TestNetIDs: a NetID, its mail and the end of its flow are one deed; what stands
// in the way is told apart, and leaves nothing behind.
func TestNetIDs(t *testing.T) { both(t, testNetIDs) }

func testNetIDs(t *testing.T, d *DB) {
	id, err := d.AddNetID(ctx, d.someFlow(t, "f1", "p1"), someNetID("p1", "one"), []string{"chan", "chan2"}, someLetter("l1"))
	if err != nil || id != "chan" {
		t.Fatal(id, err)
	}
	failed := errors.New("no letter")
	for name, c := range map[string]struct {
		n      NetID
		flow   string
		letter func(string) (Letter, error)
		want   error
	}{
		"name":                   {NetID{Person: "p2", Card: "staff", NameKey: "one", Alias: "z"}, "f2", someLetter("x1"), ErrNameTaken},
		"alias":                  {NetID{Person: "p2", Card: "staff", NameKey: "z", Alias: "a.one"}, "f2", someLetter("x2"), ErrAliasTaken},
		"has one":                {someNetID("p1", "two"), "f2", someLetter("x3"), ErrHasNetID},
		"flow ends":              {someNetID("p2", "two"), "gone", someLetter("x4"), ErrNotFound},
		"letter":                 {someNetID("p2", "two"), "f2", func(string) (Letter, error) { return Letter{}, failed }, failed},
		"a letter that is there": {someNetID("p2", "two"), "f2", someLetter("l1"), ErrConflict},
	} {
		d.someFlow(t, "f2", "p2")
		if _, err := d.AddNetID(ctx, []byte(c.flow), c.n, []string{"chan", "chan2"}, c.letter); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
		if _, err := d.NetID(ctx, "chan2"); !errors.Is(err, ErrNotFound) {
			t.Errorf("%s left a NetID: %v", name, err)
		}
		if _, err := d.Flow(ctx, []byte("f2"), 0); err != nil {
			t.Errorf("%s ended the flow: %v", name, err)
		}
	}
	for _, e := range []error{ErrNameTaken, ErrAliasTaken, ErrHasNetID} {
		if !errors.Is(e, ErrConflict) {
			t.Errorf("%v is no conflict", e)
		}
	}
	if _, err := d.AddNetID(ctx, []byte("f2"), someNetID("p2", "two"), []string{"chan"}, someLetter("l2")); !errors.Is(err, ErrConflict) {
		t.Errorf("no id is free: %v", err)
	}
	if id, err := d.AddNetID(ctx, []byte("f2"), someNetID("p2", "two"), []string{"chan", "chan2"}, someLetter("l2")); err != nil || id != "chan2" {
		t.Error(id, err)
	}
	if _, err := d.Flow(ctx, []byte("f2"), 0); !errors.Is(err, ErrNotFound) {
		t.Errorf("the flow goes on: %v", err)
	}
	if list, err := d.LettersTo(ctx, "x@example.org", 9); err != nil || len(list) != 2 {
		t.Errorf("%d letters, %v", len(list), err)
	}
	if got, err := d.NetID(ctx, "chan"); err != nil || got.Person != "p1" || got.Password != "hash-1" || got.Due != 100 || got.Ended != 0 {
		t.Errorf("%+v, %v", got, err)
	}
	if list, err := d.NetIDsOf(ctx, "p2"); err != nil || len(list) != 1 || list[0].ID != "chan2" {
		t.Errorf("%+v, %v", list, err)
	}
	if err := d.AdoptNetID(ctx, NetID{ID: "chan", Person: "p9", NameKey: "q", Alias: "q"}); err != nil {
		t.Error(err)
	}
	if got, _ := d.NetID(ctx, "chan"); got.Person != "p1" {
		t.Error("adopted from somebody")
	}
	if err := d.EndNetID(ctx, "chan", issuer, "user:a", "left", 50); err != nil {
		t.Fatal(err)
	}
	if err := d.EndNetID(ctx, "chan", issuer, "user:a", "left", 51); !errors.Is(err, ErrNotFound) {
		t.Error(err)
	}
	d.someFlow(t, "f3", "p1")
	if id, err := d.AddNetID(ctx, []byte("f3"), someNetID("p1", "three"), []string{"chan", "chan3"}, someLetter("l3")); err != nil || id != "chan3" {
		t.Errorf("after the end: %s, %v", id, err)
	}
}

// TestNetIDsOfMerged: who was merged has the NetIDs of both, and nobody gets one
// that the register says to be somebody else's.
func TestNetIDsOfMerged(t *testing.T) { both(t, testNetIDsOfMerged) }

func testNetIDsOfMerged(t *testing.T, d *DB) {
	for id, head := range map[string]string{"kept": "", "gone": "kept", "other": ""} {
		if _, err := d.sql.Exec(`INSERT INTO register_persons (id, head, surname, given, name_zh, born, personal_id, email, phone, name_key, since, changed)
			VALUES ($1, $2, '', '', '', '', '', '', '', '', 0, 0)`, id, head); err != nil {
			t.Fatal(err)
		}
	}
	for key, person := range map[string]string{"his": "other", "mine": "kept", "merged": "gone"} {
		if _, err := d.sql.Exec(`INSERT INTO register_netids (key, person, netid) VALUES ($1, $2, $1)`, key, person); err != nil {
			t.Fatal(err)
		}
	}
	for i, c := range []struct{ person, card, want string }{{"gone", "staff", "merged"}, {"kept", "visitor", "mine"}, {"kept", "student", "free"}} {
		n := someNetID(c.person, fmt.Sprint("n", i))
		n.Card = c.card
		ids := []string{"his", c.want}
		if id, err := d.AddNetID(ctx, d.someFlow(t, fmt.Sprint("f", i), c.person), n, ids, someLetter(fmt.Sprint("l", i))); err != nil || id != c.want {
			t.Errorf("%s: %s, %v", c.person, id, err)
		}
	}
	if list, err := d.NetIDsOf(ctx, "kept"); err != nil || len(list) != 3 {
		t.Errorf("%d NetIDs, %v", len(list), err)
	}
	for _, person := range []string{"", "other"} {
		if list, err := d.NetIDsOf(ctx, person); err != nil || len(list) != 0 {
			t.Errorf("of %q: %+v, %v", person, list, err)
		}
	}
}

// TestNetPassword: a new one ends all that stood on the one before, in one deed.
func TestNetPassword(t *testing.T) { both(t, testNetPassword) }

func testNetPassword(t *testing.T, d *DB) {
	for i, p := range []string{"p1", "p2"} {
		if _, err := d.AddNetID(ctx, d.someFlow(t, "f"+p, p), someNetID(p, p), []string{fmt.Sprint("id", i)}, someLetter(p)); err != nil {
			t.Fatal(err)
		}
		id := fmt.Sprint("id", i)
		put := func(name string) Sealed {
			return Sealed{ID: []byte(name + id), Of: []byte("of" + id), NetID: id, Data: []byte{9}, Expires: 1000}
		}
		token := put("token")
		token.Of = []byte("grant" + id)
		err := errors.Join(d.AddOpenIDSession(ctx, OpenIDSession{ID: []byte("session" + id), NetID: id, Signed: 1, Expires: 1000}), d.AddOpenIDCode(ctx, put("code")),
			d.usedCode(t, "of"+id), d.PutOpenIDGrant(ctx, put("grant")), d.PutOpenIDToken(ctx, token))
		if err != nil {
			t.Fatal(err)
		}
	}
	d.signedIn(t)
	alive := func(id string) (n int) {
		t.Helper()
		for _, look := range []func() error{
			func() error { _, err := d.OpenIDSession(ctx, []byte("session"+id), 5); return err },
			func() error { _, err := d.OpenIDGrant(ctx, []byte("grant"+id), 5); return err },
			func() error { _, err := d.OpenIDToken(ctx, []byte("token"+id), 5); return err },
			func() error { _, err := Holders{d}.Session(ctx, "portal"+id); return err },
			func() error { _, err := d.Session(ctx, "office"+id); return err },
		} {
			switch err := look(); {
			case err == nil:
				n++
			case !errors.Is(err, ErrNotFound):
				t.Fatal(err)
			}
		}
		return n
	}
	flow := d.someFlow(t, "reset", "id0")
	change := NewPassword{ID: "id0", Was: "hash-1", Hash: "hash-2", At: 20, Due: 200, Keep: 2, Flow: flow, Deed: "netid_reset", Issuer: issuer}
	lost := change
	lost.Letters = []Letter{{ID: "p1", Kind: "netid_done", Sealed: []byte{1}}} // is there
	if err := d.SetNetPassword(ctx, lost); !errors.Is(err, ErrConflict) || alive("id0") != 5 {
		t.Errorf("half of it: %v, %d alive", err, alive("id0"))
	}
	stale := change
	stale.Was = "another"
	if err := d.SetNetPassword(ctx, stale); !errors.Is(err, ErrConflict) {
		t.Errorf("changed meanwhile: %v", err)
	}
	if err := d.SetNetPassword(ctx, change); err != nil || alive("id0") != 0 || alive("id1") != 5 {
		t.Errorf("%v, %d and %d alive", err, alive("id0"), alive("id1"))
	}
	if _, err := d.Session(ctx, "office by hand"); err != nil {
		t.Errorf("a session of the office that another way began: %v", err)
	}
	if _, err := d.TakeOpenIDCode(ctx, []byte("codeid0"), 5); !errors.Is(err, ErrNotFound) {
		t.Errorf("the code: %v", err)
	}
	change.Was, change.Hash = "hash-2", "hash-3"
	if err := d.SetNetPassword(ctx, change); !errors.Is(err, ErrNotFound) {
		t.Errorf("the flow twice: %v", err)
	}
	for i := 2; i < 6; i++ {
		if err := d.SetNetPassword(ctx, NewPassword{ID: "id0", Was: fmt.Sprint("hash-", i), Hash: fmt.Sprint("hash-", i+1), At: int64(20 + i), Due: 300, Keep: 2, Deed: "netid_password"}); err != nil {
			t.Fatal(err)
		}
	}
	if list, err := d.NetPasswords(ctx, "id0", 9); err != nil || fmt.Sprint(list) != "[hash-5 hash-4]" {
		t.Errorf("%v, %v", list, err)
	}
	if err := d.RehashNetPassword(ctx, "id0", "hash-6", "hash-6b"); err != nil {
		t.Error(err)
	}
	if n, err := d.NetID(ctx, "id0"); err != nil || n.Password != "hash-6b" || n.Changed != 25 || n.Due != 300 {
		t.Errorf("%+v, %v", n, err)
	}
	flow = d.someFlow(t, "mail", "id0")
	if err := d.SetNetIDEmail(ctx, flow, "id0", "new@example.org", 30); err != nil {
		t.Error(err)
	}
	if err := d.SetNetIDEmail(ctx, flow, "id0", "newer@example.org", 30); !errors.Is(err, ErrNotFound) {
		t.Errorf("twice: %v", err)
	}
	if n, err := d.NetID(ctx, "id0"); err != nil || n.Email != "new@example.org" {
		t.Errorf("%+v, %v", n, err)
	}
}

// usedCode stores a code that a client has come with.
func (d *DB) usedCode(t *testing.T, id string) error {
	t.Helper()
	if err := d.AddOpenIDCode(ctx, Sealed{ID: []byte(id), NetID: "n", Data: []byte("d"), Expires: 100}); err != nil {
		return err
	}
	_, err := d.TakeOpenIDCode(ctx, []byte(id), 5)
	return err
}

// signedIn signs the persons of id0 and id1 in at the portal, of whom the first was
// merged into another, and one who works at the office with each.
func (d *DB) signedIn(t *testing.T) {
	t.Helper()
	for id, head := range map[string]string{"kept": "", "p1": "kept", "p2": ""} {
		if _, err := d.sql.Exec(`INSERT INTO register_persons (id, head, surname, given, name_zh, born, personal_id, email, phone, name_key, since, changed)
			VALUES ($1, $2, '', '', '', '', '', '', '', '', 0, 0)`, id, head); err != nil {
			t.Fatal(err)
		}
	}
	for id, person := range map[string]string{"id0": "kept", "id1": "p2"} {
		d.mustAccount(t, person, person+"@example.org")
		staff := Person{ID: "staff " + id, Name: "staff-" + id, Roles: "viewer", Created: 1}
		err := errors.Join(Holders{d}.SaveSession(ctx, Session{ID: "portal" + id, Person: person, Method: "mail", Created: 1}), d.AdmitOpenID(ctx, staff, OpenID{issuer, id}),
			d.SaveSession(ctx, Session{ID: "office" + id, Person: staff.ID, Method: "openid", Created: 1}))
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := d.SaveSession(ctx, Session{ID: "office by hand", Person: "staff id0", Method: "passkey", Created: 1}); err != nil {
		t.Fatal(err)
	}
}

// TestFlowTries: of many that try at once as many are let as there are tries.
func TestFlowTries(t *testing.T) { both(t, testFlowTries) }

func testFlowTries(t *testing.T, d *DB) {
	id := d.someFlow(t, "f", "s")
	var all sync.WaitGroup
	var let atomic.Int32
	for range 12 {
		all.Go(func() {
			switch _, err := d.TryFlow(ctx, id, 5, 5); {
			case err == nil:
				let.Add(1)
			case !errors.Is(err, ErrNotFound):
				t.Error(err)
			}
		})
	}
	all.Wait()
	if let.Load() != 5 {
		t.Errorf("%d tries", let.Load())
	}
	f, err := d.Flow(ctx, id, 5)
	if err != nil || len(f.Data) != 3 || f.Subject != "s" {
		t.Fatal(f, err)
	}
	f.Data, f.Expires = []byte("next"), 2000
	if err := d.AdvanceFlow(ctx, f); err != nil {
		t.Fatal(err)
	}
	if f, err := d.TryFlow(ctx, id, 1500, 5); err != nil || string(f.Data) != "next" {
		t.Errorf("%+v, %v", f, err)
	}
	if _, err := d.Flow(ctx, id, 2000); !errors.Is(err, ErrNotFound) {
		t.Errorf("over: %v", err)
	}
	d.someFlow(t, "newer", "s")
	if err := d.AdvanceFlow(ctx, f); !errors.Is(err, ErrNotFound) {
		t.Errorf("a newer one was begun: %v", err)
	}
	for range 2 {
		if err := d.EndFlow(ctx, []byte("newer")); err != nil {
			t.Error(err)
		}
	}
}

// TestCodeOnce: of many that take a code at once one gets it.
func TestCodeOnce(t *testing.T) { both(t, testCodeOnce) }

func testCodeOnce(t *testing.T, d *DB) {
	if err := d.AddOpenIDCode(ctx, Sealed{ID: []byte("c"), NetID: "n", Data: []byte("d"), Expires: 100}); err != nil {
		t.Fatal(err)
	}
	if _, err := d.TakeOpenIDCode(ctx, []byte("c"), 100); !errors.Is(err, ErrNotFound) {
		t.Errorf("after its time: %v", err)
	}
	var all sync.WaitGroup
	var got atomic.Int32
	for range 8 {
		all.Go(func() {
			switch c, err := d.TakeOpenIDCode(ctx, []byte("c"), 5); {
			case err == nil && string(c.Data) == "d":
				got.Add(1)
			case !errors.Is(err, ErrNotFound):
				t.Error(err)
			}
		})
	}
	all.Wait()
	if got.Load() != 1 {
		t.Errorf("%d got it", got.Load())
	}
	for _, g := range []string{"g1", "g2"} {
		err := errors.Join(d.usedCode(t, "code"+g), d.PutOpenIDGrant(ctx, Sealed{ID: []byte(g), Of: []byte("code" + g), NetID: "n", Data: []byte("d"), Expires: 100}),
			d.PutOpenIDToken(ctx, Sealed{ID: []byte("t" + g), Of: []byte(g), Data: []byte("d"), Expires: 100}))
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := d.EndOpenIDGrants(ctx, []byte{}, []byte("codeg1")); err != nil {
		t.Fatal(err)
	}
	if _, err := d.OpenIDToken(ctx, []byte("tg1"), 5); !errors.Is(err, ErrNotFound) {
		t.Errorf("its token: %v", err)
	}
	if _, err := d.OpenIDToken(ctx, []byte("tg2"), 5); err != nil {
		t.Errorf("another's token: %v", err)
	}
	if err := d.EndOpenIDTokens(ctx, []byte("tg2"), []byte{}); err != nil {
		t.Fatal(err)
	}
	if err := d.PruneNetID(ctx, 100); err != nil {
		t.Fatal(err)
	}
	if _, err := d.OpenIDGrant(ctx, []byte("g2"), 5); !errors.Is(err, ErrNotFound) {
		t.Errorf("an old grant: %v", err)
	}
}

// TestReplay: a code that comes again ends what it was given for, whether that is
// stored before, between or after.
func TestReplay(t *testing.T) { both(t, testReplay) }

func testReplay(t *testing.T, d *DB) {
	for again := range 3 {
		name := fmt.Sprint("replay", again)
		id := func(kind string) []byte { return []byte(kind + name) }
		replay := func(at int) {
			if at == again {
				_, err := d.TakeOpenIDCode(ctx, id(""), 6)
				wants(t, name+": the second use", err, ErrNotFound)
			}
		}
		wants(t, name, d.usedCode(t, name), nil)
		want := map[bool]error{true: ErrNotFound}
		replay(0)
		wants(t, name+": grant", d.PutOpenIDGrant(ctx, Sealed{ID: id("g"), Of: id(""), NetID: "n", Data: []byte("d"), Expires: 100}), want[again < 1])
		replay(1)
		wants(t, name+": token", d.PutOpenIDToken(ctx, Sealed{ID: id("t"), Of: id("g"), Data: []byte("d"), Expires: 100}), want[again < 2])
		replay(2)
		_, grant := d.OpenIDGrant(ctx, id("g"), 7)
		_, token := d.OpenIDToken(ctx, id("t"), 7)
		wants(t, name+": the grant at last", grant, ErrNotFound)
		wants(t, name+": the token at last", token, ErrNotFound)
	}
	if err := d.AddOpenIDCode(ctx, Sealed{ID: []byte("unused"), NetID: "n", Data: []byte("d"), Expires: 100}); err != nil {
		t.Fatal(err)
	}
	wants(t, "a grant of a code that nobody used", d.PutOpenIDGrant(ctx, Sealed{ID: []byte("g"), Of: []byte("unused"), NetID: "n", Data: []byte("d"), Expires: 100}), ErrNotFound)
}

// TestReminded: of two that remind at once one does, with its letter.
func TestReminded(t *testing.T) { both(t, testReminded) }

func testReminded(t *testing.T, d *DB) {
	if _, err := d.AddNetID(ctx, d.someFlow(t, "f", "p"), someNetID("p", "n"), []string{"id"}, someLetter("l")); err != nil {
		t.Fatal(err)
	}
	list, err := d.DueNetIDs(ctx, 100, 9)
	if err != nil || len(list) != 1 {
		t.Fatal(list, err)
	}
	if early, err := d.DueNetIDs(ctx, 99, 9); err != nil || len(early) != 0 {
		t.Error(early, err)
	}
	var all sync.WaitGroup
	var done atomic.Int32
	for i := range 4 {
		all.Go(func() {
			switch err := d.Reminded(ctx, list[0], 200, Letter{ID: fmt.Sprint("r", i), Kind: "password_advice", Address: "p@example.org", Sealed: []byte{1}}); {
			case err == nil:
				done.Add(1)
			case !errors.Is(err, ErrConflict):
				t.Error(err)
			}
		})
	}
	all.Wait()
	if mails, err := d.LettersTo(ctx, "p@example.org", 9); err != nil || len(mails) != 1 || done.Load() != 1 {
		t.Errorf("%d letters, %d did, %v", len(mails), done.Load(), err)
	}
}

// TestOpenIDKeys: of two centrals that rotate at once one adds a key, and the one
// that is still signed with stays.
func TestOpenIDKeys(t *testing.T) { both(t, testOpenIDKeys) }

func testOpenIDKeys(t *testing.T, d *DB) {
	ids := func() (s string) {
		t.Helper()
		list, err := d.OpenIDKeys(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, k := range list {
			s += k.ID
		}
		return s
	}
	for _, c := range []struct {
		id                   string
		made, newest, oldest int64
		want                 string
	}{{"a", 100, 70, 60, "a"}, {"b", 110, 80, 70, "a"}, {"c", 200, 170, 160, "ca"}, {"d", 300, 270, 260, "dc"}, {"e", 301, 271, 261, "dc"}, {"f", 400, 370, 100, "fdc"}} {
		if err := d.RotateOpenIDKey(ctx, OpenIDKey{c.id, c.made, []byte(c.id)}, c.newest, c.oldest); err != nil {
			t.Fatal(err)
		}
		if got := ids(); got != c.want {
			t.Errorf("after %s: %s, want %s", c.id, got, c.want)
		}
	}
}
