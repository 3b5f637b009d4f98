package strict

import (
	"bytes"
	"errors"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// syntaxError returns the mistake that a file is not YAML, with the line of it. err is that of
// the library, whose texts repeat nothing of the file but the names of aliases.
func syntaxError(err error, data []byte) error {
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	if strings.Contains(text, "anchor") {
		return errors.New("the file has an alias (*name) without its anchor")
	}
	line := 1 // the library leaves out the first one
	if parts := regexp.MustCompile(`(?s)^line (\d+): (.*)$`).FindStringSubmatch(text); parts != nil {
		line, _ = strconv.Atoi(parts[1])
		text = parts[2]
		if isParserError(text) { // the library counts the lines of these from 0
			line++
		}
	} else if bad := lineOfBadCharacter(data); bad > 0 {
		line = bad
	}
	last := 1 + bytes.Count(bytes.TrimSpace(data), []byte("\n"))
	return Mistake{min(line, last), "not valid YAML: " + text}
}

// isParserError reports whether an error is about the order of tokens, and not about one of them.
func isParserError(text string) bool {
	return regexp.MustCompile(`^did not find expected (node content|key|'-' indicator|',' or ('\]'|'\}')|<)`).MatchString(text)
}

// lineOfBadCharacter returns the line of the first character that no YAML file may have; 0: there
// is none.
func lineOfBadCharacter(data []byte) int {
	for i := 0; i < len(data); {
		r, size := utf8.DecodeRune(data[i:])
		if r == utf8.RuneError && size == 1 || unicode.IsControl(r) && !strings.ContainsRune("\t\n\r\u0085", r) {
			return 1 + bytes.Count(data[:i], []byte("\n"))
		}
		i += size
	}
	return 0
}
