package wire

import (
	"errors"
	"strings"

	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/strict"
)

// Preferences reads the body of PUT /preferences and of PUT /users/{user}/preferences. Its error is
// of kind ErrMalformed or ErrInvalid, as that of Draft; it has the faults of all values.
func Preferences(body []byte) (p notify.Preferences, err error) {
	v, err := parse(body)
	if err != nil {
		return p, err
	}
	var r reader
	given := false
	r.Members(v, "rules and quiet", func(name string, v strict.Value) bool {
		switch name {
		case "rules":
			given = v != nil
			r.rules(&p.Rules, v)
		case "quiet":
			r.quiet(&p.Quiet, v)
		default:
			return false
		}
		return true
	})
	if v.Kind() == '{' && !given {
		r.FaultAt("rules", "is required; an empty list has no rules")
	}
	if err := r.Err(); err != nil {
		return notify.Preferences{}, err
	}
	return p, nil
}

func (r *reader) rules(to *[]notify.PreferenceRule, v strict.Value) {
	if v == nil {
		return
	}
	n := 0
	r.Items(v, func(v strict.Value) {
		if n++; n <= notify.MaxPreferenceRules {
			*to = append(*to, r.rule(v))
		}
	})
	if n > notify.MaxPreferenceRules {
		r.Fault("must have at most %d items", notify.MaxPreferenceRules)
	}
}

func (r *reader) rule(v strict.Value) (rule notify.PreferenceRule) {
	given := false
	r.Members(v, "type, topic and level", func(name string, v strict.Value) bool {
		switch name {
		case "type":
			parsed(r, &rule.Type, v, notify.ParseTypePattern)
		case "topic":
			parsed(r, &rule.Topic, v, notify.ParsePattern)
		case "level":
			given = v != nil
			parsed(r, &rule.Level, v, notify.ParseLevel)
		default:
			return false
		}
		return true
	})
	if v.Kind() == '{' && !given {
		r.FaultAt("level", "is required")
	}
	return rule
}

func (r *reader) quiet(to **notify.Quiet, v strict.Value) {
	if v == nil {
		return
	}
	var q notify.Quiet
	given := map[string]bool{}
	before := r.Faults()
	r.Members(v, "from, to and zone", func(name string, v strict.Value) bool {
		given[name] = v != nil
		switch name {
		case "from":
			parsed(r, &q.From, v, notify.ParseTimeOfDay)
		case "to":
			parsed(r, &q.To, v, notify.ParseTimeOfDay)
		case "zone":
			parsed(r, &q.Zone, v, notify.ParseZone)
		default:
			return false
		}
		return true
	})
	for _, name := range []string{"from", "to", "zone"} {
		if v.Kind() == '{' && !given[name] {
			r.FaultAt(name, "is required")
		}
	}
	if r.Faults() == before && q.From == q.To {
		r.FaultAt("to", "must differ from from; for a rule at any time, use the level silent")
	}
	*to = &q
}

// parsed reads a string with parse, whose error says which rule the string breaks.
func parsed[T any](r *reader, to *T, v strict.Value, parse func(string) (T, error)) {
	var text string
	if r.Text(&text, v); v.Kind() != '"' {
		return
	}
	value, err := parse(text)
	if err == nil {
		*to = value
		return
	}
	detail := err.Error()
	if e := new(notify.Error); errors.As(err, &e) {
		detail = e.Detail
	}
	if _, rule, ok := strings.Cut(detail, " must "); ok { // the pointer names what must
		detail = "must " + rule
	}
	r.Fault("%s", detail)
}

// AppendPreferences appends the answer to GET and PUT /preferences.
func AppendPreferences(dst []byte, p *notify.Preferences) []byte {
	dst = append(dst, `{"rules":[`...)
	for i, r := range p.Rules {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, '{')
		if r.Type != "" {
			dst = append(AppendString(append(dst, `"type":`...), string(r.Type)), ',')
		}
		if r.Topic != "" {
			dst = append(AppendString(append(dst, `"topic":`...), string(r.Topic)), ',')
		}
		dst = append(appendText(dst, `"level":"`, string(r.Level)), '}')
	}
	dst = append(dst, ']')
	if q := p.Quiet; q != nil {
		dst = appendText(dst, `,"quiet":{"from":"`, q.From.String())
		dst = appendText(dst, `,"to":"`, q.To.String())
		dst = append(AppendString(append(dst, `,"zone":`...), q.Zone), '}')
	}
	return append(dst, '}')
}
