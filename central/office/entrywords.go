package office

import (
	"fmt"

	"turnstile/central/link"
)

// EntryWords explain what an entry of the ledger records. A type of a newer lane
// has words too.
func EntryWords(t link.EntryType) Words {
	if w, ok := entryWords[t]; ok {
		return w
	}
	return Words{
		Text{fmt.Sprintf("Type %d", t), fmt.Sprintf("種類 %d", t)},
		Text{"An entry that this program does not know: the lane runs a newer version.", "此程式不認識的紀錄：閘道使用較新的版本。"},
		Text{"Update central.", "請更新中央系統。"},
	}
}

// nothing is what to do about entries that are as they should be.
var nothing = Text{"Nothing.", "毋須處理。"}

// entryWords has every type that entryNames has; a test holds it to that.
var entryWords = map[link.EntryType]Words{
	link.EntryGranted: {
		Text{"Granted", "准許"},
		Text{"The lane decided to open; whether somebody went through is the entry after it.", "閘道決定開啟；是否有人通過見其後的紀錄。"}, nothing,
	},
	link.EntryDenied: {
		Text{"Refused", "拒絕"},
		Text{"The lane refused; the reason says why.", "閘道拒絕；原因見說明。"},
		Text{"See the reason.", "請查看原因。"},
	},
	link.EntryPassed: {
		Text{"Passed", "已通過"},
		Text{"The person walked through.", "該人已通過。"}, nothing,
	},
	link.EntryNotPassed: {
		Text{"Not passed", "沒有通過"},
		Text{"The gate opened and nobody walked through; the entry was given back to the pass.", "閘門開啟但無人通過；次數已退還通行證。"}, nothing,
	},
	link.EntryUnknown: {
		Text{"Not known whether passed", "不知是否通過"},
		Text{"The lane's power or program stopped between opening and passing. It counts as used for a pass with one entry.", "閘道在開啟與通過之間斷電或停止。單次通行證會視作已使用。"},
		Text{"Look at the camera if it matters who was in.", "如需確定誰在區內，請查看攝錄影像。"},
	},
	link.EntryForced: {
		Text{"Forced", "強行通過"},
		Text{"The gate turned although the lane had not opened it.", "閘道沒有開啟，但閘門被轉動。"},
		Text{"Look at the camera, and have the lock checked.", "請查看攝錄影像，並檢查閘鎖。"},
	},
	link.EntryTailgated: {
		Text{"Tailgated", "尾隨"},
		Text{"Two went through on one grant.", "一次准許有兩人通過。"},
		Text{"Look at the camera; the second person is in no list.", "請查看攝錄影像；第二人不在任何名單上。"},
	},
	link.EntryFire: {
		Text{"Fire release", "火警釋放"},
		Text{"The fire alarm opened the gate: people leave without being counted.", "火警系統開啟閘門：離開的人不會被計算。"},
		Text{"Follow the evacuation plan. The muster list shows who was inside.", "請按疏散計劃行事。點名名單列出在區內的人。"},
	},
	link.EntryFireOver: {
		Text{"Fire release over", "火警釋放結束"},
		Text{"The fire alarm holds the gate open no longer.", "火警系統不再開啟閘門。"}, nothing,
	},
	link.EntryTamper: {
		Text{"Housing opened", "外殼被打開"},
		Text{"Somebody opened the housing of the lane.", "有人打開閘道外殼。"},
		Text{"Send somebody, unless an installer is at work there.", "除非安裝人員正在工作，否則請派人查看。"},
	},
	link.EntryTamperEnd: {
		Text{"Housing closed", "外殼已關上"},
		Text{"The housing is closed again.", "外殼已關上。"}, nothing,
	},
	link.EntryGateLost: {
		Text{"Gate lost", "閘門失聯"},
		Text{"The gate's controller does not answer.", "閘門控制器沒有回應。"},
		Text{"Use another lane; check power and cable of the gate.", "請使用其他閘道；並檢查閘門的電源及接線。"},
	},
	link.EntryGateFound: {
		Text{"Gate back", "閘門恢復"},
		Text{"The gate's controller answers again.", "閘門控制器已恢復回應。"}, nothing,
	},
	link.EntryScanLost: {
		Text{"Scanner lost", "掃描器失聯"},
		Text{"The scanner is gone.", "掃描器失去連接。"},
		Text{"Use another lane; check the scanner's cable.", "請使用其他閘道；並檢查掃描器接線。"},
	},
	link.EntryScanFound: {
		Text{"Scanner back", "掃描器恢復"},
		Text{"The scanner is there again.", "掃描器已恢復連接。"}, nothing,
	},
	link.EntryBoot: {
		Text{"Started", "啟動"},
		Text{"The lane's program started.", "閘道程式已啟動。"}, nothing,
	},
	link.EntryFloor: {
		Text{"Feed noted", "記下中央訊息"},
		Text{"The lane wrote down up to where it knows what central says.", "閘道記下已收到的中央訊息。"}, nothing,
	},
	link.EntryDropped: {
		Text{"Entries dropped", "紀錄已刪除"},
		Text{"The lane's disk was full, and it dropped entries that central did not have.", "閘道儲存裝置已滿，刪除了中央尚未收到的紀錄。"},
		Text{"Make room on the lane's disk and mend its network.", "請騰出閘道的儲存空間並修復網絡。"},
	},
	link.EntryRefused: {
		Text{"Message refused", "訊息被拒"},
		Text{"The lane did not believe a message that said it was central's.", "閘道不相信一則自稱來自中央的訊息。"},
		Text{"Central restored from a backup? If not, somebody is between: tell IT.", "中央系統是否曾從備份還原？若否，可能有人介入：請通知資訊科技人員。"},
	},
	link.EntryFault: {
		Text{"Gate fault", "閘門故障"},
		Text{"The gate reported a fault.", "閘門報告故障。"},
		Text{"Have the gate looked at.", "請安排檢查閘門。"},
	},
	link.EntryHeld: {
		Text{"Held open", "被撐開"},
		Text{"The door or barrier stands open after a passage.", "通過後門或欄杆仍然打開。"},
		Text{"Send somebody to shut it.", "請派人關上。"},
	},
	link.EntryHeldOver: {
		Text{"Shut again", "已關上"},
		Text{"The door or barrier is shut again.", "門或欄杆已關上。"}, nothing,
	},
	link.EntryConflict: {
		Text{"Conflict", "衝突"},
		Text{"Two lanes let the same pass in, and neither could know of the other.", "兩個閘道准許同一通行證進入，而彼此無法得知。"},
		Text{"See both passages and the cameras: the code may be shared. Revoke the pass if it is.", "請查看兩次通行紀錄及攝錄影像：通行碼可能被共用；如屬實請撤銷通行證。"},
	},
	link.EntryMode: {
		Text{"Mode by hand", "人手更改模式"},
		Text{"The lane's mode was changed by hand with a supervisor code, or newer rules ended that.", "以主管碼更改閘道模式，或較新的規則已結束該模式。"},
		Text{"Ask the officer who has the sheet; set it back when the cause is over.", "請向持有表格的人員查詢；事情結束後請恢復。"},
	},
	link.EntryShown: {
		Text{"Lane shown", "已標示閘道"},
		Text{"The lane showed by lamp and display which one it is, because the office asked.", "應辦公室要求，閘道以燈號及顯示屏標示自己。"}, nothing,
	},
}
