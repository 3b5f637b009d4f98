package auth

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/text"
)

// maxShown is the longest name of an unknown member that a mistake shows: what
// is longer may be a secret that slipped.
const maxShown = 24

// entry is a mapping in the list of a file. What is asked of it and is not
// there, or is wrong, is noted as a mistake with its line.
type entry struct {
	line     int
	members  map[string]*yaml.Node
	optional []string
	mistakes *mistakes
	before   int // the mistakes of earlier entries
}

// mistakes are all that is wrong with a file, each with its place and none with
// a value: it may be a secret.
type mistakes []error

func (m *mistakes) add(line int, format string, args ...any) {
	*m = append(*m, fmt.Errorf("line %d: %w", line, fmt.Errorf(format, args...)))
}

// parseList returns what read makes of each mapping in the YAML list that data
// is, or every mistake in it. The members must have names, those that end in ?
// may be absent, and others are refused. An empty list is written [], so that a
// file which is being written is not mistaken for one.
func parseList[T any](data []byte, most int, names []string, read func(entry) T) ([]T, error) {
	root, err := parseYAML(data)
	if err != nil {
		return nil, err
	}
	switch {
	case root.Kind != yaml.SequenceNode:
		return nil, fmt.Errorf("line %d: it must be a list", root.Line)
	case len(root.Content) > most:
		return nil, fmt.Errorf("it has %d items, and %d are the most", len(root.Content), most)
	}
	var m mistakes
	list := make([]T, 0, len(root.Content))
	for _, node := range root.Content {
		if e, ok := newEntry(node, names, &m); ok {
			list = append(list, read(e))
		}
	}
	if len(m) > 0 {
		return nil, errors.Join(m...)
	}
	return list, nil
}

// parseYAML returns the root of the one document that data holds.
func parseYAML(data []byte) (*yaml.Node, error) {
	var doc, more yaml.Node
	d := yaml.NewDecoder(bytes.NewReader(data))
	switch err := d.Decode(&doc); {
	case errors.Is(err, io.EOF):
		return nil, errors.New("it is empty: a list without items is []")
	case err != nil && strings.Contains(err.Error(), "anchor"):
		return nil, errors.New("it has an alias without its anchor") // not by name: it may be a secret
	case err != nil:
		return nil, errors.New(strings.TrimPrefix(err.Error(), "yaml: "))
	}
	if err := d.Decode(&more); !errors.Is(err, io.EOF) {
		return nil, errors.New("it must hold one document")
	}
	return doc.Content[0], nil
}

func newEntry(node *yaml.Node, names []string, m *mistakes) (entry, bool) {
	e := entry{line: node.Line, members: map[string]*yaml.Node{}, mistakes: m, before: len(*m)}
	if node.Kind != yaml.MappingNode {
		m.add(node.Line, "it must be a mapping")
		return e, false
	}
	for _, name := range names {
		if bare, ok := strings.CutSuffix(name, "?"); ok {
			e.optional = append(e.optional, bare)
		}
	}
	for i := 0; i+1 < len(node.Content); i += 2 {
		name := node.Content[i]
		switch {
		case !slices.Contains(names, name.Value) && !slices.Contains(e.optional, name.Value):
			shown := "a member"
			if len(name.Value) <= maxShown {
				shown = fmt.Sprintf("%q", name.Value)
			}
			m.add(name.Line, "%s is not known here: there are %s", shown, strings.ReplaceAll(strings.Join(names, ", "), "?", ""))
		case e.members[name.Value] != nil:
			m.add(name.Line, "%s is there twice", name.Value)
		default:
			e.members[name.Value] = node.Content[i+1]
		}
	}
	return e, true
}

// mistake notes one of the entry as a whole.
func (e entry) mistake(format string, args ...any) { e.mistakes.add(e.line, format, args...) }

// wrong reports whether a mistake was noted of e.
func (e entry) wrong() bool { return len(*e.mistakes) > e.before }

// member returns the value of a member, nil if there is none.
func (e entry) member(name string) *yaml.Node {
	node := e.members[name]
	if node == nil && !slices.Contains(e.optional, name) {
		e.mistake("it has no %s", name)
	}
	return node
}

// text returns the plain text of a member.
func (e entry) text(name string) string {
	node := e.member(name)
	if node == nil {
		return ""
	}
	if !isText(node) {
		e.mistakes.add(node.Line, "%s must be plain text", name)
	} else if err := text.Check(node.Value); err != nil {
		e.mistakes.add(node.Line, "%s %w", name, err)
	}
	return node.Value
}

// optionalText returns the plain text of a member, which may be empty, and whether
// the member is there.
func (e entry) optionalText(name string) (value string, ok bool) {
	node := e.members[name]
	if node == nil {
		return "", false
	}
	if node.Kind == yaml.ScalarNode && node.Tag == "!!str" && node.Value == "" {
		return "", true
	}
	return e.text(name), true
}

// has reports whether a member is there and is not an empty list.
func (e entry) has(name string) bool {
	node := e.members[name]
	return node != nil && (node.Kind != yaml.SequenceNode || len(node.Content) > 0)
}

// audiences returns the list of audiences, which may be a * without the brackets.
func (e entry) audiences() []string {
	if node := e.members["audiences"]; node != nil && node.Kind == yaml.ScalarNode && node.Value == Any {
		return []string{Any}
	}
	return e.texts("audiences")
}

// topics returns the list of topics and patterns of the member topics; all is true for
// a * alone, which stands for all topics. Without the member, all is absent.
func (e entry) topics(absent bool) (patterns []notify.TopicPattern, all bool) {
	if e.members["topics"] == nil {
		return nil, absent
	}
	if !e.has("topics") {
		return nil, false
	}
	texts := e.texts("topics")
	if slices.Equal(texts, []string{Any}) {
		return nil, true
	}
	for _, s := range texts {
		p, err := notify.ParsePattern(s)
		if err != nil {
			e.mistakes.add(e.members["topics"].Line, "topics must be names, or patterns such as project.*, or * alone for all")
		}
		patterns = append(patterns, p)
	}
	return patterns, false
}

// texts returns the list of plain texts of a member.
func (e entry) texts(name string) []string {
	node := e.member(name)
	if node == nil {
		return nil
	}
	if node.Kind != yaml.SequenceNode || len(node.Content) == 0 || !allText(node.Content) {
		e.mistakes.add(node.Line, "%s must be a list of plain texts, one at least", name)
		return nil
	}
	list := make([]string, len(node.Content))
	for i, item := range node.Content {
		list[i] = item.Value
		if err := text.Check(item.Value); err != nil {
			e.mistakes.add(item.Line, "%s %w", name, err)
		}
	}
	return list
}

// isText reports whether node is text as it stands, quoted or not: a name or a
// hash may look like a number.
func isText(node *yaml.Node) bool {
	if node.Kind != yaml.ScalarNode || node.Value == "" {
		return false
	}
	switch node.Tag {
	case "!!str", "!!int", "!!float", "!!bool", "!!timestamp":
		return true
	}
	return false
}

func allText(nodes []*yaml.Node) bool {
	return !slices.ContainsFunc(nodes, func(n *yaml.Node) bool { return !isText(n) })
}

// backendName returns the name of a backend, which its principal bears.
func (e entry) backendName() string {
	name := e.text("name")
	if e.members["name"] != nil {
		if err := checkName(name); err != nil {
			e.mistakes.add(e.members["name"].Line, "%w", err)
		}
	}
	return name
}

func checkName(name string) error {
	ok := len(name) >= 1 && len(name) <= 64
	for i := range len(name) {
		b := name[i]
		ok = ok && (isLetter(b) || isDigit(b) || b == '.' || b == '_' || b == '-')
	}
	if !ok {
		return errors.New("a name has 1 to 64 of A-Z a-z 0-9 . _ -")
	}
	return nil
}

// scopes returns what a backend may do.
func (e entry) scopes() []notify.Scope {
	var scopes []notify.Scope
	for _, s := range e.texts("scopes") {
		scopes = append(scopes, notify.Scope(s))
	}
	if err := checkScopes(scopes); err != nil {
		e.mistakes.add(e.members["scopes"].Line, "%w", err)
	}
	return scopes
}

// checkScopes refuses what is no scope, without repeating it.
func checkScopes(scopes []notify.Scope) error {
	for i, s := range scopes {
		switch {
		case !isScope(s):
			return fmt.Errorf("scope %d is not one of %s, %s, %s", i+1, notify.ScopePublish, notify.ScopeBroadcast, notify.ScopeAdmin)
		case slices.Contains(scopes[:i], s):
			return fmt.Errorf("scope %d is there twice", i+1)
		}
	}
	return nil
}

func isScope(s notify.Scope) bool {
	switch s {
	case notify.ScopePublish, notify.ScopeBroadcast, notify.ScopeAdmin:
		return true
	}
	return false
}
