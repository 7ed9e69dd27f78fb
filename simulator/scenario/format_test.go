package scenario

import (
	"os"
	"strings"
	"testing"

	"turnstile/simulator/campus"
)

// TestFormat holds FORMAT.md to what can be said: the table of acts is the one of
// `simulator acts`, and its example is a scenario.
func TestFormat(t *testing.T) {
	b, err := os.ReadFile("FORMAT.md")
	if err != nil {
		t.Fatal(err)
	}
	text := string(b)
	if !strings.Contains(text, campus.Manual()) {
		t.Error("FORMAT.md has another table of acts; put in what `simulator acts` prints")
	}
	_, example, _ := strings.Cut(text, "```\n")
	example, _, _ = strings.Cut(example, "```")
	if s, err := Parse("example", example); err != nil || len(s.Steps) < 5 {
		t.Errorf("the example is no scenario: %v", err)
	}
}
