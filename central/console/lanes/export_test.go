package lanes

import "io/fs"

// What the tests of package lanes_test look at.
var Words = words

func Files() fs.FS { return sub() }

// Advice returns severity, English and Chinese of a warning, "" for an unknown one.
func Advice(code string) (level uint8, next, chinese string) {
	a, ok := advices[code]
	if !ok {
		return 0, "", ""
	}
	return uint8(a.severity), a.next.English, a.name.Chinese + a.next.Chinese
}

// Advices is how many warnings are known.
func Advices() int { return len(advices) }
