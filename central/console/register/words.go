package register

import "turnstile/central/console"

// words are these pages' texts in Traditional Chinese.
var words = console.Words{
	// people
	"Name, id, card number or NetID": "姓名、編號、卡號或 NetID", "People found": "搜尋結果", "Name": "姓名", "Id": "編號", "Born": "出生日期", "Mail": "電郵", "Phone": "電話", "Person": "人士", "Persons": "人士", "Cards": "證件卡", "Degrees": "學位", "NetIDs": "NetID",
	"Pages": "分頁", "There is no such page; begin with the first.": "沒有此頁；請由第一頁開始。", "Nobody of this name or number is in the register.": "名冊中沒有此姓名或號碼的人。", "Look for a name of at most 80 characters.": "姓名最多 80 個字元。",
	"Bring a file into the register": "匯入檔案至名冊", "One person of two": "合併兩個編號", "%s is an alias of this person.": "%s 是此人的別名編號。", "Aliases": "別名編號", "not known": "不詳", "Personal id": "身份證明文件",
	"known; it is shown to nobody": "已知；不向任何人顯示", "Alumni": "校友", "graduate, keeps the student NetID": "畢業生，保留學生 NetID", "graduate, registers for an alumni NetID": "畢業生，須登記校友 NetID", "no degree of this campus": "沒有本校學位",
	"Since": "加入名冊", "Changed": "更改", "Number": "號碼", "Kind": "種類", "From": "由", "Until": "至", "not valid today": "今日無效", "Award": "學銜", "Programme": "課程", "Institution": "學院", "Graduated": "畢業日期", "Merges": "合併紀錄",
	"Student": "學生", "Staff": "職員", "CPCE staff": "CPCE 職員", "PTEC staff": "PTEC 職員", "Visitor": "訪客", "Long-serving retiree": "長期服務退休人員", "Emeritus professor": "榮休教授",
	"Passes of this person": "此人的通行證", "Merge somebody into this person": "把另一編號合併至此人", "What was done to this person": "對此人的操作", "Take out of the register": "自名冊移除", "Take %s out of the register": "自名冊移除 %s", "%s is out of the register.": "%s 已自名冊移除。",
	"For somebody who left the campus. The eCard ends and new applications are refused; passes that were issued stay good for their day unless you revoke them. The next file brings back whoever stands in it.": "適用於已離校者。電子證即告終止，新申請會被拒絕；已簽發的通行證在其日期內仍然有效，除非另行撤銷。若下一份檔案載有此人，會重新加入。",

	// the holder
	"eCard": "電子證", "withdrawn": "已收回", "active": "有效", "Withdraw the eCard": "收回電子證", "Give the eCard back": "發還電子證", "Reason: the holder reads it": "原因：持有人會看到",
	"The passes that were revoked with it and are not over are good again.":                                            "與其一同撤銷而尚未過期的通行證會恢復有效。",
	"Lanes refuse today's and later passes at once, no new code is issued, and the phone forgets the one that it has.": "閘道即時拒絕今日及以後的通行證，不再簽發新通行碼，手機亦會刪除已保存的通行碼。",
	"Revoke the passes of this person's guests too":                                                                    "一併撤銷此人訪客的通行證",
	"The eCard is withdrawn; %d passes are revoked.":                                                                   "電子證已收回；已撤銷 %d 個通行證。",
	"The eCard is given back; %d passes are good again.":                                                               "電子證已發還；%d 個通行證恢復有效。",
	"NetID": "NetID", "State": "狀態", "Shown as": "顯示名稱", "NetPassword": "NetPassword", "ended": "已終止", "in use": "使用中", "none yet": "尚未設定", "changed %s": "更改於 %s", "End NetID %s": "終止 NetID %s", "NetID %s has ended.": "NetID %s 已終止。",
	"For good: nobody signs in with it any more, all its sessions end, and its name is given to nobody else.": "永久終止：不能再以此登入，所有登入即告結束，名稱不再供他人使用。",

	// files
	"The file has": "檔案內容", "Empty file": "空白檔案", "Empty file with the header of %s": "%s 的空白檔案（含標題）", "It is whole: what it does not have is removed": "檔案完整：其中沒有的會移除", "Without this, the file only adds and changes.": "不選時，檔案只會新增及更改。",
	"CSV file, at most %d rows and %d MB": "CSV 檔案，最多 %d 行及 %d MB", "Show what it would do": "預覽結果", "Recent files": "最近的檔案", "File": "檔案", "By": "操作人", "Good": "正確", "Bad": "錯誤", "Columns": "欄位", "Columns of %s": "%s 的欄位", "Column": "欄位", "What stands there": "內容", "Needed": "必填", "yes": "是", "no": "否",
	"Nothing is changed yet: the next page shows what would be added, changed and removed, and every bad row; and asks. Bring persons in first, then cards, degrees and NetIDs.":                                   "此時尚不更改：下一頁會列出將新增、更改及移除的內容和所有錯誤的行，並要求確認。請先匯入人士，再匯入證件卡、學位及 NetID。",
	"The first line is the header. Columns may come in any order, with commas, semicolons or tabs between. A column that is left out stays as it is; an empty value empties it. Save spreadsheets as “CSV UTF-8”.": "第一行為標題。欄位次序不限，以逗號、分號或 Tab 分隔。沒有的欄位維持不變；空白的值會清空。試算表請另存為「CSV UTF-8」。",
	"id of the person, for good: passes are issued to it": "此人的固定編號：通行證以此簽發", "in Latin letters": "英文拼寫", "in Chinese characters": "中文", "such as 1988-04-30": "例如 1988-04-30", "identity card or passport; a keyed hash of it is kept and nothing else": "身份證或護照；只保存其加密雜湊值",
	"as the registry has it": "按註冊紀錄", "with the country's code": "連國家代碼", "id of a person of the register": "名冊中人士的編號", "student, staff, cpce, ptec, visitor, retiree or emeritus": "student、staff、cpce、ptec、visitor、retiree 或 emeritus", "as it stands on the card": "按證件卡所示",
	"first day; empty: always": "首日；留空為一直有效", "last day; empty: without end": "最後一日；留空為無限期", "such as BSc": "例如 BSc", "such as Surveying": "例如 Surveying", "id of a part of the campus, as central's configuration has them": "學院代號，見中央系統的設定", "day of the award": "頒授日期", "as the campus knows it": "按校園紀錄",
	"There are files of persons, cards, degrees and NetIDs.": "檔案分為人士、證件卡、學位及 NetID。", "Choose a file.": "請選擇檔案。", "The upload broke off; try again.": "上載中斷；請再試。", "Say what the file has: persons, cards, degrees or NetIDs.": "請選擇檔案內容：人士、證件卡、學位或 NetID。",
	"The form could not be read; load the page again.": "無法讀取表格；請重新載入頁面。", "The field %s came twice; load the page again.": "欄位 %s 重複；請重新載入頁面。",
	"File for the register": "名冊檔案", "not confirmed": "未確認", "running": "進行中", "done": "完成", "not complete": "未完整", "discarded": "已放棄", "to add": "將新增", "to change": "將更改", "as they are": "不變", "to remove": "將移除", "bad rows": "錯誤的行",
	"Nothing is removed as long as a row is bad: it might be about somebody who looks missing. Mend the file and upload it again.": "只要有錯誤的行，便不會移除任何人：該行可能正是看似缺少的人。請修正檔案後重新上載。",
	"Nothing good in the file is new. Mend the bad rows and upload it again.":                                                      "檔案中正確的內容均無變動。請修正錯誤的行後重新上載。",
	"Discard the file": "放棄此檔案", "This removes %d of %d. If the file was cut off, half of the campus looks as if it had left.": "將移除 %d / %d。若檔案不完整，會看似大批人士已離校。", "Yes, remove them: the file is whole": "是，移除：檔案完整",
	"Bring in what is good (%d)": "匯入正確的內容（%d 項）", "The bad rows are left out. To have them too, mend the file and upload it again instead.": "錯誤的行會略去。如需一併匯入，請修正檔案後重新上載。",
	"Done at %s: %d added, %d changed, %d removed.": "於 %s 完成：新增 %d、更改 %d、移除 %d。", "%d could not be.": "%d 項未能完成。", "The file changes nothing: all of it stands in the register.": "檔案沒有任何更改：全部內容已在名冊中。", "The file is discarded; nothing was changed.": "檔案已放棄；沒有任何更改。",
	"%d of %d rows are done": "已完成 %d / %d 行", "It goes on whatever happens to this page, also after a restart of central.": "即使關閉本頁或中央系統重啟，匯入亦會繼續。", "Look again": "重新查看", "Bring the file into the register, or discard it.": "請匯入檔案，或放棄。",
	"Bad rows": "錯誤的行", "To be removed": "將移除", "To be changed": "將更改", "To be added": "將新增", "Line": "行", "What": "內容", "What is wrong": "錯誤", "There are more: all of them as a file": "尚有更多：下載全部", "As a file": "下載", "the whole row": "整行",
	"There are rows that are added, changed, removed or bad.": "行分為新增、更改、移除或錯誤。",

	// merging
	"Where two ids are one human being, one stays and the other becomes its alias: sign-in, cards, degrees and NetIDs are then one person's. Passes keep the id that they were issued to. It can be undone as long as nothing was issued since.": "若兩個編號為同一人，一個保留，另一個成為別名編號：登入、證件卡、學位及 NetID 歸於一人。通行證保留簽發時的編號。其後未有簽發任何證件前可以還原。",
	"Perhaps the same": "可能為同一人", "and": "及", "Because of": "原因", "one personal id": "身份證明文件相同", "one birth date and name": "出生日期及姓名相同", "Merge": "合併", "Merge %s and %s": "合併 %s 及 %s", "No two persons have one personal id, or one birth date and name, but those that stay apart.": "除已確定者外，沒有身份證明文件相同、或出生日期及姓名相同的人士。",
	"Make one person of two": "把兩個編號合併為一人", "Id that stays": "保留的編號", "Id that becomes an alias": "成為別名的編號", "Stays": "保留", "Alias": "別名編號", "undone": "已還原", "stays": "已確定", "stands": "生效", "Undo": "還原", "Undo the merge of %s": "還原 %s 的合併",
	"Two persons": "並非同一人", "%s and %s are two persons": "%s 與 %s 並非同一人", "They are two persons": "並非同一人", "Two persons for certain": "已確定並非同一人", "Keep them apart": "不再建議合併", "Id of one": "其一編號", "Id of the other": "另一編號",
	"The pair is suggested no more, until a name, a birth date or a personal id of one of them changes.": "不再建議合併此二人，直至其中一人的姓名、出生日期或身份證明文件有變。", "%s and %s stay two persons.": "%s 與 %s 維持為兩個人。",
	"%s is now an alias of %s.": "%s 現為 %s 的別名編號。", "They are two persons again.": "已還原為兩個編號。",

	// faults of fields, rows and files
	"there are no rows of this kind": "沒有此種類的行", "there is no such column": "沒有此欄位", "is missing": "欠缺", "is too long: at most %s characters": "太長：最多 %s 個字元", "is not UTF-8 text": "並非 UTF-8 文字", "has a line break or a control character": "含有換行或控制字元",
	"want a date such as 1988-04-30": "請填日期，例如 1988-04-30", "is a date that cannot be": "此日期不可能", "want letters, digits and . _ @ : - without spaces": "請填字母、數字及 . _ @ : -，不含空格", "want an address such as name@example.org": "請填電郵地址，例如 name@example.org",
	"want a number such as +852 2345 6789": "請填電話號碼，例如 +852 2345 6789", "want 4 to 32 letters and digits": "請填 4 至 32 個字母及數字", "want student, staff, cpce, ptec, visitor, retiree or emeritus": "請填 student、staff、cpce、ptec、visitor、retiree 或 emeritus", "want letters, digits and hyphens": "請填字母、數字及連字號",
	"is before the day in from": "早於 from 的日期", "there is no institution %s; register.institutions in central's configuration has those that there are": "沒有學院 %s；見中央系統設定的 register.institutions", "want letters, digits and . _ -": "請填字母、數字及 . _ -",
	"is missing: a new person needs a surname or a Chinese name": "欠缺：新增人士須有姓氏或中文姓名", "is about the same as line %s: one of them is too many": "與第 %s 行所指相同：其中一行多餘", "there is no person %s in the register: import persons first": "名冊中沒有編號 %s：請先匯入人士",
	"the line is too long: at most %s characters": "行太長：最多 %s 個字元", "the line is not UTF-8: save the file as “CSV UTF-8”": "該行並非 UTF-8：請另存為「CSV UTF-8」", "a quotation mark is not closed on this line; a value cannot have a line break": "該行的引號未關閉；內容不能換行",
	"the line has more values than the header: put one with a comma in quotation marks": "該行的欄位多於標題：含逗號的內容請加引號", "the line has fewer values than the header": "該行的欄位少於標題",
	"The file has no row below its header.": "檔案的標題行以下沒有內容。", "The file is empty.": "檔案是空的。", "The file is UTF-16 text; save it as “CSV UTF-8”.": "檔案為 UTF-16 文字；請另存為「CSV UTF-8」。", "The file is a workbook; save it as “CSV UTF-8”.": "檔案為試算表活頁簿；請另存為「CSV UTF-8」。",
	"The first line is no header in UTF-8; save the file as “CSV UTF-8”.": "第一行並非 UTF-8 標題；請另存為「CSV UTF-8」。", "The first line cannot be read as a header: a quotation mark is not closed.": "無法讀取第一行為標題：引號未關閉。",
	"There is no column %.40q; those that there are: %s.": "沒有欄位 %.40q；可用的欄位：%s。", "The column %s stands twice in the header.": "標題中欄位 %s 重複。", "The column %s is missing in the header; it is the first line of the file.": "標題（檔案的第一行）欠缺欄位 %s。",
	"The file has more than %d rows; split it.": "檔案超過 %d 行；請分拆。", "The file has more than %d MB; split it.": "檔案超過 %d MB；請分拆。",
}
