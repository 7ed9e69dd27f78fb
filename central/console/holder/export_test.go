package holder

// What tests look at.
var (
	Files = files
	Words = words
)
