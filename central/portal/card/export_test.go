package card

// For the tests of package card_test: a central that has these pages cannot be
// imported from here.
var (
	Files = sub
	Texts = words
	Plain = plain
)

// ReadUpload reads the form of a photo.
var ReadUpload = readUpload
