package letters

import (
	"strings"
	"time"
)

// NetIDDone tells the NetID that somebody has registered, to be found again in
// the mailbox by the subject.
func NetIDDone(lang Language, netID, alias, page string) Letter {
	return write("netid_done", lang,
		words{"Completion of NetID registration", []part{
			say("Your NetID is registered. Keep this mail: whoever forgets a NetID finds it here."),
			told("NetID", netID), told("Email alias", alias),
			say("Sign in with it and your NetPassword. Nobody at the campus ever asks for the NetPassword."),
			follow("Open the portal", page)}},
		words{"NetID 登記完成 Completion of NetID registration", []part{
			say("您的 NetID 已經登記。請保留此郵件，日後忘記 NetID 時可在此查閱。"),
			told("NetID", netID), told("電郵別名", alias),
			say("請以 NetID 及 NetPassword 登入。校園人員絕不會索取您的 NetPassword。"),
			follow("打開網站", page)}})
}

// NetIDForgotten tells which NetIDs are a person's.
func NetIDForgotten(lang Language, netIDs []string, page string) Letter {
	return write("netid_forgotten", lang,
		words{"Your NetID", []part{
			say("Somebody who knows your details asked for your NetID."),
			told("NetID", strings.Join(netIDs, ", ")),
			say("If it was not you, do nothing: without your NetPassword nobody can use it."),
			follow("Open the portal", page)}},
		words{"您的 NetID", []part{
			say("有人以您的資料查詢您的 NetID。"),
			told("NetID", strings.Join(netIDs, "、")),
			say("若非您所為，毋須理會：沒有 NetPassword，無人能夠使用。"),
			follow("打開網站", page)}})
}

// NetIDNone tells a person whose details are right that there is no NetID yet.
func NetIDNone(lang Language, page string) Letter {
	return write("netid_none", lang,
		words{"You have no NetID yet", []part{
			say("Somebody who knows your details asked for your NetID. None is registered for you."),
			say("If it was you, register one. If not, do nothing."), follow("Register a NetID", page)}},
		words{"您尚未有 NetID", []part{
			say("有人以您的資料查詢您的 NetID，但您尚未登記。"),
			say("若是您，請登記 NetID；若非您，毋須理會。"), follow("登記 NetID", page)}})
}

// ResetCode carries the code with which a forgotten NetPassword is replaced.
func ResetCode(lang Language, number string, until time.Time) Letter {
	return withCode("reset_code", lang, "Reset your NetPassword", "重設 NetPassword",
		"The code with which you choose a new NetPassword:", "重設 NetPassword 的驗證碼：", number, until)
}

// PasswordChanged tells that a NetPassword was changed. office is how to reach
// those who can help.
func PasswordChanged(lang Language, at time.Time, office string) Letter {
	return write("password_changed", lang,
		words{"Your NetPassword was changed", []part{
			told("Changed", moment(at)),
			say("Every session with the NetPassword before has ended."),
			say("If that was not you: reset the NetPassword now with Forgot NetPassword, and tell the office: %s", office)}},
		words{"您的 NetPassword 已更改", []part{
			told("更改時間", momentZH(at)),
			say("以舊 NetPassword 登入的裝置均已登出。"),
			say("若非您所為：請立即以「忘記 NetPassword」重設，並通知辦公室：%s", office)}})
}

// Advice asks once a quarter to think of the NetPassword.
func Advice(lang Language, changed time.Time, page string) Letter {
	return write(adviceKind, lang,
		words{"Is your NetPassword still yours alone?", []part{
			told("Last changed", day(changed)),
			say("If you use it elsewhere too, or told it to somebody, change it now. A long one of several words that you use nowhere else is good."),
			follow("Change the NetPassword", page)}},
		words{"NetPassword 安全提示", []part{
			told("上次更改", dayZH(changed)),
			say("若您在其他地方亦使用同一密碼，或曾告知他人，請立即更改。由數個詞語組成、不在其他地方使用的長密碼較為安全。"),
			follow("更改 NetPassword", page)}})
}

// Reminder tells that a NetPassword is older than six months.
func Reminder(lang Language, changed time.Time, page string) Letter {
	return write(reminderKind, lang,
		words{"Please change your NetPassword", []part{
			say("Your NetPassword is more than six months old."), told("Last changed", day(changed)),
			say("Change it when you have a quiet minute: you need the present one."),
			follow("Change the NetPassword", page)}},
		words{"請更改您的 NetPassword", []part{
			say("您的 NetPassword 已超過六個月沒有更改。"), told("上次更改", dayZH(changed)),
			say("請在方便時更改，屆時需要輸入現有的 NetPassword。"),
			follow("更改 NetPassword", page)}})
}
