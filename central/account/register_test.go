package account

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"turnstile/central/database"
	"turnstile/central/register"
	"turnstile/central/seal"
)

// facts of the people of newDesk.
var (
	chan1 = register.Facts{Surname: "CHAN", Given: "Tai Man", Born: "1980-01-02", PersonalID: "A1"}
	lee   = register.Facts{Surname: "LEE", Given: "Siu", Born: "1990-03-04", PersonalID: "B2"}
	wong  = register.Facts{Surname: "WONG", Given: "Mei", Born: "1970-05-06", PersonalID: "C3"}
)

func (b *tab) identify(f register.Facts) (out Identified, err error) {
	b.do(func(_ http.ResponseWriter, r *http.Request) { out, err = b.d.Identify(r, f) })
	return out, err
}

// known is identify for who has to be.
func (b *tab) known(f register.Facts) Identified {
	b.d.t.Helper()
	out, err := b.identify(f)
	if err != nil {
		b.d.t.Fatal(err)
	}
	return out
}

func (b *tab) register(state, address string, old bool) (out Asked, err error) {
	b.do(func(w http.ResponseWriter, r *http.Request) {
		out, err = b.d.RegisterAddress(w, r, state, address, old, "en")
	})
	return out, err
}

func (b *tab) confirm(number string) (err error) {
	b.do(func(w http.ResponseWriter, r *http.Request) { err = b.d.ConfirmAddress(w, r, number, "zh-Hant") })
	return err
}

func (b *tab) confirmChange(toNew, toOld string) (c Change, err error) {
	b.do(func(_ http.ResponseWriter, r *http.Request) { c, err = b.d.ConfirmChange(r, toNew, toOld) })
	return c, err
}

func (d *desk) addressOf(person string) string {
	d.t.Helper()
	address, err := d.Address(d.t.Context(), person)
	if err != nil {
		d.t.Fatal(err)
	}
	return address
}

// TestFirstUse: identify, register an address, be signed in.
func TestFirstUse(t *testing.T) {
	d := newDesk(t)
	b := d.tab("192.0.2.1")
	wrong := lee
	wrong.Born = "1990-03-05"
	if _, err := b.identify(wrong); !errors.Is(err, register.ErrNoMatch) {
		t.Errorf("wrong facts: %v", err)
	}
	who := b.known(lee)
	if who.Masked != "" || who.Account {
		t.Errorf("%+v", who)
	}
	if _, err := b.register(who.State, "lee", false); !errors.Is(err, ErrAddress) {
		t.Error(err)
	}
	asked, err := b.register(who.State, "Lee@example.org", false)
	if err != nil || asked.Change || asked.To != mask("Lee@example.org") {
		t.Fatalf("%+v %v", asked, err)
	}
	if _, err := d.config.DB.Account(t.Context(), "p-lee"); !errors.Is(err, database.ErrNotFound) {
		t.Errorf("an account before the code: %v", err)
	}
	code := d.code("Lee@example.org")
	wants(t, "in another browser", d.tab("192.0.2.2").confirm(code), ErrNoCode)
	wants(t, "as a sign-in", b.enter(code), ErrNoCode)
	if n := left(b.confirm("00000000")); n != 4 {
		t.Errorf("%d left", n)
	}
	wants(t, "confirm", b.confirm(code), nil)
	if h := b.me(); h.Person != "p-lee" || h.Lang != "zh-Hant" {
		t.Errorf("%+v", h)
	}
	if got := d.addressOf("p-lee"); got != "Lee@example.org" {
		t.Errorf("address %q", got)
	}
	// Another person cannot have it: told only to who reads it.
	other := d.tab("192.0.2.3")
	state := other.known(wong).State
	if asked, err := other.register(state, "LEE@example.org", false); err != nil || asked.Change {
		t.Errorf("%+v %v", asked, err)
	}
	wants(t, "another's address", other.confirm(d.code("LEE@example.org")), ErrTaken)
	// The code was not used up by that, and the person may take another address.
	if _, err := other.register(state, "wong@example.org", false); err != nil {
		t.Error(err)
	}
	wants(t, "confirm", other.confirm(d.code("wong@example.org")), nil)
	d.wait(seal.StepLimit)
	if _, err := other.register(state, "x@example.org", false); !errors.Is(err, ErrState) {
		t.Errorf("late: %v", err)
	}
	if _, err := other.register("x", "x@example.org", false); !errors.Is(err, ErrState) {
		t.Errorf("not ours: %v", err)
	}
}

// TestOffered: the address that the registry has is offered masked, and registered
// by a code to it; another one is a change of it.
func TestOffered(t *testing.T) {
	d := newDesk(t)
	b := d.tab("192.0.2.1")
	who := b.known(chan1)
	if who.Account || who.Masked != mask("chan@old.example.org") || strings.Contains(who.Masked, "chan") {
		t.Errorf("%+v", who)
	}
	asked, err := b.register(who.State, "", false)
	if err != nil || asked.Change {
		t.Fatalf("%+v %v", asked, err)
	}
	wants(t, "confirm", b.confirm(d.code("chan@old.example.org")), nil)
	if b.who() != "p-chan" || d.addressOf("p-chan") != "chan@old.example.org" {
		t.Errorf("%q %q", b.who(), d.addressOf("p-chan"))
	}
	if who := d.tab("192.0.2.2").known(chan1); !who.Account || who.Masked == "" {
		t.Errorf("%+v", who)
	}
}

// TestNobodyTakesOver: who knows the facts of somebody whose address is on record
// gets nothing without that address or the office.
func TestNobodyTakesOver(t *testing.T) {
	ctx := t.Context()
	for name, prepare := range map[string]func(d *desk){
		"of the registry": func(*desk) {}, "of the account": func(d *desk) { d.registered("p-chan", "chan@old.example.org") },
		"of an account without one": func(d *desk) { d.signedIn("p-chan", "192.0.2.9") },
		"of the NetID alone": func(d *desk) {
			p := d.people["p-chan"]
			p.Email = ""
			d.people["p-chan"] = p
			if err := d.config.DB.AdoptNetID(ctx, database.NetID{ID: "tmchan", Person: "p-chan", Card: "alumni", NameKey: "n", Alias: "a", Email: "chan@old.example.org", Created: 1}); err != nil {
				t.Fatal(err)
			}
		},
	} {
		d := newDesk(t)
		prepare(d)
		thief := d.tab("203.0.113.1")
		state := thief.known(chan1).State
		asked, err := thief.register(state, "thief@example.org", false)
		if err != nil || !asked.Change || asked.Old || d.count("chan@old.example.org") != 0 {
			t.Fatalf("%s: %+v %v", name, asked, err)
		}
		wants(t, name+": as a first address", thief.confirm(d.code("thief@example.org")), ErrNoCode)
		c, err := thief.confirmChange(d.code("thief@example.org"), "")
		if err != nil || c.State != database.ChangeWaiting || c.Old != mask("chan@old.example.org") {
			t.Fatalf("%s: %+v %v", name, c, err)
		}
		if thief.who() != "" || d.addressOf("p-chan") != "chan@old.example.org" {
			t.Errorf("%s: the thief is %q, the address %q", name, thief.who(), d.addressOf("p-chan"))
		}
		wants(t, name+": sign in", thief.request("thief@example.org"), nil)
		if l := d.letter("thief@example.org"); l.Kind != "not_registered" {
			t.Errorf("%s: %s", name, l.Kind)
		}
		d.wait(48 * time.Hour)
		wants(t, "tidy", d.Tidy(ctx), nil)
		if d.addressOf("p-chan") != "chan@old.example.org" {
			t.Errorf("%s: changed without anybody's word", name)
		}
		// The office is fooled too; the notice goes to the right one, who stops it.
		if _, err := d.ApproveChange(ctx, c.ID, "user:ho"); err != nil {
			t.Fatal(err)
		}
		if l := d.letter("chan@old.example.org"); l.Kind != "address_changing" || strings.Contains(l.Text, "thief@example.org") {
			t.Errorf("%s: %s %q", name, l.Kind, l.Text)
		}
		d.wait(23 * time.Hour)
		wants(t, "tidy", d.Tidy(ctx), nil)
		own := d.tab("192.0.2.1")
		wants(t, name+": request", own.request("chan@old.example.org"), nil)
		wants(t, name+": enter", own.enter(d.code("chan@old.example.org")), nil)
		if open, is, err := d.OpenChange(ctx, "p-chan"); err != nil || !is || open.State != database.ChangeDue {
			t.Errorf("%s: %+v %v %v", name, open, is, err)
		}
		wants(t, name+": keep", d.KeepAddress(ctx, own.me()), nil)
		wants(t, name+": again", d.KeepAddress(ctx, own.me()), ErrNotYours)
		d.wait(48 * time.Hour)
		wants(t, "tidy", d.Tidy(ctx), nil)
		if d.addressOf("p-chan") != "chan@old.example.org" {
			t.Errorf("%s: changed though it was stopped", name)
		}
	}
}

// TestBothAddresses: who reads the old address as well changes it at once.
func TestBothAddresses(t *testing.T) {
	d := newDesk(t)
	b := d.tab("192.0.2.1")
	asked, err := b.register(b.known(chan1).State, "chan@new.example.org", true)
	if err != nil || !asked.Change || !asked.Old {
		t.Fatalf("%+v %v", asked, err)
	}
	toNew, toOld := d.code("chan@new.example.org"), d.code("chan@old.example.org")
	if _, err := b.confirmChange(toNew, "00000000"); left(err) != 4 {
		t.Errorf("a wrong code of the old address: %v", err)
	}
	if w, ok := errors.AsType[*WrongCode](func() error { _, err := b.confirmChange("00000000", toOld); return err }()); !ok || w.Purpose != forNew || w.Left != 3 {
		t.Errorf("a wrong code of the new address: %+v", w)
	}
	if _, err := d.tab("192.0.2.2").confirmChange(toNew, toOld); !errors.Is(err, ErrNoCode) {
		t.Errorf("in another browser: %v", err)
	}
	c, err := b.confirmChange(toNew, toOld)
	if err != nil || c.State != database.ChangeDone || d.addressOf("p-chan") != "chan@new.example.org" {
		t.Fatalf("%+v %v", c, err)
	}
	if l := d.letter("chan@old.example.org"); l.Kind != "address_changed" {
		t.Errorf("the old address is told %s", l.Kind)
	}
	if _, err := b.confirmChange(toNew, toOld); !errors.Is(err, ErrNoCode) {
		t.Errorf("twice: %v", err)
	}
	wants(t, "sign in with the old one", b.request("chan@old.example.org"), nil)
	if l := d.letter("chan@old.example.org"); l.Kind != "not_registered" {
		t.Errorf("the old address gets %s", l.Kind)
	}
}

// TestChangeByHolder: who is signed in is held to the same, and all sessions end.
func TestChangeByHolder(t *testing.T) {
	ctx := t.Context()
	d := newDesk(t)
	d.registered("p-chan", "chan@example.org")
	d.registered("p-lee", "lee@example.org")
	b, phone := d.signedIn("p-chan", "192.0.2.1"), d.signedIn("p-chan", "192.0.2.2")
	ask := func(address string, old bool) Asked {
		t.Helper()
		h := b.me()
		var asked Asked
		var err error
		b.do(func(w http.ResponseWriter, r *http.Request) { asked, err = d.AskChange(w, r, h, address, old) })
		if err != nil || asked.Old != old {
			t.Fatalf("%+v %v", asked, err)
		}
		return asked
	}
	ask("lee@example.org", false)
	if _, err := b.confirmChange(d.code("lee@example.org"), ""); !errors.Is(err, ErrTaken) {
		t.Errorf("another's address: %v", err)
	}
	ask("one@example.org", false)
	one, err := b.confirmChange(d.code("one@example.org"), "")
	if err != nil {
		t.Fatal(err)
	}
	// A second wish takes the place of the first.
	ask("two@example.org", false)
	two, err := b.confirmChange(d.code("two@example.org"), "")
	if err != nil {
		t.Fatal(err)
	}
	waiting, err := d.WaitingChanges(ctx)
	if err != nil || len(waiting) != 1 || waiting[0].ID != two.ID || waiting[0].Old != "chan@example.org" || waiting[0].New != "two@example.org" {
		t.Errorf("%+v %v", waiting, err)
	}
	if _, err := d.ApproveChange(ctx, one.ID, "user:ho"); !errors.Is(err, ErrNotYours) {
		t.Errorf("approve what was replaced: %v", err)
	}
	d.wait(time.Minute)
	wants(t, "refuse", d.RefuseChange(ctx, two.ID, "user:ho", "no such person here"), nil)
	for _, address := range []string{"chan@example.org", "two@example.org"} {
		if l := d.letter(address); l.Kind != "address_refused" || !strings.Contains(l.Text, "no such person here") {
			t.Errorf("%s is told %s", address, l.Kind)
		}
	}
	wants(t, "refuse again", d.RefuseChange(ctx, two.ID, "user:ho", ""), ErrNotYours)
	if c, open, err := d.OpenChange(ctx, "p-chan"); err != nil || open || c.State != database.ChangeRefused || c.Reason == "" {
		t.Errorf("%+v %v %v", c, open, err)
	}
	// Approved, it takes effect after the delay, also if central was not there then.
	ask("three@example.org", false)
	three, err := b.confirmChange(d.code("three@example.org"), "")
	if err != nil {
		t.Fatal(err)
	}
	approved, err := d.ApproveChange(ctx, three.ID, "user:ho")
	if err != nil || !approved.Effect.Equal(time.UnixMilli(d.now()).Add(24*time.Hour)) {
		t.Fatalf("%+v %v", approved, err)
	}
	d.wait(20 * time.Hour)
	wants(t, "tidy", d.Tidy(ctx), nil)
	if d.addressOf("p-chan") != "chan@example.org" || phone.who() != "p-chan" || b.who() != "p-chan" {
		t.Error("changed before its time")
	}
	d.wait(5 * time.Hour)
	for range 2 { // the second time nothing is left to do
		wants(t, "tidy", d.Tidy(ctx), nil)
	}
	if d.addressOf("p-chan") != "three@example.org" || b.who() != "" || phone.who() != "" {
		t.Errorf("address %q, signed in %q %q", d.addressOf("p-chan"), b.who(), phone.who())
	}
	if l := d.letter("chan@example.org"); l.Kind != "address_changed" || d.count("chan@example.org") != 3 {
		t.Errorf("the old address is told %s, %d letters", l.Kind, d.count("chan@example.org"))
	}
}

// TestTakenMeanwhile: a change whose address became another's is not carried out.
func TestTakenMeanwhile(t *testing.T) {
	ctx := t.Context()
	d := newDesk(t)
	b := d.tab("192.0.2.1")
	if _, err := b.register(b.known(chan1).State, "shared@example.org", false); err != nil {
		t.Fatal(err)
	}
	c, err := b.confirmChange(d.code("shared@example.org"), "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.ApproveChange(ctx, c.ID, "user:ho"); err != nil {
		t.Fatal(err)
	}
	d.registered("p-lee", "shared@example.org")
	d.wait(25 * time.Hour)
	wants(t, "tidy", d.Tidy(ctx), nil)
	if c, open, err := d.OpenChange(ctx, "p-chan"); err != nil || open || c.State != database.ChangeRefused || d.addressOf("p-chan") != "chan@old.example.org" {
		t.Errorf("%+v %v %v", c, open, err)
	}
}

func TestMask(t *testing.T) {
	for address, want := range map[string]string{"anna@example.org": "a***@e***.org", "a@b.c": "a***@b***.c", "陳@例子.香港": "陳***@例***.香港", "x@mail.dept.example.edu": "x***@m***.edu", "": "", "no address": ""} {
		if got := mask(address); got != want {
			t.Errorf("%q is %q, want %q", address, got, want)
		}
	}
}

// TestSpellings: who guesses at one person has no more tries for writing the name in
// another way that the register takes for the same.
func TestSpellings(t *testing.T) {
	d := newDesk(t)
	spellings := []string{"CHAN", "chan", "Chan ", "ＣＨＡＮ", "Ch-an", "C.h.a.n", "Chán"}
	waited := 0
	for n := range 28 {
		f := chan1
		f.Surname, f.Given, f.Born = spellings[n%len(spellings)], []string{"Tai Man", "tai-man", "Man Tai", "ＴＡＩ ＭＡＮ"}[n%4], "1980-01-03"
		if _, err := d.tab(fmt.Sprintf("198.51.100.%d", n)).identify(f); errors.As(err, new(*Wait)) {
			waited++
		}
	}
	if waited < 15 {
		t.Errorf("waited %d times of 28", waited)
	}
}

// TestIdentifyThrottled: guessing at one name, or from one network, is slowed down.
func TestIdentifyThrottled(t *testing.T) {
	d := newDesk(t)
	waited := 0
	for n := range 30 {
		f := chan1
		f.Born = "1980-01-" + string(rune('0'+n/10)) + string(rune('0'+n%10))
		f.Surname = strings.ToUpper(f.Surname)
		if n != 2 {
			if _, err := d.tab("198.51.100." + string(rune('0'+n%10))).identify(f); errors.As(err, new(*Wait)) {
				waited++
			}
		}
	}
	if waited < 15 {
		t.Errorf("waited %d times of 29", waited)
	}
	if _, err := d.tab("203.0.113.1").identify(chan1); !errors.As(err, new(*Wait)) {
		t.Errorf("right facts are let through a lock: %v", err)
	}
	if strings.Contains(d.log.String(), "CHAN") || strings.Contains(d.log.String(), "A1") {
		t.Error("the log has what was stated")
	}
}

// TestMerged: the account comes along when the office merges two ids.
func TestMerged(t *testing.T) {
	ctx := t.Context()
	d := newDesk(t)
	d.registered("p-lee", "lee@example.org")
	b := d.signedIn("p-lee", "192.0.2.1")
	wants(t, "profile", d.SetProfile(ctx, "p-lee", Profile{Country: "Hong Kong"}), nil)
	kept := d.people["p-wong"]
	kept.Aliases = []string{"p-lee"}
	d.people["p-wong"] = kept
	if h := b.me(); h.Person != "p-wong" || d.addressOf("p-wong") != "lee@example.org" {
		t.Errorf("%+v %q", h, d.addressOf("p-wong"))
	}
	if p, err := d.Profile(ctx, "p-wong"); err != nil || p.Country != "Hong Kong" {
		t.Errorf("%+v %v", p, err)
	}
}
