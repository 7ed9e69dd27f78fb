package account

import (
	"encoding/json"
	"errors"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"turnstile/central/database"
)

func whole1() Profile {
	return Profile{Phone: "+852 2766 0000", Address: "1 Yuk Choi Road\nHung Hom", Country: "Hong Kong",
		Career: []Post{{Employer: "Works", Title: "Engineer", From: "2012", Until: ""}}, Education: []Study{{Institution: "Elsewhere", Award: "MSc", Year: "2015"}},
		Achieved: []Achievement{{What: "A prize", Year: "2020"}}}
}

func TestProfileFaults(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Profile)
		field  string
		want   error
	}{
		"letters": {func(p *Profile) { p.Phone = "call me" }, "phone", ErrPhone}, "short": {func(p *Profile) { p.Phone = "12" }, "phone", ErrPhone},
		"plus inside": {func(p *Profile) { p.Phone = "12+34567" }, "phone", ErrPhone}, "long address": {func(p *Profile) { p.Address = strings.Repeat("x", maxLines+1) }, "address", ErrLong},
		"control": {func(p *Profile) { p.Country = "a\x00b" }, "country", ErrText}, "direction": {func(p *Profile) { p.Country = "a\u202eb" }, "country", ErrText}, "no text": {func(p *Profile) { p.Address = "\xff" }, "address", ErrText},
		"no employer": {func(p *Profile) { p.Career[0].Employer = " " }, "employer", ErrEmpty}, "year": {func(p *Profile) { p.Education[0].Year = "15" }, "year", ErrYear},
		"many": {func(p *Profile) { p.Achieved = make([]Achievement, maxEntries+1) }, "achievements", ErrMany}, "viewer": {func(p *Profile) { p.Sees = map[Field]Viewer{Phone: "world"} }, "sees", ErrViewer},
		"field": {func(p *Profile) { p.Sees = map[Field]Viewer{"x": OnlyMe} }, "sees", ErrViewer},
	} {
		p := whole1()
		c.change(&p)
		f, ok := errors.AsType[*FaultError](p.Check())
		if !ok || len(f.Faults) != 1 || f.Faults[0].Field != c.field || !errors.Is(f.Faults[0].Why, c.want) {
			t.Errorf("%s: %+v", name, f)
		}
	}
	p := whole1()
	if err := p.Check(); err != nil || !p.ContactComplete() {
		t.Error(err)
	}
	for _, take := range []func(*Profile){func(p *Profile) { p.Phone = "" }, func(p *Profile) { p.Address = "  " }, func(p *Profile) { p.Country = "" }} {
		p := whole1()
		take(&p)
		if err := p.Check(); err != nil || p.ContactComplete() {
			t.Errorf("complete: %+v %v", p, err)
		}
	}
}

// TestSeenBy: each viewer sees what the holder lets them.
func TestSeenBy(t *testing.T) {
	p := whole1()
	if !reflect.DeepEqual(p.SeenBy(OnlyMe), p) {
		t.Error("the holder does not see everything")
	}
	if o := p.SeenBy(TheOffice); o.Phone == "" || o.Address == "" || o.Career != nil || o.Education != nil || o.Achieved != nil {
		t.Errorf("the office sees %+v", o)
	}
	if o := p.SeenBy(AllAlumni); o.Phone+o.Address+o.Country != "" || o.Career != nil {
		t.Errorf("alumni see %+v", o)
	}
	p.Sees = map[Field]Viewer{Phone: OnlyMe, Postal: OnlyMe, Career: AllAlumni, Achievements: TheOffice}
	if o := p.SeenBy(TheOffice); o.Phone+o.Address != "" || len(o.Career) != 1 || len(o.Achieved) != 1 || o.Education != nil {
		t.Errorf("the office sees %+v", o)
	}
	if o := p.SeenBy(AllAlumni); len(o.Career) != 1 || o.Achieved != nil {
		t.Errorf("alumni see %+v", o)
	}
}

func TestProfile(t *testing.T) {
	ctx := t.Context()
	d := newDesk(t)
	wants(t, "without an account", d.SetProfile(ctx, "p-chan", whole1()), ErrNotYours)
	d.registered("p-chan", "chan@example.org")
	if p, err := d.Profile(ctx, "p-chan"); err != nil || p.ContactComplete() {
		t.Errorf("%+v %v", p, err)
	}
	wants(t, "set", d.SetProfile(ctx, "p-chan", whole1()), nil)
	p, err := d.Profile(ctx, "p-chan")
	if err != nil || p.Phone != "+852 2766 0000" || p.Changed == 0 {
		t.Fatalf("%+v %v", p, err)
	}
	other := p
	p.Phone = "12345678"
	wants(t, "change", d.SetProfile(ctx, "p-chan", p), nil)
	wants(t, "in another window", d.SetProfile(ctx, "p-chan", other), ErrOutdated)
	wants(t, "as if it were new", d.SetProfile(ctx, "p-chan", whole1()), ErrOutdated)
	if p, err := d.Profile(ctx, "p-chan"); err != nil || p.Phone != "12345678" {
		t.Errorf("%+v %v", p, err)
	}
}

// TestExportErase: what is kept comes along whole, and goes whole.
func TestExportErase(t *testing.T) {
	ctx := t.Context()
	d := newDesk(t)
	d.registered("p-chan", "chan@example.org")
	d.registered("p-lee", "lee@example.org")
	b, lee := d.signedIn("p-chan", "192.0.2.1"), d.signedIn("p-lee", "192.0.2.2")
	wants(t, "profile", d.SetProfile(ctx, "p-chan", whole1()), nil)
	number, err := d.config.DB.AddApplication(ctx, database.Application{Kind: "ecard", Holder: "p-chan", Name: "CHAN", Facts: "[]", Request: "[]", Photo: []byte("jpeg"), At: d.now(), By: "holder:p-chan"})
	if err != nil {
		t.Fatal(err)
	}
	wants(t, "request", b.request("chan@example.org"), nil)
	data, err := d.Export(ctx, b.me())
	var e Export
	if err != nil || json.Unmarshal(data, &e) != nil {
		t.Fatalf("%s %v", data, err)
	}
	if e.Person != "p-chan" || e.Name != "CHAN Tai Man" || e.Address != "chan@example.org" || e.Profile.Phone == "" || len(e.Sessions) != 1 || len(e.Degrees) != 1 || strings.Contains(string(data), "lee@") || strings.Contains(string(data), b.me().Session) {
		t.Errorf("%s", data)
	}
	h := b.me()
	b.do(func(w http.ResponseWriter, r *http.Request) { err = d.Erase(w, r, h) })
	if err != nil {
		t.Fatal(err)
	}
	if b.who() != "" || lee.who() != "p-lee" || b.cookies["__Host-turnstile-holder-known"] != "" {
		t.Errorf("%q %q %v", b.who(), lee.who(), b.cookies)
	}
	if _, err := d.config.DB.Account(ctx, "p-chan"); !errors.Is(err, database.ErrNotFound) {
		t.Error(err)
	}
	if p, err := d.Profile(ctx, "p-chan"); err != nil || p.Phone != "" {
		t.Errorf("%+v %v", p, err)
	}
	if n := d.count("chan@example.org"); n != 0 {
		t.Errorf("%d letters stand", n)
	}
	if a, err := d.config.DB.Application(ctx, number); err != nil || a.Holder != "" || a.Name != "" || len(a.Photo) != 0 || a.State == "open" {
		t.Errorf("%+v %v", a, err)
	}
	wants(t, "erase nobody", func() (err error) {
		lee.do(func(w http.ResponseWriter, r *http.Request) { err = d.Erase(w, r, Holder{Person: "p-none"}) })
		return err
	}(), ErrNotYours)
	// They may begin anew.
	again := d.tab("192.0.2.3")
	if who := again.known(chan1); who.Account {
		t.Errorf("%+v", who)
	}
	d.wait(time.Second)
}
