package passages

import "turnstile/central/link"

// What the tests outside of the package look at.
var (
	Words      = words
	JoinTrail  = joinTrail
	SplitTrail = splitTrail
)

// MaxTrail is how many pages back "newer" leads.
const MaxTrail = maxTrail

// Outcomes returns the choices of "what" with the types that each shows.
func Outcomes() (texts []string, types []link.EntryType) {
	for _, o := range outcomes {
		texts, types = append(texts, o.text), append(types, o.types...)
	}
	return texts, types
}
