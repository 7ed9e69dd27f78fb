package signin_test

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"turnstile/central/account"
	"turnstile/central/account/accounttest"
	"turnstile/central/console/consoletest"
	"turnstile/central/openid"
	"turnstile/central/page"
	"turnstile/central/page/pagetest"
	"turnstile/central/portal"
	"turnstile/central/portal/human"
	"turnstile/central/portal/portaltest"
	"turnstile/central/portal/signin"
)

// serve serves the pages with accounts behind them, and one that needs a sign-in.
func serve(t *testing.T, list ...account.Provider) (*accounttest.Portal, string) {
	t.Helper()
	server := httptest.NewUnstartedServer(nil)
	base := strings.Replace("http://"+server.Listener.Addr().String(), "127.0.0.1", "localhost", 1)
	a := accounttest.Open(t, base, list...)
	guard := human.New([32]byte{1}, a.States, a.DB)
	here := portal.Route{Method: "GET", Pattern: "/here", Handle: func(r *portal.Request) error {
		_, err := io.WriteString(r.Writer, "signed in as "+r.Who.Person)
		return err
	}}
	p, err := portal.New(portal.Options{Auth: signin.Door{Accounts: a.Accounts}, Routes: append(signin.Routes(a.Accounts, guard), here), Nav: []portal.Nav{{Path: "/here", Text: "Profile"}},
		Site: "Campus", Office: "the office, 1234 5678", Now: a.Now})
	if err != nil {
		t.Fatal(err)
	}
	server.Config.Handler = p
	server.Start()
	t.Cleanup(server.Close)
	return a, base
}

func TestSignInPages(t *testing.T) {
	a, base := serve(t)
	a.Register(accounttest.Lee, "lee@example.org")
	b := portaltest.Phone(t, base)
	b.Open("/here")
	b.Wait("location.pathname == '/sign-in'")
	b.WaitText("Send me a code")
	b.Axe()
	portaltest.Narrow(t, b)
	b.Shot("portal-sign-in")
	b.Dark(true)
	b.Shot("portal-sign-in-dark")
	b.Dark(false)
	b.Fill("[name=address]", "lee@example.org")
	b.Click("form[action='/sign-in'] button") // which does the work first
	b.Wait("location.pathname == '/sign-in/code'")
	b.WaitText("eight digits")
	b.Axe()
	portaltest.Narrow(t, b)
	b.Shot("sign-in-code")
	if focused := consoletest.Eval[string](b, "document.activeElement.name + ' ' + document.activeElement.autocomplete + ' ' + document.activeElement.inputMode"); focused != "code one-time-code numeric" {
		t.Errorf("the code's field: %q", focused)
	}
	b.Fill("[name=code]", "00000000")
	b.Click("main form button")
	b.WaitText("That is not the code. Tries that are left: 4")
	b.Axe()
	b.Fill("[name=code]", a.Code("lee@example.org", 1))
	b.Click("main form button")
	b.WaitText("signed in as p-lee")
	if found := b.Foreign(); len(found) > 0 {
		t.Errorf("asked elsewhere: %v", found)
	}
}

// TestWithoutScripts registers for the first time in Chinese, in a browser without
// JavaScript; then somebody else replaces the address on record.
func TestWithoutScripts(t *testing.T) {
	a, base := serve(t)
	b := portaltest.Phone(t, base)
	b.Scripts(false)
	axe := func() { // which is a script, and waits for itself
		t.Helper()
		b.Wait("document.readyState == 'complete'")
		b.Scripts(true)
		b.Axe()
		b.Scripts(false)
		portaltest.Narrow(t, b)
	}
	again := a.Stand() // a browser may need ten seconds itself
	b.Open("/register")
	b.WaitText("wait ten seconds")
	axe()
	b.Click("form[action='/language'] button")
	b.WaitText("登記電郵地址")
	state := func(surname, given, born, id string) {
		t.Helper()
		b.Fill("[name=surname]", surname)
		b.Fill("[name=given]", given)
		consoletest.Eval[string](b, "document.querySelector('[name=born]').value = '"+born+"'")
		b.Fill("[name=personal_id]", id)
		a.Wait(11 * time.Second)
		b.Click("form[action='/register'] button")
	}
	b.Fill("[name=surname]", "Lee")
	b.Fill("[name=given]", "Siu")
	consoletest.Eval[string](b, "document.querySelector('[name=born]').value = '1990-03-04'")
	b.Click("form[action='/register'] button")
	b.WaitText("提交過快")
	again()
	state("Lee", "Siu", "1990-03-05", "B234567")
	b.WaitText("所填資料與登記冊不符")
	if v := consoletest.Eval[string](b, "document.querySelector('[name=surname]').value + document.querySelector('[name=personal_id]').value"); v != "Lee" {
		t.Errorf("shown again: %q", v)
	}
	axe()
	b.Shot("register-zh")
	state("Lee", "Siu", "1990-03-04", "B234567")
	b.Wait("document.querySelector('[name=state]') && document.querySelector('h1').innerText == '您的電郵地址'") // the page before says it too
	axe()
	b.Fill("[name=address]", "lee@example.org")
	b.Click("form[action='/register/address'] button")
	b.WaitText("八位數字")
	b.Fill("[name=code]", a.Code("lee@example.org", 1))
	b.Click("main form button")
	b.WaitText("signed in as p-lee")

	b = portaltest.Phone(t, base)
	b.Scripts(false)
	b.Open("/register")
	state("CHAN", "Tai Man", "1980-01-02", "A123456")
	b.WaitText("is known")
	axe()
	b.Shot("register-address")
	b.Fill("[name=address]", "chan@new.example.org")
	b.Click("form[action='/register/address'] button.second")
	b.WaitText("Two codes are on their way")
	axe()
	b.Shot("register-change")
	b.Fill("[name=code]", a.Code("chan@new.example.org", 1))
	b.Fill("[name=code_old]", "00000000")
	b.Click("main form button")
	b.WaitText("One of the codes is not right")
	b.Fill("[name=code]", a.Code("chan@new.example.org", 1))
	b.Fill("[name=code_old]", a.Code(accounttest.ChanAddress, 1))
	b.Click("main form button")
	b.WaitText("Your address is now")
	axe()
}

// client is a browser without pages.
func client(t *testing.T) *http.Client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

func call(t *testing.T, c *http.Client, method, address, kind, body string, headers ...string) (status int, text string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, address, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", kind)
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	answer, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	data, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(data)
}

const (
	formType = "application/x-www-form-urlencoded"
	jsonType = "application/json"
)

// TestCrossSite: only a provider's answer may come from another site, and a page of
// ours sends it again.
func TestCrossSite(t *testing.T) {
	_, base := serve(t, account.Provider{Provider: openid.Provider{ID: "apple", Kind: openid.Apple, Client: "c", SecretFile: "f", Team: "t", Key: "k"}})
	c := client(t)
	away := []string{"Sec-Fetch-Site", "cross-site", "Origin", "https://appleid.apple.com"}
	status, text := call(t, c, "POST", base+"/sign-in/with/apple", formType, "state=x&code=%22%3E%3Cscript%3E", away...)
	if status != 200 || !strings.Contains(text, `name="relayed"`) || !strings.Contains(text, `action="/sign-in/with/apple"`) || strings.Contains(text, `"><script>`) {
		t.Errorf("%d %s", status, text)
	}
	if status, _ := call(t, c, "POST", base+"/sign-in/with/apple", formType, "relayed=1&state=x&code=y", "Sec-Fetch-Site", "same-origin"); status != 409 {
		t.Errorf("without a journey: %d", status)
	}
	for _, path := range []string{"/sign-in", "/sign-in/code", "/register", "/register/address", "/register/change", "/sign-in/link", "/sign-out", "/sign-in/passkey"} {
		if status, _ := call(t, c, "POST", base+path, formType, "address=a@b.c", away...); status != 403 {
			t.Errorf("%s from another site: %d", path, status)
		}
	}
}

// TestBadInput sends what no form of ours sends.
func TestBadInput(t *testing.T) {
	_, base := serve(t)
	c := client(t)
	long := strings.Repeat("x", 70<<10)
	for n, x := range []struct {
		method, path, kind, body string
		want                     int
	}{
		{"POST", "/sign-in", formType, "", 422}, {"POST", "/sign-in", formType, "address=%00&slow=x&altcha=%ff", 422}, {"POST", "/sign-in", formType, "address=" + long, 413},
		{"POST", "/sign-in/code", formType, "", 422}, {"POST", "/sign-in/code", formType, "code=12345678", 422}, {"POST", "/sign-in/code", formType, "code=" + strings.Repeat("1", 1000), 422},
		{"POST", "/sign-in/passkey", jsonType, "", 422}, {"POST", "/sign-in/passkey", jsonType, "{}", 409}, {"POST", "/sign-in/passkey", jsonType, `{"x":1}`, 422}, {"POST", "/sign-in/passkey", jsonType, `{"state":"` + long + `"}`, 413},
		{"GET", "/sign-in/to/none", "", "", 503}, {"GET", "/sign-in/with/none", "", "", 409}, {"GET", "/sign-in/with/none?state=x&code=y", "", "", 409}, {"POST", "/sign-in/with/none", formType, "state=x", 409}, {"POST", "/sign-in/with/%2e%2e%2F..%2Fsign-out", formType, "state=x", 409},
		{"POST", "/sign-in/link", formType, "link=x&address=a@b.c", 422}, {"POST", "/sign-in/link/code", formType, "code=1", 422},
		{"POST", "/register", formType, "surname=%ff&given=&born=x", 422}, {"POST", "/register/address", formType, "state=x&address=a@b.c&other=1", 409}, {"POST", "/register/code", formType, "code=", 422},
		{"POST", "/register/change", formType, "code=1&code_old=2", 422}, {"GET", "/sign-in?next=https://evil.example", "", "", 200}, {"POST", "/sign-out", formType, "", 303}, {"GET", "/here", "", "", 303},
	} {
		status, text := call(t, c, x.method, base+x.path, x.kind, x.body)
		if status != x.want || strings.Contains(text, `"https://evil`) {
			t.Errorf("%d: %s %s %.60q: %d, want %d: %.300s", n, x.method, x.path, x.body, status, x.want, text)
		}
	}
}

// TestNext never leads to another site, nor round in a circle.
func TestNext(t *testing.T) {
	for to, want := range map[string]string{"/card?x=1": "/card?x=1", "https://evil.example": "/", "//evil.example": "/", "/\\evil.example": "/", "": "/", "/sign-out": "/", "/sign-in": "/", "javascript:alert(1)": "/"} {
		r := &portal.Request{Exchange: page.NewExchange(&page.Site{}, nil, &http.Request{Form: url.Values{"next": {to}}})}
		if got := signin.Next(r); got != want {
			t.Errorf("%q leads to %q, want %q", to, got, want)
		}
	}
}

func TestWords(t *testing.T) {
	pagetest.CheckWords(t, portal.Translated, signin.Files(), ".", signin.Texts, 50)
	if len(signin.Refusals()) < 9 {
		t.Error(signin.Refusals())
	}
	kinds := []string{"Student card", "Staff card", "CPCE staff card", "PTEC staff card", "Visitor card", "Long-serving retiree card", "Emeritus professor card"}
	for _, text := range slices.Concat(signin.Refusals(), kinds) {
		if !portal.Translated(signin.Texts, text) {
			t.Errorf("no Chinese for %q", text)
		}
	}
}

// FuzzFacts reads whatever as the form of who somebody is.
func FuzzFacts(f *testing.F) {
	f.Add("surname=CHAN&given=Tai+Man&born=1980-01-02&personal_id=A1")
	f.Add("kind=student&number=1&surname=%ff%00")
	f.Add("kind=none&number=" + strings.Repeat("9", 400))
	f.Fuzz(func(t *testing.T, body string) {
		r := httptest.NewRequest("POST", "/register", strings.NewReader(body))
		r.Header.Set("Content-Type", formType)
		facts, _ := signin.ReadFacts(&portal.Request{Exchange: page.NewExchange(&page.Site{}, httptest.NewRecorder(), r)})
		for _, s := range []string{facts.Surname, facts.Given, facts.Born, facts.PersonalID} {
			if len(s) > 300 || strings.ContainsRune(s, 0) {
				t.Errorf("%q", s)
			}
		}
		if facts.Card != nil && (facts.Card.Number == "" || facts.Card.Kind == "none") {
			t.Errorf("%+v", facts.Card)
		}
	})
}
