package house

import (
	"path"
	"slices"
	"strings"
)

// MayImport reports whether the package in the directory from may import our own
// package in the directory to; test says whether a _test.go file imports it. An
// import by or of a package that is not in the plan is allowed: Planned reports it.
func MayImport(from, to string, test bool) bool {
	from, to = packageOf(from), packageOf(to)
	switch {
	case from == to:
		return true // by a test of the package, or a package inside it
	case strings.HasPrefix(from, "test/"):
		return true // tests from outside may use any package
	case strings.HasPrefix(to, "test/"):
		return test
	case strings.HasPrefix(to, "cmd/"):
		return false
	case strings.HasPrefix(from, "cmd/"):
		return to == "cli" || to == "app"
	case !planned(from) || !planned(to):
		return true
	case slices.Contains(leaves, from):
		return slices.Contains(leafImports, to)
	case slices.Contains(leaves, to):
		return from == "app" || from == "cli"
	case test:
		return layer(from) <= layer(to) // a real neighbour is better than a fake
	default:
		return layer(from) < layer(to) && !slices.Contains(refused[from], to)
	}
}

// Planned reports whether the package in the directory dir of internal/ is in the
// plan.
func Planned(dir string) bool { return planned(packageOf(dir)) }

func planned(pkg string) bool {
	return layer(pkg) >= 0 || slices.Contains(leaves, pkg)
}

// layer counts from the top, which is 0; -1 if pkg is in no layer.
func layer(pkg string) int {
	return slices.IndexFunc(layers, func(l []string) bool { return slices.Contains(l, pkg) })
}

// packageOf returns the name by which the plan knows the package in the directory
// dir: a package of internal/ is known by its own name ("hub"), another by the
// first two parts of its path ("cmd/bellhop", "test/e2e").
func packageOf(dir string) string {
	parts := strings.Split(dir, "/")
	if parts[0] == "internal" && len(parts) > 1 {
		return parts[1]
	}
	return strings.Join(parts[:min(2, len(parts))], "/")
}

// MayUse reports whether the package in the directory from may import a library,
// and which packages may; test says whether a _test.go file, or one in test/,
// imports it. A library without importers is not in the plan.
func MayUse(from, library string, test bool) (allowed bool, importers []string) {
	for p := library; p != "." && importers == nil; p = path.Dir(p) {
		importers = libraries[p]
	}
	from = packageOf(from)
	if from == "notify" && !test {
		return false, importers
	}
	return slices.Contains(importers, from) || slices.Contains(importers, anywhere) ||
		test && slices.Contains(importers, tests), importers
}

// isLibrary reports whether an import is neither of the standard library, whose
// paths begin with an element without a dot, nor our own.
func isLibrary(imported string) bool {
	first, _, _ := strings.Cut(imported, "/")
	return strings.Contains(first, ".") && imported != Module && !strings.HasPrefix(imported, Module+"/")
}
