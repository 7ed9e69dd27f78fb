package campus

import (
	"fmt"
	"strings"
)

// Manual is a table of all acts in Markdown, by group.
func Manual() string {
	var b strings.Builder
	group := Group("")
	for _, v := range Verbs() {
		if v.Group != group {
			group = v.Group
			fmt.Fprintf(&b, "\n### %s\n| act | what happens | taken off by | where |\n| --- | --- | --- | --- |\n", strings.ToUpper(string(group[:1]))+string(group[1:]))
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", strings.ReplaceAll(v.Syntax(), "|", `\|`), v.About, v.takenOff(), v.where())
	}
	return b.String()
}

func (v Verb) takenOff() string {
	if v.Undo == "" {
		return ""
	}
	return "`" + v.Undo + "`"
}

// where says on which kind of campus an act can be done.
func (v Verb) where() string {
	switch {
	case v.Real:
		return "real"
	case v.Played:
		return "played"
	case len(v.RealWords) > 0:
		return strings.Join(v.RealWords, ", ") + ": real"
	}
	return "both"
}
