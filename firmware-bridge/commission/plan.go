package commission

// Step is one thing that a run proves. Names are never reused.
type Step string

// All steps, in their order.
const (
	ScannerRate  Step = "scanner rate"
	ScannerCodes Step = "scanner codes"
	ScannerLine  Step = "scanner line"
	GateAnswers  Step = "gate answers"
	GateIn       Step = "gate in"
	GateOut      Step = "gate out"
	GateUnused   Step = "gate unused"
	GateRepeat   Step = "gate repeat"
	GateFire     Step = "gate fire"
	GateTamper   Step = "gate tamper"
	GateLine     Step = "gate line"
)

// title is what a step is called on the page, and what it proves.
type title struct{ english, chinese, proves string }

var titles = map[Step]title{
	ScannerRate:  {"Scanner: rate of the line", "掃描器：傳輸速率", "At which rate the scanner's codes arrive whole, and what a higher one would save."},
	ScannerCodes: {"Scanner: largest code read", "掃描器：可讀取的最長二維碼", "Codes of rising length arrive whole, none cut short or changed."},
	ScannerLine:  {"Scanner: quality of the line", "掃描器：線路質素", "Nothing is lost or garbled while nothing is shown."},
	GateAnswers:  {"Gate: answers", "閘機：連線", "The gate is there and names itself."},
	GateIn:       {"Gate: opens in for one person", "閘機：開啟供一人進入", "Relay, lock and passage contact work together on the way in."},
	GateOut:      {"Gate: opens out for one person", "閘機：開啟供一人離開", "Relay, lock and passage contact work together on the way out."},
	GateUnused:   {"Gate: an opening that nobody uses", "閘機：開啟後無人通過", "The gate shuts by itself and reports that nobody walked."},
	GateRepeat:   {"Gate: a repeated request", "閘機：重複請求", "The same grant a second time opens nothing."},
	GateFire:     {"Gate: fire alarm input", "閘機：火警訊號輸入", "The alarm is seen, refuses grants while it lasts, and its end is seen."},
	GateTamper:   {"Gate: tamper input", "閘機：防拆訊號輸入", "An open case is seen, and its closing."},
	GateLine:     {"Gate: quality of the line", "閘機：線路質素", "Frames arrive whole and at once."},
}

// English is the step's heading; the name itself of a step that this version
// does not know.
func (s Step) English() string {
	if t, known := titles[s]; known {
		return t.english
	}
	return string(s)
}

// Chinese is the step's heading in Traditional Chinese.
func (s Step) Chinese() string { return titles[s].chinese }

// Proves says in a sentence what a pass means.
func (s Step) Proves() string { return titles[s].proves }

// Task is a step and what it is done with.
type Task struct {
	Step    Step
	Subject string
	Scanner int // index into Lane.Scanners; -1 for a step of the gate
}

// Plan lists the tasks for a lane in their order.
func Plan(l Lane) []Task {
	var all []Task
	for i, s := range l.Scanners {
		for _, step := range []Step{ScannerRate, ScannerCodes, ScannerLine} {
			all = append(all, Task{step, s.Device.Subject, i})
		}
	}
	if l.Gate == nil {
		return all
	}
	for _, step := range []Step{GateAnswers, GateIn, GateOut, GateUnused, GateRepeat, GateFire, GateTamper, GateLine} {
		all = append(all, Task{step, l.Gate.Device.Subject, -1})
	}
	return all
}
