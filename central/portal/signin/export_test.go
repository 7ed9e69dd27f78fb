package signin

// For the tests of package signin_test: a central that has these pages cannot be
// imported from here.
var (
	Files    = sub
	Texts    = words
	Refusals = func() (list []string) {
		for _, r := range refusals {
			list = append(list, r.text)
		}
		return list
	}
	ReadFacts = readFacts
	Next      = next
)
