// Package text reads what operators write: values of settings and the files that
// settings name. It takes away what editors and shells add without being asked,
// such as a byte order mark or the white space around a value, and refuses what
// would be taken for part of a value by mistake, such as quotes around it. It
// knows shared secrets, key material that must not be one, and what to hide of a
// URL.
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

// Clean returns the text of a file without a byte order mark. UTF-16 and NUL
// bytes are refused.
func Clean(data []byte) ([]byte, error) {
	data = bytes.TrimPrefix(data, []byte(bom))
	switch {
	case bytes.HasPrefix(data, []byte{0xff, 0xfe}), bytes.HasPrefix(data, []byte{0xfe, 0xff}):
		return nil, errors.New("the file is UTF-16 text: save it as UTF-8")
	case bytes.IndexByte(data, 0) >= 0:
		return nil, errors.New("the file holds NUL bytes: it must be text in UTF-8")
	}
	return data, nil
}

// Value returns a value of a setting without a byte order mark and white space
// around it.
func Value(s string) string { return strings.TrimSpace(strings.TrimPrefix(s, bom)) }

// Check returns an error if s, a path, a URL, a name or an item of a list, holds
// what no such value has: quotes at an end or control characters. The error
// does not repeat s.
func Check(s string) error {
	switch {
	case strings.ContainsRune(s, 0):
		return errors.New("holds a NUL byte")
	case strings.ContainsFunc(s, unicode.IsControl), strings.Contains(s, bom):
		return errors.New("holds a control character, such as a line break, or a byte order mark")
	case isQuoteAtEnd(s):
		return errors.New("has quotes around it, which would be part of the value: leave them out")
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

// Hidden stands for what is not shown.
const Hidden = "(hidden)"

// HideURL returns s without what may be a credential in it, if it is a URL: the
// user and the password, the values of the query, and the fragment. Text that
// has a scheme and is no URL is hidden as a whole. A query is hidden without a
// scheme, too, since it may have been forgotten.
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

// hideQuery keeps the names of parameters, which say what is hidden. One without
// a value may be a credential by itself.
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
