package rules_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"turnstile/central/console/consoletest"
	"turnstile/central/office"
	"turnstile/central/rights"
)

// TestChangePreviewRollBack changes opening hours as an admin does, looks at what
// that would have decided, puts it into force, and rolls it back.
func TestChangePreviewRollBack(t *testing.T) {
	o := consoletest.Start(t)
	b := o.As(t, rights.Admin)
	b.Open("/rules")
	b.WaitText("Always open")
	b.Axe()
	b.Shot("rules")
	b.Click(`a[href="/office/rules/edit"]`)
	b.Click(`button[name=add][value=z0]`)
	for day := 1; day <= 5; day++ {
		b.Click(fmt.Sprintf(`input[name="z0.h0.day"][value="%d"]`, day))
	}
	b.Fill(`input[name="z0.h0.open"]`, "25:00")
	b.Fill(`textarea[name="z0.holidays"]`, "2026-12-25\nChristmas")
	b.Fill(`input[name="z0.name"]`, "<script>alert(1)</script>")
	b.Click(`main form button:not([name])`)
	b.WaitText("Some fields are not right yet")
	for field, text := range map[string]string{"z0.h0.open": "A time such as 07:00", "z0.holidays": `"Christmas" is none`} {
		hint := consoletest.Eval[string](b, fmt.Sprintf(`document.getElementById(document.querySelector('[name=%q]').getAttribute('aria-describedby')).innerText`, field))
		if !strings.Contains(hint, text) {
			t.Errorf("beside %s stands %q", field, hint)
		}
	}
	b.Axe()
	b.Shot("rules-wrong")
	b.Fill(`input[name="z0.h0.open"]`, "07:30")
	b.Fill(`textarea[name="z0.holidays"]`, "2026-12-25")
	b.Click(`main form button:not([name])`)
	b.WaitText("Put into force at all lanes")
	b.WaitText("There was no scan of a pass in this time")
	b.WaitText("Mon Tue Wed Thu Fri 07:30–22:00")
	b.WaitText("<script>alert(1)</script>")
	b.Axe()
	b.Shot("rules-preview")
	b.Click("main form button.danger")
	b.WaitText("Version 2 of the rules is in force")
	var now office.RulesBody
	o.Call(t, "GET", "/rules", nil, &now, http.StatusOK)
	if z := now.Zones[0]; now.Version != 2 || z.Hours[0].Open != "07:30" || len(z.Hours[0].Days) != 5 || z.Name != "<script>alert(1)</script>" || z.Holidays[0] != "2026-12-25" {
		t.Errorf("in force: %+v", now)
	}
	b.Scripts(false) // what follows needs none
	b.Click(`a[href="/office/rules/versions/1"]`)
	b.WaitText("The whole version")
	b.Shot("rules-version")
	b.Click("main form button")
	b.WaitText("comes back as a new version")
	b.Click("main form button.danger")
	b.WaitText("Version 3 of the rules is in force")
	now = office.RulesBody{}
	o.Call(t, "GET", "/rules", nil, &now, http.StatusOK)
	if now.Version != 3 || len(now.Zones[0].Hours) != 0 || now.Zones[0].Name != "Main" {
		t.Errorf("rolled back to: %+v", now)
	}
}

// TestTwoAdmins refuses the second of two changes made from the same version, and
// keeps a lockdown that was set meanwhile.
func TestTwoAdmins(t *testing.T) {
	o := consoletest.Start(t)
	b := o.As(t, rights.Admin)
	b.Open("/rules/edit")
	b.Fill(`input[name="escort"]`, "45")
	b.Click(`main form button:not([name])`)
	b.WaitText("45 seconds")
	o.Call(t, "POST", "/zones/0/mode", map[string]string{"mode": "lockdown", "reason": "fire"}, nil, http.StatusOK)
	b.Click("main form button.danger")
	b.WaitText("Somebody changed the rules meanwhile")
	b.Open("/rules/versions/1")
	b.Click("main form button")
	b.WaitText("nothing changes") // the mode is not of this page
	b.Open("/rules/edit")
	b.Fill(`input[name="escort"]`, "45")
	b.Click(`main form button:not([name])`)
	b.Click("main form button.danger")
	b.WaitText("is in force")
	var now office.RulesBody
	o.Call(t, "GET", "/rules", nil, &now, http.StatusOK)
	if now.Zones[0].Mode != "lockdown" || now.EscortSeconds != 45 {
		t.Errorf("in force: %+v", now)
	}
}

// TestWhoMayNot shows the rules to people without the right to change them, and
// no button that refuses.
func TestWhoMayNot(t *testing.T) {
	o := consoletest.Start(t)
	b := o.As(t, rights.Security)
	b.Open("/rules")
	b.WaitText("Version 1")
	if n := consoletest.Eval[int](b, `document.querySelectorAll('main form button, a[href$="/edit"]').length`); n != 0 {
		t.Errorf("%d buttons that refuse", n)
	}
	b.Click("button[value=zh-Hant]")
	b.WaitText("第 1 版")
	b.Shot("rules-zh")
}

// TestBadForms sends what no browser would.
func TestBadForms(t *testing.T) {
	o := consoletest.Start(t)
	name, value := o.Session(t, rights.Admin)
	post := func(path string, form url.Values) int {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, o.URL+"/office"+path, strings.NewReader(form.Encode()))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.AddCookie(&http.Cookie{Name: name, Value: value})
		client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
		answer, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		return answer.StatusCode
	}
	whole := func(change map[string]string) url.Values {
		v := url.Values{"version": {"1"}, "escort": {"30"}, "repeat": {"3000"}, "z0.id": {"0"}, "z0.name": {"Main"}, "z0.back": {"0"}}
		for k, x := range change {
			v.Set(k, x)
		}
		return v
	}
	if status := post("/rules/preview", whole(nil)); status != http.StatusOK {
		t.Fatalf("a good form: %d", status)
	}
	for what, change := range map[string]map[string]string{
		"no number": {"escort": "many"}, "below": {"escort": "0"}, "above": {"repeat": "60001"}, "no name": {"z0.name": " "}, "a long name": {"z0.name": strings.Repeat("x", 61)},
		"two lines": {"z0.name": "a\nb"}, "a control character": {"z0.name": "a\x1bb"}, "invalid UTF-8": {"z0.name": "\xff"}, "zone 16": {"z0.id": "16"}, "zone -1": {"z0.id": "-1"},
		"the same zone twice": {"z1.id": "0", "z1.name": "Again", "z1.back": "0"}, "no zone left": {"z0.remove": "on"}, "a day of 0 minutes": {"z0.h0.open": "07:00", "z0.h0.close": "07:00", "z0.h0.day": "1"},
		"25 o'clock": {"z0.h0.open": "07:00", "z0.h0.close": "25:00", "z0.h0.day": "1"}, "no date": {"z0.holidays": "2026-02-30"}, "many days": {"z0.holidays": strings.Repeat("2026-12-25 ", 367)},
	} {
		if status := post("/rules/preview", whole(change)); status != http.StatusUnprocessableEntity {
			t.Errorf("%s: %d", what, status)
		}
	}
	if status := post("/rules/preview", whole(map[string]string{"z0.name": "שער ראשי \u202e"})); status != http.StatusOK {
		t.Errorf("right to left: %d", status)
	}
	for what, text := range map[string]string{"no JSON": "{", "nothing": "", "no zones": "{}", "a huge number": `{"version":1e99}`} {
		if status := post("/rules", url.Values{"rules": {text}}); status != http.StatusUnprocessableEntity && status != http.StatusConflict {
			t.Errorf("%s: %d", what, status)
		}
	}
	if status := post("/rules/edit", url.Values{"add": {strings.Repeat("z", 70000)}}); status != http.StatusRequestEntityTooLarge {
		t.Errorf("a huge form: %d", status)
	}
	var now office.RulesBody
	o.Call(t, "GET", "/rules", nil, &now, http.StatusOK)
	if now.Version != 1 {
		t.Errorf("something was changed: version %d", now.Version)
	}
}
