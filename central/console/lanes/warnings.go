package lanes

import "turnstile/central/office"

// severity says how soon somebody must look, as agents reckon it.
type severity uint8

const (
	notice  severity = 1
	warning severity = 2
	alarm   severity = 3
)

// advice is what a warning of a lane controller means for the office.
type advice struct {
	severity severity
	name     office.Text
	next     office.Text
}

// adviceOf explains a warning. One that this program does not know, of a newer
// lane, is shown by its code.
func adviceOf(code string) advice {
	if a, ok := advices[code]; ok {
		return a
	}
	return advice{warning, office.Text{English: code, Chinese: code}, office.Text{English: "The lane runs a newer version: update central.", Chinese: "閘道使用較新的版本：請更新中央系統。"}}
}

// WarningWords are name and next step of every warning of a lane controller, by its
// code.
func WarningWords() map[string]office.Words {
	all := make(map[string]office.Words, len(advices))
	for code, a := range advices {
		all[code] = office.Words{Name: a.name, Next: a.next}
	}
	return all
}

// advices has every warning that agent/health/WARNINGS.md lists, with its
// severity and next step; a test holds it to that.
var advices = map[string]advice{
	"feed.none": {alarm, office.Text{English: "Never heard from central", Chinese: "從未收到中央訊息"},
		office.Text{English: "Connect the lane to central once; until then it refuses every code.", Chinese: "請讓閘道連接中央系統一次；在此之前會拒絕所有通行碼。"}},
	"feed.stale": {warning, office.Text{English: "Feed is old", Chinese: "中央訊息過舊"},
		office.Text{English: "Check the network to central and whether central runs; the lane goes on by its freshness policy.", Chinese: "請檢查通往中央系統的網絡及中央系統是否運作；閘道按新鮮度政策繼續運作。"}},
	"feed.fork": {alarm, office.Text{English: "Two histories of central", Chinese: "中央系統出現兩份歷史"},
		office.Text{English: "Call the office: two histories are signed with central's keys. A restored backup needs a new epoch; otherwise a key is stolen.", Chinese: "請聯絡辦公室：有兩份歷史均以中央金鑰簽署。還原備份後須使用新紀元；否則金鑰已被盜。"}},
	"feed.rollback": {alarm, office.Text{English: "Old document sent again", Chinese: "舊文件被重新發送"},
		office.Text{English: "Call the office: an old document was sent again as if it were new.", Chinese: "請聯絡辦公室：舊文件被當作新文件重新發送。"}},
	"feed.forged": {alarm, office.Text{English: "Forged messages", Chinese: "偽造訊息"},
		office.Text{English: "Call the office: somebody publishes messages that central did not sign.", Chinese: "請聯絡辦公室：有人發布並非由中央簽署的訊息。"}},
	"feed.malformed": {warning, office.Text{English: "Unreadable messages", Chinese: "無法讀取的訊息"},
		office.Text{English: "Update central and this agent to matching versions; if they are, somebody publishes garbage.", Chinese: "請將中央系統及閘道程式更新至相符版本；若已相符，則有人發布無效訊息。"}},
	"feed.replayed": {notice, office.Text{English: "Messages came twice or late", Chinese: "訊息重複或延遲"},
		office.Text{English: "Messages came twice, late or out of order; the lane asked for what lacked. Look at the network if this stays.", Chinese: "訊息重複、延遲或次序錯亂；閘道已要求補發。如持續請檢查網絡。"}},
	"feed.role_expired": {alarm, office.Text{English: "Delegation expired", Chinese: "授權已過期"},
		office.Text{English: "Sign a new delegation with the root keys.", Chinese: "請以根金鑰簽署新的授權。"}},
	"uplink.down": {warning, office.Text{English: "No connection to the broker", Chinese: "未連接訊息伺服器"},
		office.Text{English: "Check the network and the broker; entries wait in the journal.", Chinese: "請檢查網絡及訊息伺服器；紀錄暫存於日誌。"}},
	"uplink.refused": {warning, office.Text{English: "Refused by the broker", Chinese: "被訊息伺服器拒絕"},
		office.Text{English: "The broker refuses this lane or shows a foreign certificate: check its address, then enrol the lane again.", Chinese: "訊息伺服器拒絕此閘道或出示不明憑證：請檢查地址，然後重新登記閘道。"}},
	"uplink.overflow": {notice, office.Text{English: "Messages came too fast", Chinese: "訊息過多"},
		office.Text{English: "Messages came faster than they could be taken; the lane asks for them again.", Chinese: "訊息來得太快；閘道會再次要求。"}},
	"journal.50": {notice, office.Text{English: "Journal half full", Chinese: "日誌已用一半"},
		office.Text{English: "Half of the space for entries waits for central: check that it acknowledges.", Chinese: "一半的紀錄空間正等候中央：請檢查中央有否確認。"}},
	"journal.80": {warning, office.Text{English: "Journal 80% full", Chinese: "日誌已用八成"},
		office.Text{English: "Let the lane reach central within hours: the journal is filling.", Chinese: "請於數小時內讓閘道連接中央：日誌即將滿載。"}},
	"journal.95": {alarm, office.Text{English: "Journal almost full", Chinese: "日誌接近滿載"},
		office.Text{English: "Let the lane reach central now: soon nothing can be recorded.", Chinese: "請立即讓閘道連接中央：即將無法記錄。"}},
	"journal.full": {alarm, office.Text{English: "Journal full", Chinese: "日誌已滿"},
		office.Text{English: "Nobody is let in any more, and only alarms and results are written: let the lane reach central, or free space on its disk.", Chinese: "不再准許任何人進入，只記錄警報及結果：請讓閘道連接中央，或騰出儲存空間。"}},
	"journal.fault": {alarm, office.Text{English: "Disk fault", Chinese: "儲存裝置故障"},
		office.Text{English: "The disk refuses to be written or read: replace it. What it still gives is kept and sent.", Chinese: "儲存裝置無法讀寫：請更換。仍可讀取的內容會保留及傳送。"}},
	"journal.torn": {notice, office.Text{English: "Power went during a write", Chinese: "寫入時斷電"},
		office.Text{English: "Power went during a write; nothing that was promised is lost.", Chinese: "寫入時斷電；已承諾的紀錄沒有遺失。"}},
	"journal.damaged": {alarm, office.Text{English: "Journal damaged", Chinese: "日誌損壞"},
		office.Text{English: "Entries on this disk cannot be read: keep the files named in the detail for the office and replace the disk.", Chinese: "此儲存裝置上的紀錄無法讀取：請保留所列檔案並更換裝置。"}},
	"journal.forked": {alarm, office.Text{English: "Journal contradicts central's", Chinese: "日誌與中央不符"},
		office.Text{English: "Central has other entries under this lane's numbers: call the office; nothing is dropped here.", Chinese: "中央在此閘道的編號下有其他紀錄：請聯絡辦公室；閘道不會刪除任何紀錄。"}},
	"cache.damaged": {warning, office.Text{English: "Cache damaged", Chinese: "快取損壞"},
		office.Text{English: "The cache was set aside and comes from central again; replace the disk if this happens twice.", Chinese: "快取已擱置並會由中央重新下載；如再次發生請更換儲存裝置。"}},
	"cache.fault": {alarm, office.Text{English: "Cache cannot be stored", Chinese: "快取無法儲存"},
		office.Text{English: "Central's changes cannot be stored: free space on the disk or replace it.", Chinese: "無法儲存中央的變更：請騰出空間或更換儲存裝置。"}},
	"cache.gate_keys": {notice, office.Text{English: "Gate keys awaited", Chinese: "等候閘道金鑰"},
		office.Text{English: "Live codes cannot be checked before central has sent the gate keys again.", Chinese: "中央重新發送閘道金鑰前無法核對動態碼。"}},
	"clock.untrusted": {warning, office.Text{English: "Clock not trusted", Chinese: "時鐘不可信"},
		office.Text{English: "Let the lane reach central, which tells it the time, or set up time synchronisation (NTP); guests are refused meanwhile.", Chinese: "請讓閘道連接中央以校正時間，或設定網絡時間同步（NTP）；期間訪客會被拒絕。"}},
	"clock.holdover": {notice, office.Text{English: "Clock in holdover", Chinese: "時鐘自行推算"},
		office.Text{English: "Central has not told the time for a while; the lane's own reckoning is good for a time yet.", Chinese: "中央已有一段時間沒有報時；閘道自行推算的時間暫時仍可靠。"}},
	"certificate.expiring": {warning, office.Text{English: "Certificate expires soon", Chinese: "憑證即將到期"},
		office.Text{English: "The lane renews it by itself when central can be reached on its enrolment port; look at the log for why it did not, or enrol the lane again.", Chinese: "閘道可連接中央的登記埠時會自動續期；請查看日誌了解原因，或重新登記閘道。"}},
	"scanner.lost": {alarm, office.Text{English: "Scanner lost", Chinese: "掃描器失聯"},
		office.Text{English: "Plug the scanner in again or replace it.", Chinese: "請重新插上或更換掃描器。"}},
	"gate.lost": {alarm, office.Text{English: "Gate lost", Chinese: "閘門失聯"},
		office.Text{English: "Check power and cable of the gate's controller.", Chinese: "請檢查閘門控制器的電源及接線。"}},
	"gate.fault": {alarm, office.Text{English: "Gate fault", Chinese: "閘門故障"},
		office.Text{English: "Look at the gate: its controller reports a fault.", Chinese: "請查看閘門：其控制器報告故障。"}},
	"gate.tamper": {alarm, office.Text{English: "Housing open", Chinese: "外殼被打開"},
		office.Text{English: "Look at the gate: its housing is open.", Chinese: "請查看閘門：外殼被打開。"}},
	"gate.fire": {alarm, office.Text{English: "Fire release", Chinese: "火警釋放"},
		office.Text{English: "Fire release is on: the gate stands open.", Chinese: "火警釋放已啟動：閘門保持開啟。"}},
	"gate.forced": {alarm, office.Text{English: "Gate forced", Chinese: "閘門被強行轉動"},
		office.Text{English: "Look at the gate: it was turned without a grant.", Chinese: "請查看閘門：未獲准許而被轉動。"}},
	"gate.held": {alarm, office.Text{English: "Held open", Chinese: "被撐開"},
		office.Text{English: "Go and look: the door or barrier stands open after a passage.", Chinese: "請前往查看：通過後門或欄杆仍然打開。"}},
	"gate.unready": {warning, office.Text{English: "Gate not ready", Chinese: "閘門未就緒"},
		office.Text{English: "Look at the gate: its own contact says that it takes nobody. It may be blocked, switched off or set to service.", Chinese: "請查看閘門：其接點顯示不接受任何人。可能被阻擋、關閉或處於維修狀態。"}},
	"lane.by_hand": {warning, office.Text{English: "Mode set by hand", Chinese: "以人手設定模式"},
		office.Text{English: "A supervisor code set this lane's mode: scan the sheet's normal code, or change central's rules, to end it.", Chinese: "主管碼已設定此閘道的模式：掃描表格上的正常碼，或更改中央規則，即可結束。"}},
	"lane.given_up": {alarm, office.Text{English: "Entries were lost", Chinese: "紀錄已遺失"},
		office.Text{English: "Entries were lost because the journal took none: replace the disk, and tell the office which lane and when.", Chinese: "日誌無法寫入而遺失紀錄：請更換儲存裝置，並告知辦公室閘道及時間。"}},
	"zone.apart": {warning, office.Text{English: "Cut off from its zone", Chinese: "與區域失去聯絡"},
		office.Text{English: "This lane reaches neither central nor all lanes of its zone: what is used up there is not known here. Check both networks.", Chinese: "此閘道無法連接中央及區域內所有閘道：不知道其他閘道的使用情況。請檢查兩個網絡。"}},
	"zone.stranger": {warning, office.Text{English: "Not on the zone's list", Chinese: "不在區域名單上"},
		office.Text{English: "Central's list of this zone's lanes is missing or does not name this one: let it reach central once; others do not believe it meanwhile.", Chinese: "中央的區域閘道名單缺失或不包括此閘道：請讓它連接中央一次；期間其他閘道不會相信它。"}},
	"zone.multicast": {warning, office.Text{English: "Gate network unusable", Chinese: "閘道網絡無法使用"},
		office.Text{English: "The gate network's interface cannot be used: check its name in the configuration, its cable, and the group.", Chinese: "閘道網絡介面無法使用：請檢查設定中的名稱、接線及群組。"}},
	"zone.forged": {alarm, office.Text{English: "Stranger on the gate network", Chinese: "閘道網絡有陌生裝置"},
		office.Text{English: "Somebody on the gate network sends what no lane has signed: look who else is connected there.", Chinese: "閘道網絡上有人發送並非由閘道簽署的訊息：請查看有何其他裝置連接。"}},
	"clock.disputed": {alarm, office.Text{English: "Clock disputed", Chinese: "時間有爭議"},
		office.Text{English: "This machine's time server and central disagree: find out which of the two is wrong. The lane goes by central.", Chinese: "此裝置的時間伺服器與中央不一致：請查明何者有誤。閘道以中央為準。"}},
	"health.overflow": {warning, office.Text{English: "More warnings than listed", Chinese: "尚有其他警告"},
		office.Text{English: "More is wrong than is listed here: look at the log.", Chinese: "問題比所列的更多：請查看日誌。"}},
}
