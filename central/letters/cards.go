package letters

// CardReady tells a holder that the eCard is there. page shows it.
func CardReady(lang Language, page string) Letter {
	return write("card_ready", lang,
		words{"Your eCard is ready", []part{
			say("The office approved your eCard. It is in the portal, with today's code for the turnstiles."), follow("Show my eCard", page)}},
		words{"您的電子證已可使用", []part{
			say("辦公室已批准您的電子證。請到網站查閱，並顯示當日的閘機通行碼。"), follow("顯示我的電子證", page)}})
}

// CardRejected tells a holder that it is not, and why, in the office's words.
func CardRejected(lang Language, reason, page string) Letter {
	return write("card_rejected", lang,
		words{"Your eCard is not approved", append([]part{say("The office did not approve your eCard.")},
			because("Reason", reason, say("Put right what the reason names and send it again, or ask the office."), follow("Open my eCard", page))...)},
		words{"電子證申請未獲批准", append([]part{say("辦公室未有批准您的電子證。")},
			because("原因", reason, say("請按原因更正後再次提交，或向辦公室查詢。"), follow("打開我的電子證", page))...)})
}

// CardExpired tells a holder that the office did not come to the photo in time.
func CardExpired(lang Language, page string) Letter {
	return write("card_expired", lang,
		words{"Please apply for your eCard again", []part{
			say("The office did not come to your eCard application in time. It is closed, and its photo is erased. We are sorry."),
			say("Send it again with a photo."), follow("Open my eCard", page)}},
		words{"請重新申請電子證", []part{
			say("辦公室未能及時處理您的電子證申請。申請已結束，照片已刪除。謹此致歉。"),
			say("請附上照片重新提交。"), follow("打開我的電子證", page)}})
}

// CardWithdrawn tells a holder that the office took the eCard back, and why, in the
// office's words. office is how to reach it, "" if that is not known.
func CardWithdrawn(lang Language, reason, office string) Letter {
	ask, askZH := say("If you think that this is a mistake, ask the office; it can give the card back."), say("若有疑問，請向辦公室查詢；辦公室可發還電子證。")
	if office != "" {
		ask, askZH = say("If you think that this is a mistake, ask the office, which can give the card back: %s", oneLine(office)), say("若有疑問，請向辦公室查詢；辦公室可發還電子證：%s", oneLine(office))
	}
	return write("card_withdrawn", lang,
		words{"Your eCard is withdrawn", append([]part{say("The office has withdrawn your eCard. Its codes no longer open a turnstile.")}, because("Reason", reason, ask)...)},
		words{"您的電子證已被收回", append([]part{say("辦公室已收回您的電子證，其通行碼不能再開啟閘機。")}, because("原因", reason, askZH)...)})
}

// CardReturned tells a holder that the office gave the eCard back.
func CardReturned(lang Language, page string) Letter {
	return write("card_returned", lang,
		words{"Your eCard is yours again", []part{
			say("The office has given your eCard back. Today's code opens the turnstiles again."), follow("Show my eCard", page)}},
		words{"您的電子證已獲發還", []part{
			say("辦公室已發還您的電子證，當日的通行碼可再次開啟閘機。"), follow("顯示我的電子證", page)}})
}
