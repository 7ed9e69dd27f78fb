package netid

import (
	"crypto/sha1"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"turnstile/central/database"
	"turnstile/central/otp"
	"turnstile/central/password"
	"turnstile/central/throttle"
)

// TestPasswords: each reason, the history, and that a change ends sessions.
func TestPasswords(t *testing.T) {
	d := newDesk(t)
	folder := t.TempDir()
	const stolen = "blue horses everywhere"
	sum := strings.ToUpper(fmt.Sprintf("%x", sha1.Sum([]byte(stolen))))
	if err := os.WriteFile(filepath.Join(folder, sum[:5]), []byte("0018A45C4D1DEF81644B54AB7F969B88D65:1\r\n"+sum[5:]+":3\r\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var err error
	if d.config.Breached, err = password.OpenBreached(folder); err != nil {
		t.Fatal(err)
	}
	e := d.enrolled(d.add("a", "CHAN", "Tai Man", 2005), "a@example.org", "Tai Man CHAN") // its range is not in the folder
	if !strings.Contains(d.log.String(), "breached") {
		t.Error("a list with holes is not told")
	}
	if err := d.ChangePassword(t.Context(), e.NetID, "wrong", "nine yellow houses", from); !errors.Is(err, WrongPassword) {
		t.Errorf("with a wrong one: %v", err)
	}
	for typed, want := range map[string]Reason{"eleven char": Short, strings.Repeat("long ", 40): Long, "passwordpassword": Common, "tai man chan": Common, stolen: Stolen, good: Used} {
		if err := d.ChangePassword(t.Context(), e.NetID, good, typed, from); !errors.Is(err, want) {
			t.Errorf("%.20s: %v, want %s", typed, err, want)
		}
	}
	_, account := d.db.AddAccount(t.Context(), database.Account{Person: e.Person, Handle: "h", Created: 1})
	portal := database.Holders{DB: d.db}
	err = errors.Join(account, d.db.AddOpenIDSession(t.Context(), database.OpenIDSession{ID: []byte("s"), NetID: e.NetID, Signed: 1, Expires: d.Directory.now() + 1e6}),
		portal.SaveSession(t.Context(), database.Session{ID: "s", Person: e.Person, Method: "netid", Created: 1}))
	if err != nil {
		t.Fatal(err)
	}
	last := good
	for i := range History + 1 {
		next := fmt.Sprintf("%d orange envelopes", i)
		if err := d.ChangePassword(t.Context(), e.NetID, last, next, from); err != nil {
			t.Fatal(err)
		}
		d.wait(time.Second)
		last = next
	}
	if _, err := d.db.OpenIDSession(t.Context(), []byte("s"), d.Directory.now()); !errors.Is(err, database.ErrNotFound) {
		t.Errorf("the session lives: %v", err)
	}
	if _, err := portal.Session(t.Context(), "s"); !errors.Is(err, database.ErrNotFound) {
		t.Errorf("the portal's session lives: %v", err)
	}
	for i, want := range []error{nil, nil, Used, Used, Used, Used} { // 0 and 1 are long ago
		if i < 2 {
			continue
		}
		if err := d.ChangePassword(t.Context(), e.NetID, last, fmt.Sprintf("%d orange envelopes", i), from); !errors.Is(err, want) {
			t.Errorf("the %dth again: %v", i, err)
		}
	}
	if err := d.ChangePassword(t.Context(), e.NetID, last, "0 orange envelopes", from); err != nil {
		t.Errorf("one of long ago: %v", err)
	}
	if l := d.mails("a@example.org")[0]; l.Kind != "password_changed" {
		t.Errorf("mailed %s", l.Kind)
	}
}

// TestReset: who has forgotten the NetPassword gets in again, and everybody else
// out; a NetID that is not there is answered alike.
func TestReset(t *testing.T) {
	d := newDesk(t)
	e := d.enrolled(d.add("a", "CHAN", "Tai Man", 2005), "a@example.org", "Tai Man CHAN")
	nobody, err := d.BeginReset(t.Context(), "nobody", from)
	if err != nil {
		t.Fatal(err)
	}
	token, err := d.BeginReset(t.Context(), e.NetID, from)
	if err != nil || len(token) != len(nobody) {
		t.Fatal(token, err)
	}
	for try := range otp.Tries + 1 { // as of a real one
		want := WrongCode
		if try == otp.Tries {
			want = Over
		}
		if _, err := d.Confirm(t.Context(), nobody, d.code("a@example.org")); !errors.Is(err, want) {
			t.Errorf("nobody's token, try %d: %v", try, err)
		}
	}
	if _, err := d.SetPassword(t.Context(), token, "nine yellow houses"); !errors.Is(err, Over) {
		t.Errorf("before the code: %v", err)
	}
	if step, err := d.Confirm(t.Context(), token, d.code("a@example.org")); err != nil || step.Kind != Reset || step.NetID != e.NetID {
		t.Fatal(step, err)
	}
	if _, err := d.SetPassword(t.Context(), token, good); !errors.Is(err, Used) {
		t.Errorf("the one before: %v", err)
	}
	for _, kind := range []Kind{Registration, Email} {
		if _, err := d.confirmed(t.Context(), token, kind); !errors.Is(err, Over) {
			t.Errorf("as %s: %v", kind, err)
		}
	}
	if _, err := d.SetPassword(t.Context(), token, "nine yellow houses"); err != nil {
		t.Fatal(err)
	}
	if _, err := d.SetPassword(t.Context(), token, "ten yellow houses"); !errors.Is(err, Over) {
		t.Errorf("twice: %v", err)
	}
	if _, err := d.Check(t.Context(), e.NetID, good, from); !errors.Is(err, WrongPassword) {
		t.Errorf("the old one: %v", err)
	}
	if _, err := d.Check(t.Context(), e.NetID, "nine yellow houses", from); err != nil {
		t.Error(err)
	}
	if err := d.End(t.Context(), e.NetID, "user:office", "left"); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Check(t.Context(), e.NetID, "nine yellow houses", from); !errors.Is(err, WrongPassword) {
		t.Errorf("after the end: %v", err)
	}
	if _, err := d.Profile(t.Context(), e.NetID); !errors.Is(err, Unknown) {
		t.Error(err)
	}
	if err := d.End(t.Context(), e.NetID, "user:office", "left"); !errors.Is(err, Unknown) {
		t.Error(err)
	}
}

// TestRehashed: a hash of less work is replaced at the next sign-in.
func TestRehashed(t *testing.T) {
	d := newDesk(t)
	e := d.enrolled(d.add("a", "CHAN", "Tai Man", 2005), "a@example.org", "Tai Man CHAN")
	before, err := d.db.NetID(t.Context(), e.NetID)
	if err != nil {
		t.Fatal(err)
	}
	more := password.Cheap()
	more.Iterations++
	d.config.Hasher = password.New(more)
	for range 2 {
		if _, err := d.Check(t.Context(), e.NetID, good, from); err != nil {
			t.Fatal(err)
		}
	}
	after, err := d.db.NetID(t.Context(), e.NetID)
	if err != nil || after.Password == before.Password || after.Changed != before.Changed {
		t.Errorf("%+v, %v", after, err)
	}
}

// TestLongPassword: the longest password there can be is compared whole, and one that
// begins with it is another.
func TestLongPassword(t *testing.T) {
	d := newDesk(t)
	e := d.enrolled(d.add("a", "CHAN", "Tai Man", 2005), "a@example.org", "Tai Man CHAN")
	longest := strings.Repeat("𠀀𠀁𠀂𠀃𠀄𠀅𠀆𠀇", password.MaxBytes/32) // four bytes each
	if err := d.ChangePassword(t.Context(), e.NetID, good, longest, from); err != nil || len(longest) != password.MaxBytes {
		t.Fatal(len(longest), err)
	}
	if _, err := d.Check(t.Context(), e.NetID, longest+"x", from); !errors.Is(err, WrongPassword) {
		t.Errorf("with more behind it: %v", err)
	}
	if _, err := d.Check(t.Context(), e.NetID, longest, from); err != nil {
		t.Error(err)
	}
}

// TestThrottled: guessing costs time, of a password, of details, and of mail.
func TestThrottled(t *testing.T) {
	d := newDesk(t)
	p := d.add("a", "CHAN", "Tai Man", 2005)
	e := d.enrolled(p, "a@example.org", "Tai Man CHAN")
	slowed := func(name string, most int, try func() error) {
		t.Helper()
		for i := range most {
			if err := try(); errors.Is(err, throttle.ErrWait) {
				if i < 3 {
					t.Errorf("%s: slowed at once", name)
				}
				return
			}
		}
		t.Errorf("%s: never slowed", name)
	}
	slowed("password", 10, func() error { _, err := d.Check(t.Context(), e.NetID, "guess", from); return err })
	if _, err := d.Check(t.Context(), e.NetID, good, net.ParseIP("198.51.100.1")); !errors.Is(err, throttle.ErrWait) {
		t.Errorf("from elsewhere: %v", err)
	}
	d.wait(time.Hour)
	if _, err := d.Check(t.Context(), e.NetID, good, from); err != nil {
		t.Errorf("after a wait: %v", err)
	}
	wrong := d.as(p, "x@example.org")
	wrong.Given = "Wrong"
	slowed("details", 10, func() error { _, err := d.Begin(t.Context(), wrong); return err })
	d.wait(25 * time.Hour)
	spelled := 0
	slowed("details in other spellings", 10, func() error {
		spelled++
		other := wrong
		other.PersonalID = strings.Join(strings.Split(wrong.PersonalID, ""), strings.Repeat("-", spelled))
		_, err := d.Begin(t.Context(), other)
		return err
	})
	d.wait(25 * time.Hour)
	slowed("mail", 10, func() error { _, err := d.ChangeEmail(t.Context(), e.NetID, "victim@example.org"); return err })
}
