package strict_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/strict"
)

type person struct {
	Name    string            `yaml:"name"`
	Prefix  string            `yaml:"prefix,omitempty" empty:"allowed"`
	Colours []string          `yaml:"colours,omitempty"`
	Places  []string          `yaml:"places,omitempty" empty:"allowed"`
	Hears   strict.TextsOrAny `yaml:"hears,omitempty"`
}

func TestListIsDecoded(t *testing.T) {
	items, err := strict.List[person]([]byte(`
- name: 007
  prefix: ''
  colours: [red, 0xff, true, 2001-01-01]
- {name: "null", places: [], hears: '*'}
- hears: [a, "*"]
  name:
    ada
`), 3)
	require.NoError(t, err)
	require.Equal(t, []person{
		{Name: "007", Colours: []string{"red", "0xff", "true", "2001-01-01"}},
		{Name: "null", Places: []string{}, Hears: strict.TextsOrAny{"*"}},
		{Name: "ada", Hears: strict.TextsOrAny{"a", "*"}},
	}, []person{items[0].Value, items[1].Value, items[2].Value})
	require.True(t, items[0].Has("prefix"))
	require.False(t, items[0].Has("places"))
	require.EqualError(t, items[2].At("name", errors.New("is wrong")), "line 8: is wrong")
	require.NoError(t, items[2].At("name", nil))
	require.EqualError(t, items[2].Wrong("is %s", "wrong"), "line 6: is wrong")

	items, err = strict.List[person]([]byte("[]"), 0)
	require.NoError(t, err)
	require.Empty(t, items)
}

// secret stands wherever a mistake could repeat it.
const secret = "whsec_c2VjcmV0IHNlY3JldCBzZWNyZXQ"

func TestListReportsEveryMistake(t *testing.T) {
	for name, test := range map[string]struct {
		file string
		want []string // the mistakes, in their order
	}{
		"empty":                      {"# " + secret, []string{"the file is empty: a list without items is []"}},
		"a mapping":                  {"name: " + secret, []string{"line 1: the file must be a list"}},
		"null":                       {"~", []string{"line 1: the file must be a list"}},
		"too many":                   {"- {}\n- {}\n- {}\n- {}\n", []string{"the file has 4 items, and at most 3 are allowed"}},
		"no mapping":                 {"- name: ada\n- " + secret + "\n- ~\n", []string{"line 2: an item must be a mapping", "line 3: an item must be a mapping"}},
		"no YAML":                    {"- name: [" + secret, []string{"line 1: not valid YAML: did not find expected ',' or ']'"}},
		"a document more":            {"[]\n---\n" + secret, []string{"the file must hold one YAML document, and more follows it"}},
		"an unknown member":          {"- name: ada\n  nam: " + secret, []string{`line 2: unknown member "nam": it must be one of name, prefix, colours, places, hears`}},
		"an unknown member's secret": {"- name: ada\n  " + secret + ": x", []string{"line 2: unknown member a name that is not shown, since it may be a secret: it must be one of name, prefix, colours, places, hears"}},
		"no name for a member":       {"- name: ada\n  '': " + secret, []string{`line 2: unknown member "": it must be one of name, prefix, colours, places, hears`}},
		"a member twice":             {"- name: ada\n  name: " + secret + "\n  name: x", []string{`line 2: "name" is set twice`, `line 3: "name" is set twice`}},
		"a secret member twice":      {"- name: ada\n  " + secret + ": x\n  " + secret + ": x", []string{"line 3: a name that is not shown, since it may be a secret is set twice"}},
		"required":                   {"- prefix: x", []string{"line 1: the item has no name"}},
		"a list for a text":          {"- name: [" + secret + "]", []string{"line 1: name must be plain text, and not empty"}},
		"an empty text":              {"- name: ''", []string{"line 1: name must be plain text, and not empty"}},
		"null for a text":            {"- name: ~\n  prefix:\n", []string{"line 1: name must be plain text, and not empty", "line 2: prefix must be plain text"}},
		"a text for a list":          {"- name: ada\n  colours: " + secret, []string{"line 2: colours must be a list of plain texts, and not empty"}},
		"a text for a list or *":     {"- name: ada\n  hears: " + secret, []string{"line 2: hears must be a list of plain texts, and not empty"}},
		"an empty list":              {"- name: ada\n  colours: []", []string{"line 2: colours must be a list of plain texts, and not empty"}},
		"null in a list":             {"- name: ada\n  places: [a, ~]", []string{"line 2: places must be a list of plain texts"}},
		"a list in a list":           {"- name: ada\n  places: [[" + secret + "]]", []string{"line 2: places must be a list of plain texts"}},
		"quotes within":              {"- name: '\"" + secret + "\"'", []string{"line 1: name has quotes around it, which would be part of the value; remove them"}},
		"quotes within a list":       {"- name: ada\n  places: [a,\n \"'b'\"]", []string{"line 3: places has quotes around it, which would be part of the value; remove them"}},
		"an alias":                   {"- name: &" + secret + " ada\n- name: *" + secret, []string{"line 2: aliases (*name) are not allowed: write the value itself"}},
		"an alias of nothing":        {"- name: *" + secret, []string{"the file has an alias (*name) without its anchor"}},
		"a merge":                    {"- name: ada\n  <<: {prefix: " + secret + "}", []string{`line 2: unknown member "<<": merges are not allowed`}},
		"a tag":                      {"- name: !!int " + secret, []string{"line 1: tags (!name) are not allowed"}},
		"a tag of bytes":             {"- name: !!binary " + secret, []string{"line 1: tags (!name) are not allowed"}},
		"a list for a name":          {"- ? [name]\n  : ada", []string{"line 1: the name of a member must be plain text"}},
		"null for a name":            {"- ~: ada", []string{"line 1: the name of a member must be plain text"}},
		"all at once": {
			"- x: 1\n  name: [a]\n- 7\n- prefix: a\n  prefix: b\n",
			[]string{
				`line 1: unknown member "x": it must be one of name, prefix, colours, places, hears`, "line 2: name must be plain text, and not empty",
				"line 3: an item must be a mapping", "line 4: the item has no name", `line 5: "prefix" is set twice`,
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := strict.List[person]([]byte(test.file), 3)
			require.Error(t, err)
			assert.Equal(t, test.want, strings.Split(err.Error(), "\n"))
			assert.NotContains(t, err.Error(), secret[:12])
		})
	}
}

// TestAMistakeCostsNoOtherItem has the items beside wrong ones read with their own lines.
func TestAMistakeCostsNoOtherItem(t *testing.T) {
	items, err := strict.List[person]([]byte("- 7\n- name: ada\n- name: x\n  name: y\n- name: grace\n  colours: 7\n- ~\n- name: eve\n  x: y\n"), 10)
	require.Error(t, err)
	require.Len(t, items, 3)
	require.True(t, items[1].Has("colours"))
	require.NoError(t, items[1].At("colours", errors.New("wrong")), "its form was reported")
	for i, want := range []struct {
		name string
		line int
	}{{"ada", 2}, {"grace", 5}, {"eve", 8}} {
		require.Equal(t, want.name, items[i].Value.Name)
		require.Equal(t, want.line, items[i].Line)
	}
}

func TestMapping(t *testing.T) {
	members, err := strict.Mapping([]byte("a: x\nb: [1, two]\nc:\nd: ''\ne: []\nf: 1e3\n"))
	require.NoError(t, err)
	require.Equal(t, []strict.Member{
		{Name: "a", Line: 1, Texts: []string{"x"}},
		{Name: "b", Line: 2, Texts: []string{"1", "two"}, IsList: true},
		{Name: "c", Line: 3, IsNull: true},
		{Name: "d", Line: 4, Texts: []string{""}},
		{Name: "e", Line: 5, IsList: true},
		{Name: "f", Line: 6, Texts: []string{"1e3"}},
	}, members)
	for _, empty := range []string{"", "# nothing\n", "---\n", "~"} {
		members, err := strict.Mapping([]byte(empty))
		require.NoError(t, err)
		require.Empty(t, members)
	}
	for file, want := range map[string]string{
		"- a":                          "line 1: the file must be a mapping",
		"a: 1\nb: 2\na: " + secret:     `line 3: "a" is set twice`,
		"a: {b: " + secret + "}":       `line 1: "a" must be plain text or a list of plain texts`,
		"a: [b, [" + secret + "]]":     `line 1: "a" must be plain text or a list of plain texts`,
		"a: [b, ~]":                    `line 1: "a" must be plain text or a list of plain texts`,
		"a: &x b\nc: *x":               "line 2: aliases (*name) are not allowed: write the value itself",
		"a: 1\n---\nb: " + secret:      "the file must hold one YAML document, and more follows it",
		"a: 1\n...\n" + secret + ": ]": "the file must hold one YAML document, and more follows it",
	} {
		_, err := strict.Mapping([]byte(file))
		require.EqualError(t, err, want)
	}
}

// The library gives some lines from 0 and others from 1, leaves out the first one, and has none for
// a character. Each mistake has the line at which it is seen, and says that the file is not YAML.
func TestBrokenYAMLHasItsLine(t *testing.T) {
	for file, want := range map[string]string{
		"a: b: c\n":             "line 1: not valid YAML: mapping values are not allowed in this context",
		"a: 1\nb: x: y\n":       "line 2: not valid YAML: mapping values are not allowed in this context",
		"a: 1\n\tb: 2\n":        "line 2: not valid YAML: found a tab character that violates indentation",
		"a: 1\nb: [x\n":         "line 2: not valid YAML: did not find expected ',' or ']'",
		"a: 1\nb: {x\n\nc: 1\n": "line 2: not valid YAML: did not find expected ',' or '}'",
		"a:\n  - x\n y: 2\n":    "line 3: not valid YAML: did not find expected key",
		"a: 1\nb\nc: 2\n":       "line 2: not valid YAML: could not find expected ':'",
		"a: \"x\nb: 1\n":        "line 2: not valid YAML: found unexpected end of stream",
		"]\n":                   "line 1: not valid YAML: did not find expected node content",
		"a: 1\nb: \x01\n":       "line 2: not valid YAML: control characters are not allowed",
		"a: 1\nb: 2\nc: \xff":   "line 3: not valid YAML: invalid leading UTF-8 octet",
	} {
		_, err := strict.Mapping([]byte(file))
		assert.EqualError(t, err, want, "%q", file)
	}
}

// Mistakes that are found later, in what the items mean, are listed by line too.
func TestMistakesAreOrderedByLine(t *testing.T) {
	items, form := strict.List[person]([]byte("- name: ada\n- name: bob\n  nam: x\n"), 10)
	whole := errors.New("about the whole file")
	joined := strict.Ordered(errors.Join(whole, form), errors.Join(items[1].Wrong("twice"), nil), nil, items[0].Wrong("once"))
	require.EqualError(t, joined, "line 1: once\nline 2: twice\nline 3: unknown member \"nam\": it must be one of name, prefix, colours, places, hears\nabout the whole file")
	require.ErrorIs(t, joined, whole)
	require.NoError(t, strict.Ordered(nil, errors.Join(nil)))
}

// FuzzYAML holds that no file makes a reader panic, and that what a list is decoded into keeps
// the rules of its fields.
func FuzzYAML(f *testing.F) {
	for _, s := range []string{
		"- name: ada\n  hears: '*'\n", "[]", "a: [b]", "- {name: x, name: y}", "- ? [a]\n  : b", "- *x", "- &x [*x]", "- name: !!binary aGk=", "\xfe\xff\x00[\x00]", "- <<: {}\n",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		_, _ = strict.Mapping(file)
		items, err := strict.List[person](file, 10)
		if err != nil {
			return
		}
		for _, i := range items {
			require.NotEmpty(t, i.Value.Name)
			require.Positive(t, i.Line)
			require.Equal(t, i.Has("colours"), len(i.Value.Colours) > 0)
			require.Equal(t, i.Has("hears"), len(i.Value.Hears) > 0)
		}
	})
}
