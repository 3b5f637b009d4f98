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

// maxFileBytes is the maximum size of the file of settings.
const maxFileBytes = 1 << 20

// fileValue is a value in the file of settings.
type fileValue struct {
	line  int
	text  string
	items []string // nil: text
}

// UnmarshalYAML accepts a scalar or a list of scalars.
func (v *fileValue) UnmarshalYAML(node *yaml.Node) error {
	v.line = node.Line
	if node.Kind == yaml.SequenceNode {
		return node.Decode(&v.items)
	}
	return node.Decode(&v.text)
}

// readFile reads the file of settings that a flag or the environment names, and reports
// whether it could be read or none is named.
func (l *loader) readFile(environ, flags map[string]string) bool {
	const variable = "BELLHOP_CONFIG"
	path := text.Value(cmp.Or(flags["config"], environ[variable]))
	if path == "" || text.Check(path) != nil { // set reports this error
		return path == ""
	}
	content, err := readOnce(path)
	if err != nil {
		l.mistake(variable, "%v", err)
		return false
	}
	values, err := parseFile(content)
	if err != nil {
		l.mistake(variable, "%s: %v", path, err)
	}
	for member, v := range values {
		name := flagOf(member)
		switch {
		case member == "config":
			l.mistake(variable, "%s:%d: config is the path of this file, and cannot be set in it", path, v.line)
		case !l.isSetting(name), member != key(name):
			l.mistake(variable, "%s:%d: unknown setting %s; %s", path, v.line, member, l.advice(name, key))
		case len(v.items) > 0, v.text != "":
			l.given[name] = given{Origin{SourceFile, fmt.Sprintf("%s:%d", path, v.line)}, v.text, v.items}
		}
	}
	return err == nil
}

// parseFile returns the values in the file by their keys. After an error it returns the
// values that could be read.
func parseFile(content []byte) (values map[string]fileValue, err error) {
	dec := yaml.NewDecoder(bytes.NewReader(content))
	if err := dec.Decode(&values); err != nil && !errors.Is(err, io.EOF) { // the file is empty
		return values, errors.New(strings.NewReplacer("yaml: ", "", "unmarshal errors:\n  ", "", "\n  ", "; ").Replace(err.Error()))
	}
	if err := dec.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return nil, errors.New("the file must have one YAML document")
	}
	return values, nil
}

// readOnce reads the file of settings, which may be a pipe, such as one that a shell
// makes for <(command): it is not read again when it changes.
func readOnce(path string) ([]byte, error) {
	f, err := os.Open(path) //nolint:gosec // the operator names it
	if err != nil {
		return nil, err
	}
	defer f.Close()
	content, err := io.ReadAll(io.LimitReader(f, maxFileBytes+1))
	if err == nil && len(content) > maxFileBytes {
		err = fmt.Errorf("%s: larger than %d bytes", path, maxFileBytes)
	}
	return content, err
}
