package config

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/bellhop/bellhop/internal/text"
)

// readFile takes the values of the YAML file that a flag or the environment
// names, if one does.
func (l *loader) readFile(environ, flags map[string]string) {
	const variable = "BELLHOP_CONFIG"
	path := text.Value(cmp.Or(flags["config"], environ[variable]))
	if path == "" || text.Check(path) != nil { // which set reports
		return
	}
	content, err := readOnce(path)
	if err != nil {
		l.mistake(variable, "%v", err)
		return
	}
	members, err := mapping(content)
	if err != nil {
		l.mistake(variable, "%s: %v", path, err)
		return
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(members); i += 2 {
		k := members[i]
		switch name := flagOf(k.Value); {
		case seen[k.Value]:
			l.mistake(variable, "%s:%d: %s is there twice", path, k.Line, k.Value)
		case name == "config", !l.known(name), k.Value != key(name):
			l.mistake(variable, "%s:%d: %s is no setting%s", path, k.Line, k.Value, l.hint(name, key))
		default:
			l.readMember(path, name, members[i+1])
		}
		seen[k.Value] = true
	}
}

// readOnce reads a file that is not followed. It may be a pipe, such as one that
// a shell makes of <(command).
func readOnce(path string) ([]byte, error) {
	f, err := os.Open(path) //nolint:gosec // the operator names it
	if err != nil {
		return nil, err
	}
	defer f.Close()
	content, err := io.ReadAll(io.LimitReader(f, maxFileBytes+1))
	if err == nil && len(content) > maxFileBytes {
		err = fmt.Errorf("%s: the file has more than %d bytes", path, maxFileBytes)
	}
	return content, err
}

func (l *loader) readMember(path, name string, node *yaml.Node) {
	g := given{origin: Origin{SourceFile, fmt.Sprintf("%s:%d", path, node.Line)}}
	switch {
	case node.Kind == yaml.ScalarNode && (node.Tag == "!!null" || node.Value == ""):
		return
	case node.Kind == yaml.ScalarNode:
		g.text = node.Value
	case node.Kind == yaml.SequenceNode && len(node.Content) == 0:
		return
	case node.Kind == yaml.SequenceNode && l.isList(name):
		for _, item := range node.Content {
			if item.Kind != yaml.ScalarNode {
				l.mistake(Variable(name), "every item must be plain text (%s)", g.origin)
				return
			}
			g.items = append(g.items, item.Value)
		}
	default:
		l.mistake(Variable(name), "must be a plain value (%s)", g.origin)
		return
	}
	l.given[name] = g
}

func (l *loader) isList(name string) bool {
	for _, f := range l.fields {
		if f.name == name {
			return f.list()
		}
	}
	return false
}

// mapping returns the keys and values of the one document that text holds,
// alternating. An empty text has none.
func mapping(text []byte) ([]*yaml.Node, error) {
	var doc, more yaml.Node
	dec := yaml.NewDecoder(bytes.NewReader(text))
	if err := dec.Decode(&doc); errors.Is(err, io.EOF) {
		return nil, nil
	} else if err != nil {
		return nil, errors.New(strings.TrimPrefix(err.Error(), "yaml: "))
	}
	if err := dec.Decode(&more); !errors.Is(err, io.EOF) {
		return nil, errors.New("must hold one document")
	}
	root := doc.Content[0]
	if root.Kind == yaml.ScalarNode && root.Tag == "!!null" {
		return nil, nil
	}
	if root.Kind != yaml.MappingNode {
		return nil, errors.New("must be a mapping of settings")
	}
	return root.Content, nil
}
