package people

// For the tests of package people_test: a central that has these pages cannot be
// imported from here.
var (
	Files = sub
	Texts = words
	Roles = roleTexts
)
