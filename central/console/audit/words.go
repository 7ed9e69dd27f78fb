package audit

import "turnstile/central/console"

// words are these pages' texts in Traditional Chinese.
var words = console.Words{
	"Who": "誰", "What": "操作", "everything": "全部", "To what": "對象", "From": "由", "To": "至", "Number": "編號", "Detail": "詳情", "erased": "已刪除", "Nothing was found.": "找不到任何紀錄。",
	"Verify and take away": "驗證及匯出", "Verify the whole log": "驗證整個紀錄", "Verification of the audit": "稽核驗證",
	"Export to be verified elsewhere (JSON)": "匯出以供他處驗證（JSON）", "Export for a spreadsheet (CSV)": "匯出至試算表（CSV）",
	"Each entry is chained to the one before, and once an hour central signs the newest. Verification finds whatever was changed by hand; that somebody verified or took it away is written down too.": "每項紀錄均與前一項相連，中央系統每小時簽署最新一項。驗證可找出任何人手更改；驗證及匯出亦會記錄。",
	"Search for at most 100 characters.":                                           "搜尋最多 100 個字元。",
	"This page of the log does not exist; begin at the first.":                     "沒有此頁紀錄；請由第一頁開始。",
	"A day is written as 2026-11-21.":                                              "日期格式為 2026-11-21。",
	"%d entries are good so far":                                                   "至今 %d 項無誤",
	"Central could not read the log to its end; its log has the cause. Try again.": "中央系統未能讀完紀錄；原因已記錄在日誌中。請再試。",
	"The log was changed at entry %d: %s":                                          "紀錄在第 %d 項被更改：%s",
	"Take an export now, compare it with earlier ones and with the heads in central's log, and find out who can write the database.": "請立即匯出，與以往的匯出及中央系統日誌中的首部比較，並查明誰能寫入資料庫。",
	"All %d entries are as they were written, and none is missing.":                                                                  "全部 %d 項均與寫入時相同，沒有缺漏。",
	"Subject and detail of %d were erased.":                                                                                          "其中 %d 項的對象及詳情已刪除。",
	"Central signed %d heads on the way, the last of entry %d at %s.":                                                                "中央系統共簽署 %d 個首部，最後為第 %d 項，於 %s。",
	"Head, to be noted elsewhere: %s":                                                                                                "首部，請記錄於他處：%s",
}
