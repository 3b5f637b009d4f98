package notify

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Limits on the targets of clicks.
const (
	MaxURLCharacters    = 2_048 // characters outside ASCII count in their percent-encoded form
	MaxActions          = 3
	MaxActionCharacters = 64 // in the title of an action
)

// Action is a further target of a notification, which receivers show as a link with its title.
type Action struct {
	Title string `json:"title"`
	URL   string `json:"url"`
}

// target checks the URL and the actions of d.
func (c *checker) target(d *Draft) {
	if d.URL != "" {
		c.url("/url", d.URL)
	}
	if d.Actions != nil && (len(d.Actions) < 1 || len(d.Actions) > MaxActions) {
		c.fault("/actions", "must have 1 to %d items", MaxActions)
		return
	}
	for i, a := range d.Actions {
		at := "/actions/" + strconv.Itoa(i)
		if n := utf8.RuneCountInString(a.Title); n > MaxActionCharacters || strings.TrimSpace(a.Title) == "" {
			c.fault(at+"/title", "must have 1 to %d characters, not only white space", MaxActionCharacters)
		}
		c.url(at+"/url", a.URL)
	}
}

func (c *checker) url(pointer, s string) {
	if why := urlFault(s); why != "" {
		c.fault(pointer, "%s", why)
	}
}

// urlFault returns the rule that s breaks as the target of a click, empty if s is valid.
//
// A valid URL has the same scheme, host and port for every receiver. Browsers parse URLs by the
// WHATWG standard, which repairs what RFC 3986 refuses: it reads \ as /, removes tabs and
// newlines, reads 127.1 as an IPv4 address, and maps characters of a host to others. The rules
// refuse everything in which the two differ about the host. testdata/urls.json has examples,
// which the tests of the browser client compare with the URL class of the platform.
func urlFault(s string) string {
	if why := urlCharactersFault(s); why != "" {
		return why
	}
	if strings.HasPrefix(s, "/") {
		return pathFault(s)
	}
	u, err := url.Parse(s)
	if escape, ok := errors.AsType[url.EscapeError](err); ok {
		return fmt.Sprintf("has the invalid percent-encoding %q", string(escape))
	}
	const form = "must be an absolute URL with http: or https:, or a path that begins with one /"
	switch {
	case err != nil, u.Scheme != "http" && u.Scheme != "https":
		return form
	case u.Host == "": // includes http:host, http:/host and http:///host
		return "must have a host after " + u.Scheme + "://"
	case u.User != nil:
		return "must not have a user name or password"
	case !isHost(u):
		return "must have a host that is a domain name in ASCII, an IPv4 address of four decimal numbers, or an IPv6 address in brackets"
	case !isPort(u.Port()):
		return "must have a port up to 65535"
	}
	return ""
}

// urlCharactersFault checks the length and the characters of a URL. Characters outside ASCII are
// allowed, except in a host, because browsers percent-encode them.
func urlCharactersFault(s string) string {
	if !utf8.ValidString(s) {
		return "must be UTF-8"
	}
	length := 0
	for _, r := range s {
		switch {
		case unicode.IsSpace(r), unicode.IsControl(r), unicode.Is(unicode.Cf, r): // Cf: invisible, or reverses what follows
			return fmt.Sprintf("must not have white space, control or format characters, such as %U; percent-encode it", r)
		case strings.ContainsRune(`\"<>`, r):
			return fmt.Sprintf("must not have the character %c; percent-encode it", r)
		case r < utf8.RuneSelf:
			length++
		default:
			length += len("%00") * utf8.RuneLen(r)
		}
	}
	if length > MaxURLCharacters {
		return fmt.Sprintf("must have at most %d characters, percent-encoded", MaxURLCharacters)
	}
	return ""
}

// pathFault checks a URL without scheme and host. Neither it, nor the path after . and ..
// are resolved, may begin with //, which is followed by a host.
func pathFault(s string) string {
	if strings.HasPrefix(s, "//") {
		return "must begin with one / that is not followed by another, which would begin a host"
	}
	if _, err := url.Parse(s); err != nil {
		if escape, ok := errors.AsType[url.EscapeError](err); ok {
			return fmt.Sprintf("has the invalid percent-encoding %q", string(escape))
		}
		return "must be a path as in RFC 3986"
	}
	path, _, _ := strings.Cut(s, "#")
	path, _, _ = strings.Cut(path, "?")
	segments := strings.Split(path, "/")
	for i, segment := range segments[:len(segments)-1] {
		if isDots(segment) && segments[i+1] == "" && i+2 < len(segments) {
			return "must not have an empty segment after . or .., with which the path would begin with //"
		}
	}
	return ""
}

// isDots reports whether browsers resolve a segment of a path as . or .. .
func isDots(segment string) bool {
	segment = strings.ReplaceAll(strings.ToLower(segment), "%2e", ".")
	return segment == "." || segment == ".."
}

// isHost reports whether browsers leave the host of u as it is, apart from its case and the
// form of an IPv6 address.
func isHost(u *url.URL) bool {
	host := u.Hostname()
	if strings.HasPrefix(u.Host, "[") {
		addr, err := netip.ParseAddr(host)
		return err == nil && addr.Is6() && addr.Zone() == ""
	}
	labels := strings.Split(strings.TrimSuffix(host, "."), ".")
	for _, label := range labels {
		if !isLabel(label) {
			return false
		}
	}
	if isNumeric(labels[len(labels)-1]) { // browsers read such a host as an IPv4 address
		addr, err := netip.ParseAddr(host)
		return err == nil && addr.Is4()
	}
	return true
}

// isLabel reports whether s can be a part of a domain name. An internationalized name has the
// prefix xn--, and one that ends with - encodes nothing but ASCII, which older browsers decode.
func isLabel(s string) bool {
	for i := range len(s) {
		if !isTypeByte(s[i]) || s[i] == '.' {
			return false
		}
	}
	encoded := len(s) >= 4 && strings.EqualFold(s[:4], "xn--")
	return s != "" && (!encoded || len(s) > 4 && !strings.HasSuffix(s, "-"))
}

// isNumeric reports whether s is a decimal, octal or hexadecimal number to browsers.
func isNumeric(s string) bool {
	const digits = "0123456789"
	if strings.Trim(s, digits) == "" {
		return true
	}
	rest, hex := strings.CutPrefix(strings.ToLower(s), "0x")
	return hex && strings.Trim(rest, digits+"abcdef") == ""
}

func isPort(s string) bool {
	_, err := strconv.ParseUint(s, 10, 16)
	return s == "" || err == nil
}
