// Package house tests the rules of the house: who may import whom, what a lane
// never carries, and how the code is kept. It reads the sources itself, so that
// no test cache can hide a breach.
package house

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// root is the top of the checkout, seen from this package.
const root = "../.."

// source is one parsed Go file.
type source struct {
	path string // from the root, with slashes
	pkg  string // folder from the root
	test bool
	file *ast.File
	text string
}

// imports returns the file's import paths; those of this module without "turnstile/".
func (s source) imports() (own, others []string) {
	for _, i := range s.file.Imports {
		path, err := strconv.Unquote(i.Path.Value)
		if err != nil {
			continue // the parser has refused it already
		}
		if rest, ok := strings.CutPrefix(path, "turnstile/"); ok {
			own = append(own, rest)
		} else {
			others = append(others, path)
		}
	}
	return own, others
}

// sources are all Go files of the four programs, at least 60.
func sources(t *testing.T) []source {
	t.Helper()
	all, err := parsed()
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 60 {
		t.Fatalf("found %d Go files: the walk is broken", len(all))
	}
	return all
}

// parsed parses every Go file, once for all tests.
var parsed = sync.OnceValues(func() (all []source, err error) {
	for _, program := range []string{"agent", "central", "firmware-bridge", "simulator"} {
		err := filepath.WalkDir(filepath.Join(root, program), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") {
				return err
			}
			s, err := parse(path)
			all = append(all, s)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return all, nil
})

func parse(path string) (source, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return source{}, err
	}
	f, err := parser.ParseFile(token.NewFileSet(), path, text, parser.ParseComments)
	if err != nil {
		return source{}, err
	}
	rel, err := filepath.Rel(root, path)
	rel = filepath.ToSlash(rel)
	return source{rel, filepath.ToSlash(filepath.Dir(rel)), strings.HasSuffix(path, "_test.go"), f, string(text)}, err
}

func within(pkg, folder string) bool { return pkg == folder || strings.HasPrefix(pkg, folder+"/") }

// isStandard tells a standard library path by its first element, which has no dot.
func isStandard(path string) bool {
	first, _, _ := strings.Cut(path, "/")
	return !strings.Contains(first, ".")
}

// contracts are what both sides of the house build on. The decision is one of
// them: central shows what other rules would have decided by asking it, and not a
// copy of it.
var contracts = []string{"central/pass", "central/link", "firmware-bridge/scanner", "firmware-bridge/gate", decision}

const decision = "agent/access"

// mayImport is the law: it names what is wrong with pkg importing dep, "" if nothing is.
func mayImport(pkg, dep string) string {
	program, _, _ := strings.Cut(pkg, "/")
	target, _, _ := strings.Cut(dep, "/")
	switch {
	case program == "simulator":
		return ""
	case target == "simulator":
		return "nobody imports the simulator"
	case program == target:
		return ""
	case program == "central" && dep == decision:
		return ""
	case program != "agent":
		return program + " imports only itself"
	}
	for _, c := range contracts {
		if dep == c {
			return ""
		}
	}
	if target == "firmware-bridge" && (pkg == "agent" || pkg == "agent/daemon") {
		return ""
	}
	return "the agent imports contracts, and drivers only in its daemon or main"
}

func TestLawOfImports(t *testing.T) {
	checked := 0
	for _, s := range sources(t) {
		own, _ := s.imports()
		for _, dep := range own {
			checked++
			why := mayImport(s.pkg, dep)
			if s.test && isFake(dep) {
				continue
			}
			if why != "" {
				t.Errorf("%s imports %s: %s", s.path, dep, why)
			}
		}
	}
	if checked < 100 {
		t.Errorf("only %d imports seen", checked)
	}
}

// isFake tells the fakes and conformance suites that stand beside a contract:
// gate/gatetest, scanner/scannertest. Every test may use them.
func isFake(dep string) bool {
	for _, c := range contracts {
		if dep == c+"/"+path.Base(c)+"test" {
			return true
		}
	}
	return false
}

func TestContractsAreLeaves(t *testing.T) {
	allowed := map[string]bool{"central/link imports github.com/fxamacker/cbor/v2": true, "central/link imports central/pass": true,
		decision + " imports central/pass": true, decision + " imports central/link": true, decision + " imports firmware-bridge/gate": true}
	seen := map[string]bool{}
	for _, s := range sources(t) {
		for _, c := range contracts {
			if s.test || s.pkg != c {
				continue
			}
			seen[c] = true
			own, others := s.imports()
			for _, dep := range append(own, others...) {
				if !allowed[c+" imports "+dep] && (!isStandard(dep) || within(dep, "central") || within(dep, "firmware-bridge")) {
					t.Errorf("%s imports %s: a contract imports the standard library only", s.path, dep)
				}
			}
		}
	}
	if len(seen) != len(contracts) {
		t.Errorf("saw the contracts %v of %v", seen, contracts)
	}
}

// heavy never runs on a lane: signing keys, SQL, brokers, web frameworks.
var heavy = []string{
	"central/issuer", "central/database", "central/office", "central/server", "database/sql", "modernc.org/",
	"github.com/nats-io/", "github.com/danielgtaylor/huma", "github.com/alecthomas/kong", "github.com/prometheus/", "html/template",
}

func TestLaneNeverLinks(t *testing.T) {
	reached := closure(sources(t), "agent")
	if len(reached) < 20 {
		t.Fatalf("the agent's closure has %d packages: the walk is broken", len(reached))
	}
	for dep, by := range reached {
		for _, h := range heavy {
			if dep == h || strings.HasPrefix(dep, h) {
				t.Errorf("the agent reaches %s by %s", dep, by)
			}
		}
	}
}

// closure returns all packages that pkg reaches through this module's own
// sources, each with the file that imports it. What a third party's package
// reaches is the business of agent/dependencies.txt.
func closure(all []source, pkg string) map[string]string {
	reached := map[string]string{}
	for todo := []string{pkg}; len(todo) > 0; todo = todo[1:] {
		for _, s := range all {
			if s.test || s.pkg != todo[0] {
				continue
			}
			own, others := s.imports()
			for _, dep := range own {
				if reached[dep] == "" {
					reached[dep] = s.path
					todo = append(todo, dep)
				}
			}
			for _, dep := range others {
				reached[dep] = s.path
			}
		}
	}
	return reached
}
