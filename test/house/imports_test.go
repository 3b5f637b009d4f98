package house_test

import (
	"go/parser"
	"go/token"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// source is one Go file and what it imports.
type source struct {
	name    string // from the top of the repository, with slashes
	imports []string
}

// place is where the file stands: a package of internal/ by its name alone
// ("hub"), or else its directory by at most two steps ("cmd/bellhop",
// "test/e2e").
func (s source) place() string {
	return placeOf(path.Dir(s.name))
}

func (s source) isTest() bool {
	return strings.HasSuffix(s.name, "_test.go") || strings.HasPrefix(s.name, "test/")
}

func placeOf(dir string) string {
	steps := strings.Split(dir, "/")
	if steps[0] == "internal" && len(steps) > 1 {
		return steps[1]
	}
	return strings.Join(steps[:min(2, len(steps))], "/")
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

// TestImportsPointDown refuses an import of our own that runs up or sideways.
func TestImportsPointDown(t *testing.T) {
	for _, s := range sources(t) {
		if strings.HasPrefix(s.name, "internal/") && !known(s.place()) {
			t.Errorf("%s: package %s has no floor in plan_test.go", s.name, s.place())
			continue
		}
		for _, imported := range s.imports {
			rest, ours := strings.CutPrefix(imported, module+"/")
			if ours && !mayImport(s, placeOf(rest)) {
				t.Errorf("%s imports %s: imports point down, never up or sideways", s.name, rest)
			}
		}
	}
}

// mayImport tells whether s may import what stands at to.
func mayImport(s source, to string) bool {
	from := s.place()
	switch {
	case from == to:
		return true // a test of its own package, or a package within the package
	case strings.HasPrefix(from, "test/"):
		return true // what looks from outside may stand wherever it sees well
	case strings.HasPrefix(to, "test/"):
		return s.isTest() // what helps to test, where it is needed
	case strings.HasPrefix(to, "cmd/"):
		return false
	case strings.HasPrefix(from, "cmd/"):
		return to == "cli"
	case slices.Contains(leaves, from):
		return slices.Contains(ground, to)
	case slices.Contains(leaves, to):
		return from == "app" || from == "cli"
	case s.isTest():
		return floor(from) <= floor(to) // real neighbours are better than fakes
	default:
		return floor(from) < floor(to)
	}
}

func known(place string) bool {
	return floor(place) >= 0 || slices.Contains(leaves, place)
}

// floor counts from the roof, 0, down to the ground; -1 is none.
func floor(place string) int {
	return slices.IndexFunc(floors, func(f []string) bool { return slices.Contains(f, place) })
}

// TestLibrariesEnterByTheirDoor refuses a library that is used outside its
// door, and one that has none.
func TestLibrariesEnterByTheirDoor(t *testing.T) {
	for _, s := range sources(t) {
		for _, imported := range s.imports {
			if !isLibrary(imported) {
				continue
			}
			door, found := doorOf(imported)
			switch {
			case !found:
				t.Errorf("%s imports %s, which has no door in plan_test.go", s.name, imported)
			case s.place() == "notify" && !s.isTest():
				t.Errorf("%s imports %s: notify has the standard library only", s.name, imported)
			case !passes(s, door):
				t.Errorf("%s imports %s, which enters only by %s", s.name, imported, strings.Join(door, ", "))
			}
		}
	}
}

func passes(s source, door []string) bool {
	return slices.Contains(door, s.place()) ||
		slices.Contains(door, anywhere) ||
		s.isTest() && slices.Contains(door, tests)
}

// isLibrary tells others' packages from the standard library's, whose paths
// begin with a word that has no dot, and from our own.
func isLibrary(imported string) bool {
	first, _, _ := strings.Cut(imported, "/")
	return strings.Contains(first, ".") && imported != module && !strings.HasPrefix(imported, module+"/")
}

func doorOf(imported string) (door []string, found bool) {
	for p := imported; p != "."; p = path.Dir(p) {
		if door, found = doors[p]; found {
			return door, true
		}
	}
	return nil, false
}

// TestPlanRefuses holds the rules themselves against imports that must not be.
func TestPlanRefuses(t *testing.T) {
	tests := map[string]struct {
		file, to string
		want     bool
	}{
		"down":                      {"internal/httpapi/a.go", "service", true},
		"down several floors":       {"internal/ws/a.go", "notify", true},
		"into a package within":     {"internal/store/a.go", "store", true},
		"up":                        {"internal/hub/a.go", "ws", false},
		"up, by a test":             {"internal/hub/a_test.go", "service", false},
		"sideways":                  {"internal/journal/a.go", "store", false},
		"sideways, by a test":       {"internal/journal/a_test.go", "store", true},
		"a leaf imports notify":     {"internal/config/a.go", "notify", true},
		"a leaf imports a floor":    {"internal/telemetry/a.go", "hub", false},
		"a leaf imports a leaf":     {"internal/webui/a.go", "config", false},
		"a floor imports a leaf":    {"internal/hub/a.go", "telemetry", false},
		"app imports a leaf":        {"internal/app/a.go", "config", true},
		"main imports cli":          {"cmd/bellhop/a.go", "cli", true},
		"main imports a floor":      {"cmd/bellhop/a.go", "hub", false},
		"the service imports test/": {"internal/app/a.go", "test/e2e", false},
		"a test imports test/":      {"internal/app/a_test.go", "test/contract", true},
		"test/ imports the service": {"test/e2e/a.go", "app", true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := mayImport(source{name: tt.file}, tt.to); got != tt.want {
				t.Errorf("mayImport(%s, %s) = %v, want %v", tt.file, tt.to, got, tt.want)
			}
		})
	}
}
