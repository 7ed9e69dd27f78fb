package letters

import (
	"strings"
	"time"
)

// Guest is what a guest's mail says.
type Guest struct {
	Host    string    // who invites, as the guest knows them
	Link    string    // the guest's page, which cannot be guessed
	From    time.Time // of the code, campus time
	Until   time.Time // zero: the campus day of From
	Place   string    // entrances, in English; "": it is on the page
	PlaceZH string    // "": as Place
	PNG     []byte    // the symbol of a static code; nil for one that the page makes anew
}

// GuestCode invites a guest: the page with the code, when, where and how.
func GuestCode(lang Language, g Guest) Letter {
	if g.PlaceZH == "" {
		g.PlaceZH = g.Place
	}
	en, zh := []part{say("%s invites you to the campus.", oneLine(g.Host)), told("Date", day(g.From))},
		[]part{say("%s 邀請您到訪校園。", oneLine(g.Host)), told("日期", dayZH(g.From))}
	if g.Until.IsZero() {
		g.Until = g.From.AddDate(0, 0, 1)
	} else {
		hours := g.From.Format("15:04") + "–" + g.Until.Format("15:04")
		en, zh = append(en, told("Time", hours)), append(zh, told("時間", hours))
	}
	if g.Place != "" {
		en, zh = append(en, told("Entrance", g.Place)), append(zh, told("入口", g.PlaceZH))
	}
	en = append(en,
		follow("Show my code", g.Link),
		say("Open the page before you leave: the code then shows without a network too. At the turnstile hold it before the scanner, with the screen bright. It lets one person in."),
		say("The link is the code: do not pass it on."))
	zh = append(zh,
		follow("顯示我的通行碼", g.Link),
		say("請於出發前打開頁面，其後即使沒有網絡亦能顯示。到達閘機時，請調高螢幕亮度並對準掃描器。只供一人使用。"),
		say("連結等同通行碼，請勿轉發。"))
	const name = "campus-code.png"
	if g.PNG != nil {
		en = append(en, part{kind: symbol, label: name, text: "The code as a picture, also to print."})
		zh = append(zh, part{kind: symbol, label: name, text: "通行碼圖片，亦可列印。"})
	}
	l := write("guest_code", lang, words{"Your code for the campus, " + g.From.Format("2 January 2006"), en},
		words{"校園通行碼（" + dayZH(g.From) + "）", zh})
	if g.PNG != nil {
		l.PNG, l.Name = g.PNG, name
	}
	l.Until = g.Until
	return l
}

// GuestsApproved tells a host that the office approved guests of a day. page is
// where their codes are shared.
func GuestsApproved(lang Language, on time.Time, page string) Letter {
	return write("guests_approved", lang,
		words{"Your guests are approved", []part{
			say("The office approved your guests. Their codes are ready to be shared."), told("Date", day(on)),
			follow("Share the codes", page)}},
		words{"訪客申請已獲批准", []part{
			say("辦公室已批准您的訪客，通行碼可以分享。"), told("日期", dayZH(on)),
			follow("分享通行碼", page)}})
}

// GuestsRejected tells a host that it did not, and why, in the office's words.
func GuestsRejected(lang Language, on time.Time, reason, page string) Letter {
	return write("guests_rejected", lang,
		words{"Your guests are not approved", append([]part{
			say("The office did not approve your guests."), told("Date", day(on))}, because("Reason", reason,
			say("You can change the request and send it again, or ask the office."), follow("Open the request", page))...)},
		words{"訪客申請未獲批准", append([]part{
			say("辦公室未有批准您的訪客。"), told("日期", dayZH(on))}, because("原因", reason,
			say("您可更改申請後再次提交，或向辦公室查詢。"), follow("打開申請", page))...)})
}

// because puts a reason before what follows, if there is one.
func because(label, reason string, next ...part) []part {
	if strings.TrimSpace(reason) == "" {
		return next
	}
	return append([]part{told(label, reason)}, next...)
}

// Pass carries a pass's code, which the office sends.
type Pass struct {
	ID       string
	Day      string
	From     time.Time // campus time
	Until    time.Time
	Zones    []string // names of the entrances, in English
	ZonesZH  []string
	PNG      []byte
	FileName string // of the picture
}

// PassCode carries the code of a pass that the office sends.
func PassCode(lang Language, p Pass) Letter {
	const clock = "2006-01-02 15:04"
	l := write("pass", lang,
		words{"Campus pass " + p.Day, []part{{kind: symbol, label: p.FileName, text: "QR"},
			told("Campus pass", p.ID), told("Valid", "from "+p.From.Format(clock)+" to "+p.Until.Format(clock)), told("Entrances", strings.Join(p.Zones, ", ")),
			say("Hold the QR code before the scanner at the turnstile, on the phone with the screen bright, or printed on white paper. It lets one person in; do not pass it on.")}},
		words{"校園通行證", []part{
			told("校園通行證", p.ID), told("有效時間", p.From.Format(clock)+" 至 "+p.Until.Format(clock)), told("入口", strings.Join(p.ZonesZH, "、")),
			say("請在閘機掃描器前出示二維碼：調高手機螢幕亮度，或列印於白紙上。只供一人使用，請勿轉發。")}})
	l.PNG, l.Name = p.PNG, p.FileName
	return l
}
