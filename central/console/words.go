package console

import "turnstile/central/page"

// Language is a language of the console.
type Language = page.Language

// The languages.
const (
	English = page.English
	Chinese = page.Chinese
)

// Words translates English texts into Traditional Chinese. The English text is
// the key: a template can be read without the table.
type Words = page.Words

// frameWords are the words of the frame and those that all pages share.
var frameWords = Words{
	"Skip to the content": "跳至內容",
	"Central office":      "中央辦公室",
	"Passes":              "通行證",
	"Approvals":           "審批",
	"Lanes":               "閘道",
	"Passages":            "通行紀錄",
	"Rules":               "規則",
	"People":              "人員",
	"Audit":               "稽核",
	"My account":          "我的帳戶",
	"Sign out":            "登出",
	"Sign in":             "登入",
	"Menu":                "選單",
	"Language":            "語言",
	"Reason":              "原因",
	"Save":                "儲存",
	"Cancel":              "取消",
	"Search":              "搜尋",
	"Next page":           "下一頁",
	"First page":          "第一頁",
	"Back":                "返回",
	"Day":                 "日期",
	"Zone":                "區域",
	"Lane":                "閘道",
	"Holder":              "持有人",
	"Guest":               "訪客",
	"Status":              "狀態",
	"Time":                "時間",
	"Register":            "名冊",
	"Your role does not allow this. An admin can give you another one under People.": "您的角色不允許此操作。管理員可在「人員」頁為您更改角色。",
	"Central could not do this; its log has the cause.":                              "中央系統未能完成此操作；原因已記錄在日誌中。",
	"viewer":   "檢視員",
	"issuer":   "簽發員",
	"approver": "審批員",
	"security": "保安員",
	"auditor":  "稽核員",
	"admin":    "管理員",
}

// Translated reports whether a text has Chinese, in the words or in the frame's.
func Translated(words Words, text string) bool { return frame.Translated(words, text) }
