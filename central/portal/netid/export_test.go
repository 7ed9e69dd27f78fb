package netid

// For the tests of package netid_test: a central that has these pages cannot be
// imported from here.
var (
	Files = sub
	Texts = words
	Kinds = kinds
)

// Form is what somebody states.
type Form = form

// ReadForm reads it.
var ReadForm = readForm

// TokenCookie has the token of what was begun.
const TokenCookie = tokenCookie
