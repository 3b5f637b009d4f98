// Package text reads text that operators write: values of settings and the files that
// settings name. It removes additions of editors and shells, such as a byte order mark or
// the white space around a value, and refuses additions that would become part of the
// value, such as quotes. It also reads shared secrets, refuses key material in their place,
// and hides credentials in URLs.
package text

import (
	"bytes"
	"errors"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"
)

const bom = "\ufeff"

// Clean returns the text of a file without its byte order mark. It refuses UTF-16 and NUL
// bytes.
func Clean(data []byte) ([]byte, error) {
	data = bytes.TrimPrefix(data, []byte(bom))
	switch {
	case bytes.HasPrefix(data, []byte{0xff, 0xfe}), bytes.HasPrefix(data, []byte{0xfe, 0xff}):
		return nil, errors.New("the file is in UTF-16; save it as UTF-8")
	case bytes.IndexByte(data, 0) >= 0:
		return nil, errors.New("the file contains NUL bytes; it must be UTF-8 text")
	}
	return data, nil
}

// Value returns a value of a setting without its byte order mark and the white space around
// it.
func Value(s string) string { return strings.TrimSpace(strings.TrimPrefix(s, bom)) }

// Check returns an error if s, which is a path, a URL, a name or an item of a list, begins
// or ends with a quote or contains a control character. No such value does. The error does
// not contain s.
func Check(s string) error {
	switch {
	case strings.ContainsRune(s, 0):
		return errors.New("contains a NUL byte")
	case strings.ContainsFunc(s, unicode.IsControl), strings.Contains(s, bom):
		return errors.New("contains a control character, such as a line break, or a byte order mark")
	case isQuoteAtEnd(s):
		return errors.New("has quotes around it, which would be part of the value; remove them")
	}
	return nil
}

// quotes are those that shells, editors and word processors put around values.
const quotes = "\"'`“”„‘’«»"

func isQuoteAtEnd(s string) bool {
	first, _ := utf8.DecodeRuneInString(s)
	last, _ := utf8.DecodeLastRuneInString(s)
	return s != "" && (strings.ContainsRune(quotes, first) || strings.ContainsRune(quotes, last))
}

// Hidden is shown in the place of a secret.
const Hidden = "(hidden)"

// HideURL returns s with the parts hidden that may be credentials, if s is a URL: the user
// and the password, the values of the query, and the fragment. A text with a scheme that is
// not a valid URL is hidden as a whole. A query is hidden in a text without a scheme, too,
// since the scheme may have been forgotten.
func HideURL(s string) string {
	scheme, _, found := strings.Cut(s, "://")
	if !found {
		if path, query, hasQuery := strings.Cut(s, "?"); hasQuery && strings.Contains(query, "=") {
			return path + "?" + hideQuery(query)
		}
		return s
	}
	u, err := url.Parse(s)
	if err != nil {
		return scheme + "://" + Hidden
	}
	shown := u.Scheme + "://"
	if u.User != nil {
		shown += Hidden + "@"
	}
	shown += u.Host + u.EscapedPath()
	if u.RawQuery != "" {
		shown += "?" + hideQuery(u.RawQuery)
	}
	if u.Fragment != "" {
		shown += "#" + Hidden
	}
	return shown
}

// hideQuery hides the values of the parameters and shows their names. A parameter without a
// value is hidden as a whole, since it may be a credential itself.
func hideQuery(query string) string {
	parts := strings.Split(query, "&")
	for i, part := range parts {
		if name, _, found := strings.Cut(part, "="); found {
			parts[i] = name + "=" + Hidden
		} else {
			parts[i] = Hidden
		}
	}
	return strings.Join(parts, "&")
}
