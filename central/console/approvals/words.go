package approvals

import "turnstile/central/console"

// words are the pages' own.
var words = console.Words{
	"Waiting": "等候中", "eCard": "電子證", "eCards": "電子證", "Guests": "訪客", "Decided": "已決定", "Which": "篩選", "Applications": "申請", "Application %d": "申請 %d", "Number": "編號", "What": "申請", "Name": "姓名", "Handed in": "提交", "Waits": "等候", "Decision": "決定",
	"A second person is needed": "等候第二人確認", "until %s": "至 %s", "yours: somebody else confirms": "由您提出：須由其他人確認", "Revoke %d passes": "撤銷 %d 個通行證", "Hold %d passes": "暫停 %d 個通行證", "Release %d passes": "恢復 %d 個通行證",
	"Nothing was decided yet.": "尚未有決定。", "No application waits.": "沒有等候中的申請。", "What needs approval": "需要審批的項目", "eCard applications: somebody looks at the photo": "電子證申請：由職員查看照片", "Requests for guests": "訪客申請",
	"What is not ticked is approved when it is handed in.": "沒有勾選的項目在提交時即獲批准。", "From now on it is so for what is handed in.": "由現在起提交的申請適用。",
	"approved": "已批准", "rejected": "已拒絕", "open": "等候中", "handed in %s": "提交於 %s", "%d more wait": "還有 %d 項等候", "Photo handed in by %s": "%s 提交的照片", "The photo is erased with the decision; an approved one is the holder's now.": "照片於決定後刪除；獲批准的成為持有人的照片。",
	"Record": "資料", "passes": "通行證", "Purpose": "目的", "For": "時長", "Earlier ones of this holder": "此持有人先前的申請", "Decide": "決定", "%d passes are issued.": "將簽發 %d 個通行證。", "The eCard becomes active with this photo.": "電子證將以此照片啟用。", "Approve": "批准", "Reject": "拒絕",
	"choose, or write below": "請選擇，或在下方輸入", "In your words": "自行輸入", "There is no such application.": "沒有此申請。", "The form could not be read; load the page again.": "無法讀取表格；請重新載入頁面。", "A reason is one line of at most 200 characters.": "原因為一行，最多 200 個字元。",
	"Somebody decided this application already.": "已有人就此申請作出決定。", "Give a reason: the holder is told.": "請輸入原因：會通知持有人。", "Application %d is approved.": "申請 %d 已批准。", "Application %d is rejected.": "申請 %d 已拒絕。",
	"A letter to %s is on its way.": "致 %s 的信件正在寄出。", "A letter was sent to %s.": "信件已寄至 %s。", "The letter to %s could not be sent: tell the holder in another way.": "致 %s 的信件未能寄出：請以其他方式通知持有人。",
	"The photo does not show the face clearly.": "照片未能清楚顯示面貌。", "The photo is not of a passport's kind: plain ground, no hat, no sunglasses.": "照片不符合證件照要求：純色背景、不戴帽、不戴太陽眼鏡。", "The photo is not of this person.": "照片並非此人。", "The record does not fit this person.": "資料與此人不符。",
	"Too many guests for that day.": "當日訪客過多。", "The purpose is not stated.": "沒有說明目的。", "There is another event on that day.": "當日有其他活動。",
	"A zone of this order does not exist; see the rules for those that do.":                      "區域不存在；請參閱規則。",
	"The signing process does not sign this now; central's log says why. Try again in a minute.": "簽署程序暫時不簽署；原因已記錄在日誌中。請一分鐘後再試。",
	"Email addresses": "電郵地址", "Old address": "舊地址", "New address": "新地址", "none": "沒有", "Refuse": "拒絕", "Reason: the holder reads it": "原因：持有人會看到", "No change of an address waits.": "沒有等候中的地址更改。",
	"Who asked could not read the address on record any more. Make sure that it is this person, by telephone or at the counter.": "申請人已不能使用紀錄上的地址。請以電話或在櫃位確認其身分。",
	"Approved. It takes effect after a delay, and the old address is told how to stop it.":                                       "已批准。更改會在等候期後生效，並已通知舊地址如何停止。",
	"Refused. Both addresses are told.": "已拒絕，並已通知兩個地址。",
	"%d min":                            "%d 分鐘", "%d h": "%d 小時", "%d days": "%d 天",
}
