package main

import (
	"go/build"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
)

// TestDependencies compares the modules that the agent links, for each machine
// that it is built for, with the reviewed list in dependencies.txt: each one
// runs on a gate. The sources are read in this process; a child's "go list"
// would be hidden by the test cache.
func TestDependencies(t *testing.T) {
	data, err := os.ReadFile("dependencies.txt")
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for line := range strings.Lines(string(data)) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			want = append(want, line)
		}
	}
	got := map[string]bool{}
	packages := 0
	for _, arch := range []string{"amd64", "arm64", "arm"} {
		c := newClosure(t, arch)
		c.visit("turnstile/agent")
		packages += len(c.seen)
		for m := range c.modules {
			got[m] = true
		}
	}
	if packages < 3*35 {
		t.Errorf("only %d packages were read", packages)
	}
	for _, m := range want {
		if !got[m] {
			t.Errorf("dependencies.txt has %s, which is not linked", m)
		}
	}
	for m := range got {
		if !slices.Contains(want, m) {
			t.Errorf("%s is linked and not in dependencies.txt: weigh it (bytes, maintenance, what it can do on a lane), then add it", m)
		}
	}
}

// closure is the packages that a program links on one architecture.
type closure struct {
	*testing.T
	context  build.Context
	versions map[string]string // of the modules in go.mod
	cache    string            // where their sources are
	seen     map[string]bool
	modules  map[string]bool // path and version of those that are linked
}

var required = regexp.MustCompile(`(?m)^\s*(?:require )?([a-zA-Z0-9._~/-]+\.[a-zA-Z0-9._~/-]+) (v[^\s]+)`)

func newClosure(t *testing.T, arch string) *closure {
	t.Helper()
	mod, err := os.ReadFile("../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	c := &closure{T: t, context: build.Default, versions: map[string]string{}, seen: map[string]bool{}, modules: map[string]bool{}}
	c.context.GOOS, c.context.GOARCH, c.context.CgoEnabled = "linux", arch, false
	for _, m := range required.FindAllStringSubmatch(string(mod), -1) {
		c.versions[m[1]] = m[2]
	}
	c.cache = os.Getenv("GOMODCACHE")
	if c.cache == "" {
		c.cache = filepath.Join(filepath.SplitList(c.context.GOPATH)[0], "pkg", "mod")
	}
	return c
}

// visit reads a package and all that it imports. The standard library is not
// read: the first part of its paths has no dot.
func (c *closure) visit(path string) {
	c.Helper()
	if c.seen[path] {
		return
	}
	dir := ""
	switch first, _, _ := strings.Cut(path, "/"); {
	case first == "turnstile":
		dir = filepath.Join("..", strings.TrimPrefix(path, "turnstile"))
	case strings.Contains(first, "."):
		dir = c.module(path)
	default:
		return
	}
	c.seen[path] = true
	p, err := c.context.ImportDir(dir, 0)
	if err != nil {
		c.Fatalf("read %s: %v", path, err)
	}
	for _, next := range p.Imports {
		c.visit(next)
	}
}

// module returns the folder of a package of another module, and notes the module.
func (c *closure) module(path string) string {
	c.Helper()
	for m := path; strings.Contains(m, "/"); m = m[:strings.LastIndex(m, "/")] {
		if v, ok := c.versions[m]; ok {
			c.modules[m+" "+v] = true
			return filepath.Join(c.cache, escaped(m)+"@"+v, strings.TrimPrefix(path, m))
		}
	}
	c.Fatalf("%s is in no module of go.mod", path)
	return ""
}

// escaped writes a module path as the module cache does: upper case as ! and lower case.
func escaped(path string) string {
	var b strings.Builder
	for _, r := range path {
		if unicode.IsUpper(r) {
			b.WriteByte('!')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}

// TestNothingOfCentralOnALane: what signs, what knows SQL, and what costs
// megabytes stays off the machines at the gates.
func TestNothingOfCentralOnALane(t *testing.T) {
	c := newClosure(t, "arm64")
	c.visit("turnstile/agent")
	own := 0
	for path := range c.seen {
		rest, ok := strings.CutPrefix(path, "turnstile/")
		if !ok {
			continue
		}
		own++
		allowed := strings.HasPrefix(rest, "agent") || strings.HasPrefix(rest, "firmware-bridge/") || rest == "central/pass" || rest == "central/link"
		if !allowed {
			t.Errorf("the agent links %s", path)
		}
	}
	if own < 15 {
		t.Errorf("only %d own packages were read", own)
	}
}
