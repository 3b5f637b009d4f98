package strict

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/bellhop/bellhop/internal/text"
)

// Item is a mapping in a list.
type Item[T any] struct {
	Value T
	Line  int
	lines map[string]int // of the values of its members; negative if the value is a mistake
}

// Has reports whether the item has a member with that name, whatever its value.
func (i *Item[T]) Has(name string) bool { return i.lines[name] != 0 }

// At returns err as a mistake in the value of a member. It returns nil if err is nil, and also if
// List has reported the value already: err is a consequence then.
func (i *Item[T]) At(name string, err error) error {
	if err == nil || i.lines[name] <= 0 {
		return nil
	}
	return Mistake{i.lines[name], err.Error()}
}

// Wrong returns a mistake in the item as a whole.
func (i *Item[T]) Wrong(format string, args ...any) error {
	return Mistake{i.Line, fmt.Errorf(format, args...).Error()}
}

// TextsOrAny is a list of texts that may also be written as * without brackets.
type TextsOrAny []string

const anyText = "*"

// UnmarshalYAML reads n as List does.
func (t *TextsOrAny) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind == yaml.ScalarNode {
		*t = TextsOrAny{n.Value}
		return nil
	}
	return n.Decode((*[]string)(t))
}

// List returns the mappings of the one YAML list in data, of at most so many items, and
// every mistake in their form. Items with a mistake are returned too as far as they
// could be read, so that the caller can check them and report all mistakes together.
//
// T is a struct with an exported field for each member: a string is plain text, which may look
// like a number, and a []string or TextsOrAny a list. A member is required unless the field's yaml
// tag has omitempty, and must not be empty unless the field has the tag empty:"allowed". Texts
// must pass text.Check. A list without items is written []: an empty file may be one that is
// just being written.
func List[T any](data []byte, most int) ([]Item[T], error) {
	root, err := document(data)
	switch {
	case errors.Is(err, errEmpty):
		return nil, fmt.Errorf("%w: a list without items is []", err)
	case err != nil:
		return nil, err
	case root.Kind != yaml.SequenceNode:
		return nil, Mistake{root.Line, "the file must be a list"}
	case len(root.Content) > most:
		return nil, fmt.Errorf("the file has %d items, and at most %d are allowed", len(root.Content), most)
	}
	var m mistakes
	fields := fieldsOf(reflect.TypeFor[T]())
	items := make([]Item[T], len(root.Content))
	for i, n := range root.Content {
		if n.Kind != yaml.MappingNode {
			m.add(n.Line, "an item must be a mapping")
			continue
		}
		items[i] = Item[T]{Line: n.Line, lines: m.checkItem(n, fields)}
	}
	items = slices.DeleteFunc(items, func(i Item[T]) bool { return i.lines == nil })
	var values []T
	d := yaml.NewDecoder(bytes.NewReader(data))
	d.KnownFields(true)
	m.addDecoder(d.Decode(&values), fields)
	if len(values) != len(items) { // the decoder left out others than checkItem expects
		m.add(root.Line, "the file cannot be decoded")
		return nil, m.join()
	}
	for i := range items {
		items[i].Value = values[i]
	}
	return items, m.join()
}

// field is what a member of an item must be.
type field struct {
	name               string
	isList, isAny      bool
	mayMiss, mayBeVoid bool
}

func fieldsOf(t reflect.Type) []field {
	var fields []field
	for f := range t.Fields() {
		if !f.IsExported() {
			continue
		}
		name, options, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		fields = append(fields, field{
			name:      name,
			isList:    f.Type.Kind() == reflect.Slice,
			isAny:     f.Type == reflect.TypeFor[TextsOrAny](),
			mayMiss:   options == "omitempty",
			mayBeVoid: f.Tag.Get("empty") == "allowed",
		})
	}
	return fields
}

// checkItem checks the members that the item n has, and returns the lines of their values. It
// returns nil for an item that the decoder leaves out, since a member is set twice.
func (m *mistakes) checkItem(n *yaml.Node, fields []field) map[string]int {
	lines := map[string]int{}
	twice := false
	for i := 0; i < len(n.Content); i += 2 {
		name, value := n.Content[i].Value, n.Content[i+1]
		twice = twice || lines[name] != 0
		lines[name] = value.Line
		f := slices.IndexFunc(fields, func(f field) bool { return f.name == name })
		if f >= 0 && !m.checkValue(value, fields[f]) {
			lines[name] = -value.Line
		}
	}
	for _, f := range fields {
		if lines[f.name] == 0 && !f.mayMiss {
			m.add(n.Line, "the item has no %s", f.name)
		}
	}
	if twice {
		return nil
	}
	return lines
}

// checkValue checks the value n of a member, and reports whether it is right.
func (m *mistakes) checkValue(n *yaml.Node, f field) bool {
	before := len(*m)
	texts := []*yaml.Node{n}
	switch isFilled := isText(n) && (f.mayBeVoid || n.Value != ""); {
	case !f.isList && !isFilled:
		m.add(n.Line, "%s must be plain text%s", f.name, unless(f.mayBeVoid, ", and not empty"))
	case !f.isList, f.isAny && n.Value == anyText:
	case n.Kind != yaml.SequenceNode, len(n.Content) == 0 && !f.mayBeVoid,
		slices.ContainsFunc(n.Content, func(item *yaml.Node) bool { return !isText(item) || item.Value == "" }):
		m.add(n.Line, "%s must be a list of plain texts%s", f.name, unless(f.mayBeVoid, ", and not empty"))
	default:
		texts = n.Content
	}
	for _, n := range texts {
		if err := text.Check(n.Value); err != nil {
			m.add(n.Line, "%s %v", f.name, err)
		}
	}
	return len(*m) == before
}

func unless(condition bool, s string) string {
	if condition {
		return ""
	}
	return s
}

// addDecoder adds the mistakes that the decoder found: unknown members, and members that are set
// twice. checkValue has reported values of the wrong kind before, with their name and without the
// value.
func (m *mistakes) addDecoder(err error, fields []field) {
	if err == nil {
		return
	}
	var names []string
	for _, f := range fields {
		names = append(names, f.name)
	}
	var found *yaml.TypeError
	if !errors.As(err, &found) {
		found = &yaml.TypeError{Errors: []string{""}}
	}
	for _, s := range found.Errors {
		var line int
		_, _ = fmt.Sscanf(s, "line %d:", &line)
		_, s, _ = strings.Cut(s, ": ")
		if unknown, _, ok := strings.Cut(strings.TrimPrefix(s, "field "), " not found in type "); ok {
			m.add(line, "unknown member %s: it must be one of %s", shown(unknown), strings.Join(names, ", "))
		} else if twice, _, ok := strings.Cut(strings.TrimPrefix(s, "mapping key "), " already defined at "); ok {
			name, _ := strconv.Unquote(twice)
			m.add(line, "%s is set twice", shown(name))
		} else if len(*m) == 0 {
			m.add(line, "the file cannot be decoded")
		}
	}
}
