package office

// AlarmWords explain an alarm: its name and what to do. next is what stands with
// the alarm in English; a code that has no words here keeps it.
func AlarmWords(code, next string) Words {
	w, ok := alarmWords[code]
	if !ok {
		w = Words{Name: Text{code, code}}
	}
	if w.Next.English == "" || next != "" {
		w.Next.English = next
	}
	if w.Next.Chinese == "" {
		w.Next.Chinese = next
	}
	return w
}

// alarmWords are the codes of alarms with their names, and in Chinese what to do.
// What to do in English stands with each alarm.
var alarmWords = map[string]Words{
	"conflict":            alarm("Let in twice at once", "同時兩次准許", "查看兩次通行及攝錄影像：通行碼可能被共用；如屬實請撤銷通行證。"),
	"tailgated":           alarm("Tailgated", "尾隨", "查看攝錄影像；第二人不在任何名單上。"),
	"gate_forced":         alarm("Gate forced", "閘門被強行通過", "查看攝錄影像，並檢查閘鎖。"),
	"housing_opened":      alarm("Housing opened", "外殼被打開", "除非安裝人員正在工作，否則請派人查看。"),
	"fire_release":        alarm("Fire release", "火警釋放", "按疏散計劃行事；點名名單列出在區內的人。"),
	"feed_refused":        alarm("Lane refused a message", "閘道拒絕訊息", "中央系統是否曾從備份還原？若否，可能有人介入：請通知資訊科技人員。"),
	"gate_fault":          alarm("Gate fault", "閘門故障", "安排檢查閘門。"),
	"gate_lost":           alarm("Gate lost", "閘門失聯", "使用其他閘道；檢查閘門的電源及接線。"),
	"scanner_lost":        alarm("Scanner lost", "掃描器失聯", "使用其他閘道；檢查掃描器接線。"),
	"held_open":           alarm("Held open", "被撐開", "派人到閘門：通過後門或欄杆仍然打開。"),
	"journal_gap":         alarm("Journal lacks entries", "日誌欠缺紀錄", "閘道會自行重新傳送。若持續數分鐘，請查看閘道的日誌資料夾。"),
	"journal_fork":        alarm("Journal forked", "日誌出現分叉", "兩部控制器使用同一日誌，或日誌被更改。請停用閘道，並比較其日誌與總帳。"),
	"journal_rewritten":   alarm("Journal rewritten", "日誌被改寫", "閘道的日誌在確認後被更改。請停用閘道並保全其儲存裝置。"),
	"journal_new":         alarm("New journal", "新日誌", "如閘道更換了儲存裝置則毋須處理；否則請保全舊日誌。"),
	"journal_dropped":     alarm("Entries dropped", "紀錄已刪除", "閘道儲存裝置已滿。請查看閘道警告並騰出空間。"),
	"journal_lost":        alarm("Entries lost", "紀錄遺失", "保全閘道日誌資料夾中的 .bad 檔案並更換儲存裝置；以攝錄影像核對期間的通行。"),
	"journal_gaps":        alarm("Too many entries lost", "遺失過多紀錄", "閘道儲存裝置遺失過多：不再接收此日誌。請停止程式、移走日誌資料夾交給辦公室並更換儲存裝置。"),
	"forged_batch":        alarm("Forged batch", "偽造的紀錄批次", "有人持閘道證書傳送並非其金鑰簽署的內容。請移除閘道並重新登記。"),
	"forged_use":          alarm("Forged use", "偽造的使用訊息", "有人持閘道證書傳送並非其金鑰簽署的內容。請移除閘道並重新登記。"),
	"foreign_use":         alarm("Use of another zone", "其他區域的使用訊息", "閘道報告了不屬於它的區域。請檢查其設定；否則移除並重新登記。"),
	"forged_ask":          alarm("Forged question", "偽造的查詢", "有人持閘道證書傳送並非其金鑰簽署的內容。請移除閘道並重新登記。"),
	"forged_state":        alarm("Forged report", "偽造的報告", "有人持閘道證書傳送並非其金鑰簽署的內容。請移除閘道並重新登記。"),
	"audit_broken":        alarm("Audit log changed", "稽核紀錄被更改", "有人直接更改了資料庫。請立即匯出稽核，與以往的匯出及日誌中的首部比較，並查明誰能寫入資料庫。"),
	"sign_refused":        alarm("Signing refused", "簽署被拒", "簽署程式拒絕了要求；請查看中央系統的日誌。"),
	"delegation_due":      alarm("Delegation ends soon", "委託即將到期", "請以根金鑰簽署下一份委託並安裝簽名。"),
	"command_unknown":     alarm("Opened for an unknown command", "因不明指令開啟", "中央系統是否曾從備份還原？若否，簽署指令的金鑰可能被盜：請撤回金鑰並查看閘道的攝錄影像。"),
	"webhook_disabled":    alarm("Webhook switched off", "Webhook 已停用", "接收端多次沒有回應；修復後請重新啟用。"),
	"feed_behind":         alarm("Database older than lanes", "資料庫比閘道舊", "資料庫是較舊的副本，閘道不接受與其已知相違的內容。請停止中央系統，執行 central restore --new-epoch 後再啟動。"),
	"feed_lost":           alarm("Changes lost by a restore", "還原時遺失的更改", "請從郵件及日誌查出副本之後撤銷、暫停或恢復的通行證並重做。"),
	"supervisor_used":     alarm("Supervisor code used", "主管碼已使用", "向持有表格的人員查詢並記下使用原因。"),
	"supervisor_unissued": alarm("Unknown supervisor code", "不明的主管碼", "中央系統是否從較舊備份還原？否則簽署金鑰可能被盜：請撤回金鑰並查看攝錄影像。"),
	"supervisor_twice":    alarm("Supervisor code used twice", "主管碼重複使用", "閘道遺失了已用主管碼的紀錄：請查看其警報，並撤銷表格上餘下的主管碼。"),
	"supervisor_lane":     alarm("Supervisor code at another lane", "主管碼用於其他閘道", "閘道沒有檢查主管碼屬於哪個閘道：請停用並檢查其程式。"),
	"supervisor_revoked":  alarm("Revoked supervisor code used", "已撤銷的主管碼被使用", "閘道與中央失去聯絡：請修復連接並查看攝錄影像。"),
}

func alarm(english, chinese, next string) Words {
	return Words{Name: Text{english, chinese}, Next: Text{"", next}}
}
