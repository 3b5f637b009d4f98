package config

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"

	"github.com/bellhop/bellhop/internal/strict"
	"github.com/bellhop/bellhop/internal/text"
)

// MaxFileBytes is the maximum size of the file of settings.
const MaxFileBytes = 1 << 20

// readFile reads the file of settings that a flag or the environment names, and reports
// whether it has no mistake or none is named. content replaces that of the file, unless it is
// nil.
func (l *loader) readFile(environ, flags map[string]string, content []byte) bool {
	const variable = "BELLHOP_CONFIG"
	path := text.Value(cmp.Or(flags["config"], environ[variable]))
	if path == "" || text.Check(path) != nil { // set reports this error
		return path == ""
	}
	if content == nil {
		var err error
		if content, err = readOnce(path); err != nil {
			l.mistake(variable, "%v", err)
			return false
		}
	}
	members, err := strict.Mapping(content)
	if err != nil {
		allowed := "" // what the file must be, if it could not be read at all
		if len(members) == 0 {
			allowed = form
		}
		for line := range strings.Lines(err.Error()) {
			l.mistake(variable, "%s%s", atLine(path, strings.TrimSpace(line)), allowed)
		}
	}
	for _, m := range members {
		name := flagOf(m.Name)
		g := given{origin: Origin{fromFile, fmt.Sprintf("%s:%d", path, m.Line)}}
		switch {
		case m.Name == "config":
			l.mistake(variable, "%s:%d: config is the path of this file, and cannot be set in it", path, m.Line)
			continue
		case !l.isSetting(name), m.Name != key(name):
			l.mistake(variable, "%s:%d: unknown setting %s; %s", path, m.Line, m.Name, l.advice(name, key))
			continue
		case m.IsList:
			g.items = m.Texts
		default:
			g.text = strings.Join(m.Texts, "")
		}
		if g.text != "" || len(g.items) > 0 {
			l.given[name] = g
		}
	}
	return err == nil
}

// form follows a mistake in the form of the file.
const form = `; the file must be a YAML mapping of settings, such as "retention: 30d" or "allowed_origins: [https://app.example.com]", one to a line`

// atLine returns the text of a mistake in the file with the path before it, and the line if the
// text begins with one.
func atLine(path, text string) string {
	parts := regexp.MustCompile(`^line (\d+): (.*)$`).FindStringSubmatch(text)
	if parts == nil {
		return path + ": " + text
	}
	return path + ":" + parts[1] + ": " + parts[2]
}

// readOnce reads the file of settings, which may be a pipe, such as one that a shell
// makes for <(command). Package app reads a regular file again when it changes.
func readOnce(path string) ([]byte, error) {
	f, err := os.Open(path) //nolint:gosec // the operator names it
	if err != nil {
		return nil, err
	}
	defer f.Close()
	content, err := io.ReadAll(io.LimitReader(f, MaxFileBytes+1))
	if err == nil && len(content) > MaxFileBytes {
		err = fmt.Errorf("%s: larger than %d bytes", path, MaxFileBytes)
	}
	return content, err
}
