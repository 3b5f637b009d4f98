package contract_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/test/contract"
)

// The names of events and commands in the sources are exactly those of the document.
func TestNamesOfEventsAndCommandsAreDocumented(t *testing.T) {
	doc, err := contract.LoadAsyncAPI(asyncapi)
	require.NoError(t, err)
	var events, commands []string
	walk(t, "protocol/bellhop", func(node ast.Node) {
		switch node := node.(type) {
		case *ast.ValueSpec:
			if strings.HasPrefix(node.Names[0].Name, "event") && len(node.Values) == 1 {
				events = append(events, text(node.Values[0])...)
			}
			if node.Names[0].Name == "commands" && len(node.Values) == 1 {
				commands = append(commands, keys(node.Values[0])...)
			}
		}
	})
	events = slices.DeleteFunc(events, func(event string) bool { return event == "reply" || event == "error" })
	socket, stream := doc.Events()
	assert.Equal(t, socket, sorted(events))
	assert.Equal(t, socket, stream, "both transports must have the same events")
	assert.Equal(t, doc.Commands(), sorted(commands))
}

// The close codes in the sources, with their reasons and whether clients should reconnect,
// are exactly those of the document.
func TestCloseCodesAreDocumented(t *testing.T) {
	doc, err := contract.LoadAsyncAPI(asyncapi)
	require.NoError(t, err)
	type closeCode struct {
		code      string
		reason    string
		reconnect bool
	}
	var inSources []closeCode
	walk(t, "notify", func(node ast.Node) { // the package with the list of close codes
		lit, ok := node.(*ast.CompositeLit)
		if !ok || named(lit.Type) != "Close" || len(lit.Elts) == 0 {
			return
		}
		code, ok := field(lit, "Code").(*ast.BasicLit)
		require.True(t, ok, "the Code of a Close must be a number")
		reason := "restart window=20" // the only reason that is not constant
		if texts := text(field(lit, "Reason")); len(texts) > 0 {
			reason = texts[0]
		}
		reconnect, _ := field(lit, "Reconnect").(*ast.Ident)
		inSources = append(inSources, closeCode{code.Value, reason, reconnect != nil && reconnect.Name == "true"})
	})
	var documented []closeCode
	for _, c := range doc.CloseCodes {
		assert.Equal(t, c.Code != 1001 && c.Code != 1005 && c.Code != 1006, c.Sent, "%d", c.Code)
		if !c.Sent {
			assert.True(t, c.Reconnect, "%d", c.Code)
		}
		for _, reason := range c.Reasons {
			documented = append(documented, closeCode{strconv.Itoa(c.Code), reason, c.Reconnect})
		}
	}
	assert.NotEmpty(t, inSources)
	assert.ElementsMatch(t, inSources, documented)
}

// walk calls visit with every node of the sources below a directory of internal/.
func walk(t *testing.T, dir string, visit func(ast.Node)) {
	t.Helper()
	err := filepath.WalkDir(filepath.Join("../../internal", dir), func(path string, _ fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(node ast.Node) bool {
			if outer, ok := node.(*ast.CompositeLit); ok {
				inherit(outer)
			}
			if node != nil {
				visit(node)
			}
			return true
		})
		return nil
	})
	require.NoError(t, err)
}

// inherit sets the type of the elements of a list literal that omit it.
func inherit(list *ast.CompositeLit) {
	array, ok := list.Type.(*ast.ArrayType)
	if !ok {
		return
	}
	for _, element := range list.Elts {
		if inner, ok := element.(*ast.CompositeLit); ok && inner.Type == nil {
			inner.Type = array.Elt
		}
	}
}

// named returns the name of a type, or of the type that it points to, without the package.
func named(expr ast.Expr) string {
	switch expr := expr.(type) {
	case *ast.Ident:
		return expr.Name
	case *ast.SelectorExpr:
		return expr.Sel.Name
	case *ast.StarExpr:
		return named(expr.X)
	default:
		return ""
	}
}

// field returns the value of a field in a literal, or nil.
func field(lit *ast.CompositeLit, name string) ast.Expr {
	for _, element := range lit.Elts {
		if pair, ok := element.(*ast.KeyValueExpr); ok && named(pair.Key) == name {
			return pair.Value
		}
	}
	return nil
}

// text returns the value of expr if it is a string literal, as a list of one.
func text(expr ast.Expr) []string {
	lit, ok := expr.(*ast.BasicLit)
	if !ok || lit.Kind != token.STRING {
		return nil
	}
	s, err := strconv.Unquote(lit.Value)
	if err != nil {
		return nil
	}
	return []string{s}
}

// keys returns the keys of a map literal that are strings.
func keys(expr ast.Expr) (all []string) {
	lit, ok := expr.(*ast.CompositeLit)
	if !ok {
		return nil
	}
	for _, element := range lit.Elts {
		if pair, ok := element.(*ast.KeyValueExpr); ok {
			all = append(all, text(pair.Key)...)
		}
	}
	return all
}

func sorted(names []string) []string { return slices.Compact(slices.Sorted(slices.Values(names))) }
