package guests

import "turnstile/central/portal"

// For the tests of package guests_test: a central that has these pages cannot be
// imported from here.
var (
	Files = sub
	Texts = words
	Plain = plain
	Names = names
)

// ReadForm reads the form of a visit.
func ReadForm(r *portal.Request, t Terms) (Ask, map[string]string) {
	f := formData{Terms: t}
	a := f.read(r)
	return a, f.Wrong
}
