package house

import (
	"go/ast"
	"os"
	"path"
	"strings"
	"testing"
)

func TestTopLevelIsFixed(t *testing.T) {
	allowed := map[string]bool{"agent": true, "central": true, "firmware-bridge": true, "simulator": true, "configs": true, "go.mod": true,
		"go.sum": true, "Makefile": true, "README.md": true, "LICENSE": true, "CHANGELOG.md": true, "bin": true /* built, not kept */}
	found, err := os.ReadDir(root)
	if err != nil || len(found) < 10 {
		t.Fatal(len(found), err)
	}
	for _, f := range found {
		if !allowed[f.Name()] && !strings.HasPrefix(f.Name(), ".") {
			t.Errorf("%s stands outside of the fixed top level", f.Name())
		}
	}
}

// onlyTests are the packages without any other code.
var onlyTests = map[string]bool{"simulator/house": true, "simulator/endtoend": true, "simulator/foreign": true, "simulator/kernel": true}

func TestPackageComments(t *testing.T) {
	comments := map[string]string{}
	for _, s := range sources(t) {
		if s.test && !onlyTests[s.pkg] {
			continue
		}
		comments[s.pkg] += s.file.Doc.Text()
	}
	for pkg, text := range comments {
		if len(strings.TrimSpace(text)) < 20 {
			t.Errorf("package %s does not say its one job", pkg)
		}
	}
}

func TestFilesStayReadable(t *testing.T) {
	for _, s := range sources(t) {
		if n := strings.Count(s.text, "\n"); n > 500 && !s.test {
			t.Errorf("%s has %d lines, at most 500", s.path, n)
		}
	}
}

func TestNamesSaySomething(t *testing.T) {
	empty := map[string]bool{"util": true, "utils": true, "common": true, "types": true, "helpers": true, "internal": true, "misc": true}
	for _, s := range sources(t) {
		for _, part := range strings.Split(s.pkg, "/") {
			if empty[part] {
				t.Errorf("%s: a folder called %s says nothing", s.path, part)
			}
		}
	}
}

func TestInterfacesAreSmall(t *testing.T) {
	seen := 0
	for _, s := range sources(t) {
		ast.Inspect(s.file, func(n ast.Node) bool {
			spec, ok := n.(*ast.TypeSpec)
			if !ok {
				return true
			}
			if i, ok := spec.Type.(*ast.InterfaceType); ok && !s.test {
				seen++
				if len(i.Methods.List) > 5 {
					t.Errorf("%s: interface %s has %d methods, at most 5", s.path, spec.Name, len(i.Methods.List))
				}
			}
			return true
		})
	}
	if seen < 5 {
		t.Errorf("only %d interfaces seen", seen)
	}
}

func TestExportedIsDocumented(t *testing.T) {
	documented, bare := 0, []string{}
	for _, s := range sources(t) {
		if s.test || s.file.Name.Name == "main" {
			continue
		}
		for _, d := range s.file.Decls {
			name, doc := declared(d)
			switch {
			case name == "":
			case doc:
				documented++
			default:
				bare = append(bare, path.Join(s.pkg, name))
			}
		}
	}
	if documented < 200 {
		t.Errorf("only %d documented declarations seen", documented)
	}
	if len(bare)*20 > documented {
		t.Errorf("%d exported declarations without a word, beside %d with: %v", len(bare), documented, bare)
	}
}

// declared returns the exported name that a declaration introduces, "" if none,
// and whether it has a comment of its own or of its group.
func declared(d ast.Decl) (name string, doc bool) {
	switch d := d.(type) {
	case *ast.FuncDecl:
		if d.Name.IsExported() && (d.Recv == nil || receiverExported(d.Recv)) {
			return d.Name.Name, d.Doc != nil
		}
	case *ast.GenDecl:
		for _, s := range d.Specs {
			if ts, ok := s.(*ast.TypeSpec); ok && ts.Name.IsExported() {
				return ts.Name.Name, d.Doc != nil || ts.Doc != nil
			}
		}
	}
	return "", false
}

func receiverExported(recv *ast.FieldList) bool {
	typ := recv.List[0].Type
	if star, ok := typ.(*ast.StarExpr); ok {
		typ = star.X
	}
	id, ok := typ.(*ast.Ident)
	return ok && id.IsExported()
}

func TestNoSleepInTests(t *testing.T) {
	tests := 0
	for _, s := range sources(t) {
		if !s.test {
			continue
		}
		tests++
		if strings.Contains(s.text, "time."+"Sleep(") {
			t.Errorf("%s sleeps: wait for what is expected, with a deadline", s.path)
		}
	}
	if tests < 20 {
		t.Errorf("only %d test files seen", tests)
	}
}

// TestNothingIsLeftOver looks for what must not be committed.
func TestNothingIsLeftOver(t *testing.T) {
	marks := []string{"TO" + "DO", "FIX" + "ME", "X" + "XX", "not " + "implemented", "t.S" + "kip(", "t.S" + "kipf(", "t.S" + "kipNow("}
	for _, s := range sources(t) {
		for _, m := range marks {
			if strings.Contains(s.text, m) {
				t.Errorf("%s has %q", s.path, m)
			}
		}
	}
}
