package config

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/bellhop/bellhop/internal/text"
)

// Sources is what Load reads, besides the file of settings that they name.
type Sources struct {
	Flags   map[string]string // by name, without the dashes
	Environ []string          // as os.Environ returns it

	// Content is the content of the file of settings, which is not read then; nil: it is read.
	Content []byte

	// NeedKey makes it a mistake to configure no key that verifies tokens.
	NeedKey bool
}

// Mistake is one setting that is wrong.
type Mistake struct {
	Name   string // in the environment
	Detail string // never holds a secret
	Origin Origin // of the value; zero: there is none, or Detail has it
}

func (m Mistake) Error() string {
	if m.Origin == (Origin{}) {
		return m.Name + ": " + m.Detail
	}
	return m.Name + ": " + m.Detail + " (" + m.Origin.String() + ")"
}

// Mistakes are all settings that are wrong, a line each.
type Mistakes []Mistake

func (m Mistakes) Error() string {
	lines := make([]string, len(m))
	for i := range m {
		lines[i] = m[i].Error()
	}
	return strings.Join(lines, "\n")
}

// Sort sorts the mistakes by the names of their settings.
func (m Mistakes) Sort() {
	slices.SortStableFunc(m, func(a, b Mistake) int { return strings.Compare(a.Name, b.Name) })
}

// Load returns the effective settings. Its error is of type Mistakes and holds all of
// them. The settings are returned with it: those that are wrong have their defaults.
//
// The command line is parsed by kong, but the values of flags, variables and the file
// are read here: kong and its resolvers stop at the first mistake, do not know the line
// or variable that a value comes from, and do not treat an empty value as unset.
func Load(from Sources) (*Config, error) {
	l := loader{cfg: Default(), given: map[string]given{}}
	l.cfg.origins = map[string]Origin{}
	l.fields = fieldsOf(l.cfg)

	environ := variables(from.Environ)
	fileIsRead := l.readFile(environ, from.Flags, from.Content)
	l.readEnvironment(environ)
	l.readFlags(from.Flags)
	l.preferSecret()
	l.set()
	l.check(from.NeedKey && fileIsRead) // a file that cannot be read may name a key
	if len(l.mistakes) > 0 {
		l.mistakes.Sort()
		return l.cfg, l.mistakes
	}
	return l.cfg, nil
}

type loader struct {
	cfg      *Config
	fields   []field
	given    map[string]given // by name; a later source replaces an earlier one
	mistakes Mistakes
}

// given is a value as a source gives it.
type given struct {
	origin Origin
	text   string
	items  []string // nil: text; otherwise a list in the file
}

func (l *loader) mistake(variable, format string, args ...any) {
	l.mistakes = append(l.mistakes, Mistake{variable, fmt.Sprintf(format, args...), l.given[flagOf(variable)].origin})
}

func (l *loader) isSetting(name string) bool {
	return slices.ContainsFunc(l.fields, func(f field) bool { return f.name == name })
}

func (l *loader) wasGiven(name string) bool {
	_, ok := l.given[name]
	return ok
}

// variables returns the variables of the service that have a value.
func variables(environ []string) map[string]string {
	ours := map[string]string{}
	for _, e := range environ {
		name, value, _ := strings.Cut(e, "=")
		if strings.HasPrefix(name, "BELLHOP_") && text.Value(value) != "" {
			ours[name] = value
		}
	}
	return ours
}

func (l *loader) readEnvironment(environ map[string]string) {
	for variable, text := range environ {
		name := flagOf(variable)
		switch {
		case l.isSetting(name):
			l.given[name] = given{origin: Origin{fromEnvironment, variable}, text: text}
		case variable == "BELLHOP_TOKEN", variable == "BELLHOP_URL": // of the commands that are clients
		case isServiceLink(variable):
		default:
			l.mistake(variable, "unknown setting; %s", l.advice(name, Variable))
		}
	}
}

// isServiceLink reports whether Kubernetes sets the variable in every container of a namespace
// that has a Service whose name is bellhop or begins with bellhop-.
func isServiceLink(variable string) bool {
	const pattern = `^BELLHOP_([A-Z0-9_]+_)?(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT(_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)$`
	return regexp.MustCompile(pattern).MatchString(variable)
}

func (l *loader) readFlags(flags map[string]string) {
	for name, text := range flags {
		if text != "" {
			l.given[name] = given{origin: Origin{fromFlag, "--" + name}, text: text}
		}
	}
}

// preferSecret ignores the earlier of the shared secrets and the file of shared secrets,
// so that a setting in the environment replaces either of them in the file of settings.
func (l *loader) preferSecret() {
	const secret, file = "jwt-secret", "jwt-secret-file"
	if !l.wasGiven(secret) || !l.wasGiven(file) {
		return
	}
	s, f := l.given[secret].origin.source, l.given[file].origin.source
	switch {
	case s == f:
		l.mistake(Variable(secret), "set this or %s, not both", Variable(file))
	case f == fromFile:
		delete(l.given, file)
	default:
		delete(l.given, secret)
	}
}

// set parses the given values. A setting whose value cannot be parsed keeps its default,
// so that the checks that follow do not report it again.
func (l *loader) set() {
	for _, f := range l.fields {
		g, ok := l.given[f.name]
		if !ok {
			continue
		}
		if err := f.parse(g); err != nil {
			l.mistake(Variable(f.name), "%v", err)
			continue
		}
		l.cfg.origins[f.name] = g.origin
	}
}

// advice names the setting that was probably meant, in the form that the source uses.
// Kong gives the same advice on flags, but exports no function for it.
func (l *loader) advice(name string, form func(flag string) string) string {
	nearest, least := "", 4 // more edits make a different word, not a typing error
	for _, f := range l.fields {
		if d := editDistance(name, f.name); d < least {
			nearest, least = f.name, d
		}
	}
	if nearest == "" {
		return `"bellhop config" lists all settings`
	}
	return "did you mean " + form(nearest) + "?"
}

// editDistance returns the number of bytes that must be inserted, deleted or replaced to
// turn a into b (Levenshtein).
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0]++
		for j := range len(b) {
			replaced := diagonal
			if a[i] != b[j] {
				replaced++
			}
			diagonal, row[j+1] = row[j+1], min(replaced, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
