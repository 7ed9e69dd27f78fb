package netid

import "turnstile/central/letters"

// Reason is why something is refused; errors.Is finds it in a *Refusal.
type Reason string

// The reasons. Before somebody is identified and has typed a code, none but NoMatch
// depends on who there is.
const (
	NoMatch       Reason = "no_match"
	NotGraduate   Reason = "not_graduate"
	Already       Reason = "already"
	KeepsStudent  Reason = "keeps_student"
	StudentLost   Reason = "student_lost"
	NameForm      Reason = "name_form"
	NameTaken     Reason = "name_taken"
	AliasTaken    Reason = "alias_taken"
	AddressForm   Reason = "address_form"
	SameAddress   Reason = "same_address"
	WrongCode     Reason = "wrong_code"
	Over          Reason = "over"
	Unknown       Reason = "unknown"
	WrongPassword Reason = "wrong_password"
	Short         Reason = "password_short"
	Long          Reason = "password_long"
	Common        Reason = "password_common"
	Stolen        Reason = "password_stolen"
	Used          Reason = "password_used"
)

// Error is what a log says.
func (r Reason) Error() string { return "refused: " + string(r) }

// Refusal is what a person is told, with the next step.
type Refusal struct {
	Reason Reason
	// Names are display names that are free, for NameTaken and AliasTaken.
	Names []Name
	// NetIDs are those that the person has, for Already and KeepsStudent: the person
	// has proved to be that person.
	NetIDs []string
}

func (r *Refusal) Error() string { return r.Reason.Error() }

// Unwrap makes errors.Is(err, NameTaken) true.
func (r *Refusal) Unwrap() error { return r.Reason }

// Words are what happened and what to do next.
type Words struct{ What, Next string }

// Words returns the refusal in a language; Chinese for letters.Chinese, else English.
func (r Reason) Words(lang letters.Language) Words {
	w := refusals[r]
	if lang == letters.Chinese {
		return w.zh
	}
	return w.en
}

// Reasons lists all reasons.
func Reasons() (list []Reason) {
	for r := range refusals {
		list = append(list, r)
	}
	return list
}

// refusals has the words of each reason, which never change.
var refusals = map[Reason]struct{ en, zh Words }{
	NoMatch: {
		Words{"These details do not match the register.", "Compare surname, given name, date of birth, personal id and card number with your documents, correct them and try again. If they are right, ask the office to look at the register."},
		Words{"資料與登記冊不符。", "請對照證件，核對姓氏、名字、出生日期、個人證件號碼及證件卡號碼，更正後再試。若資料無誤，請聯絡辦公室查核登記冊。"}},
	NotGraduate: {
		Words{"The register has no award of yours.", "Register with your campus card instead, or ask the office to look at your record."},
		Words{"登記冊沒有您的學歷紀錄。", "請改以校園證件登記，或聯絡辦公室查核紀錄。"}},
	Already: {
		Words{"You have registered a NetID before.", "Look in your mailbox for “Completion of NetID registration”, or press Forgot NetID: it comes by mail. With Forgot NetPassword you choose a new password."},
		Words{"您已登記 NetID。", "請在電郵信箱搜尋「Completion of NetID registration」，或按「忘記 NetID」以電郵取回；按「忘記 NetPassword」可重設密碼。"}},
	KeepsStudent: {
		Words{"Graduates of 2011 or later keep the NetID that they had as students.", "Sign in with it. If you have no NetPassword any more, press Forgot NetPassword."},
		Words{"2011 年或以後的畢業生沿用學生 NetID。", "請以該 NetID 登入。若已沒有 NetPassword，請按「忘記 NetPassword」。"}},
	StudentLost: {
		Words{"Graduates of 2011 or later keep the NetID that they had as students, and there is none of yours in use here.", "Ask the office: it can enter your student NetID into the register. Then press Forgot NetPassword."},
		Words{"2011 年或以後的畢業生沿用學生 NetID，但此處沒有您可使用的學生 NetID。", "請聯絡辦公室，把您的學生 NetID 加入登記冊，然後按「忘記 NetPassword」。"}},
	NameForm: {
		Words{"A display name has letters A to Z, digits, hyphens and spaces only, and at least one letter.", "Type another one, such as Tai Man CHAN, with 2 to 60 characters."},
		Words{"顯示名稱只可包含英文字母、數字、連字號及空格，並須有至少一個字母。", "請輸入另一名稱，例如 Tai Man CHAN，2 至 60 個字元。"}},
	NameTaken: {
		Words{"This display name is in use.", "Choose one of those that are free, or type another."},
		Words{"此顯示名稱已被使用。", "請選擇下列可用的名稱，或輸入另一名稱。"}},
	AliasTaken: {
		Words{"The email alias of this display name is in use.", "The alias is made from the display name: choose one of those that are free, or type another."},
		Words{"由此顯示名稱產生的電郵別名已被使用。", "別名由顯示名稱產生：請選擇下列可用的名稱，或輸入另一名稱。"}},
	AddressForm: {
		Words{"This is no email address.", "Type one such as name@example.org."},
		Words{"電郵地址格式不正確。", "請輸入例如 name@example.org 的地址。"}},
	SameAddress: {
		Words{"This is your address already.", "Type the new one, or leave everything as it is."},
		Words{"此地址與現有地址相同。", "請輸入新地址，或保留現有地址。"}},
	WrongCode: {
		Words{"The code is not right, or not the newest.", "Type all eight digits of the newest mail. After five tries ask for a new code."},
		Words{"驗證碼不正確，或並非最新。", "請輸入最新電郵內的八位數字。五次不正確後須重新要求。"}},
	Over: {
		Words{"This took too long, or was finished already.", "Begin again from the first page."},
		Words{"已逾時或已完成。", "請由第一頁重新開始。"}},
	Unknown: {
		Words{"There is no such NetID in use.", "Look at the spelling."},
		Words{"沒有此使用中的 NetID。", "請檢查拼寫。"}},
	WrongPassword: {
		Words{"NetID and NetPassword do not fit together.", "Try again, or press Forgot NetID or NetPassword."},
		Words{"NetID 與 NetPassword 不符。", "請再試，或按「忘記 NetID 或 NetPassword」。"}},
	Short: {
		Words{"A NetPassword has at least 12 characters.", "Type a longer one: several words are easy to remember."},
		Words{"NetPassword 須有至少 12 個字元。", "請輸入較長的密碼，由數個詞語組成較易記住。"}},
	Long: {
		Words{"A NetPassword has at most 128 characters.", "Type a shorter one."},
		Words{"NetPassword 最多 128 個字元。", "請輸入較短的密碼。"}},
	Common: {
		Words{"This is one of the passwords that somebody would try first.", "Type another: several words that have nothing to do with you or the campus."},
		Words{"此密碼太容易被猜中。", "請輸入另一密碼：由數個與您及校園無關的詞語組成。"}},
	Stolen: {
		Words{"This password is in a list of passwords that were stolen elsewhere.", "Type another, and change it wherever else you use it."},
		Words{"此密碼已在其他網站外洩。", "請輸入另一密碼，並在其他使用此密碼的地方更改。"}},
	Used: {
		Words{"You have had this NetPassword lately.", "Type one that you have not used here before."},
		Words{"您最近曾使用此 NetPassword。", "請輸入未曾在此使用的密碼。"}},
}
