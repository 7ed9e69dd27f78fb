package profile

import "turnstile/central/portal"

// For the tests of package profile_test: a central that has these pages cannot be
// imported from here.
var (
	Files = sub
	Texts = words
)

// Said are the texts that stand in tables.
func Said() (list []string) {
	for _, r := range refusals {
		list = append(list, r.text)
	}
	for _, w := range whys {
		list = append(list, w.text)
	}
	for _, v := range viewers {
		list = append(list, v)
	}
	for _, s := range sections {
		list = append(list, s.title)
		for _, c := range s.columns {
			list = append(list, c.Label)
		}
	}
	return append(list, waysData{}.Way("mail"), waysData{}.Way("passkey"))
}

// ReadRows reads the rows of the first section.
func ReadRows(r *portal.Request) [][]string { return readRows(r, sections[0].columns) }
