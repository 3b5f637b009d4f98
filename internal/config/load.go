package config

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/bellhop/bellhop/internal/text"
	"github.com/bellhop/bellhop/internal/watch"
)

// Sources is what Load reads besides the file that they name.
type Sources struct {
	Flags   map[string]string // by name, without the dashes
	Environ []string          // as os.Environ returns it

	// NeedKey makes it a mistake to have nothing to check tokens with.
	NeedKey bool

	// NoFiles leaves aside whether the files that settings name can be read, but
	// for those with settings in them.
	NoFiles bool
}

// Mistake is one setting that is wrong.
type Mistake struct {
	Name   string // in the environment
	Detail string // never holds a secret
}

func (m Mistake) Error() string { return m.Name + ": " + m.Detail }

// Mistakes is all that is wrong with the settings, a line each.
type Mistakes []Mistake

func (m Mistakes) Error() string {
	lines := make([]string, len(m))
	for i := range m {
		lines[i] = m[i].Error()
	}
	return strings.Join(lines, "\n")
}

// Load returns the effective settings. Its error is of type Mistakes and holds
// all of them; what could be read is returned with it.
func Load(from Sources) (*Config, error) {
	l := loader{cfg: Default(), given: map[string]given{}, noFiles: from.NoFiles}
	l.cfg.origins = map[string]Origin{}
	l.fields = fieldsOf(l.cfg)

	environ := variables(from.Environ)
	l.readFile(environ, from.Flags)
	l.readEnvironment(environ)
	l.readFlags(from.Flags)
	l.preferSecret()
	l.set()
	l.readSecretFile()
	l.check(from.NeedKey)
	if len(l.mistakes) > 0 {
		slices.SortStableFunc(l.mistakes, func(a, b Mistake) int { return strings.Compare(a.Name, b.Name) })
		return l.cfg, l.mistakes
	}
	return l.cfg, nil
}

// given is a value as one source gave it.
type given struct {
	origin Origin
	text   string
	items  []string // instead of text: a list that needs no splitting
}

type loader struct {
	cfg      *Config
	fields   []field
	given    map[string]given // by name; a later source overwrites
	noFiles  bool
	mistakes Mistakes
}

func (l *loader) mistake(variable, format string, args ...any) {
	l.mistakes = append(l.mistakes, Mistake{variable, fmt.Sprintf(format, args...)})
}

func (l *loader) known(name string) bool {
	return slices.ContainsFunc(l.fields, func(f field) bool { return f.name == name })
}

func (l *loader) readEnvironment(environ map[string]string) {
	for variable, text := range environ {
		name := flagOf(variable)
		switch {
		case l.known(name):
			l.given[name] = given{origin: Origin{SourceEnvironment, variable}, text: text}
		case slices.Contains(clientVariables, variable), serviceLink.MatchString(variable):
		default:
			l.mistake(variable, "is no setting%s", l.hint(name, Variable))
		}
	}
}

func (l *loader) readFlags(flags map[string]string) {
	for name, text := range flags {
		if text == "" {
			continue
		}
		l.given[name] = given{origin: Origin{SourceFlag, "--" + name}, text: text}
	}
}

// preferSecret leaves one of a secret and the file of that secret: the one
// whose source is the later.
func (l *loader) preferSecret() {
	const secret, file = "jwt-secret", "jwt-secret-file"
	s, ok := l.given[secret]
	f, too := l.given[file]
	if !ok || !too {
		return
	}
	switch {
	case s.origin.Source == f.origin.Source:
		l.mistake(Variable(secret), "set this or %s, not both", Variable(file))
	case s.origin.Source == SourceFile:
		delete(l.given, secret)
	case f.origin.Source == SourceFile:
		delete(l.given, file)
	default: // the file as a flag, the secret in the environment
		delete(l.given, secret)
	}
}

// set gives each field what is given for it. One that cannot be parsed keeps
// its default, so that the checks that follow do not report it again.
func (l *loader) set() {
	for _, f := range l.fields {
		g, ok := l.given[f.name]
		if !ok {
			continue
		}
		if err := parse(f, g); err != nil {
			l.mistake(Variable(f.name), "%v (%s)", err, g.origin)
			continue
		}
		l.cfg.origins[f.name] = g.origin
	}
}

func (l *loader) readSecretFile() {
	path := l.cfg.JWTSecretFile
	if path == "" || len(l.cfg.JWTSecret) > 0 {
		return
	}
	const name = "jwt-secret-file"
	file, err := watch.Read(path, maxFileBytes)
	var secrets []string
	if err == nil {
		secrets, err = text.Secrets(file)
	}
	if err != nil {
		l.mistake(Variable(name), "%s: %v", path, err)
		return
	}
	for _, f := range l.fields {
		if f.name != "jwt-secret" {
			continue
		}
		if err := parse(f, given{items: secrets}); err != nil {
			l.mistake(Variable(name), "%v (%s)", err, path)
			return
		}
		l.cfg.origins[f.name] = Origin{SourceSecretFile, path}
	}
}

// variables returns those of our variables that have a value.
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

func flagOf(variable string) string {
	return strings.ToLower(strings.ReplaceAll(strings.TrimPrefix(variable, "BELLHOP_"), "_", "-"))
}

// clientVariables are read by the commands that are clients of a service, and
// are no mistake where a service runs.
var clientVariables = []string{"BELLHOP_TOKEN", "BELLHOP_URL"}

// serviceLink matches what Kubernetes puts into the environment of every
// container beside a Service named bellhop or bellhop-something: no typo.
var serviceLink = regexp.MustCompile(
	`^BELLHOP_([A-Z0-9_]+_)?(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT(_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)$`)
