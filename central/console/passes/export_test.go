package passes

// What tests look at.
var (
	Files = files
	Words = words
)
