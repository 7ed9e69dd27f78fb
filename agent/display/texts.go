package display

import (
	"fmt"

	"turnstile/agent/lane"
	"turnstile/central/link"
	"turnstile/central/pass"
	"turnstile/firmware-bridge/gate"
)

// Text is what a person reads: what happened, and what to do next.
type Text struct {
	What string `json:"what"`
	Next string `json:"next"`
}

// Words are a text in both languages of the campus.
type Words struct {
	EN Text `json:"en"`
	ZH Text `json:"zh"` // Traditional Chinese
}

func words(whatEN, nextEN, whatZH, nextZH string) Words {
	return Words{Text{whatEN, nextEN}, Text{whatZH, nextZH}}
}

// Texts that several reasons share. Where a person, and not only a code, is
// refused, the words are the same as for a code that is refused: they must not
// tell the one who holds it, or who stands behind, whether somebody is known.
var (
	seeGuard = words("Please see the guard", "This code does not open the lane. The guard will help you.",
		"請向保安員查詢", "此二維碼未能開啟閘機，保安員會協助你。")
	notValid = words("This code is not valid", "Open your code again in the portal. If that does not help, see the guard.",
		"此二維碼無效", "請在網上平台重新開啟二維碼；如仍不成功，請向保安員查詢。")
	unknownForm = words("This lane cannot read this code", "Open your code again and scan it. If that does not help, see the guard.",
		"此閘機未能識別這個二維碼", "請重新開啟二維碼再掃描；如仍不成功，請向保安員查詢。")
	noCheck = words("This lane cannot check your code now", "Use another lane, or see the guard.",
		"此閘機暫時未能核實二維碼", "請使用其他閘機，或向保安員查詢。")
	outOfOrder = words("This lane is out of order", "Please use another lane.",
		"此閘機暫停服務", "請使用其他閘機。")
)

// reasonWords has an entry for every reason; a test sees to that.
var reasonWords = map[pass.Reason]Words{
	pass.Granted: words("Please walk through", "One person at a time.", "請通過", "每次只限一人通過。"),
	pass.Unreadable: words("The code could not be read", "Hold it still and flat in front of the reader. Make the screen brighter.",
		"未能讀取二維碼", "請將二維碼平放在讀碼器前並保持不動，或調高螢幕亮度。"),
	pass.Foreign: words("This is not a campus access code", "Open your eCard or your guest code and scan that.",
		"這不是校園通行二維碼", "請開啟你的電子證或訪客二維碼再掃描。"),
	pass.Malformed: words("The code was not read completely", "Please scan it again. A print must be clean and flat.",
		"二維碼讀取不完整", "請再掃描一次。如屬列印本，請確保清潔平整。"),
	pass.VersionUnknown: unknownForm,
	pass.KindUnknown:    unknownForm,
	pass.FlagsUnknown:   unknownForm,
	pass.TestPass: words("This is a test code", "It opens no lane. Please scan your own code.",
		"這是測試二維碼", "測試碼不能開啟閘機，請掃描你的通行二維碼。"),
	pass.KeyUnknown:     noCheck,
	pass.KeyRevoked:     notValid,
	pass.Forged:         notValid,
	pass.ClockUntrusted: noCheck,
	pass.TooEarly: words("Your code is not valid yet", "Look at its date and time, and come back then.",
		"二維碼尚未生效", "請查看二維碼的日期和時間，屆時再來。"),
	pass.Expired: words("Your code is no longer valid", "Open today's code. Guests: ask your host for a new one.",
		"二維碼已過期", "請開啟今天的二維碼；訪客請向邀請人索取新碼。"),
	pass.Revoked: seeGuard,
	pass.Held:    seeGuard,
	pass.StatusUnknown: words("Please see the guard", "This lane cannot check this kind of code at the moment.",
		"請向保安員查詢", "此閘機現時未能核實這類二維碼。"),
	pass.HolderBlocked: seeGuard,
	pass.Superseded: words("There is a newer code for this pass", "Open your code again and scan the newest one.",
		"此通行證已有新的二維碼", "請重新開啟並掃描最新的二維碼。"),
	pass.WrongZone: words("This code is for another entrance", "Your code says which entrances it opens.",
		"此二維碼適用於其他入口", "請查看二維碼上列明的入口。"),
	pass.Closed: words("This entrance is closed now", "Come back in the opening hours, or see the guard.",
		"此入口現已關閉", "請於開放時間再來，或向保安員查詢。"),
	pass.Lockdown: words("This entrance is closed", "Please follow the guards' instructions.",
		"此入口已封閉", "請依從保安員的指示。"),
	pass.LiveMissing: words("A picture of this code is not enough", "Open the code in the portal on your phone and scan that.",
		"不接受此二維碼的截圖", "請用手機在網上平台開啟二維碼再掃描。"),
	pass.LiveForged: notValid,
	pass.LiveStale: words("This code is out of date", "Show the code that is in the portal now. Let your phone set its clock by itself.",
		"二維碼已過時", "請出示網上平台現時顯示的二維碼，並將手機時間設為自動。"),
	pass.LiveReplayed: words("This code was used just now", "Wait until the code on the phone changes, then scan again.",
		"此二維碼剛被使用", "請待手機上的二維碼更新後再掃描。"),
	pass.EscortNeeded: words("This code needs an escort", "A member of staff goes through first. Scan right after.",
		"此二維碼須由職員陪同使用", "請職員先通過，然後立即掃描。"),
	pass.AlreadyInside: words("This pass is inside already", "Go out through a lane first, or see the guard.",
		"此通行證已在校園內", "請先經閘機離開，或向保安員查詢。"),
	pass.AlreadyUsed: words("This code was used already", "Ask your host for a new one, or see the guard.",
		"此二維碼已被使用", "請向邀請人索取新碼，或向保安員查詢。"),
	pass.GateFault:    outOfOrder,
	pass.JournalFault: outOfOrder,
	pass.NoFeed: words("This lane is not ready yet", "Please use another lane.",
		"此閘機尚未就緒", "請使用其他閘機。"),
	pass.NotInside: words("This pass has not come in", "Scan where you came in, or see the guard.",
		"此通行證未有進入紀錄", "請在入口掃描，或向保安員查詢。"),
	pass.HomeLane: words("Another lane can check your code now", "Please use the next lane, or see the guard.",
		"其他閘機可以核實你的二維碼", "請使用旁邊的閘機，或向保安員查詢。"),
	pass.WrongLane: words("This code is for another lane", "Read the lane on the sheet, and scan it there.",
		"此二維碼適用於另一部閘機", "請查看單張上列明的閘機，並在該處掃描。"),
}

// Words of the lane itself.
var (
	idleWords = words("Scan your code", "Hold it in front of the reader.", "請掃描二維碼", "請將二維碼放在讀碼器前。")
	waitWords = words("One moment, please", "Scan again when the lane is free.", "請稍候", "待閘機可用時再掃描。")
	outWords  = words("Goodbye", "Please walk through, one person at a time.", "再見", "請逐一通過。")
)

// commandWords are what a lane says when somebody at central told it to do something.
var commandWords = map[link.CommandAction]Words{
	link.CommandOpen: words("Please walk through", "Our staff opened this lane for you. One person at a time.",
		"請通過", "職員已為你開啟閘機，每次只限一人通過。"),
	link.CommandIdentify: words("This is the lane", "Somebody is looking for it. You can scan your code as always.",
		"就是這部閘機", "職員正在尋找此閘機，你可如常掃描二維碼。"),
}

// handWords say that a lane is in a mode by hand, and since when.
func handWords(h lane.ByHand) Words {
	var w Words
	switch h.Mode {
	case link.Lockdown:
		w = words("This lane was closed by hand", "", "此閘機已由人手封鎖", "")
	case link.FreePassage:
		w = words("This lane was opened by hand", "", "此閘機已由人手開放", "")
	default:
		return w
	}
	if h.Since.Year() < 2020 { // the lane did not know the time
		w.EN.Next, w.ZH.Next = "The lane's clock was not set then.", "當時閘機時鐘尚未設定。"
		return w
	}
	w.EN.Next = h.Since.Format("Since 15:04 on 2 January 2006.")
	w.ZH.Next = fmt.Sprintf("自%d年%d月%d日%s起。", h.Since.Year(), h.Since.Month(), h.Since.Day(), h.Since.Format("15:04"))
	return w
}

// WordsOf returns what a lane tells a person who is answered with the reason.
// A reason of a newer version is answered like one that the guard explains.
func WordsOf(r pass.Reason) Words {
	w, ok := reasonWords[r]
	if !ok {
		return seeGuard
	}
	return w
}

// answerWords returns the words for what a lane answers.
func answerWords(a lane.Answer) Words {
	switch w, commanded := commandWords[a.Command]; {
	case commanded:
		return w
	case a.Signal == gate.Idle:
		return idleWords
	case a.Signal == gate.Wait:
		return waitWords
	case a.Signal == gate.Granted && a.Direction == gate.Out:
		return outWords
	}
	return WordsOf(a.Reason)
}
