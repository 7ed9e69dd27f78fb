package scenario

import (
	"embed"
	"fmt"
	"io/fs"
	"slices"
	"strings"
)

//go:embed library/*.txt
var library embed.FS

// Library returns the scenarios that come with the simulator, by name.
func Library() ([]*Scenario, error) {
	files, err := fs.Glob(library, "library/*.txt")
	if err != nil {
		return nil, fmt.Errorf("list library: %w", err)
	}
	slices.Sort(files)
	var list []*Scenario
	for _, f := range files {
		text, err := library.ReadFile(f)
		if err != nil {
			return nil, fmt.Errorf("read library: %w", err)
		}
		name := strings.TrimSuffix(strings.TrimPrefix(f, "library/"), ".txt")
		s, err := Parse(name, string(text))
		if err != nil {
			return nil, err
		}
		list = append(list, s)
	}
	return list, nil
}
