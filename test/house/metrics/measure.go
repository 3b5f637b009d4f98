package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/scanner"
	"go/token"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/bellhop/bellhop/test/house"
)

// metrics has the figures of one package, or of all packages together.
type metrics struct {
	code      int   // lines with a token that is not a comment
	functions []int // lines of each function and method, from its first to its last
	largest   int   // lines of the longest file, comments and blank lines included
	upward    int   // imports of our own packages that the plan of test/house forbids
	exported  int   // names at top level, and methods of exported types
}

// total is the row of all packages together.
const total = "all"

// measure returns the figures of every package of the service, by its directory,
// and those of all. Tests, generated files and test/ do not count.
func measure(all sources) (map[string]*metrics, error) {
	packages := map[string]*metrics{total: {}}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		content := all[name]
		inService := strings.HasPrefix(name, "internal/") || strings.HasPrefix(name, "cmd/")
		if !inService || strings.HasSuffix(name, "_test.go") {
			continue
		}
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, name, content, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return nil, fmt.Errorf("parse: %w", err)
		}
		if ast.IsGenerated(file) {
			continue
		}
		dir := path.Dir(name)
		if packages[dir] == nil {
			packages[dir] = &metrics{}
		}
		for _, m := range []*metrics{packages[dir], packages[total]} {
			m.add(set, file, content, dir)
		}
	}
	return packages, nil
}

// add counts a file.
func (m *metrics) add(set *token.FileSet, file *ast.File, content []byte, dir string) {
	m.code += codeLines(content)
	m.largest = max(m.largest, set.File(file.FileStart).LineCount())
	for _, spec := range file.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		rest, own := strings.CutPrefix(imported, house.Module+"/")
		if err == nil && own && !house.MayImport(dir, rest, false) {
			m.upward++
		}
	}
	for _, declaration := range file.Decls {
		m.exported += countExported(declaration)
		if f, ok := declaration.(*ast.FuncDecl); ok && f.Body != nil {
			m.functions = append(m.functions, set.Position(f.End()).Line-set.Position(f.Pos()).Line+1)
		}
	}
}

// codeLines returns how many lines hold code.
func codeLines(content []byte) int {
	set := token.NewFileSet()
	file := set.AddFile("", set.Base(), len(content))
	var s scanner.Scanner
	s.Init(file, content, nil, 0)
	lines := map[int]bool{}
	for {
		at, kind, text := s.Scan()
		if kind == token.EOF {
			return len(lines)
		}
		if kind == token.SEMICOLON && text == "\n" {
			continue // inserted by the scanner
		}
		first := file.Line(at)
		for line := first; line <= first+strings.Count(text, "\n"); line++ { // a raw string may have several
			lines[line] = true
		}
	}
}

func countExported(declaration ast.Decl) int {
	switch d := declaration.(type) {
	case *ast.FuncDecl:
		if ast.IsExported(d.Name.Name) && (d.Recv == nil || ast.IsExported(receiver(d.Recv.List[0].Type))) {
			return 1
		}
		return 0
	case *ast.GenDecl:
		n := 0
		for _, spec := range d.Specs {
			switch s := spec.(type) {
			case *ast.TypeSpec:
				n += countNames(s.Name)
			case *ast.ValueSpec:
				n += countNames(s.Names...)
			}
		}
		return n
	default:
		return 0
	}
}

func countNames(names ...*ast.Ident) int {
	n := 0
	for _, name := range names {
		if name.IsExported() {
			n++
		}
	}
	return n
}

// receiver returns the name of a receiver's type.
func receiver(of ast.Expr) string {
	switch t := of.(type) {
	case *ast.StarExpr:
		return receiver(t.X)
	case *ast.IndexExpr:
		return receiver(t.X)
	case *ast.IndexListExpr:
		return receiver(t.X)
	case *ast.Ident:
		return t.Name
	default:
		return ""
	}
}

// quantile returns the value that a share q of all values does not exceed, or 0 without
// values.
func quantile(values []int, q float64) int {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	return sorted[min(int(q*float64(len(sorted))), len(sorted)-1)]
}
