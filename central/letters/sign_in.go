package letters

import "time"

// Phrases that several letters have.
const (
	notYou     = "If you did not ask for this, do nothing: without the code nothing happens. Give it to nobody, also not to somebody who calls."
	notYouZH   = "若非您要求，毋須理會：沒有驗證碼，不會有任何改變。切勿把驗證碼告訴任何人，包括來電者。"
	typeHere   = "Type it on the page that asked for it."
	typeHereZH = "請在要求驗證碼的頁面輸入。"
)

// typedUntil are the paragraphs of a code that is typed.
func typedUntil(en, zh, number string, until time.Time) (words, words) {
	return words{parts: []part{say("%s", en), typed(number), say("%s It is good until %s and works once, in the browser that asked for it.", typeHere, until.Format("15:04")), say(notYou)}},
		words{parts: []part{say("%s", zh), typed(number), say("%s有效至 %s，只可使用一次，並只限於要求驗證碼的瀏覽器。", typeHereZH, until.Format("15:04")), say(notYouZH)}}
}

func withCode(kind string, lang Language, subject, subjectZH, en, zh, number string, until time.Time) Letter {
	e, z := typedUntil(en, zh, number, until)
	e.subject, z.subject = subject, subjectZH
	l := write(kind, lang, e, z)
	l.Until = until
	return l
}

// OneTime carries the one-time password of a sign-in.
func OneTime(lang Language, number string, until time.Time) Letter {
	return withCode("one_time", lang, "Your one-time password", "您的一次性密碼",
		"Your one-time password for signing in:", "您登入用的一次性密碼：", number, until)
}

// ConfirmAddress carries the code that proves that an address is read by who typed
// it in.
func ConfirmAddress(lang Language, number string, until time.Time) Letter {
	return withCode("confirm_address", lang, "Confirm your email address", "確認您的電郵地址",
		"The code that confirms this email address:", "確認此電郵地址的驗證碼：", number, until)
}

// ConfirmChange carries the code by which the present address agrees to another.
func ConfirmChange(lang Language, number string, until time.Time) Letter {
	return withCode("confirm_change", lang, "Agree to another email address", "同意更改電郵地址",
		"Somebody who is signed in as you wants another email address instead of this one. The code that agrees:",
		"有人以您的身分登入，並要求以另一電郵地址取代此地址。同意更改的驗證碼：", number, until)
}

// NotRegistered tells an address with which nobody can sign in that somebody tried
// to. page is where an address is registered.
func NotRegistered(lang Language, page string) Letter {
	return write("not_registered", lang,
		words{"Signing in with this address", []part{
			say("Somebody asked for a one-time password for this address. No account has it, so there is none."),
			say("If it was you: try another address of yours, or register this one with the details that the campus has of you."),
			follow("Register an address", page),
			say("If it was not you, do nothing.")}},
		words{"以此電郵地址登入", []part{
			say("有人要求把一次性密碼寄到此地址，但沒有帳戶使用此地址，故未有發出密碼。"),
			say("若是您：請改用您另一電郵地址，或以校園所存的資料登記此地址。"),
			follow("登記電郵地址", page),
			say("若非您，毋須理會。")}})
}

// AddressChanging tells the present address that another one takes its place at a
// time, and how to stop that. page is the portal.
func AddressChanging(lang Language, to string, at time.Time, page string) Letter {
	return write("address_changing", lang,
		words{"Your email address will be changed", []part{
			say("The email address of your account will be replaced."),
			told("New address", Mask(to)), told("From", moment(at)),
			say("If that was you, do nothing."),
			say("If not: sign in before then with this address, open your profile and press Keep this address. That ends the change and everybody else's session."),
			follow("Open the portal", page)}},
		words{"您的電郵地址將會更改", []part{
			say("您帳戶的電郵地址將被取代。"),
			told("新地址", Mask(to)), told("生效時間", momentZH(at)),
			say("若是您所為，毋須理會。"),
			say("若非您：請在生效前以此地址登入，打開個人資料並按「保留此地址」。更改會被取消，其他人的登入亦會結束。"),
			follow("打開網站", page)}})
}

// AddressChanged tells the address before that it is replaced. office is how to
// reach those who can help.
func AddressChanged(lang Language, to string, at time.Time, office string) Letter {
	return write("address_changed", lang,
		words{"Your email address was changed", []part{
			say("The email address of your account was replaced. Nothing is sent to this one any more."),
			told("New address", Mask(to)), told("Since", moment(at)),
			say("If that was not you, tell the office at once: %s", office)}},
		words{"您的電郵地址已更改", []part{
			say("您帳戶的電郵地址已被取代，此地址不會再收到郵件。"),
			told("新地址", Mask(to)), told("更改時間", momentZH(at)),
			say("若非您所為，請立即通知辦公室：%s", office)}})
}

// AddressRefused tells that the office did not let another address take the place of
// the one before, and why, in its words. office is how to reach it.
func AddressRefused(lang Language, to, reason, office string) Letter {
	return write("address_refused", lang,
		words{"Your email address stays as it is", append([]part{
			say("The office did not approve another email address for your account."), told("New address", Mask(to))},
			because("Reason", reason, say("If you still want it changed, or did not ask for it, tell the office: %s", office))...)},
		words{"您的電郵地址維持不變", append([]part{
			say("辦公室未有批准更改您帳戶的電郵地址。"), told("新地址", Mask(to))},
			because("原因", reason, say("如仍需更改，或並非由您提出，請聯絡辦公室：%s", office))...)})
}

// MethodAdded tells that there is a new way to sign in, such as a passkey or an
// account elsewhere. page is where it is taken away.
func MethodAdded(lang Language, method, methodZH string, at time.Time, page string) Letter {
	return write("method_added", lang,
		words{"A new way to sign in", []part{
			say("Your account has a new way to sign in."),
			told("Way", method), told("Added", moment(at)),
			say("If that was not you: sign in, take it away under Sign-in, and end the other sessions."),
			follow("Open the portal", page)}},
		words{"新增登入方式", []part{
			say("您的帳戶新增了一種登入方式。"),
			told("方式", methodZH), told("新增時間", momentZH(at)),
			say("若非您所為：請登入，在「登入方式」中移除，並結束其他登入。"),
			follow("打開網站", page)}})
}
