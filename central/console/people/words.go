package people

import "turnstile/central/console"

// words are these pages' texts in Traditional Chinese.
var words = console.Words{
	"Invitation": "邀請", "Person": "人員", "Name": "帳戶名稱", "Roles": "角色", "Last sign-in": "上次登入", "Made by": "建立者", "Made": "建立時間", "never": "從未",
	"ended %s": "已於 %s 結束", "invited until %s": "邀請有效至 %s", "cannot sign in yet": "尚未能登入", "has access": "可登入",
	"There is nobody yet.": "尚未有任何人員。", "Invite somebody": "邀請人員", "Name of the account": "帳戶名稱", "Invite": "邀請",
	"Small letters, digits, . _ and -. It stands in the audit, and is never given to anybody else.": "小寫字母、數字、. _ 及 -。名稱會記入稽核，永不給予他人。",
	"Roles come from": "角色來自", "Invite anew": "重新邀請", "Make a link": "產生連結", "End access": "結束存取",
	"For somebody who lost phone or passkey, or whose access ended. What they signed in with before ends when they use the link.": "適用於遺失手機或通行密鑰、或存取已結束的人員。使用連結後，以往的登入方式即告失效。",
	"Ends every session at once and deletes what the person signs in with. The name stays in the audit.":                          "立即結束所有登入並刪除其登入方式。名稱會保留在稽核中。",
	"End the access of %s": "結束 %s 的存取", "What this person did": "此人員的操作", "What was done to this account": "對此帳戶的操作",
	"Give this link to": "請將此連結交給", "Whoever opens it first has the account. It is not shown again.": "首先開啟者即擁有該帳戶。連結不會再次顯示。",
	"Link to register with": "註冊連結", "It is good once, until %s.": "只可使用一次，有效至 %s。",
	"There is an account of this name, perhaps with ended access. Invite that one, or take another name.":       "已有此名稱的帳戶，或其存取已結束。請邀請該帳戶，或另選名稱。",
	"A name is 1 to 32 of a-z 0-9 . _ -, and begins with a letter or a digit; and at least one role is needed.": "名稱為 1 至 32 個 a-z 0-9 . _ -，並以字母或數字開首；且須至少選一個角色。",
	"There is no such person.": "沒有此人員。", "The roles of %s are in force.": "%s 的角色已生效。", "Choose at least one role.": "請至少選擇一個角色。",
	"Nobody else who has signed in is an admin, or another service decides on the roles. Make another admin first.": "沒有其他曾登入的管理員，或角色由其他服務決定。請先設定另一位管理員。",
	"The access of %s has ended, in every browser.":                                                                 "%s 的存取已在所有瀏覽器結束。",
	"The browser sent something that is no form. Reload the page and try again.":                                    "瀏覽器送出的並非表格。請重新載入頁面再試。",
	"looks at passes, lanes, passages and rules":                                                                    "檢視通行證、閘道、通行紀錄及規則",
	"issues, shows, revokes and holds passes":                                                                       "簽發、顯示、撤銷及暫停通行證",
	"judges applications, is the second person of a bulk revocation":                                                "審批申請，並為大批撤銷的第二人",
	"revokes and holds passes, opens lanes, changes modes, sees a holder's photo":                                   "撤銷及暫停通行證、開啟閘道、更改模式、查看持有人相片",
	"reads everything, exports, verifies the audit; changes nothing":                                                "閱讀一切、匯出、驗證稽核；不作任何更改",
	"does everything, invites people":                                                                               "可作一切操作，並邀請人員",
}
