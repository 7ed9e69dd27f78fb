package database

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
)

// onDatabases runs f on an open database of either kind.
func onDatabases(t *testing.T, f func(t *testing.T, d *DB)) {
	onBoth(t, func(t *testing.T, where string) {
		d, err := Open(t.Context(), where)
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		f(t, d)
	})
}

func wants(t *testing.T, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: %v, want %v", what, err, want)
	}
}

func (d *DB) mustAdd(t *testing.T, name, roles string) {
	t.Helper()
	if err := d.AddPerson(t.Context(), Person{ID: "id-" + name, Name: name, Roles: roles, Created: 1}, "test"); err != nil {
		t.Fatal(err)
	}
}

func TestPeople(t *testing.T) {
	onDatabases(t, func(t *testing.T, d *DB) {
		ctx := t.Context()
		d.mustAdd(t, "chan", "admin issuer")
		d.mustAdd(t, "lee", "admin")
		d.mustAdd(t, "wong", "viewer")
		wants(t, "a name twice", d.AddPerson(ctx, Person{ID: "x", Name: "chan", Roles: "viewer"}, "test"), ErrConflict)
		// An admin who never signed in is none to fall back on.
		wants(t, "the last admin's roles", d.SetPersonRoles(ctx, "id-chan", "viewer", "test", 2), ErrLastAdmin)
		wants(t, "the last admin's end", d.EndPerson(ctx, "id-chan", "test", 2), ErrLastAdmin)
		wants(t, "session", d.SaveSession(ctx, Session{ID: "s", Person: "id-lee", Created: 3, Signed: 3, Seen: 3}), nil)
		wants(t, "roles", d.SetPersonRoles(ctx, "id-chan", "viewer", "test", 4), nil)
		wants(t, "the same roles", d.SetPersonRoles(ctx, "id-chan", "viewer", "test", 4), nil)
		wants(t, "roles of nobody", d.SetPersonRoles(ctx, "id-none", "viewer", "test", 4), ErrNotFound)
		wants(t, "end", d.EndPerson(ctx, "id-wong", "test", 5), nil)
		wants(t, "end twice", d.EndPerson(ctx, "id-wong", "test", 5), ErrNotFound)
		wants(t, "session of the ended", d.SaveSession(ctx, Session{ID: "t", Person: "id-wong", Created: 6}), ErrNotFound)
		people, err := d.People(ctx)
		if err != nil || len(people) != 3 || people[0].Name != "chan" || people[1].Seen != 3 || people[2].Ended != 5 {
			t.Errorf("%+v %v", people, err)
		}
		if _, err := d.PersonNamed(ctx, "none"); !errors.Is(err, ErrNotFound) {
			t.Error(err)
		}
	})
}

func TestRegistration(t *testing.T) {
	onDatabases(t, func(t *testing.T, d *DB) {
		ctx := t.Context()
		d.mustAdd(t, "chan", "issuer")
		d.mustAdd(t, "lee", "issuer")
		invite := func(id string) {
			t.Helper()
			wants(t, "invite", d.InvitePerson(ctx, PersonInvitation{ID: id, Person: "id-chan", Secret: []byte("x"), Created: 1, Expires: 100}, "test"), nil)
		}
		invite("one")
		invite("two")
		if _, err := d.PersonInvitation(ctx, "one"); !errors.Is(err, ErrNotFound) {
			t.Errorf("the earlier invitation: %v", err)
		}
		key := Passkey{ID: []byte("key"), Person: "id-chan", Label: "phone", Record: []byte("a"), Created: 2}
		wants(t, "for another person", d.Register(ctx, "two", "id-lee", Registration{Passkey: &key}, 2), ErrConflict)
		wants(t, "with nothing", d.Register(ctx, "two", "id-chan", Registration{}, 2), ErrLastCredential)
		wants(t, "expired", d.Register(ctx, "two", "id-chan", Registration{Passkey: &key}, 100), ErrConflict)
		wants(t, "register", d.Register(ctx, "two", "id-chan", Registration{Passkey: &key}, 2), nil)
		wants(t, "again", d.Register(ctx, "two", "id-chan", Registration{Passkey: &key}, 2), ErrConflict)
		stolen := key
		stolen.Person = "id-lee"
		wants(t, "another's passkey", d.AddPasskey(ctx, stolen), ErrConflict)
		wants(t, "used", d.PasskeyUsed(ctx, key, []byte("b"), 3), nil)
		wants(t, "used at once elsewhere", d.PasskeyUsed(ctx, key, []byte("c"), 3), ErrConflict)
		wants(t, "the last way", d.RemovePasskey(ctx, "id-chan", key.ID, "", 4), ErrLastCredential)
		wants(t, "another's", d.RemovePasskey(ctx, "id-lee", key.ID, "", 4), ErrNotFound)
		wants(t, "password", d.SetPassword(ctx, "id-chan", Password{Hash: "h", TOTP: []byte("t"), Step: 10, Recovery: [][]byte{[]byte("r"), []byte("s")}}, "", 5), nil)
		wants(t, "now", d.RemovePasskey(ctx, "id-chan", key.ID, "", 6), nil)
		wants(t, "a used step", d.TakeStep(ctx, "id-chan", 10), ErrConflict)
		wants(t, "the next step", d.TakeStep(ctx, "id-chan", 11), nil)
		wants(t, "recovery", d.TakeRecovery(ctx, "id-chan", []byte("r"), 7), nil)
		wants(t, "recovery twice", d.TakeRecovery(ctx, "id-chan", []byte("r"), 7), ErrConflict)
		if n, err := d.RecoveryLeft(ctx, "id-chan"); err != nil || n != 1 {
			t.Errorf("%d left, %v", n, err)
		}
		wants(t, "the last password", d.RemovePassword(ctx, "id-chan", "", 8), ErrLastCredential)
		for n := range maxPasskeys + 1 {
			k := Passkey{ID: fmt.Appendf(nil, "key %d", n), Person: "id-lee", Record: []byte{}, Created: int64(n)}
			want := error(nil)
			if n == maxPasskeys {
				want = ErrConflict
			}
			wants(t, "many passkeys", d.AddPasskey(ctx, k), want)
		}
	})
}

func TestOpenIDs(t *testing.T) {
	onDatabases(t, func(t *testing.T, d *DB) {
		ctx, at := t.Context(), OpenID{"https://id.example.edu", "s-1"}
		wants(t, "admit", d.AdmitOpenID(ctx, Person{ID: "1", Name: "wong", Roles: "viewer", Managed: at.Issuer, Created: 1}, at), nil)
		wants(t, "another of the name", d.AdmitOpenID(ctx, Person{ID: "2", Name: "wong", Roles: "viewer", Managed: at.Issuer, Created: 1}, OpenID{at.Issuer, "s-2"}), ErrConflict)
		wants(t, "another person", d.AdmitOpenID(ctx, Person{ID: "3", Name: "ho", Roles: "viewer", Managed: at.Issuer, Created: 1}, at), ErrConflict)
		if _, err := d.PersonNamed(ctx, "ho"); !errors.Is(err, ErrNotFound) {
			t.Errorf("half of it stands: %v", err)
		}
		wants(t, "roles", d.SetManagedRoles(ctx, "1", "security", "openid", 2), nil)
		if p, err := d.PersonByOpenID(ctx, at); err != nil || p.Roles != "security" || p.Managed != at.Issuer {
			t.Errorf("%+v %v", p, err)
		}
	})
}

func TestSessions(t *testing.T) {
	onDatabases(t, func(t *testing.T, d *DB) {
		ctx := t.Context()
		d.mustAdd(t, "chan", "issuer")
		d.mustAdd(t, "lee", "issuer")
		for n := range int64(maxSessions + 5) {
			wants(t, "session", d.SaveSession(ctx, Session{ID: fmt.Sprint("s", n), Person: "id-chan", Method: "passkey", Created: 100 + n, Signed: 100 + n, Seen: 100 + n, Address: "192.0.2.1", Agent: "陳/1"}), nil)
		}
		list, err := d.Sessions(ctx, "id-chan", 0, 0)
		if err != nil || len(list) != maxSessions || list[0].ID != "s24" || list[maxSessions-1].ID != "s5" {
			t.Errorf("%d sessions, %v", len(list), err)
		}
		wants(t, "seen", d.SessionSeen(ctx, "s24", 500), nil)
		if s, err := d.Session(ctx, "s24"); err != nil || s.Seen != 500 || s.Agent != "陳/1" {
			t.Errorf("%+v %v", s, err)
		}
		wants(t, "another's session", d.EndPersonSession(ctx, "id-lee", "s24"), ErrNotFound)
		wants(t, "own session", d.EndPersonSession(ctx, "id-chan", "s24"), nil)
		wants(t, "prune", d.PruneSessions(ctx, 110, 112, 10), nil)
		if list, err = d.Sessions(ctx, "id-chan", 0, 0); err != nil || len(list) != 12 {
			t.Errorf("%d sessions after pruning, %v", len(list), err)
		}
		wants(t, "everywhere but here", d.EndSessions(ctx, "id-chan", "s20", "user:chan", 1), nil)
		if list, err = d.Sessions(ctx, "id-chan", 0, 0); err != nil || len(list) != 1 || list[0].ID != "s20" {
			t.Errorf("%+v %v", list, err)
		}
	})
}

func TestTries(t *testing.T) {
	onDatabases(t, func(t *testing.T, d *DB) {
		ctx := t.Context()
		delay := func(subject string, failed int64) int64 {
			if subject == "network" || failed < 3 {
				return 0
			}
			return 1000 * failed
		}
		try := func(at int64) int64 {
			t.Helper()
			until, err := d.Try(ctx, []string{"account", "network"}, at, 100_000, delay)
			if err != nil {
				t.Fatal(err)
			}
			return until
		}
		var untils []int64
		for _, at := range []int64{1, 2, 3, 4, 3003, 3004, 7003} {
			untils = append(untils, try(at))
		}
		if !slices.Equal(untils, []int64{0, 0, 0, 3003, 0, 7003, 0}) {
			t.Errorf("%v", untils)
		}
		wants(t, "success", d.Succeeded(ctx, []string{"account"}, "network"), nil)
		if until := try(7004); until != 0 {
			t.Errorf("waits until %d after a success", until)
		}
		if try(7005); try(7006) != 0 || try(7007) == 0 {
			t.Error("not counted anew after a success")
		}
		if until := try(200_000); until != 0 {
			t.Errorf("waits until %d for failures that are forgotten", until)
		}
		// Of many at once each is counted.
		var wg sync.WaitGroup
		var mu sync.Mutex
		judged := 0
		for range 20 {
			wg.Go(func() {
				until, err := d.Try(ctx, []string{"other"}, 300_000, 100_000, delay)
				mu.Lock()
				defer mu.Unlock()
				if err != nil {
					t.Error(err)
				} else if until == 0 {
					judged++
				}
			})
		}
		wg.Wait()
		if judged != 3 {
			t.Errorf("%d judged at once", judged)
		}
		wants(t, "spend", d.Spend(ctx, []byte("x"), 10), nil)
		wants(t, "spend twice", d.Spend(ctx, []byte("x"), 10), ErrConflict)
		wants(t, "prune", d.PruneSessions(ctx, 0, 0, 11), nil)
		wants(t, "spend what was forgotten", d.Spend(ctx, []byte("x"), 20), nil)
	})
}
