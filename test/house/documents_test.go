package house

import (
	"go/ast"
	"go/parser"
	"go/token"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestDesignNamesExist refuses a name such as `hub.Hub.GoLive` in the design
// document that no package of internal/ declares.
func TestDesignNamesExist(t *testing.T) {
	declared := declarations(t)
	named := regexp.MustCompile("`([a-z]+(?:\\.[A-Z]\\w*)+)`")
	found := named.FindAllStringSubmatch(string(read(t, "internal/README.md")), -1)
	if len(found) < 10 {
		t.Fatalf("internal/README.md names %d functions and types, want the paths through the packages", len(found))
	}
	for _, name := range found {
		if !declared[name[1]] {
			t.Errorf("internal/README.md names %s, which does not exist", name[1])
		}
	}
}

// declarations returns the names that the packages of internal/ declare: "hub.Hub",
// "hub.New" and "hub.Hub.GoLive".
func declarations(t *testing.T) map[string]bool {
	t.Helper()
	all := map[string]bool{}
	for _, name := range files(t) {
		if !strings.HasPrefix(name, "internal/") || path.Ext(name) != ".go" || strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(top(t), name), nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			for _, declared := range namesOf(d) {
				all[file.Name.Name+"."+declared] = true
			}
		}
	}
	return all
}

// namesOf returns what d declares: types with the methods of interfaces, functions, and
// methods with their receivers' types.
func namesOf(d ast.Decl) (names []string) {
	switch d := d.(type) {
	case *ast.FuncDecl:
		name := d.Name.Name
		if d.Recv != nil {
			receiver := d.Recv.List[0].Type
			if star, ok := receiver.(*ast.StarExpr); ok {
				receiver = star.X
			}
			if ident, ok := receiver.(*ast.Ident); ok {
				name = ident.Name + "." + name
			}
		}
		return []string{name}
	case *ast.GenDecl:
		for _, spec := range d.Specs {
			if s, ok := spec.(*ast.TypeSpec); ok {
				names = append(names, s.Name.Name)
			}
		}
	}
	return names
}

// TestLinksLeadToFiles refuses a relative link in a Markdown file to a file that does
// not exist.
func TestLinksLeadToFiles(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)\s]+)\)`)
	for _, name := range files(t) {
		if path.Ext(name) != ".md" {
			continue
		}
		for _, found := range link.FindAllStringSubmatch(string(read(t, name)), -1) {
			to, err := url.Parse(found[1])
			if err != nil || to.Scheme != "" || to.Path == "" || strings.HasPrefix(to.Path, "/") {
				continue // elsewhere, or within the file
			}
			if _, err := os.Stat(filepath.Join(top(t), path.Dir(name), to.Path)); err != nil {
				t.Errorf("%s links to %s, which does not exist", name, found[1])
			}
		}
	}
}

// TestNamedFilesExist refuses a path in backquotes, such as `test/house/plan.go`, in a Markdown file
// if the repository has no such file or directory. The changelog may name what was removed.
func TestNamedFilesExist(t *testing.T) {
	named := regexp.MustCompile("`((?:test|internal|cmd|\\.ci|\\.github)/[\\w./-]+)`")
	found := 0
	for _, name := range files(t) {
		if path.Ext(name) != ".md" || path.Base(name) == "CHANGELOG.md" {
			continue
		}
		for _, m := range named.FindAllStringSubmatch(string(read(t, name)), -1) {
			found++
			if _, err := os.Stat(filepath.Join(top(t), m[1])); err != nil {
				t.Errorf("%s names %s, which does not exist", name, m[1])
			}
		}
	}
	if found < 10 {
		t.Errorf("only %d paths were found", found)
	}
}

// TestLinksLeadToHeadings refuses a link to a part of a Markdown file that has no such heading.
func TestLinksLeadToHeadings(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)\s#:]*)#([^)\s]+)\)`)
	found := 0
	for _, name := range files(t) {
		if path.Ext(name) != ".md" {
			continue
		}
		for _, m := range link.FindAllStringSubmatch(string(read(t, name)), -1) {
			to := name
			if m[1] != "" {
				to = path.Join(path.Dir(name), m[1])
			}
			found++
			if !slices.Contains(anchors(read(t, to)), m[2]) {
				t.Errorf("%s links to %s#%s, and %s has no such heading", name, m[1], m[2], to)
			}
		}
	}
	if found < 10 {
		t.Errorf("only %d links were found", found)
	}
}

// anchors returns the names by which links find the headings of a Markdown file.
func anchors(text []byte) (names []string) {
	removed := regexp.MustCompile(`[^\p{L}\p{N}_ -]`)
	for _, h := range regexp.MustCompile(`(?m)^#+ (.+)$`).FindAllSubmatch(text, -1) {
		name := removed.ReplaceAllString(strings.ToLower(string(h[1])), "")
		names = append(names, strings.ReplaceAll(name, " ", "-"))
	}
	return names
}

// TestTheGuideExplainsEachCloseCode refuses a close code or a reason that is not in the operating guide.
func TestTheGuideExplainsEachCloseCode(t *testing.T) {
	_, table, _ := strings.Cut(string(read(t, "cmd/bellhop/README.md")), "\n### Why was a connection closed?\n")
	table, _, _ = strings.Cut(table, "\n#")
	codes := regexp.MustCompile(`Code: +(\d{4}),\s+Reason: +(?:fmt\.Sprintf\()?"([a-z0-9-]+)`).FindAllSubmatch(read(t, "internal/notify/close.go"), -1)
	if len(codes) < 10 {
		t.Fatalf("internal/notify/close.go has %d close codes", len(codes))
	}
	for _, c := range codes {
		code, reason := string(c[1]), string(c[2])
		if !strings.Contains(table, code) || code > "1009" && !strings.Contains(table, "`"+reason+"`") {
			t.Errorf("the guide does not explain the close code %s with the reason %s", code, reason)
		}
	}
}

// TestEachDirectoryOfTestsIsDescribed refuses a directory of test/ that test/README.md does not have.
func TestEachDirectoryOfTestsIsDescribed(t *testing.T) {
	table := string(read(t, "test/README.md"))
	for _, name := range files(t) {
		if parts := strings.Split(name, "/"); parts[0] == "test" && len(parts) > 2 && !strings.Contains(table, "\n| `"+parts[1]+"` |") {
			t.Errorf("test/README.md does not describe test/%s", parts[1])
			table += "\n| `" + parts[1] + "` |" // once
		}
	}
}

// TestNoReferencesToOutsideDocuments refuses references to documents that are not in the
// repository.
func TestNoReferencesToOutsideDocuments(t *testing.T) {
	elsewhere := regexp.MustCompile(`\b(CONTRACT|DESIGN|REVIEW|COMPASS)\b|\bSTYLE\.md\b`)
	ours := []string{".go", ".md", ".yaml", ".ts", ".mjs"}
	for _, name := range files(t) {
		if name == "test/house/documents_test.go" || !slices.Contains(ours, path.Ext(name)) {
			continue
		}
		if found := elsewhere.Find(read(t, name)); found != nil {
			t.Errorf("%s refers to %q, a document that is not in the repository", name, found)
		}
	}
}
