package house

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// libraryMethods are methods of interfaces of libraries, which the libraries call.
var libraryMethods = []string{
	"Accept", "Addr", "Close", "Collect", "Describe", "Enabled", "Error", "Eventf", "Fatalf", "Flush", "GoString", "Handle",
	"Header", "Hijack", "Infof", "Errorf", "MarshalText", "Read", "Run", "ServeHTTP", "SetDeadline", "SetReadDeadline",
	"ReuseForWrite", "SetWriteDeadline", "String", "UnmarshalText", "UnmarshalYAML", "Unwrap", "WithAttrs", "WithGroup", "Write",
	"Help", "AfterApply", "LocalAddr", "RemoteAddr", "WriteHeader", "MergeNewer", "MergeOlder", "Finish", "ExportSpans",
}

// notUsedYet are exports whose users do not exist yet.
var notUsedYet []name

// export is an exported identifier of a package of internal/.
type export struct {
	dir, name string
	kind      kind
}

type kind uint8

const (
	other kind = iota // a function or a type
	value             // a constant or a variable
	method
	field
)

// TestExportsAreUsed finds exported identifiers of internal/ that no other package uses,
// whether in its code or in its tests. Bounds, options and errors may also be exported for
// the external tests of their own package, and a constant for another of its list. Methods
// and fields are compared by name alone, so one with the same name as another is not found.
func TestExportsAreUsed(t *testing.T) {
	u := usage{
		fset:    token.NewFileSet(),
		exports: map[export]token.Position{},
		lists:   map[export][]string{},
		used:    map[name]bool{},
		tested:  map[name]bool{},
		members: map[string]map[string]bool{},
	}
	for _, file := range files(t) {
		if path.Ext(file) != ".go" {
			continue
		}
		f, err := parser.ParseFile(u.fset, file, read(t, file), parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		u.add(f, path.Dir(file), strings.HasSuffix(file, "_test.go"))
	}
	for e, at := range u.exports {
		excused := slices.Contains(notUsedYet, name{e.dir, e.name})
		switch used := u.isUsed(e); {
		case !used && !excused:
			t.Errorf("%s: %s is exported, and no other package uses it", at, e.name)
		case used && excused:
			t.Errorf("%s: %s is used, so notUsedYet must not list it", at, e.name)
		}
	}
	if len(u.exports) < 100 {
		t.Errorf("there are only %d exports: this test does not find them", len(u.exports))
	}
}

// name is an identifier of the package in a directory.
type name struct{ dir, name string }

// usage has the exports of all packages and their uses in others.
type usage struct {
	fset    *token.FileSet
	exports map[export]token.Position
	lists   map[export][]string        // the names declared together with a constant
	used    map[name]bool              // by other packages, or in the API of their own
	tested  map[name]bool              // by the external tests of their package
	members map[string]map[string]bool // the directories that use a method or field of that name
}

func (u *usage) isUsed(e export) bool {
	is := name{e.dir, e.name}
	switch e.kind {
	case value:
		return u.used[is] || u.tested[is] ||
			slices.ContainsFunc(u.lists[e], func(n string) bool { return u.used[name{e.dir, n}] || u.tested[name{e.dir, n}] })
	case method, field:
		elsewhere := len(u.members[e.name])
		if u.members[e.name][e.dir] {
			elsewhere--
		}
		return elsewhere > 0 || e.kind == field && u.tested[is] || slices.Contains(libraryMethods, e.name)
	default:
		return u.used[is]
	}
}

func (u *usage) add(f *ast.File, dir string, test bool) {
	if strings.HasPrefix(dir, "internal/") && !test {
		for _, d := range f.Decls {
			u.declare(d, dir)
		}
	}
	ours := imports(f)
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.SelectorExpr:
			if x, ok := n.X.(*ast.Ident); ok && ours[x.Name] == dir {
				u.tested[name{dir, n.Sel.Name}] = true
			} else if ok && ours[x.Name] != "" {
				u.used[name{ours[x.Name], n.Sel.Name}] = true
			}
			u.mention(n.Sel.Name, dir, test)
		case *ast.KeyValueExpr:
			if key, ok := n.Key.(*ast.Ident); ok {
				u.mention(key.Name, dir, test)
			}
		case *ast.InterfaceType: // any package may implement it
			for _, m := range n.Methods.List {
				for _, id := range m.Names {
					u.mention(id.Name, "", false)
				}
			}
		}
		return true
	})
}

// imports returns the directories of our own packages that f imports, by their names in f.
func imports(f *ast.File) map[string]string {
	ours := map[string]string{}
	for _, i := range f.Imports {
		p, _ := strconv.Unquote(i.Path.Value)
		if dir, is := strings.CutPrefix(p, Module+"/"); is {
			local := path.Base(dir)
			if i.Name != nil {
				local = i.Name.Name
			}
			ours[local] = dir
		}
	}
	return ours
}

// mention adds a use of a method or field of any type.
func (u *usage) mention(member, dir string, test bool) {
	if test {
		u.tested[name{dir, member}] = true
	}
	if u.members[member] == nil {
		u.members[member] = map[string]bool{}
	}
	u.members[member][dir] = true
}

// declare adds the exports of a declaration.
func (u *usage) declare(d ast.Decl, dir string) {
	switch d := d.(type) {
	case *ast.FuncDecl:
		if !d.Name.IsExported() {
			return
		}
		u.inAPI(d.Type, dir)
		if d.Recv == nil {
			u.export(d.Name, dir, other)
		} else {
			u.export(d.Name, dir, method)
		}
	case *ast.GenDecl:
		for _, s := range d.Specs {
			switch s := s.(type) {
			case *ast.ValueSpec:
				u.declareValue(s, d, dir)
			case *ast.TypeSpec:
				u.export(s.Name, dir, other)
				u.declareType(s, dir)
			}
		}
	}
}

func (u *usage) declareValue(s *ast.ValueSpec, list *ast.GenDecl, dir string) {
	for _, id := range s.Names {
		u.export(id, dir, value)
		if s.Type != nil && id.IsExported() {
			u.inAPI(s.Type, dir)
		}
		for _, other := range list.Specs {
			for _, together := range other.(*ast.ValueSpec).Names {
				e := export{dir, id.Name, value}
				u.lists[e] = append(u.lists[e], together.Name)
			}
		}
	}
}

func (u *usage) declareType(t *ast.TypeSpec, dir string) {
	s, isStruct := t.Type.(*ast.StructType)
	if !isStruct {
		u.inAPI(t.Type, dir)
		return
	}
	for _, f := range s.Fields.List {
		for _, id := range f.Names {
			if t.Name.IsExported() && f.Tag == nil { // a tag is for a decoder
				u.export(id, dir, field)
			}
		}
		if len(f.Names) == 0 || f.Names[0].IsExported() {
			u.inAPI(f.Type, dir)
		}
	}
}

func (u *usage) export(id *ast.Ident, dir string, k kind) {
	if id.IsExported() {
		u.exports[export{dir, id.Name, k}] = u.fset.Position(id.Pos())
	}
}

// inAPI adds the types in an exported signature, field or type: other packages use them
// without naming them.
func (u *usage) inAPI(n ast.Expr, dir string) {
	ast.Inspect(n, func(n ast.Node) bool {
		if id, ok := n.(*ast.Ident); ok && id.IsExported() {
			u.used[name{dir, id.Name}] = true
		}
		return true
	})
}
