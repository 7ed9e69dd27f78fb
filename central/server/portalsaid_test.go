package server

import (
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"
)

// saying is a page that refuses something: what happened and the next step, in both
// languages.
type saying struct {
	name         string
	en, next     string
	zh, nextZH   string
	ask          func(b *tab) *httptest.ResponseRecorder
	afterTheCode bool // it says what a stranger must not learn
}

// typing is a form that is sent.
func typing(path string, form url.Values) func(*tab) *httptest.ResponseRecorder {
	return func(b *tab) *httptest.ResponseRecorder { return b.post(path, form) }
}

// TestEveryRefusalSaysWhatToDo: what holders are refused for, at the portal itself, has
// a message of its own in each language, with the next step.
func TestEveryRefusalSaysWhatToDo(t *testing.T) {
	w := openWorld(t, "")
	w.inhabit(xylo, bob, young)
	w.tab().join(xylo)
	w.registerNetID(xylo, "xylo@home.example", "Maria XYLOANNA", netPassword)
	said := map[string]string{}
	for _, x := range w.sayings() {
		for lang, want := range map[string][2]string{"en": {x.en, x.next}, "zh-Hant": {x.zh, x.nextZH}} {
			b := w.tab()
			b.lang = lang
			out := x.ask(b)
			page := readPage(t, out.Body.String())
			text := strings.Join(page.messages, " ")
			if out.Code < 400 || out.Code >= 500 && out.Code != 503 || page.lang != lang || want[0] == "" || !strings.Contains(text, want[0]) || want[1] == "" || !strings.Contains(text, want[1]) {
				t.Errorf("%s, %s: %d %q, want %q", x.name, lang, out.Code, text, want)
			}
			if other := said[want[0]]; other != "" && other != x.name {
				t.Errorf("%s and %s are told the same", x.name, other)
			}
			said[want[0]] = x.name
			if strings.Contains(out.Body.String(), "mxyloanna") != x.afterTheCode {
				t.Errorf("%s, %s: the NetID is shown, or is not: %s", x.name, lang, out.Body)
			}
			w.wait(25 * time.Hour) // tries are counted for a day
		}
	}
	if len(said) < 2*20 {
		t.Errorf("%d messages", len(said))
	}
}

// registers types the codes of somebody who wants a NetID.
func registers(p citizen) func(*tab) *httptest.ResponseRecorder {
	return func(b *tab) *httptest.ResponseRecorder {
		form := p.facts()
		form.Set("kind", "alumni")
		form.Set("email", "typed@"+p.id+".example")
		b.w.leads(b.post("/netid/register", form), "/netid/code")
		codes := url.Values{"code": {b.w.code("typed@" + p.id + ".example")}}
		if p.id == xylo.id {
			codes.Set("code2", b.w.code("xylo@home.example"))
		} else {
			codes.Set("code2", b.w.code(p.email))
		}
		return b.post("/netid/code", codes)
	}
}

// chooses types a display name and a NetPassword after the codes.
func chooses(name, password string) func(*tab) *httptest.ResponseRecorder {
	return func(b *tab) *httptest.ResponseRecorder {
		lang, c := b.lang, b.w.confirmed(bob, "bob@home.example")
		c.lang = lang
		return c.post("/netid/choose", url.Values{"name": {name}, "password": {password}})
	}
}

// codes asks for one-time passwords, waits, and types n wrong ones, and then the last.
func codes(wait time.Duration, n int, last func(w *world) string) func(*tab) *httptest.ResponseRecorder {
	return func(b *tab) *httptest.ResponseRecorder {
		b.w.leads(b.post("/sign-in", url.Values{"address": {xylo.email}}), "/sign-in/code")
		b.w.wait(wait)
		for range n {
			b.post("/sign-in/code", url.Values{"code": {"00000000"}})
		}
		return b.post("/sign-in/code", url.Values{"code": {last(b.w)}})
	}
}

// repeated sends a form n times and returns the last answer.
func repeated(n int, path string, form url.Values) func(*tab) *httptest.ResponseRecorder {
	return func(b *tab) *httptest.ResponseRecorder {
		for range n - 1 {
			b.post(path, form)
		}
		return b.post(path, form)
	}
}

func (w *world) sayings() []saying {
	nobody := bob
	nobody.personal = "S0000009"
	right := func(w *world) string { return w.code(xylo.email) }
	wrong := func(*world) string { return "00000000" }
	graduate := func(p citizen) url.Values {
		form := p.facts()
		form.Set("kind", "alumni")
		form.Set("email", "typed@home.example")
		return form
	}
	unsolved := func(path, answer string) func(*tab) *httptest.ResponseRecorder {
		return func(b *tab) *httptest.ResponseRecorder {
			return b.send("POST", path, url.Values{"address": {"a@b.example"}, "altcha": {answer}}.Encode(), formKind)
		}
	}
	return []saying{
		{"details that do not match", "do not match the register", "Check each of them and try again", "所填資料與登記冊不符", "請逐項核對後再試", typing("/register", nobody.facts()), false},
		{"details that do not match, for a NetID", "These details do not match the register.", "correct them and try again", "資料與登記冊不符。", "更正後再試", typing("/netid/register", graduate(nobody)), false},
		{"a NetID that was registered before", "You have registered a NetID before.", "press Forgot NetID", "您已登記 NetID。", "按「忘記 NetID」", registers(xylo), true},
		{"a graduate who keeps the student's", "Graduates of 2011 or later keep the NetID", "press Forgot NetPassword", "畢業生沿用學生 NetID", "請按「忘記 NetPassword」", registers(young), false},
		{"a check for programs that failed", "this form was open too long", "Press the button again", "此表格開啟過久", "請再按一次按鈕", unsolved("/sign-in", "wrong"), false},
		{"a display name that is taken", "This display name is in use.", "Choose one of those that are free", "此顯示名稱已被使用。", "請選擇下列可用的名稱", chooses("Maria XYLOANNA", netPassword), false},
		{"an alias that is taken", "The email alias of this display name is in use.", "choose one of those that are free", "電郵別名已被使用", "請選擇下列可用的名稱", chooses("XYLOANNA Maria", netPassword), false},
		{"a display name of other letters", "letters A to Z, digits, hyphens and spaces only", "Type another one", "只可包含英文字母、數字、連字號及空格", "請輸入另一名稱", chooses("Böb_", netPassword), false},
		{"a short NetPassword", "at least 12 characters", "Type a longer one", "須有至少 12 個字元", "請輸入較長的密碼", chooses("Robert BOBSON", "short"), false},
		{"a NetPassword that everybody has", "somebody would try first", "Type another", "太容易被猜中", "請輸入另一密碼", chooses("Robert BOBSON", "password1234"), false},
		{"a code that is wrong", "That is not the code.", "Tries that are left: 4", "驗證碼不正確。", "剩餘嘗試次數：4", codes(0, 0, wrong), false},
		{"a code that has expired", "This code has expired", "Ask for a new one", "驗證碼已過期", "請重新索取", codes(11*time.Minute, 0, right), false},
		{"a code that was tried too often", "was tried too often", "Ask for a new one", "嘗試次數過多。請重新索取", "請重新索取", codes(0, 5, right), false},
		{"a wrong code for a NetID", "The code is not right, or not the newest.", "Type all eight digits of the newest mail", "驗證碼不正確，或並非最新。", "請輸入最新電郵內的八位數字", w.resets(0), false},
		{"a late code for a NetID", "This took too long, or was finished already.", "Begin again from the first page", "已逾時或已完成。", "請由第一頁重新開始", w.resets(11 * time.Minute), false},
		{"too many sign-ins", "There were too many tries. Wait until", "then try again", "嘗試次數過多。請等候至", "再試", repeated(7, "/sign-in", url.Values{"address": {"often@old.example"}}), false},
		{"too many tries of a NetID", "There were too many tries.", "minutes and try again", "嘗試次數過多。", "分鐘後再試", repeated(7, "/netid/reset", url.Values{"netid": {"often"}}), false},
		{"no address", "Type an email address", "such as name@example.org", "請輸入電郵地址", "例如 name@example.org", typing("/sign-in", url.Values{"address": {"here"}}), false},
		{"an address that is another's", "It belongs to another account already.", "Take another one, or ask the office", "已屬於另一帳戶", "請改用其他，或向辦公室查詢", takes(xylo.email), false},
		{"another service that did not answer", "The other service did not confirm the sign-in.", "sign in by email", "對方服務未能確認登入", "以電郵登入", func(b *tab) *httptest.ResponseRecorder { return b.get("/sign-in/to/" + elsewhere) }, false},
		{"a step that took too long", "This took too long, or was done already.", "Begin again", "操作過時或已完成", "請重新開始", typing("/register/address", url.Values{"state": {"x"}}), false},
		{"a guest's link that nobody knows", "This link is not known, or its day is over.", "Ask who invited you", "此連結無法識別，或其日期已過", "請向邀請您的人索取", typing("/g", url.Values{"token": {"AAAAAAAAAAAAAAAAAAAAAA"}}), false},
	}
}

// resets asks for a new NetPassword, waits, and types a wrong code.
func (w *world) resets(wait time.Duration) func(*tab) *httptest.ResponseRecorder {
	return func(b *tab) *httptest.ResponseRecorder {
		b.w.leads(b.post("/netid/reset", url.Values{"netid": {"mxyloanna"}}), "/netid/code")
		b.w.wait(wait)
		return b.post("/netid/code", url.Values{"code": {"00000000"}})
	}
}

// takes has somebody without an account register an address, with the code that came
// there.
func takes(address string) func(*tab) *httptest.ResponseRecorder {
	return func(b *tab) *httptest.ResponseRecorder {
		form := url.Values{"state": {b.w.identifiedAs(young)}, "other": {"1"}, "address": {address}}
		b.w.leads(b.post("/register/address", form), "/register/change")
		return b.post("/register/change", url.Values{"code": {b.w.code(address)}})
	}
}
