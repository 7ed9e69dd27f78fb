package house

import (
	"encoding/json"
	"go/ast"
	"go/token"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// promisesFile is the page that this file holds to the tree, seen from here.
const promisesFile = "PROMISES.md"

var (
	itemLine = regexp.MustCompile(`^## (\d+)\. `)
	linkText = regexp.MustCompile(`\]\(([^)]+)\)`)
	// A test or make target in backticks, and in brackets what it counts.
	breaker = regexp.MustCompile("`([^`]+)`(?: \\(([^)]*)\\))?")
	named   = regexp.MustCompile(`^(\S+)\.((?:Test|Fuzz)\w+)$`)
	counted = regexp.MustCompile(`(at least )?(\d+)( \w+ ?\w*)?`)
)

// promise is one row of the page.
type promise struct {
	section string // "1" to "14", or the heading
	cells   []string
}

// promises reads the page's tables of three columns.
func promises(t *testing.T) (list []promise, text string) {
	t.Helper()
	b, err := os.ReadFile(promisesFile)
	if err != nil {
		t.Fatal(err)
	}
	section := ""
	for line := range strings.Lines(string(b)) {
		line = strings.TrimSpace(line)
		if m := itemLine.FindStringSubmatch(line); m != nil {
			section = m[1]
		} else if rest, ok := strings.CutPrefix(line, "## "); ok {
			section = rest
		}
		cells := strings.Split(strings.Trim(line, "|"), " | ")
		switch {
		case !strings.HasPrefix(line, "|"), strings.HasPrefix(line, "| ---"), strings.HasPrefix(line, "| promise |"), strings.HasPrefix(line, "| command |"):
		case len(cells) != 3:
			t.Errorf("a row of %d cells: %.60s", len(cells), line)
		default:
			list = append(list, promise{section, cells})
		}
	}
	return list, string(b)
}

// TestPromisesAreTried: each promise names tests that exist, and what they are
// said to count stands in them.
func TestPromisesAreTried(t *testing.T) {
	list, _ := promises(t)
	tree := treeOf(t)
	rows, tests, numbers := map[string]int{}, 0, 0
	for _, p := range list {
		rows[p.section]++
		all := breaker.FindAllStringSubmatch(p.cells[2], -1)
		if len(all) == 0 {
			t.Errorf("nothing breaks: %s", p.cells[0])
		}
		for _, m := range all {
			tests++
			found, why := tree.look(m[1])
			if why != "" {
				t.Errorf("%s: %s", m[1], why)
				continue
			}
			numbers += tree.compare(t, m[1], m[2], found)
		}
	}
	for item := 1; item <= 14; item++ {
		if n := rows[strconv.Itoa(item)]; n < 3 {
			t.Errorf("item %d has %d promises", item, n)
		}
	}
	if len(rows) != 15 || tests < 200 || numbers < 80 {
		t.Errorf("%d sections, %d tests named, %d numbers compared: the page is read wrongly", len(rows), tests, numbers)
	}
}

// TestPromisesAreStated: each promise links to the section that states it, and
// the section is there.
func TestPromisesAreStated(t *testing.T) {
	list, text := promises(t)
	for _, p := range list {
		if p.section != "The campaigns" && !linkText.MatchString(p.cells[1]) {
			t.Errorf("nowhere stated: %s", p.cells[0])
		}
	}
	links := linkText.FindAllStringSubmatch(text, -1)
	for _, m := range links {
		if why := missing(m[1]); why != "" {
			t.Errorf("%s: %s", m[1], why)
		}
	}
	if len(links) < 60 {
		t.Errorf("%d links", len(links))
	}
	readme, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil || !strings.Contains(string(readme), "(simulator/house/"+promisesFile+")") {
		t.Errorf("README.md does not link to %s: %v", promisesFile, err)
	}
}

// missing says what a link lacks, "" if it leads to a section, or to a Go file
// whose package comment says enough.
func missing(link string) string {
	file, section, _ := strings.Cut(link, "#")
	b, err := os.ReadFile(file)
	switch {
	case err != nil:
		return "there is no such file"
	case strings.HasSuffix(file, "_test.go"):
		return ""
	case strings.HasSuffix(file, ".go"):
		if s, err := parse(file); err != nil || len(s.file.Doc.Text()) < 1000 {
			return "the package comment states little"
		}
		return ""
	case !slices.Contains(sections(string(b)), section):
		return "there is no such section"
	}
	return ""
}

var notInAnchor = regexp.MustCompile(`[^\p{L}\p{N} _-]`)

// sections returns the anchors of a Markdown file's headings, as GitHub makes them.
func sections(text string) (list []string) {
	code := false
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "```") {
			code = !code
		}
		if heading := strings.TrimLeft(line, "#"); !code && heading != line && strings.HasPrefix(heading, " ") {
			heading = notInAnchor.ReplaceAllString(strings.ToLower(strings.TrimSpace(heading)), "")
			list = append(list, strings.ReplaceAll(heading, " ", "-"))
		}
	}
	return list
}

// tree is what the tests of all packages declare, by folder and name.
type tree struct {
	declared map[string]map[string]ast.Node
	recipes  map[string]string // of the Makefile, by target
	things   map[string]int    // what is counted over the tree, by its words
}

func treeOf(t *testing.T) *tree {
	t.Helper()
	w := &tree{declared: map[string]map[string]ast.Node{}, recipes: recipes(t), things: map[string]int{}}
	for _, s := range sources(t) {
		if !s.test {
			continue
		}
		if w.declared[s.pkg] == nil {
			w.declared[s.pkg] = map[string]ast.Node{}
		}
		for _, d := range s.file.Decls {
			w.add(s.pkg, d)
		}
	}
	w.things["pass vectors"] = vectors(t, "central/pass/testdata/vectors.json")
	w.things["supervisor vectors"] = vectors(t, "central/pass/testdata/supervisor.json")
	warnings, err := os.ReadFile(filepath.Join(root, "agent/health/WARNINGS.md"))
	if err != nil {
		t.Fatal(err)
	}
	w.things["warnings"] = strings.Count(string(warnings), "\n| `")
	return w
}

func (w *tree) add(pkg string, d ast.Decl) {
	switch d := d.(type) {
	case *ast.FuncDecl:
		w.declared[pkg][d.Name.Name] = d
		if strings.HasPrefix(d.Name.Name, "Fuzz") {
			w.things["fuzz targets"]++
		}
	case *ast.GenDecl:
		for _, s := range d.Specs {
			if v, ok := s.(*ast.ValueSpec); ok {
				for _, n := range v.Names {
					w.declared[pkg][n.Name] = v
				}
			}
		}
	}
}

func vectors(t *testing.T, file string) int {
	t.Helper()
	var doc struct{ Vectors []json.RawMessage }
	b, err := os.ReadFile(filepath.Join(root, file))
	if err != nil || json.Unmarshal(b, &doc) != nil {
		t.Fatal(file, err)
	}
	return len(doc.Vectors)
}

// recipes returns the targets of the Makefile that `make` prints, with what they run.
func recipes(t *testing.T) map[string]string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(root, "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	all, target := map[string]string{}, ""
	for line := range strings.Lines(string(b)) {
		if name, _, ok := strings.Cut(line, ":"); ok && strings.Contains(line, ":") && strings.Contains(line, " ## ") && name != "" {
			target = name
		} else if !strings.HasPrefix(line, "\t") {
			target = ""
		} else if target != "" {
			all[target] += line
		}
	}
	return all
}

// numbersOf are the numbers that a test has: those that it asks for at least,
// and all of its constants and lengths of lists.
type numbersOf struct{ least, any map[int]bool }

// look finds what is named, or says why it does not.
func (w *tree) look(name string) (n numbersOf, why string) {
	n = numbersOf{map[int]bool{}, map[int]bool{}}
	if target, ok := strings.CutPrefix(name, "make "); ok {
		for _, digits := range regexp.MustCompile(`\d+`).FindAllString(w.recipes[target], -1) {
			number, _ := strconv.Atoi(digits) // more digits than fit are no count
			n.any[number] = true
		}
		if w.recipes[target] == "" {
			why = "make has no such target"
		}
		return n, why
	}
	m := named.FindStringSubmatch(name)
	if m == nil {
		return n, "want folder.TestName or make target"
	}
	f, ok := w.declared[path.Clean(m[1])][m[2]].(*ast.FuncDecl)
	if !ok {
		return n, "there is no such test"
	}
	w.read(m[1], f, &n, 2)
	return n, ""
}

// read collects the numbers of a declaration, and of those of its package's
// tests that it names, some levels deep.
func (w *tree) read(pkg string, d ast.Node, n *numbersOf, deep int) {
	ast.Inspect(d, func(x ast.Node) bool {
		switch x := x.(type) {
		case *ast.CompositeLit:
			n.any[len(x.Elts)] = true
		case *ast.BinaryExpr:
			if v, ok := constant(x.Y); ok && x.Op == token.LSS {
				n.least[v] = true
			}
		case *ast.Ident:
			if next := w.declared[pkg][x.Name]; next != nil && next != d && deep > 0 {
				w.read(pkg, next, n, deep-1)
			}
		}
		if e, ok := x.(ast.Expr); ok {
			if v, ok := constant(e); ok {
				n.any[v] = true
			}
		}
		return true
	})
}

// constant returns the value of an expression of whole numbers.
func constant(e ast.Expr) (int, bool) {
	switch e := e.(type) {
	case *ast.BasicLit:
		v, err := strconv.Atoi(strings.ReplaceAll(e.Value, "_", ""))
		return v, err == nil && e.Kind == token.INT
	case *ast.BinaryExpr:
		x, ok := constant(e.X)
		y, also := constant(e.Y)
		if e.Op == token.MUL && ok && also {
			return x * y, true
		}
	}
	return 0, false
}

// compare holds what the page says that a test counts to the test.
func (w *tree) compare(t *testing.T, name, said string, found numbersOf) (compared int) {
	t.Helper()
	for _, m := range counted.FindAllStringSubmatch(said, -1) {
		n, err := strconv.Atoi(m[2])
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		compared++
		what := strings.TrimSpace(m[3])
		switch count, over := w.things[what]; {
		case over:
			if count < n || m[1] == "" && count != n {
				t.Errorf("%s: %d %s, the page says %s%d", name, count, what, m[1], n)
			}
		case m[1] != "" && !found.least[n]:
			t.Errorf("%s does not ask for at least %d: it asks for %v", name, n, keys(found.least))
		case !found.any[n]:
			t.Errorf("%s has no %d: it has %v", name, n, keys(found.any))
		}
	}
	return compared
}

func keys(set map[int]bool) (list []int) {
	for k := range set {
		list = append(list, k)
	}
	slices.Sort(list)
	return list
}
