package office

import (
	"slices"
	"testing"
)

// TestPagesOfAnyOrder: each of a list comes once, page by page, in whatever order the
// database gave it: PostgreSQL's collation puts a before B, and 2 beside its letter.
func TestPagesOfAnyOrder(t *testing.T) {
	names := []string{"a", "A", "a-10", "a1", "a-2", "b", "B", "B_1", "ä", "n10", "N2", "Z"}
	for limit := 1; limit <= len(names); limit++ {
		var got []string
		cursor := ""
		for range len(names) + 1 {
			page, next, err := pageByKey(t.Context(), "names", cursor, limit, slices.Clone(names), func(s string) string { return s })
			if err != nil {
				t.Fatal(err)
			}
			got, cursor = append(got, page...), next
			if next == "" {
				break
			}
		}
		slices.Sort(got)
		if want := slices.Sorted(slices.Values(names)); !slices.Equal(got, want) {
			t.Errorf("pages of %d have %q", limit, got)
		}
	}
}
