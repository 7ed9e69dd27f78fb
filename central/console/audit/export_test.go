package audit

// For the tests of package audit_test: a central that has these pages cannot be
// imported from here.
var (
	Files = sub
	Texts = words
)
