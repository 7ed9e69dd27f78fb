package signin

// For the tests of package signin_test: a central that has these pages cannot be
// imported from here.
var (
	Files = sub
	Texts = words
	Next  = next
)
