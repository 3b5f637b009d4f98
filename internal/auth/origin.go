package auth

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"unicode"

	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/text"
)

// Origins is the list of origins whose pages may call the service; the zero Origins
// allows none. CORS and the check of WebSocket handshakes use the same list. The Host
// header of a request has no influence.
type Origins struct {
	exact map[origin]struct{}
	below map[origin]struct{} // domains whose subdomains are allowed, at any depth
	null  bool
}

// origin is an origin in its canonical form: two ways to write one are equal.
type origin struct {
	scheme, host string
	port         uint16 // 0: the default port of the scheme
}

// ParseOrigins returns the Origins in list, or every mistake in it. An entry is
//
//   - scheme://host or scheme://host:port with any scheme,
//   - scheme://*.domain, optionally with a port, for all subdomains of the domain, which is
//     not allowed itself, or
//   - null, which browsers send for sandboxed pages.
//
// The hosts of schemes other than http, https, ws and wss may be empty or a dot: apps
// send origins such as file:// and app://. .
func ParseOrigins(list []string) (Origins, error) {
	o := Origins{exact: map[origin]struct{}{}, below: map[origin]struct{}{}}
	var errs []error
	for _, entry := range list {
		if err := o.add(entry); err != nil {
			errs = append(errs, fmt.Errorf("origin %q: %w", text.HideURL(entry), err))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return Origins{}, err
	}
	return o, nil
}

func (o *Origins) add(entry string) error {
	switch entry {
	case "null":
		o.null = true
		return nil
	case "*":
		return errors.New("* for every origin is not allowed: list them")
	}
	scheme, rest, _ := strings.Cut(entry, "://")
	domain, isWildcard := strings.CutPrefix(rest, "*.")
	if isWildcard {
		entry = scheme + "://" + domain
	}
	parsed, err := parseOrigin(entry)
	switch {
	case err != nil:
		return err
	case !isWildcard:
		o.exact[parsed] = struct{}{}
		return nil
	case parsed.isAddress():
		return errors.New("an address has no subdomains")
	case !isDomain(parsed.host):
		return errors.New("a domain must follow *., as in https://*.example.com")
	case parsed.isTopLevel():
		return errors.New("a wildcard must not cover a top-level domain: at least two labels must follow *., as in https://*.example.com")
	}
	o.below[parsed] = struct{}{}
	return nil
}

// Allows reports whether value, an Origin header, is on the list. An empty or malformed one
// is not. Whether a request may have no Origin is for the caller to decide.
func (o Origins) Allows(value string) bool {
	if value == "null" {
		return o.null
	}
	parsed, err := parseOrigin(value)
	if err != nil {
		return false
	}
	if _, ok := o.exact[parsed]; ok {
		return true
	}
	return len(o.below) > 0 && isDomain(parsed.host) && !parsed.isAddress() && o.allowsSubdomain(parsed)
}

// allowsSubdomain reports whether the list has a domain of which p is a subdomain.
func (o Origins) allowsSubdomain(p origin) bool {
	for {
		_, domain, ok := strings.Cut(p.host, ".")
		if !ok {
			return false
		}
		p.host = domain
		if _, ok := o.below[p]; ok {
			return true
		}
	}
}

// originShown is the length to which an error cuts an Origin header, in bytes.
const originShown = 100

// RefusedOrigin returns the error for a request whose Origin header, of which these are all
// lines, is not allowed. The detail names the origin and the setting, since the caller may be a
// program whose library sends an Origin without being asked to.
func RefusedOrigin(lines []string) error {
	if len(lines) > 1 {
		return notify.Errorf(notify.ErrOrigin, "a request must have at most one Origin header")
	}
	sent, cut := strings.Join(lines, ""), ""
	if len(sent) > originShown {
		sent, cut = sent[:originShown], "…"
	}
	return notify.Errorf(notify.ErrOrigin, "the origin %s%s is not in BELLHOP_ALLOWED_ORIGINS: list it there, or send no Origin if this is not a browser",
		strconv.QuoteToASCII(sent), cut)
}

const (
	alphanumerics = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	inLabel       = alphanumerics + "-_"
)

// consistsOf reports whether every character of s is one of chars.
func consistsOf(s, chars string) bool { return strings.Trim(s, chars) == "" }

// parseOrigin reads scheme://host[:port], and nothing more than that.
func parseOrigin(s string) (origin, error) {
	malformed := errors.New("it must be scheme://host or scheme://host:port, with a domain, an IPv4 address or an IPv6 address in brackets, " +
		"and a port from 1 to 65535")
	u, err := url.Parse(s)
	switch {
	case err != nil, u.Scheme == "", !strings.Contains(s, "://"), strings.HasSuffix(u.Host, ":"):
		return origin{}, malformed
	case len(u.Scheme+"://"+u.Host) != len(s):
		return origin{}, errors.New("it must end with the host or port: no path, query, fragment or user, not even a slash")
	}
	o := origin{scheme: u.Scheme}
	if text := u.Port(); text != "" {
		port, err := strconv.ParseUint(text, 10, 16)
		if err != nil || text[0] == '0' {
			return origin{}, malformed
		}
		if o.port = uint16(port); o.port == defaultPort(o.scheme) {
			o.port = 0
		}
	}
	o.host = strings.ToLower(u.Hostname())
	address, notAddress := netip.ParseAddr(o.host)
	switch {
	case strings.HasPrefix(u.Host, "["):
		if notAddress != nil || !address.Is6() || address.Zone() != "" {
			return origin{}, malformed
		}
		o.host = "[" + address.String() + "]"
	case strings.Contains(u.Host, "*"):
		return origin{}, errors.New("a * may only be the whole first label, as in https://*.example.com")
	case strings.ContainsFunc(u.Host, func(r rune) bool { return r > unicode.MaxASCII }):
		return origin{}, errors.New("its host must be ASCII: write an international domain as browsers send it, xn--…")
	case !isDomain(o.host) && (defaultPort(o.scheme) != 0 || !consistsOf(o.host, inLabel+".~")):
		return origin{}, malformed
	}
	return o, nil
}

// defaultPort returns the default port of a scheme of the web, and 0 for the schemes of apps.
func defaultPort(scheme string) uint16 {
	switch scheme {
	case "http", "ws":
		return 80
	case "https", "wss":
		return 443
	}
	return 0
}

// isDomain reports whether host has the form of a domain or an IPv4 address.
func isDomain(host string) bool {
	for label := range strings.SplitSeq(strings.TrimSuffix(host, "."), ".") {
		if label == "" || !consistsOf(label, inLabel) {
			return false
		}
	}
	return true
}

func (o origin) isAddress() bool {
	_, err := netip.ParseAddr(strings.Trim(o.host, "[]"))
	return err == nil
}

// isTopLevel reports whether the host has only one label: https://*.com would allow the pages
// of strangers. Public suffixes of two labels are not recognised. localhost is the operator's own.
func (o origin) isTopLevel() bool {
	host := strings.TrimSuffix(o.host, ".")
	return !strings.Contains(host, ".") && host != "localhost"
}
