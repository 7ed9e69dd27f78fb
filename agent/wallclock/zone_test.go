package wallclock

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
)

// calendar is what of package time depends on the machine's zone, or needs one.
// A lane has none: the campus's offsets are in the rules.
var calendar = map[string]bool{"Local": true, "LoadLocation": true, "ParseInLocation": true, "Hour": true, "Minute": true, "Weekday": true, "YearDay": true,
	"ISOWeek": true, "Month": true, "Year": true, "Date": true, "Clock": true, "DayOf": true}

// decides are the folders whose code judges by the time. Others only print it.
var decides = []string{"access", "cache", "daemon", "enrol", "feed", "journal", "lane", "neighbours", "presence", "supervisor", "uplink", "wallclock", "../central/link"}

// TestNoZoneOfTheMachine: nothing on a lane that decides asks for the machine's
// time zone, or splits a time into a date.
func TestNoZoneOfTheMachine(t *testing.T) {
	files := 0
	for _, folder := range decides {
		root := filepath.Join("..", folder)
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			files++
			return zoneUses(t, path)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if files < 60 {
		t.Fatalf("looked at %d files", files)
	}
}

func zoneUses(t *testing.T, path string) error {
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, path, nil, 0)
	if err != nil {
		return err
	}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.CallExpr:
			if s, ok := n.Fun.(*ast.SelectorExpr); ok && calendar[s.Sel.Name] {
				t.Errorf("%s: %s", set.Position(n.Pos()), s.Sel.Name)
			}
		case *ast.SelectorExpr:
			if x, ok := n.X.(*ast.Ident); ok && x.Name == "time" && n.Sel.Name == "Local" {
				t.Errorf("%s: time.Local", set.Position(n.Pos()))
			}
		}
		return true
	})
	return nil
}
