package passes

import "turnstile/central/console"

// words are the pages' own.
var words = console.Words{
	// list
	"Issue a pass": "簽發通行證", "Issue many passes": "批量簽發通行證", "Changes of many passes": "批量更改紀錄", "Change of many passes": "批量更改",
	"Holder, guest, number or code": "持有人、訪客、通行證編號或通行碼", "Kind": "種類", "All zones": "所有區域", "All kinds": "所有種類", "Any status": "任何狀態",
	"Find by a code or a picture of one": "以通行碼或其圖片尋找", "Code": "通行碼", "or a picture (PNG, JPEG, at most 8 MB)": "或圖片（PNG、JPEG，最多 8 MB）", "Find": "尋找",
	"Passes, the newest first": "通行證，最新的在前", "Select": "選取", "Select %s": "選取 %s", "Pass": "通行證", "Pass %s": "通行證 %s", "Valid": "有效時間", "Issued": "簽發",
	"live": "動態碼", "over": "已過期", "Revoke, hold or release what is ticked": "撤銷、暫停或恢復已勾選的通行證", "Print these": "列印這些", "Pages": "分頁",
	"No pass fits.": "沒有符合的通行證。", "No pass was issued yet.": "尚未簽發任何通行證。", "Passes of": "此人的通行證：", "All passes": "所有通行證",
	"Revoke, hold or release by person, day or zone": "按人、日期或區域撤銷、暫停或恢復", "Person (exact id)": "持有人（完整編號）", "Continue": "繼續",
	"Write a day as 2026-11-22.": "日期格式為 2026-11-22。", "There is no such zone.": "沒有此區域。", "There is no such status.": "沒有此狀態。", "There is no such kind of pass.": "沒有此種通行證。",
	"Look for a name of at most 120 characters.": "名稱最多 120 個字元。", "Too many passes fit that name; give more of it, or a day.": "太多通行證符合此名稱；請輸入更多字元或指定日期。",
	"The cursor is none of this list's; begin without one.": "此頁已失效，請由第一頁開始。",

	// codes and pictures
	"That is no code of a pass (%s).": "這不是通行證的通行碼（%s）。", "That is a supervisor code, %s, and no pass.": "這是主管碼 %s，並非通行證。",
	"The code says pass %s, but central never issued that one: it is forged, or of another campus.":       "通行碼顯示為通行證 %s，但中央系統從未簽發：屬偽造，或來自其他校園。",
	"The code says pass %s, but central did not sign it: it is forged.":                                   "通行碼顯示為通行證 %s，但並非由中央系統簽署：屬偽造。",
	"Paste a code, or choose a picture of one.":                                                           "請貼上通行碼，或選擇其圖片。",
	"The upload broke off; try again.":                                                                    "上載中斷；請再試。",
	"The picture has more than %d MB; crop it to the code.":                                               "圖片超過 %d MB；請裁剪至只餘二維碼。",
	"There is no readable QR code in the picture; crop it to the code, or take it again in better light.": "圖片中沒有可讀的二維碼；請裁剪至只餘二維碼，或在較佳光線下重拍。",
	"The picture has too many pixels; crop it to the code.":                                               "圖片像素過多；請裁剪至只餘二維碼。",
	"That file is no PNG, JPEG or GIF picture.":                                                           "該檔案並非 PNG、JPEG 或 GIF 圖片。",

	// one pass
	"There is no such pass.": "沒有此通行證。", "No pass %s was issued.": "從未簽發通行證 %s。", "Facts": "資料", "Purpose": "目的", "Entries": "可進入次數", "without limit": "不限", "Changed": "更改", "all passes": "所有通行證",
	"live code only": "只限動態碼", "escort": "須由職員陪同", "no anti-passback": "不受防回傳限制", "Passages of this pass": "此通行證的通行紀錄", "Change": "更改", "Your role does not show codes.": "您的角色不能查看通行碼。",
	"Revoke, hold or release all passes of this person": "撤銷、暫停或恢復此人所有通行證", "QR symbol of the pass": "通行證的二維碼", "Live code, good until %s; a new one follows.": "動態碼，有效至 %s；之後自動更新。",
	"Short code": "短碼", "Code as text": "通行碼文字", "Print": "列印", "A revoked pass has no code to show.": "已撤銷的通行證沒有通行碼。", "The signing process does not answer; try again in a minute.": "簽署程序沒有回應；請一分鐘後再試。",
	"Good": "有效", "Held": "已暫停", "Revoked": "已撤銷", "Hold": "暫停", "Revoke": "撤銷", "Release": "恢復", "eCard": "電子證", "Staff": "職員", "Test": "測試",
	"All lanes refuse it, for good. The holder needs a new pass.": "所有閘道永久拒絕此證，持有人需要新的通行證。", "All lanes refuse it until it is released.": "所有閘道拒絕此證，直至恢復為止。", "All lanes accept it again.": "所有閘道重新接受此證。",
	"Give a reason: it is kept with the pass.": "請輸入原因：會與通行證一併保存。", "A reason is one line of at most 200 characters.": "原因為一行，最多 200 個字元。",
	"Somebody changed this pass meanwhile: it is %s now.":        "其他人剛更改了此通行證：現為「%s」。",
	"The pass is revoked; the lanes are told at this moment.":    "通行證已撤銷；正通知各閘道。",
	"The pass is held; the lanes are told at this moment.":       "通行證已暫停；正通知各閘道。",
	"The pass is good again; the lanes are told at this moment.": "通行證已恢復；正通知各閘道。",

	// which lanes know
	"%d of %d lanes refuse it": "%[2]d 條閘道中 %[1]d 條拒絕此證", "%d of %d lanes refuse it since %s": "%[2]d 條閘道中 %[1]d 條自 %[3]s 起拒絕",
	"%d of %d lanes accept it again": "%[2]d 條閘道中 %[1]d 條重新接受", "%d of %d lanes accept it again since %s": "%[2]d 條閘道中 %[1]d 條自 %[3]s 起重新接受",
	"has not answered yet": "尚未回應", "was never connected": "從未連線", "offline since %s": "自 %s 起離線", "and %d more": "及其他 %d 條", "No lane is enrolled yet.": "尚未登記任何閘道。",
	"No lane has to know yet: it goes out when the list of %s opens.": "閘道暫時無須知道：%s 的名單開啟時才會發出。", "Look again": "重新查看",

	// mail and print
	"Mail": "電郵", "Address": "電郵地址", "Mail the code": "寄出通行碼", "sent %s": "已於 %s 寄出", "failed %s": "於 %s 失敗", "waits, next attempt %s": "等候中，下次嘗試：%s",
	"Mail is not set up: an operator sets mail.host and mail.from in central's configuration.": "尚未設定電郵：請系統操作員在中央系統的設定中填寫 mail.host 及 mail.from。",
	"A live code is shown on the holder's phone and cannot be mailed.":                         "動態碼只能在持有人的手機顯示，不能寄出。",
	"A live code is shown on the holder's phone and cannot be printed.":                        "動態碼只能在持有人的手機顯示，不能列印。",
	"Only the code of a good pass is mailed.":                                                  "只有有效通行證的通行碼可以寄出。",
	"The code is on its way; below stands what became of it.":                                  "通行碼正在寄出；結果顯示於下方。",
	"Sheet of passes": "通行證列印頁", "Next sheet": "下一頁列印", "There is nothing to print.": "沒有可列印的通行證。",
	"Print this page with the browser: one pass a sheet.": "請用瀏覽器列印本頁：每張紙一個通行證。", "Print this page with the browser; it has no menu on paper.": "請用瀏覽器列印本頁；選單不會印出。",
	"%d are left out: they are not good, or only valid as a live code.":                               "略去 %d 個：已失效，或只限動態碼。",
	"Hold the QR code before the scanner at the turnstile. It lets one person in; do not pass it on.": "請在閘機掃描器前出示二維碼。只供一人使用，請勿轉交他人。",

	// issue one
	"Holder: id of the person who answers for the pass": "持有人：負責此通行證者的編號", "Guest's name (of a guest's pass)": "訪客姓名（訪客通行證）", "Zones": "區域", "From (campus time)": "開始（校園時間）",
	"For (such as 8h30m; at most 25h)": "時長（例如 8h30m，最多 25h）", "Entries (0: without limit)": "可進入次數（0：不限）", "Conditions": "條件", "only as a live code": "只限動態碼", "only right after a staff pass": "須緊隨職員通行證",
	"anti-passback does not apply": "不受防回傳限制", "Mail the code to (may stay empty)": "把通行碼寄往（可留空）", "Issue the pass": "簽發", "Pass %s is issued.": "已簽發通行證 %s。",

	// issue many
	"CSV file, at most %d rows and %d MB": "CSV 檔案，最多 %d 行及 %d MB", "Show what is in it": "預覽內容", "Empty file with the header": "只有標題行的空白檔案", "Nothing is issued yet: the next page shows every bad row, and asks.": "此時尚不簽發：下一頁會列出所有錯誤的行，並要求確認。",
	"Recent files": "最近的檔案", "File": "檔案", "By": "操作人", "Bad": "錯誤", "not confirmed": "未確認", "running": "進行中", "done": "完成", "discarded": "已放棄", "Columns": "欄位", "Column": "欄位", "What stands there": "內容", "Needed": "必填", "yes": "是", "no": "否",
	"The first line is the header. Columns may come in any order, with commas, semicolons or tabs between. Save spreadsheets as “CSV UTF-8”.": "第一行為標題。欄位次序不限，以逗號、分號或 Tab 分隔。試算表請另存為「CSV UTF-8」。",
	"ecard, guest, staff or test": "ecard、guest、staff 或 test", "id of the person who answers for the pass, 64 characters at most": "負責此通行證者的編號，最多 64 個字元", "campus day, such as 2026-11-22": "校園日，例如 2026-11-22", "of a guest's pass": "訪客通行證適用", "200 characters at most": "最多 200 個字元",
	"numbers or names with semicolons between; empty: the first zone": "編號或名稱，以分號分隔；留空為第一個區域", "campus time; empty: 00:00": "校園時間；留空為 00:00", "10m to 25h in steps of 10 minutes; empty: 24h": "10m 至 25h，以 10 分鐘為單位；留空為 24h",
	"how often it lets in; empty: without limit": "可進入次數；留空為不限", "yes: only valid as a live code": "yes：只限動態碼", "yes: only right after a staff pass": "yes：須緊隨職員通行證", "yes: anti-passback does not apply": "yes：不受防回傳限制", "the code is mailed there": "通行碼會寄往此地址",
	"Choose a file.": "請選擇檔案。", "The form could not be read; load the page again.": "無法讀取表格；請重新載入頁面。", "The field %s came twice; load the page again.": "欄位 %s 重複；請重新載入頁面。",
	"File of passes": "通行證檔案", "good rows": "行正確", "bad rows": "行錯誤", "issued": "已簽發", "could not be issued": "未能簽發", "Issue the %d good ones": "簽發正確的 %d 行", "Issue %d passes": "簽發 %d 個通行證", "Discard the file": "放棄此檔案",
	"The bad rows are left out. To have them too, mend the file and upload it again instead.": "錯誤的行會略去。如需一併簽發，請修正檔案後重新上載。", "No row is good: mend the file and upload it again.": "沒有正確的行：請修正檔案後重新上載。",
	"The first good rows": "首數個正確的行", "Line": "行", "%d of %d passes are issued": "已簽發 %d / %d 個通行證", "%d could not be": "%d 個未能簽發", "It goes on whatever happens to this page, also after a restart of central.": "即使關閉本頁或中央系統重啟，簽發亦會繼續。",
	"Done at %s.": "於 %s 完成。", "Print all on sheets": "全部列印", "The first passes": "首數個通行證", "The file is discarded; nothing was issued.": "檔案已放棄；沒有簽發任何通行證。", "Every bad row": "所有錯誤的行", "All of them as a file": "下載全部", "What is wrong": "錯誤", "Another file": "另一個檔案",
	"There is no such file; it may have been erased. Upload it again.": "沒有此檔案；可能已被刪除。請重新上載。", "Issue the passes of the file, or discard it.": "請簽發檔案中的通行證，或放棄。", "the whole row": "整行",
	"Somebody decided about this file already.": "已有人處理此檔案。", "The file has no good row; mend it and upload it again.": "檔案沒有正確的行；請修正後重新上載。",
	"The file has no row below its header.": "檔案的標題行以下沒有內容。", "The file is empty.": "檔案是空的。", "The file is UTF-16 text; save it as “CSV UTF-8”.": "檔案為 UTF-16 文字；請另存為「CSV UTF-8」。", "The file is a workbook; save it as “CSV UTF-8”.": "檔案為試算表活頁簿；請另存為「CSV UTF-8」。",
	"The first line is no header in UTF-8; save the file as “CSV UTF-8”.": "第一行並非 UTF-8 標題；請另存為「CSV UTF-8」。", "The first line cannot be read as a header: a quotation mark is not closed.": "無法讀取第一行為標題：引號未關閉。",

	"There is no column %.40q; those that there are: %s.": "沒有欄位 %.40q；可用的欄位：%s。", "The column %s stands twice in the header.": "標題中欄位 %s 重複。", "The column %s is missing in the header; it is the first line of the file.": "標題（檔案的第一行）欠缺欄位 %s。",
	"The file has more than %d rows; split it.": "檔案超過 %d 行；請分拆。", "The file has more than %d MB; split it.": "檔案超過 %d MB；請分拆。",

	// faults of fields and rows
	"want ecard, guest, staff or test": "請填 ecard、guest、staff 或 test", "only a pass of kind guest has a guest's name": "只有訪客通行證才有訪客姓名", "a pass of kind guest needs the guest's name": "訪客通行證須填訪客姓名", "is missing": "欠缺", "is too long: at most %s characters": "太長：最多 %s 個字元",
	"is too long: at most %s zones": "太長：最多 %s 個區域", "is not UTF-8 text": "並非 UTF-8 文字", "has a line break or a control character": "含有換行或控制字元", "want a day such as 2026-11-22": "請填日期，例如 2026-11-22", "there is no zone %s; see the rules for those that exist": "沒有區域 %s；請參閱規則",
	"want a time such as 07:30": "請填時間，例如 07:30", "want 10m to 25h in steps of 10 minutes, such as 24h or 1h30m": "請填 10m 至 25h，以 10 分鐘為單位，例如 24h 或 1h30m", "want 0 to 15; 0 is without limit": "請填 0 至 15；0 為不限", "want yes or no": "請填 yes 或 no", "want an address such as name@example.org": "請填電郵地址，例如 name@example.org",
	"a live code is shown on a phone and cannot be mailed: leave email empty": "動態碼在手機顯示，不能寄出：請把 email 留空", "mail is not set up here: leave it empty": "尚未設定電郵：請留空", "all passes of %s are issued": "%s 的通行證已全部簽發", "the eCard of this holder is withdrawn: give it back first": "此持有人的電子證已被收回：請先發還", "cannot be issued": "未能簽發",
	"the line is too long: at most %s characters": "行太長：最多 %s 個字元", "the line is not UTF-8: save the file as “CSV UTF-8”": "該行並非 UTF-8：請另存為「CSV UTF-8」", "a quotation mark is not closed on this line; a value cannot have a line break": "該行的引號未關閉；內容不能換行",
	"the line has more values than the header: put one with a comma in quotation marks": "該行的欄位多於標題：含逗號的內容請加引號", "the line has fewer values than the header": "該行的欄位少於標題", "is the same as line %s: one of them is too many": "與第 %s 行相同：其中一行多餘",
	"A zone of this order does not exist; see the rules for those that do.": "區域不存在；請參閱規則。", "Test passes are off here; they are for commissioning, see test_pass in the rules.": "測試通行證已停用；僅供調試，見規則的 test_pass。",
	"A pass begins at a whole minute of its day and lasts whole steps of 10 minutes.":                                        "通行證須於整分鐘開始，時長以 10 分鐘為單位。",
	"A pass ends with the day behind its own: lanes know no longer what it used; shorten it, or issue one for the next day.": "通行證最遲於翌日完結時失效：請縮短時長，或簽發翌日的通行證。",
	"The signing process does not sign this now; central's log says why. Try again in a minute.":                             "簽署程序暫時不簽署；原因已記錄在日誌中。請一分鐘後再試。",

	// many at once
	"Revoke, hold or release many": "批量撤銷、暫停或恢復", "Selected": "已選取", "Say whose passes, of which day, or of which zone; or tick some in the list of passes.": "請指定持有人、日期或區域；或在通行證列表中勾選。",
	"A pass that opens this zone and others is refused at the others, too.": "同時適用於其他區域的通行證，在其他區域亦會被拒絕。", "What is to be done": "操作", "a second person confirms": "須由第二人確認", "Do it": "執行",
	"Above %d passes a second person has to confirm, within 24 hours. The passes are fixed now: those that are issued later are not among them.": "超過 %d 個通行證須由第二人於 24 小時內確認。名單於此刻確定：之後簽發的不包括在內。",
	"Revoke %d": "撤銷 %d 個", "Hold %d": "暫停 %d 個", "Release %d": "恢復 %d 個", "the pass that was selected": "已選取的通行證", "%d passes that were selected": "已選取的 %d 個通行證", "all passes from yesterday on": "由昨日起的所有通行證", ", of %s and their guests": "，持有人 %s 及其訪客", ", on %s": "，日期 %s", ", that open %s": "，適用於%s",
	"Select at most %d passes, or by person, day and zone.": "最多選取 %d 個通行證，或按持有人、日期及區域選取。", "One of the selected passes has no number; load the list again.": "其中一個選取的通行證沒有編號；請重新載入列表。",
	"Select passes, a person, a day or a zone, and what to do with them.": "請選取通行證、持有人、日期或區域，以及操作。", "Select passes, a person, a day or a zone.": "請選取通行證、持有人、日期或區域。", "That would change no pass.": "沒有通行證需要更改。", "That selects no pass whose status would change.": "沒有通行證需要更改。",
	"What": "操作", "Which": "對象", "Second person": "第二人", "until %s": "至 %s", "waits for a second person": "等候第二人確認", "expired": "已逾期", "withdrawn": "已撤回", "%d of %d passes are changed": "已更改 %d / %d 個通行證", "%d passes are changed.": "已更改 %d 個通行證。",
	"%d stayed as they were: somebody else had changed them meanwhile, their day was over, or the eCard is withdrawn.": "%d 個維持不變：其他人已更改、其日期已過，或電子證已被收回。", "Confirm: %s %d passes": "確認：%s %d 個通行證", "Somebody else has to confirm it, here or under Approvals.": "須由其他人在此頁或「審批」頁確認。",
	"Withdraw the proposal": "撤回", "The proposal is withdrawn; nothing was changed.": "已撤回；沒有更改任何通行證。", "Nobody changed many passes at once yet.": "尚未有批量更改。", "There is no such change; it may have been erased.": "沒有此更改；可能已被刪除。",
	"Somebody else has to confirm what you proposed.":                                                         "您提出的更改須由其他人確認。",
	"Exception from the rules for guests: why (empty unless they refuse it)":                                  "訪客規則的破例原因（規則未拒絕則留空）",
	"your role allows no exception: ask somebody who judges requests":                                         "你的角色不可破例：請找審批申請的人員",
	"only a pass of kind guest needs one: leave it empty":                                                     "只有訪客通行證需要：請留空",
	"guests for this day can be asked for from %s on":                                                         "此日的訪客可由 %s 起申請",
	"guests for this day could be asked for until %s":                                                         "此日的訪客須於 %s 前申請",
	"this host has all guests that a day can have: %s":                                                        "此主人當天的訪客已達上限：%s",
	"this host has all guests that are allowed from today on: %s":                                             "此主人由今天起的訪客已達上限：%s",
	"The rules admit no short codes: they are weak. An administrator can name zones for them in short_zones.": "規則不接受短碼：短碼安全性較低。管理員可在規則中指定接受短碼的區域。",
	"Only eCards and guests' passes have short codes.":                                                        "只有電子證及訪客通行證設有短碼。",
	"A short code cannot carry this pass's conditions; issue one without.":                                    "短碼無法載有此通行證的條件；請另發不設條件的通行證。",
	"A short code opens all zones of short_zones, and this pass does not; issue one for these zones.":         "短碼可開啟所有接受短碼的區域，而此通行證不可；請就這些區域另發通行證。",
	"A short code is valid all day long, and this pass is not; issue one for the whole day.":                  "短碼全日有效，而此通行證並非如此；請另發全日通行證。",
}
