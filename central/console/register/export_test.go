package register

// For the tests of package register_test.
var (
	Files = sub
	Words = words
)

// ColumnHelps is what the pages say of columns.
var ColumnHelps = columnHelps
