package rules

import "slices"

// What the tests look at from outside: they start a whole central, which imports
// this package.
var (
	Files = files
	Words = words
)

// Tables are the texts that stand in tables.
func Tables() []string {
	more := slices.Concat(modeWords, passbackWords, apartWords, actionWords, dayWords, ageWords)
	for _, w := range kindWords {
		more = append(more, w)
	}
	for _, w := range ruleWords {
		more = append(more, w)
	}
	return more
}
