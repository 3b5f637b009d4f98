package auth

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/bellhop/bellhop/internal/strict"
)

// noItems is a YAML list without items.
const noItems = "[]"

// ErrNoAPIKey means that the API keys file has no key with the given name.
var ErrNoAPIKey = errors.New("the file has no key with this name")

// AddAPIKey returns the content of an API keys file with an entry of NewAPIKey at its end. Comments and the
// layout of the other entries stay. An empty file is one without keys.
func AddAPIKey(file []byte, entry string) ([]byte, error) {
	text := string(file)
	if len(bytes.TrimSpace(file)) > 0 {
		keys, err := parseAPIKeys(file)
		if err != nil {
			return nil, err
		}
		if len(keys) == 0 {
			text = withoutEmptyList(text)
		}
	}
	if text != "" && !strings.HasSuffix(text, "\n") {
		text += "\n"
	}
	text += entry
	if _, err := parseAPIKeys([]byte(text)); err != nil {
		return nil, fmt.Errorf("with the new entry at its end: %w", err)
	}
	return []byte(text), nil
}

// RemoveAPIKey returns the content of an API keys file without the key of a backend. Comments and the layout of
// the other entries stay.
func RemoveAPIKey(file []byte, name string) ([]byte, error) {
	items, err := strict.List[keyItem](file, maxAPIKeys)
	if err != nil {
		return nil, err
	}
	at := slices.IndexFunc(items, func(i strict.Item[keyItem]) bool { return i.Value.Name == name })
	if at < 0 {
		return nil, ErrNoAPIKey
	}
	lines := strings.SplitAfter(string(file), "\n")
	first, end := items[at].Line-1, len(lines)
	if at+1 < len(items) {
		end = items[at+1].Line - 1
	}
	for end > first && isRemark(lines[end-1]) { // it stands before the next entry, or at the end of the file
		end--
	}
	text := strings.Join(slices.Delete(lines, first, end), "")
	if len(items) == 1 {
		text += noItems + "\n"
	}
	// Only an entry that has lines of its own was removed as a whole.
	rest, err := strict.List[keyItem]([]byte(text), maxAPIKeys)
	same := slices.EqualFunc(rest, slices.Delete(items, at, at+1), func(a, b strict.Item[keyItem]) bool {
		return a.Value.Name == b.Value.Name && a.Value.SHA256 == b.Value.SHA256
	})
	if err != nil || !same {
		return nil, fmt.Errorf("the entry of %s does not stand in lines of its own: remove it with an editor", name)
	}
	return []byte(text), nil
}

// isRemark reports whether a line of YAML is empty or a comment.
func isRemark(line string) bool {
	line = strings.TrimSpace(line)
	return line == "" || strings.HasPrefix(line, "#")
}

// withoutEmptyList returns a file without keys without the line that says so.
func withoutEmptyList(text string) string {
	lines := strings.SplitAfter(text, "\n")
	return strings.Join(slices.DeleteFunc(lines, func(l string) bool { return strings.HasPrefix(strings.TrimSpace(l), noItems) }), "")
}
