package office

import "turnstile/central/pass"

// Text is one text in the languages of the console.
type Text struct {
	English, Chinese string
}

// In returns the text in a language, "zh-Hant" or else English.
func (t Text) In(lang string) string {
	if lang == "zh-Hant" {
		return t.Chinese
	}
	return t.English
}

// Words explain something that a lane wrote down: its short name, what it means,
// and what the office or the guard does next.
type Words struct {
	Name, Meaning, Next Text
}

// ReasonWords explain a reason. One that this program does not know, of a newer
// lane, has words too.
func ReasonWords(r pass.Reason) Words {
	if w, ok := reasonWords[r]; ok {
		return w
	}
	return Words{
		Text{r.String(), r.String()},
		Text{"A reason that this program does not know: the lane runs a newer version.", "此程式不認識的原因：閘道使用較新的版本。"},
		Text{"Update central.", "請更新中央系統。"},
	}
}

// reasonWords has every reason of package pass; a test holds it to that.
var reasonWords = map[pass.Reason]Words{
	pass.Granted: {
		Text{"Granted", "准許"},
		Text{"Nothing was against this pass at this lane and time.", "在此時此閘道，此通行證沒有任何不准許的理由。"},
		Text{"Nothing.", "毋須處理。"},
	},
	pass.Unreadable: {
		Text{"Not readable", "無法讀取"},
		Text{"What the scanner delivered was too long, broken off, or no text at all.", "掃描器送出的內容過長、中斷或並非文字。"},
		Text{"Scan again, closer and with a brighter screen. If one lane has many of these, clean its scanner and check its cable.", "請靠近並調高螢幕亮度後再掃描。若某閘道經常如此，請清潔掃描器並檢查接線。"},
	},
	pass.Foreign: {
		Text{"Not a campus code", "並非校園通行碼"},
		Text{"It was some other QR code or text: a poster, a payment code, a web address.", "掃描到的是其他二維碼或文字，例如海報、付款碼或網址。"},
		Text{"Show the campus access code.", "請出示校園通行碼。"},
	},
	pass.Malformed: {
		Text{"Damaged code", "通行碼損壞"},
		Text{"It is a campus code, but a part of it was lost or changed on the way.", "這是校園通行碼，但部分內容遺失或被更改。"},
		Text{"Scan again; if it stays so, open or print the code anew.", "請再掃描；如仍如此，請重新開啟或列印通行碼。"},
	},
	pass.VersionUnknown: {
		Text{"Newer pass version", "通行證版本較新"},
		Text{"The lane does not know this version of a pass.", "閘道不認識此版本的通行證。"},
		Text{"Update the lane's program, or issue a new pass.", "請更新閘道程式，或簽發新通行證。"},
	},
	pass.KindUnknown: {
		Text{"Unknown kind of pass", "不明的通行證種類"},
		Text{"The lane does not know this kind of pass.", "閘道不認識此種類的通行證。"},
		Text{"Update the lane's program, or issue a pass of another kind.", "請更新閘道程式，或簽發其他種類的通行證。"},
	},
	pass.FlagsUnknown: {
		Text{"Unknown condition", "不明的條件"},
		Text{"The pass has a condition that this lane does not know, so it cannot be kept.", "通行證附有閘道不認識的條件，因此無法遵守。"},
		Text{"Update the lane's program, or issue a new pass.", "請更新閘道程式，或簽發新通行證。"},
	},
	pass.TestPass: {
		Text{"Test pass", "測試通行證"},
		Text{"A pass for commissioning, while test passes are switched off.", "這是安裝測試用的通行證，而測試通行證現已停用。"},
		Text{"Issue a pass of another kind.", "請簽發其他種類的通行證。"},
	},
	pass.KeyUnknown: {
		Text{"Unknown signing key", "不明的簽署金鑰"},
		Text{"The lane has no key of this number: another campus's pass, or the lane has not heard of a new key yet.", "閘道沒有此編號的金鑰：可能是其他校園的通行證，或閘道尚未收到新金鑰。"},
		Text{"See on the page Lanes whether the lane is up to date. Otherwise issue a new pass.", "請在「閘道」頁查看該閘道是否已更新；否則請簽發新通行證。"},
	},
	pass.KeyRevoked: {
		Text{"Signing key withdrawn", "簽署金鑰已撤回"},
		Text{"The key that signed it was withdrawn, or may not sign passes of this kind or day.", "簽署此通行證的金鑰已被撤回，或不可簽署此種類或此日期的通行證。"},
		Text{"Issue a new pass.", "請簽發新通行證。"},
	},
	pass.Forged: {
		Text{"Forged", "偽造"},
		Text{"The signature is not the key's: nobody of this office made this code.", "簽名與金鑰不符：此通行碼並非由本辦公室簽發。"},
		Text{"Keep the code as evidence and look at the lane's camera. The rightful holder gets a new pass.", "請保留通行碼作為證據，並查看閘道的攝錄影像。真正的持有人可獲發新通行證。"},
	},
	pass.ClockUntrusted: {
		Text{"Lane's clock not trusted", "閘道時鐘不可信"},
		Text{"The lane did not know what day it was, and the rules want that for this kind of pass.", "閘道無法確定日期，而規則要求此類通行證必須確定日期。"},
		Text{"Connect the lane with central: its clock is set from there within seconds. Meanwhile let the person in by hand.", "請將閘道連接中央系統，數秒內便會校正時鐘。期間可由人手放行。"},
	},
	pass.TooEarly: {
		Text{"Too early", "未到有效時間"},
		Text{"The pass was not valid yet.", "通行證尚未生效。"},
		Text{"Come back when it is valid, or issue a pass for now.", "請於有效時間再來，或簽發即時生效的通行證。"},
	},
	pass.Expired: {
		Text{"Expired", "已過期"},
		Text{"The pass was valid no longer.", "通行證已過有效期。"},
		Text{"Issue a pass for today.", "請簽發今天的通行證。"},
	},
	pass.Revoked: {
		Text{"Revoked", "已撤銷"},
		Text{"The office revoked this pass, or there never was one of this number.", "辦公室已撤銷此通行證，或從未有此編號的通行證。"},
		Text{"The pass's page says who revoked it and why, and can release it.", "通行證頁面列出由誰撤銷及原因，並可恢復。"},
	},
	pass.Held: {
		Text{"Held", "已暫停"},
		Text{"The office refuses this pass for the time being.", "辦公室暫時不接受此通行證。"},
		Text{"The pass's page says who holds it and why, and can release it.", "通行證頁面列出由誰暫停及原因，並可恢復。"},
	},
	pass.StatusUnknown: {
		Text{"Lane's lists too old", "閘道名單過舊"},
		Text{"The lane had not heard from central for so long that it could not tell whether the pass was revoked. It does not mean that it was.", "閘道太久沒有收到中央訊息，無法確定通行證是否已撤銷。這不代表通行證已被撤銷。"},
		Text{"Mend the lane's network. Meanwhile a live code may be let in, or the guard lets the person in by hand.", "請修復閘道的網絡。期間動態碼或可通行，或由保安員人手放行。"},
	},
	pass.HolderBlocked: {
		Text{"Holder blocked", "持有人被禁止"},
		Text{"All passes of this holder are refused on this day.", "此持有人當日所有通行證均不獲接受。"},
		Text{"Ask the office why; it can take the block back.", "請向辦公室查詢原因；辦公室可解除禁止。"},
	},
	pass.Superseded: {
		Text{"Replaced by a newer one", "已被新通行證取代"},
		Text{"The pass was issued anew, and this is the code of before.", "通行證已重新簽發，這是舊的通行碼。"},
		Text{"Show the newer code.", "請出示較新的通行碼。"},
	},
	pass.WrongZone: {
		Text{"Not for this zone", "不適用於此區域"},
		Text{"The pass does not open the lane's zone.", "通行證不適用於此閘道所屬區域。"},
		Text{"Use an entrance of a zone that the pass names, or issue one for this zone.", "請使用通行證所列區域的入口，或簽發適用於此區域的通行證。"},
	},
	pass.Closed: {
		Text{"Outside of opening hours", "非開放時間"},
		Text{"The zone was closed at this time or day, or the rules do not have it.", "區域於該時間或日期關閉，或規則中沒有此區域。"},
		Text{"See the zone's hours and holidays under Rules.", "請在「規則」頁查看區域的開放時間及假期。"},
	},
	pass.Lockdown: {
		Text{"Lockdown", "封鎖"},
		Text{"The zone or the lane was locked down: nobody was let in.", "區域或閘道已封鎖，任何人均不得進入。"},
		Text{"Ask security; the page Lanes shows the zones' modes.", "請向保安查詢；「閘道」頁列出各區域的模式。"},
	},
	pass.LiveMissing: {
		Text{"Live code required", "必須使用動態碼"},
		Text{"It was a still picture of a pass that has to be shown live.", "此通行證必須以動態碼出示，而這是靜態圖片。"},
		Text{"Open the pass on the holder's phone and show it from there.", "請在持有人的手機開啟通行證並直接出示。"},
	},
	pass.LiveForged: {
		Text{"Live code forged", "動態碼偽造"},
		Text{"The pass is genuine, but the live part of the code is not that pass's.", "通行證屬實，但通行碼的動態部分不屬於此通行證。"},
		Text{"Open the pass on the holder's phone; if it stays so, look at who shows it.", "請在持有人的手機開啟通行證；如仍如此，請查看出示者身分。"},
	},
	pass.LiveStale: {
		Text{"Live code of another minute", "動態碼已過時"},
		Text{"The live code was not of this moment: a screenshot, or the phone's clock is wrong.", "動態碼並非當刻的：可能是截圖，或手機時鐘不準。"},
		Text{"Open the pass on the holder's phone and show it from there; check the phone's clock.", "請在持有人的手機開啟通行證並直接出示；並檢查手機時鐘。"},
	},
	pass.LiveReplayed: {
		Text{"Live code used before", "動態碼已被使用"},
		Text{"Somebody already went through with this very code of these seconds.", "已有人在這數秒內使用同一動態碼通過。"},
		Text{"Wait for the next code. If it was another person, look at both passages.", "請等候下一個動態碼。若是另一人，請查看兩次通行紀錄。"},
	},
	pass.EscortNeeded: {
		Text{"Escort needed", "須有陪同"},
		Text{"The pass is good only right after a staff pass at the same lane.", "此通行證只可緊隨同一閘道的職員通行證使用。"},
		Text{"The escort goes first, through the same lane.", "請陪同職員先行通過同一閘道。"},
	},
	pass.AlreadyInside: {
		Text{"Already inside", "已在區內"},
		Text{"By what lanes know the holder came in and did not go out.", "根據閘道紀錄，持有人已進入而未離開。"},
		Text{"See the pass's passages: was the code shared, or did somebody leave without scanning?", "請查看該通行證的通行紀錄：是否共用通行碼，或有人離開時沒有掃描？"},
	},
	pass.AlreadyUsed: {
		Text{"All entries used", "次數已用完"},
		Text{"The pass lets in so many times, and that is used up.", "通行證的可進入次數已用完。"},
		Text{"See the pass's passages; issue another one if that is right.", "請查看該通行證的通行紀錄；如屬合理可另行簽發。"},
	},
	pass.GateFault: {
		Text{"Gate fault", "閘門故障"},
		Text{"The pass was good, but the gate did not answer or could not open.", "通行證有效，但閘門沒有回應或無法開啟。"},
		Text{"Use another lane and have this gate looked at.", "請使用其他閘道，並安排檢查此閘門。"},
	},
	pass.JournalFault: {
		Text{"Lane could not write", "閘道無法寫入"},
		Text{"The pass was good, but the lane could not write it down, so the gate stayed shut.", "通行證有效，但閘道無法記錄，因此閘門保持關閉。"},
		Text{"Use another lane; the lane's disk is full or broken.", "請使用其他閘道；此閘道的儲存裝置已滿或損壞。"},
	},
	pass.NoFeed: {
		Text{"Lane never heard from central", "閘道從未收到中央訊息"},
		Text{"The lane has neither keys nor rules: it cannot decide anything.", "閘道沒有金鑰及規則，無法作任何決定。"},
		Text{"Connect the lane with central.", "請將閘道連接中央系統。"},
	},
	pass.NotInside: {
		Text{"Never came in", "沒有進入紀錄"},
		Text{"On the way out: by what lanes know the pass never came in.", "離開時：根據閘道紀錄，此通行證從未進入。"},
		Text{"Scan where the holder came in; the guard at the lane can let the holder out.", "請在持有人進入之處掃描；閘道保安員可讓持有人離開。"},
	},
	pass.HomeLane: {
		Text{"Another lane answers for it", "由另一閘道負責"},
		Text{"The lane was cut off from the others, and meanwhile another lane decides on this pass.", "閘道與其他閘道失去聯絡，期間由另一閘道決定此通行證。"},
		Text{"Use another lane of the entrance, or mend the network between its lanes.", "請使用入口的其他閘道，或修復閘道之間的網絡。"},
	},
	pass.WrongLane: {
		Text{"For another lane", "屬於另一閘道"},
		Text{"A supervisor code that is good at one other lane alone.", "此主管碼只適用於另一閘道。"},
		Text{"Scan it at the lane that its sheet names.", "請在表格所列的閘道掃描。"},
	},
}
