package netid

import (
	"errors"
	"slices"
	"testing"

	"turnstile/central/register"
)

// TestProposedName: the register's name is offered, or others that are free.
func TestProposedName(t *testing.T) {
	d := newDesk(t)
	first := d.add("a", "Chan", "Tai Man", 2005)
	second := d.add("b", "Chan", "Tai Man", 2006)
	offered := func(p register.Person, email string) []Name {
		token, err := d.Begin(t.Context(), d.as(p, email))
		if err != nil {
			t.Fatal(err)
		}
		step, err := d.Confirm(t.Context(), token, d.code(email))
		if err != nil || step.Kind != Registration {
			t.Fatal(step, err)
		}
		return step.Names
	}
	if got := offered(first, "a@example.org"); !slices.Equal(got, []Name{{"Tai Man CHAN", "tai-man.chan"}}) {
		t.Errorf("%+v", got)
	}
	d.enrolled(first, "a@example.org", "Tai Man CHAN")
	if got := offered(second, "b@example.org"); len(got) != suggested || got[0] != (Name{"Tai Man CHAN 2", "tai-man.chan-2"}) {
		t.Errorf("%+v", got)
	}
}

// TestNamesTaken: what is taken is said, and what is offered instead can be had.
func TestNamesTaken(t *testing.T) {
	d := newDesk(t)
	d.enrolled(d.add("a", "CHAN", "Tai Man", 2005), "a@example.org", "Tai Man CHAN")
	b := d.add("b", "WONG", "Ada", 2005)
	token, err := d.Begin(t.Context(), d.as(b, "b@example.org"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Complete(t.Context(), token, "Ada WONG", good); !errors.Is(err, Over) {
		t.Errorf("before the code: %v", err)
	}
	if _, err := d.Confirm(t.Context(), token, d.code("b@example.org")); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]Reason{"tai  man chan": NameTaken, "CHAN Tai Man": AliasTaken, "Tai-Man CHAN": AliasTaken, "Postmaster": AliasTaken, "Ada_WONG": NameForm, "": NameForm, "王": NameForm, "1 2": NameForm} {
		_, err := d.Complete(t.Context(), token, name, good)
		r := refused(t, err, want)
		if (len(r.Names) > 0) != (want != NameForm && name != "Postmaster") {
			t.Errorf("%s: offered %v", name, r.Names)
		}
		for _, n := range r.Names {
			if err := d.free(t.Context(), n); err != nil {
				t.Errorf("%s: offered %v, which is not free: %v", name, n, err)
			}
		}
	}
	if _, err := d.Complete(t.Context(), token, "Ada WONG", "short"); !errors.Is(err, Short) {
		t.Errorf("a short password: %v", err)
	}
	if e, err := d.Complete(t.Context(), token, "Ada WONG", good); err != nil || e.NetID != "awong" {
		t.Errorf("%+v, %v", e, err)
	}
	if _, err := d.Complete(t.Context(), token, "Ada WONG 2", good); !errors.Is(err, Over) {
		t.Errorf("a second time: %v", err)
	}
}

// TestOffices: no name gives an address that others take for the campus speaking,
// however it is written; people who are called so by half keep their names.
func TestOffices(t *testing.T) {
	d := newDesk(t)
	for typed, want := range map[string]error{
		"admin": AliasTaken, "ADMIN 2": AliasTaken, "Ad-min": nil, "No Reply": AliasTaken, "no-reply": AliasTaken, "REPLY No": AliasTaken, "IT Support": AliasTaken, "Support IT 24": AliasTaken, "Help-Desk": AliasTaken,
		"post master": AliasTaken, "Root": AliasTaken, "abuse": AliasTaken, "The Registrar": AliasTaken, "Mailer Daemon": AliasTaken, "www": AliasTaken, "Web\u00a0Master": AliasTaken,
		"Helen HELP": nil, "May Lee IT": nil, "Ada LIBRARY": nil, "Tai Man CHAN": nil,
	} {
		n, err := ParseName(typed)
		if err == nil {
			err = d.free(t.Context(), n)
		}
		if want == nil && err != nil || !errors.Is(err, want) {
			t.Errorf("%q (%s): %v, want %v", typed, n.Alias, err, want)
		}
	}
	for _, typed := range []string{"\u0410dmin", "Admin\u200b", "A\u0301da CHAN", "\u202eNIMDA", "Ａｄａ", "Ada\x00CHAN", "Ada. CHAN", "-Ada", "Ada @ CHAN"} {
		if n, err := ParseName(typed); !errors.Is(err, NameForm) {
			t.Errorf("%q is %+v, %v", typed, n, err)
		}
	}
}
