package strict

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"

	"go.yaml.in/yaml/v3"
)

// maxShown is the length of the longest unknown name that a mistake repeats. A
// longer one may be a secret in the wrong place.
const maxShown = 24

// Mistake is one thing that is wrong with a YAML file.
type Mistake struct {
	Line int
	Text string
}

func (m Mistake) Error() string { return fmt.Sprintf("line %d: %s", m.Line, m.Text) }

// Ordered joins errs, with the mistakes among them and in joined errors by line, before all others.
func Ordered(errs ...error) error {
	var found []Mistake
	var others []error
	for len(errs) > 0 {
		err := errs[0]
		errs = errs[1:]
		joined, isJoined := err.(interface{ Unwrap() []error })
		mistake, isMistake := err.(Mistake) //nolint:errorlint // a wrapped one has a text of its own
		switch {
		case isJoined:
			errs = append(joined.Unwrap(), errs...)
		case isMistake:
			found = append(found, mistake)
		case err != nil:
			others = append(others, err)
		}
	}
	return errors.Join(mistakes(found).join(), errors.Join(others...))
}

// mistakes gathers all that is wrong with a file.
type mistakes []Mistake

func (m *mistakes) add(line int, format string, args ...any) {
	*m = append(*m, Mistake{line, fmt.Sprintf(format, args...)})
}

// join returns the mistakes by line, each once, or nil if there is none.
func (m mistakes) join() error {
	slices.SortStableFunc(m, func(a, b Mistake) int { return cmp.Compare(a.Line, b.Line) })
	var errs []error
	for _, mistake := range slices.Compact(m) {
		errs = append(errs, mistake)
	}
	return errors.Join(errs...)
}

// errEmpty is the error for a file without a YAML document.
var errEmpty = errors.New("the file is empty")

// document returns the root of the one document in data. It refuses aliases, merges
// and tags everywhere: with them, a value is not what stands where it is read.
func document(data []byte) (*yaml.Node, error) {
	var doc, more yaml.Node
	d := yaml.NewDecoder(bytes.NewReader(data))
	switch err := d.Decode(&doc); {
	case errors.Is(err, io.EOF):
		return nil, errEmpty
	case err != nil:
		return nil, syntaxError(err, data)
	}
	if err := d.Decode(&more); !errors.Is(err, io.EOF) {
		return nil, errors.New("the file must hold one YAML document, and more follows it")
	}
	var m mistakes
	m.checkNode(doc.Content[0])
	return doc.Content[0], m.join()
}

// checkNode adds a mistake for all that is refused everywhere in n.
func (m *mistakes) checkNode(n *yaml.Node) {
	if n.Kind == yaml.AliasNode {
		m.add(n.Line, "aliases (*name) are not allowed: write the value itself")
	}
	if n.Style&yaml.TaggedStyle != 0 {
		m.add(n.Line, "tags (!name) are not allowed")
	}
	for i, child := range n.Content {
		switch isName := n.Kind == yaml.MappingNode && i%2 == 0; {
		case isName && child.Tag == "!!merge":
			m.add(child.Line, `unknown member "<<": merges are not allowed`)
		case isName && !isText(child):
			m.add(child.Line, "the name of a member must be plain text")
		default:
			m.checkNode(child)
		}
	}
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Tag == "!!null" }

// isText reports whether n is text as it is written, in quotes or not: a name or a
// hash may look like a number.
func isText(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && !isNull(n) }

// shown returns the name of a member as mistakes repeat it.
func shown(name string) string {
	if len(name) > maxShown {
		return "a name that is not shown, since it may be a secret"
	}
	return strconv.Quote(name)
}

// Member is a member of a mapping. Its value is a text, a list of texts, or null.
type Member struct {
	Name string
	Line int // of the name

	Texts  []string // the text alone, or the items of the list
	IsList bool
	IsNull bool // the value is null, or was left out
}

// Mapping returns the members of the one YAML mapping in data, in their order, and
// every mistake in it. Numbers, times and truth values are texts as they are written.
// An empty file has no members.
//
// Which names are allowed is for the caller to check.
func Mapping(data []byte) ([]Member, error) {
	root, err := document(data)
	switch {
	case errors.Is(err, errEmpty), err == nil && isNull(root):
		return nil, nil
	case err != nil:
		return nil, err
	case root.Kind != yaml.MappingNode:
		return nil, Mistake{root.Line, "the file must be a mapping"}
	}
	var m mistakes
	var members []Member
	seen := map[string]bool{}
	for i := 0; i < len(root.Content); i += 2 {
		name, value := root.Content[i], root.Content[i+1]
		member := Member{Name: name.Value, Line: name.Line, IsNull: isNull(value), IsList: value.Kind == yaml.SequenceNode}
		var texts []*yaml.Node
		switch {
		case member.IsList:
			texts = value.Content
		case !member.IsNull:
			texts = append(texts, value)
		}
		for _, n := range texts {
			if !isText(n) {
				m.add(value.Line, "%s must be plain text or a list of plain texts", shown(name.Value))
				break
			}
			member.Texts = append(member.Texts, n.Value)
		}
		if seen[name.Value] {
			m.add(name.Line, "%s is set twice", shown(name.Value))
		}
		seen[name.Value] = true
		members = append(members, member)
	}
	return members, m.join()
}
