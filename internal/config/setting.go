package config

import (
	"cmp"
	"fmt"
	"log/slog"
	"net/netip"
	"reflect"
	"strings"
	"time"

	"github.com/bellhop/bellhop/internal/text"
)

// source is a kind of place that a value comes from.
type source string

// The sources; a later one replaces the values of an earlier one.
const (
	fromDefault     source = "default"
	fromFile        source = "file"
	fromEnvironment source = "environment"
	fromFlag        source = "flag"
)

// Origin is where a value comes from.
type Origin struct {
	source source
	place  string // within the source: a path and line, a variable, a flag
}

func (o Origin) String() string {
	if o.place == "" {
		return string(o.source)
	}
	return string(o.source) + " " + o.place
}

// Setting is a setting as it is shown to people.
type Setting struct {
	Name   string // in the environment; see Variable
	Group  string
	Help   string
	Value  string // secrets are hidden
	Live   bool   // it can change without a restart
	Origin Origin
}

// Settings returns every setting with its effective value, in the order of the
// struct.
func (c *Config) Settings() []Setting {
	var all []Setting
	for _, f := range fieldsOf(c) {
		all = append(all, Setting{
			Name:   Variable(f.name),
			Group:  f.tag.Get("group"),
			Help:   f.tag.Get("help"),
			Value:  f.show(),
			Live:   f.tag.Get("reload") != "",
			Origin: cmp.Or(c.origins[f.name], Origin{source: fromDefault}),
		})
	}
	return all
}

// Mistake returns a mistake in the setting with that flag, which package config does not know.
func (c *Config) Mistake(flag, detail string) Mistake {
	return Mistake{Name: Variable(flag), Detail: detail, Origin: c.origins[flag]}
}

// Change returns what makes a changed value effective: a reload or a restart.
func (s Setting) Change() string {
	if s.Live {
		return "reload"
	}
	return "restart"
}

// Markdown returns every setting, its default, its change and its meaning as a table.
func Markdown() string {
	var b strings.Builder
	b.WriteString("| setting | default | change | meaning |\n|---|---|---|---|\n")
	for _, s := range Default().Settings() {
		value := "–"
		if s.Value != "" {
			value = "`" + s.Value + "`"
		}
		help := strings.ReplaceAll(s.Help, "|", `\|`)
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", s.Name, value, s.Change(), help)
	}
	return b.String()
}

// Variable returns the name in the environment of the setting with the name flag.
func Variable(flag string) string {
	return "BELLHOP_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// flagOf returns the flag of the setting with that name in the environment or the file.
func flagOf(name string) string {
	return strings.ToLower(strings.ReplaceAll(strings.TrimPrefix(name, "BELLHOP_"), "_", "-"))
}

// key returns the name in the file of the setting with the name flag.
func key(flag string) string { return strings.ReplaceAll(flag, "-", "_") }

// field is a setting as Load sees it.
type field struct {
	name  string // as a flag, without the dashes
	tag   reflect.StructTag
	value reflect.Value
}

func (f field) isList() bool { return f.value.Kind() == reflect.Slice }

func fieldsOf(c *Config) []field {
	var all []field
	v := reflect.ValueOf(c).Elem()
	for i := range v.NumField() {
		tag := v.Type().Field(i).Tag
		if name := tag.Get("name"); name != "" {
			all = append(all, field{name: name, tag: tag, value: v.Field(i)})
		}
	}
	return all
}

// show returns the text that parse accepts for the value, with secrets hidden.
func (f field) show() string {
	if f.isSize() {
		return showSize(f.value.Int())
	}
	return show(f.value)
}

func show(v reflect.Value) string {
	switch x := v.Interface().(type) {
	case string:
		return text.HideURL(x)
	case time.Duration:
		return showDuration(x)
	case slog.Level:
		return strings.ToLower(x.String())
	case []netip.Prefix:
		if x != nil && len(x) == 0 {
			return noProxies
		}
	}
	if v.Kind() != reflect.Slice {
		return fmt.Sprint(v)
	}
	items := make([]string, v.Len())
	for i := range items {
		items[i] = show(v.Index(i))
	}
	return strings.Join(items, ",")
}
