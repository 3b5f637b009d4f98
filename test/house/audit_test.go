package house

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestTheGuideListsTheActionsOfAuditLines compares the names of actions in the code with the table
// of the operating guide, by which operators write searches and alerts.
func TestTheGuideListsTheActionsOfAuditLines(t *testing.T) {
	_, table, found := strings.Cut(string(read(t, "cmd/bellhop/README.md")), "\n| action | of |\n|---|---|\n")
	if !found {
		t.Fatal("the operating guide has no table of actions")
	}
	table, _, _ = strings.Cut(table, "\n\n")
	listed := map[string]bool{}
	for _, row := range regexp.MustCompile("(?m)^\\| `([^`]+)`").FindAllStringSubmatch(table, -1) {
		listed[row[1]] = true
	}
	written := auditActions(t)
	if len(written) < 8 {
		t.Errorf("the code has the actions %v, which are too few: does the test still find them?", written)
	}
	for name := range written {
		if !listed[name] {
			t.Errorf("the table of actions in the operating guide lacks %q", name)
		}
	}
	for name := range listed {
		if !written[name] {
			t.Errorf("the operating guide lists the action %q, which no code writes", name)
		}
	}
}

// auditActions returns the constant names of actions in the code: the values of Action of an
// audit.Line, and the names of routes and requests that are an operator's.
func auditActions(t *testing.T) map[string]bool {
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
		ast.Inspect(file, func(n ast.Node) bool {
			for _, e := range actionsIn(n) {
				if sum, ok := e.(*ast.BinaryExpr); ok { // "command " + name
					e = sum.X
				}
				if text, ok := e.(*ast.BasicLit); ok && text.Kind == token.STRING {
					all[strings.Trim(text.Value, `" `)] = true
				}
			}
			return true
		})
	}
	return all
}

// actionsIn returns the expressions for actions in n, without those in its parts.
func actionsIn(n ast.Node) (found []ast.Expr) {
	switch n := n.(type) {
	case *ast.KeyValueExpr:
		if name, ok := n.Key.(*ast.Ident); ok && name.Name == "Action" {
			found = append(found, n.Value)
		}
	case *ast.CompositeLit: // an action of package httpapi
		if of, ok := n.Type.(*ast.Ident); ok && of.Name == "action" {
			for _, e := range n.Elts {
				if kv, ok := e.(*ast.KeyValueExpr); ok && kv.Key.(*ast.Ident).Name == "name" {
					found = append(found, kv.Value)
				}
			}
		}
	case *ast.AssignStmt:
		for i, to := range n.Lhs {
			if field, ok := to.(*ast.SelectorExpr); ok && field.Sel.Name == "Action" && i < len(n.Rhs) {
				found = append(found, n.Rhs[i])
			}
		}
	case *ast.CallExpr:
		if f, ok := n.Fun.(*ast.SelectorExpr); ok && f.Sel.Name == "acting" {
			found = append(found, n.Args[0])
		}
	}
	return found
}
