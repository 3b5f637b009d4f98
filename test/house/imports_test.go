package house

import (
	"go/parser"
	"go/token"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// source is the imports of one Go file.
type source struct {
	name    string // from the top of the repository, with slashes
	imports []string
}

func (s source) dir() string { return path.Dir(s.name) }

func (s source) isTest() bool {
	return strings.HasSuffix(s.name, "_test.go") || strings.HasPrefix(s.name, "test/")
}

func sources(t *testing.T) []source {
	t.Helper()
	var list []source
	for _, name := range files(t) {
		if path.Ext(name) != ".go" {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(top(t), name), nil, parser.ImportsOnly)
		if err != nil {
			t.Errorf("read the imports of %s: %v", name, err)
			continue
		}
		s := source{name: name}
		for _, spec := range file.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			s.imports = append(s.imports, imported)
		}
		list = append(list, s)
	}
	return list
}

// TestImportsPointDown refuses an import of our own that points up or sideways, and
// a package of internal/ that is not in the plan.
func TestImportsPointDown(t *testing.T) {
	for _, s := range sources(t) {
		if strings.HasPrefix(s.name, "internal/") && !Planned(s.dir()) {
			t.Errorf("%s: package %s is in no layer of plan.go", s.name, packageOf(s.dir()))
			continue
		}
		for _, imported := range s.imports {
			rest, own := strings.CutPrefix(imported, Module+"/")
			if own && !MayImport(s.dir(), rest, s.isTest()) {
				t.Errorf("%s imports %s: imports point down, never up or sideways", s.name, rest)
			}
		}
	}
}

// TestLibrariesHaveTheirImporters refuses a library in a package that may not use
// it, and one that is not in the plan.
func TestLibrariesHaveTheirImporters(t *testing.T) {
	for _, s := range sources(t) {
		for _, imported := range s.imports {
			if !isLibrary(imported) {
				continue
			}
			allowed, importers := MayUse(s.dir(), imported, s.isTest())
			switch {
			case importers == nil:
				t.Errorf("%s imports %s, which is not in plan.go", s.name, imported)
			case !allowed:
				t.Errorf("%s imports %s, which is only for %s", s.name, imported, strings.Join(importers, ", "))
			}
		}
	}
}

// TestPlanRefuses checks the rules with imports that they allow and refuse.
func TestPlanRefuses(t *testing.T) {
	tests := map[string]struct {
		from, to string
		test     bool
		want     bool
	}{
		"down":                       {from: "internal/httpapi", to: "internal/service", want: true},
		"down several layers":        {from: "internal/ws", to: "internal/notify", want: true},
		"a package inside":           {from: "internal/store", to: "internal/store/x", want: true},
		"up":                         {from: "internal/hub", to: "internal/ws"},
		"up, by a test":              {from: "internal/hub", to: "internal/service", test: true},
		"sideways":                   {from: "internal/journal", to: "internal/store"},
		"sideways, by a test":        {from: "internal/journal", to: "internal/store", test: true, want: true},
		"a transport and JSON":       {from: "internal/sse", to: "internal/wire"},
		"a protocol and the store":   {from: "internal/protocol/bellhop", to: "internal/store"},
		"the hub and cursors":        {from: "internal/hub", to: "internal/cursor"},
		"a leaf imports notify":      {from: "internal/config", to: "internal/notify", want: true},
		"a leaf imports a layer":     {from: "internal/telemetry", to: "internal/hub"},
		"a leaf imports a leaf":      {from: "internal/webui", to: "internal/config"},
		"a layer imports a leaf":     {from: "internal/hub", to: "internal/telemetry"},
		"app imports a leaf":         {from: "internal/app", to: "internal/config", want: true},
		"main imports cli":           {from: "cmd/bellhop", to: "internal/cli", want: true},
		"main imports a layer":       {from: "cmd/bellhop", to: "internal/hub"},
		"a layer imports main":       {from: "internal/cli", to: "cmd/bellhop"},
		"the service imports test/":  {from: "internal/app", to: "test/e2e"},
		"a test imports test/":       {from: "internal/app", to: "test/contract", test: true, want: true},
		"test/ imports the service":  {from: "test/e2e", to: "internal/app", test: true, want: true},
		"a package without a layer":  {from: "internal/hub", to: "internal/x", want: true},
		"by a package without layer": {from: "internal/x", to: "internal/hub", want: true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := MayImport(tt.from, tt.to, tt.test); got != tt.want {
				t.Errorf("MayImport(%s, %s, %v) = %v, want %v", tt.from, tt.to, tt.test, got, tt.want)
			}
		})
	}
}
