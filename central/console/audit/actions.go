package audit

import (
	"turnstile/central/console"
	"turnstile/central/office"
)

// actions are the words for what the log says was done, by the code that stands in
// it and in its exports.
var actions = map[string]office.Text{
	"revoke":  {English: "Revoked a pass", Chinese: "撤銷通行證"},
	"hold":    {English: "Held a pass", Chinese: "暫停通行證"},
	"release": {English: "Released a pass", Chinese: "恢復通行證"},
	"reissue": {English: "Reissued the passes of a key", Chinese: "重新簽發一個金鑰的通行證"},

	"guest_exception": {English: "Made an exception from the rules for guests", Chinese: "准許訪客規則的例外"},

	"mail_code": {English: "Mailed a code", Chinese: "以電郵寄出通行碼"},

	"netid_register": {English: "Registered a NetID", Chinese: "登記 NetID"},
	"netid_adopt":    {English: "Took in a NetID of the register", Chinese: "納入登記冊的 NetID"},
	"netid_password": {English: "Changed a NetPassword", Chinese: "更改 NetPassword"},
	"netid_reset":    {English: "Reset a NetPassword", Chinese: "重設 NetPassword"},
	"netid_email":    {English: "Changed the address of a NetID", Chinese: "更改 NetID 的電郵地址"},
	"netid_end":      {English: "Ended a NetID", Chinese: "終止 NetID"},

	"bulk_proposed":  {English: "Proposed a change of many passes", Chinese: "提出批量更改"},
	"bulk_running":   {English: "Began a change of many passes", Chinese: "開始批量更改"},
	"bulk_done":      {English: "Finished a change of many passes", Chinese: "完成批量更改"},
	"bulk_withdrawn": {English: "Withdrew a change of many passes", Chinese: "撤回批量更改"},
	"bulk_expired":   {English: "A change of many passes expired", Chinese: "批量更改已過期"},

	"import_preview":   {English: "Uploaded a file of passes", Chinese: "上載通行證檔案"},
	"import_running":   {English: "Confirmed a file of passes", Chinese: "確認通行證檔案"},
	"import_done":      {English: "Finished a file of passes", Chinese: "完成通行證檔案"},
	"import_discarded": {English: "Discarded a file of passes", Chinese: "放棄通行證檔案"},

	"register_put":        {English: "Put rows into the register", Chinese: "把資料寫入名冊"},
	"register_remove":     {English: "Took a person out of the register", Chinese: "自名冊移除人士"},
	"register_preview":    {English: "Compared a file with the register", Chinese: "比較檔案與名冊"},
	"register_running":    {English: "Confirmed a file for the register", Chinese: "確認名冊檔案"},
	"register_done":       {English: "Finished a file for the register", Chinese: "完成名冊檔案"},
	"register_discarded":  {English: "Discarded a file for the register", Chinese: "放棄名冊檔案"},
	"register_merge":      {English: "Made one person of two", Chinese: "合併兩個編號"},
	"register_apart":      {English: "Kept two alike persons apart", Chinese: "確認兩個相似編號並非同一人"},
	"register_merge_undo": {English: "Undid a merge", Chinese: "還原合併"},

	"application_hand_in": {English: "Handed in an application", Chinese: "提交申請"},
	"application_approve": {English: "Approved an application", Chinese: "批准申請"},
	"application_reject":  {English: "Rejected an application", Chinese: "拒絕申請"},
	"ecard_withdraw":      {English: "Withdrew an eCard", Chinese: "收回電子證"},
	"ecard_return":        {English: "Gave an eCard back", Chinese: "發還電子證"},
	"set_approvals":       {English: "Set what needs approval", Chinese: "設定需要審批的項目"},

	"set_guests": {English: "Set the rules for guests", Chinese: "設定訪客規則"},
	"set_ecards": {English: "Set the rules for codes", Chinese: "設定通行碼規則"},

	"rules":         {English: "Changed the rules", Chinese: "更改規則"},
	"mode":          {English: "Set the mode of a zone", Chinese: "設定區域模式"},
	"set_retention": {English: "Set how long data is kept", Chinese: "設定資料保留期"},
	"erase":         {English: "Erased old data", Chinese: "刪除舊資料"},

	"account_add":      {English: "A holder's account began", Chinese: "建立持卡人帳戶"},
	"account_move":     {English: "An account went to a merged person", Chinese: "帳戶轉至合併後的人士"},
	"account_link":     {English: "A holder linked another account", Chinese: "持卡人連結其他帳戶"},
	"account_unlink":   {English: "A holder took a linked account away", Chinese: "持卡人移除連結帳戶"},
	"account_export":   {English: "A holder took their data away", Chinese: "持卡人下載個人資料"},
	"account_erase":    {English: "A holder erased their data", Chinese: "持卡人刪除個人資料"},
	"address_register": {English: "A holder registered an email address", Chinese: "持卡人登記電郵地址"},
	"address_ask":      {English: "Another email address was asked for", Chinese: "要求更改電郵地址"},
	"address_approve":  {English: "Approved another email address", Chinese: "批准更改電郵地址"},
	"address_refuse":   {English: "Refused another email address", Chinese: "拒絕更改電郵地址"},
	"address_stop":     {English: "A change of an email address was stopped", Chinese: "電郵地址更改已停止"},
	"address_change":   {English: "An email address changed", Chinese: "電郵地址已更改"},

	"open":               {English: "Opened a lane once", Chinese: "開啟閘道一次"},
	"identify":           {English: "Had a lane show itself", Chinese: "標示閘道"},
	"invite":             {English: "Invited a lane", Chinese: "邀請閘道"},
	"enrol":              {English: "A lane enrolled", Chinese: "閘道登記"},
	"renew":              {English: "A lane renewed its certificate", Chinese: "閘道續期憑證"},
	"rename":             {English: "Renamed a lane", Chinese: "閘道改名"},
	"move":               {English: "Moved a lane", Chinese: "移動閘道"},
	"remove":             {English: "Retired a lane", Chinese: "退役閘道"},
	"revoke_certificate": {English: "Revoked a lane's certificate", Chinese: "撤銷閘道憑證"},
	"entrance":           {English: "Set an entrance", Chinese: "設定入口"},
	"entrance_remove":    {English: "Removed an entrance", Chinese: "移除入口"},

	"issue_supervisor_codes": {English: "Issued supervisor codes", Chinese: "簽發主管碼"},
	"revoke_supervisor_code": {English: "Revoked a supervisor code", Chinese: "撤銷主管碼"},

	"see_person":        {English: "Looked at who passed", Chinese: "查看通行者身分"},
	"list_inside":       {English: "Opened the list of who is inside", Chinese: "開啟區內名單"},
	"export_passages":   {English: "Exported passages", Chinese: "匯出通行紀錄"},
	"acknowledge_alarm": {English: "Acknowledged an alarm", Chinese: "確認警報"},

	"sign_in":             {English: "Signed in", Chinese: "登入"},
	"sign_in_refused":     {English: "A sign-in was refused", Chinese: "登入被拒"},
	"sign_out_everywhere": {English: "Signed out everywhere", Chinese: "登出所有瀏覽器"},
	"passkey_add":         {English: "Made a passkey", Chinese: "建立通行密鑰"},
	"passkey_remove":      {English: "Removed a passkey", Chinese: "移除通行密鑰"},
	"password_set":        {English: "Set a password", Chinese: "設定密碼"},
	"password_remove":     {English: "Removed a password", Chinese: "移除密碼"},
	"recovery_code":       {English: "Used a recovery code", Chinese: "使用備用驗證碼"},
	"openid_link":         {English: "Linked an account", Chinese: "連結帳戶"},

	"person_add":      {English: "Added a person", Chinese: "新增人員"},
	"person_invite":   {English: "Invited a person", Chinese: "邀請人員"},
	"person_register": {English: "A person registered", Chinese: "人員註冊"},
	"person_roles":    {English: "Changed a person's roles", Chinese: "更改人員角色"},
	"person_end":      {English: "Ended a person's access", Chinese: "結束人員存取"},

	"create token":   {English: "Made a token of the API", Chinese: "建立 API 權杖"},
	"rotate token":   {English: "Replaced a token of the API", Chinese: "更換 API 權杖"},
	"revoke token":   {English: "Revoked a token of the API", Chinese: "撤銷 API 權杖"},
	"add webhook":    {English: "Added a webhook", Chinese: "新增 webhook"},
	"enable webhook": {English: "Enabled a webhook", Chinese: "啟用 webhook"},
	"remove webhook": {English: "Removed a webhook", Chinese: "移除 webhook"},

	"withdraw_key": {English: "Withdrew a key", Chinese: "撤回金鑰"},
	"begin_epoch":  {English: "Began the feed anew after a restore", Chinese: "還原後重新開始中央訊息"},
	"restore":      {English: "Restored a backup", Chinese: "還原備份"},

	"audit_verify": {English: "Verified the audit", Chinese: "驗證稽核"},
	"audit_export": {English: "Exported the audit", Chinese: "匯出稽核"},
	"audit_erase":  {English: "Erased details of the audit", Chinese: "刪除稽核詳情"},
}

// action is what was done, as a code and in words.
type action struct{ Code, Text string }

// named gives an action its words; one that has none is shown by its code.
func named(r *console.Request, code string) action {
	text := actions[code]
	if text.English == "" {
		return action{code, code}
	}
	return action{code, text.In(string(r.Lang()))}
}
