package portal

// broken is what a holder is told about a fault of central's own.
const broken = "That did not work, and it is not your fault. Try again in a minute."

// frameWords are the words of the frame and those that pages share.
var frameWords = Words{
	broken: "操作未能完成，並非您的問題。請一分鐘後再試。",
	// What central's services refuse holders.
	"Complete your contact information first.":                                                   "請先填妥您的聯絡資料。",
	"All codes of %s are given out. Ask the office.":                                             "%s 的通行碼已全部發出。請向辦公室查詢。",
	"Mail cannot be sent here. Share the link instead.":                                          "此處不能寄出電郵，請改為分享連結。",
	"This guest's code has ended; invite them anew.":                                             "此訪客的通行碼已失效；請重新邀請。",
	"The signing process does not sign this now; central's log says why. Try again in a minute.": "系統暫時未能發出通行碼。請一分鐘後再試。",
	"Another site's page sent this, so nothing was done. Begin from the pages here.":             "此表格由其他網站的頁面送出，未有執行任何操作。請從本站頁面重新開始。",
	// The frame's.
	"Skip to the content": "跳至內容",
	"Campus card":         "電子證",
	"My card":             "我的卡",
	"Guests":              "訪客",
	"Profile":             "個人資料",
	"NetID":               "NetID",
	"Menu":                "選單",
	"Sign out":            "登出",
	"Sign in":             "登入",
	"Back":                "返回",
	"To the start page":   "返回首頁",
	"Save":                "儲存",
	"Cancel":              "取消",
	"Continue":            "繼續",
	"This form has characters that are no text. Go back and type it again.": "此表格含有不是文字的字元。請返回重新輸入。",
	"Help:": "協助：",
	"One moment: making sure that this is no program.":                            "請稍候：正在確認並非自動程式。",
	"Your browser runs no scripts: wait ten seconds before you press the button.": "您的瀏覽器不執行指令碼：請等候十秒再按按鈕。",
	"No network": "沒有網絡",
	"This page needs a network. Your code works without one.": "此頁需要網絡；您的通行碼則不需要。",
	"Show my code":       "顯示我的通行碼",
	"Try again":          "再試",
	"On the home screen": "加到主畫面",
	"One tap to your code, also where there is no network.": "輕按一下即可顯示通行碼，沒有網絡也可使用。",
	"Android, in Chrome":                         "Android（Chrome）",
	"iPhone, in Safari":                          "iPhone（Safari）",
	"Open the menu with the three dots.":         "按三點選單。",
	"Choose Add to Home screen, or Install.":     "選擇「加到主畫面」或「安裝」。",
	"Confirm with Add.":                          "按「新增」確認。",
	"Tap Share, the square with the arrow.":      "按「分享」（方框及箭嘴）。",
	"Scroll down and choose Add to Home Screen.": "向下捲動，選擇「加入主畫面」。",
	"Then open it from the home screen and sign in once: the app has a sign-in of its own.": "然後從主畫面開啟並登入一次：應用程式有自己的登入。",
}
