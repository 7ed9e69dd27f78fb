package holder

import "turnstile/central/console"

// words are the page's own.
var words = console.Words{
	"Who is passage %d?": "通行紀錄 %d 是誰？", "There is no such passage.": "沒有此通行紀錄。", "Photo of the holder": "持有人的照片", "Photo approved %s": "照片批准於 %s", "There are no photos of guests.": "訪客沒有照片。", "There is no photo of this holder.": "此持有人沒有照片。", "Name": "姓名", "Pass": "通行證",
	"It is written down that you looked, and why. Nothing of this is kept on a lane or in the browser.":        "系統已記錄您查看過及原因。以上資料不會保留在閘道或瀏覽器。",
	"The holder's name and photo are personal data. Say why you need them; it is written down with your name.": "持有人的姓名及照片屬個人資料。請說明查看原因；會連同您的名字一併記錄。",
	"choose, or write below": "請選擇，或在下方輸入", "In your words": "自行輸入", "Show the person": "顯示", "The face has to be compared.": "需要核對面貌。", "The person asks for help.": "此人要求協助。", "An alarm at this lane.": "此閘道有警報。",
	"Give a reason: it is written down who looked and why.": "請輸入原因：會記錄查看者及原因。", "There is no person of this passage that central knows.": "中央系統不知道此通行紀錄屬於誰。",
}
