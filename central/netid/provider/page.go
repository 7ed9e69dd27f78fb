package provider

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"net/http"
	"strings"

	"turnstile/central/letters"
	"turnstile/central/netid"
	central "turnstile/central/page"
)

//go:embed pages/*.html
var files embed.FS

// policy allows the portal's style sheet, which is of this origin, and no script where
// a NetPassword is typed. Forms lead to other systems in the end, by redirects:
// form-action would stop those too, in some browsers. frames are origins that may show
// the pages in a frame.
func policy(frames []string) string {
	ancestors := "'none'"
	if len(frames) > 0 {
		ancestors = strings.Join(frames, " ")
	}
	return "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; frame-ancestors " + ancestors
}

var pages = template.Must(template.New("").ParseFS(files, "pages/*.html"))

// page is what the pages show.
type page struct {
	Action string
	Client string // who asks
	NetID  string
	Wrong  netid.Words // "" for nothing
	Code   string      // of a problem
	Portal string
	Site   string // the campus
	Self   string // path that comes back to this page: with what a form carries, sealed
	Lang   letters.Language
}

// T is a text of the page in its language: the English is the key.
func (p page) T(text string) string {
	if zh := words[text]; p.Lang == letters.Chinese && zh != "" {
		return zh
	}
	return text
}

// words are the pages' texts in Traditional Chinese.
var words = map[string]string{
	"Skip to the content":    "跳至內容",
	"Sign in with NetID":     "以 NetID 登入",
	"to go on to":            "以繼續前往",
	"NetPassword":            "NetPassword",
	"Sign in":                "登入",
	"Forgot NetID":           "忘記 NetID",
	"Forgot NetPassword":     "忘記 NetPassword",
	"Register a NetID":       "登記 NetID",
	"Sign out?":              "要登出嗎？",
	"You are signed in with": "目前登入的 NetID：",
	"Sign out":               "登出",
	"Stay signed in":         "保持登入",
	"You are signed out":     "已登出",
	"Close this window, or go on to the portal.": "可關閉此視窗，或前往網站。",
	"Open the portal":           "打開網站",
	"This sign-in cannot go on": "無法繼續登入",
	"Go back to where you came from and begin there once more.":   "請返回原來的頁面，再次開始登入。",
	"If it happens again, tell the office of that page this word": "若再次發生，請把以下代碼告知該頁面的管理人員",
}

func over(l letters.Language) netid.Words { return netid.Over.Words(l) }

func tooMany(l letters.Language, seconds int) netid.Words {
	if l == letters.Chinese {
		return netid.Words{What: "嘗試次數過多。", Next: fmt.Sprintf("請等候 %d 秒後再試。", seconds)}
	}
	return netid.Words{What: "There were too many tries.", Next: fmt.Sprintf("Wait %d seconds and try again.", seconds)}
}

// portalCookie is page.Site.Cookie of the portal: what somebody chose there counts here.
const portalCookie = "portal"

// lang is the language that was chosen in this browser, or that the client, or the
// browser, wishes.
func lang(r *http.Request) letters.Language {
	if chosen := central.Chosen(r, portalCookie); chosen != "" {
		return letters.Language(chosen)
	}
	if asked := r.FormValue("ui_locales"); asked != "" {
		return letters.Language(central.Asked(asked))
	}
	return letters.Language(central.Asked(r.Header.Get("Accept-Language")))
}

func (p *Provider) show(w http.ResponseWriter, r *http.Request, status int, name string, data page) {
	data.Lang, data.Portal, data.Site = lang(r), p.config.Portal, p.config.Site
	if data.Self = data.Action; data.Self == "" {
		data.Self = Path + r.URL.RequestURI()
	}
	var b bytes.Buffer
	if err := pages.ExecuteTemplate(&b, name, data); err != nil {
		p.config.Log.Error("show a page", "page", name, "cause", err)
		status = http.StatusInternalServerError
	}
	w.Header().Set("Content-Security-Policy", policy(p.config.Frames))
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Language", string(data.Lang))
	w.WriteHeader(status)
	w.Write(b.Bytes())
}
