package auth

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/text"
)

// Origins is the list of those that browsers may call from; the zero Origins
// refuses all. It decides alone: the Host of a request says nothing.
type Origins struct {
	exact map[origin]struct{}
	below map[origin]struct{} // of each, the subdomains, however deep
	null  bool
}

// origin is scheme, host and port in one form for all ways to write them.
type origin struct {
	scheme, host string
	port         uint16 // 0: the scheme's default, whether or not it was said
}

// ParseOrigins returns the Origins that list names, or every mistake in it. An
// entry is scheme://host or scheme://host:port with any scheme, where the host
// may be *. and a domain, which stands for its subdomains and not for itself;
// or null, which browsers send for sandboxed pages. The host of a scheme that is
// not of the web may be empty or no domain, since apps send file:// or app://. as
// their origin.
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
	if entry == "null" {
		o.null = true
		return nil
	}
	if entry == "*" {
		return errors.New("every origin cannot be allowed: list them")
	}
	scheme, rest, _ := strings.Cut(entry, "://")
	if domain, ok := strings.CutPrefix(rest, "*."); ok {
		parsed, err := parseOrigin(scheme + "://" + domain)
		if err != nil {
			return err
		}
		if parsed.isAddress() {
			return errors.New("an address has no subdomains")
		}
		if !parsed.isDomain() {
			return errors.New("a domain must stand after the *., as in https://*.example.com")
		}
		if !parsed.mayBeOwned() {
			return errors.New("a whole top-level domain belongs to no one: at least two labels must stand after the *., as in https://*.example.com")
		}
		o.below[parsed] = struct{}{}
		return nil
	}
	parsed, err := parseOrigin(entry)
	if err != nil {
		return err
	}
	o.exact[parsed] = struct{}{}
	return nil
}

// Allows reports whether value, the whole of an Origin header, is on the list.
// A malformed one is not, nor is an empty one; what an absent header means is
// the caller's business.
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
	return len(o.below) > 0 && parsed.isDomain() && !parsed.isAddress() && o.allowsAbove(parsed)
}

// originShown is how many bytes of an Origin header an error repeats.
const originShown = 100

// RefusedOrigin returns the error for a request whose Origin header, all lines of
// it, is not allowed. Its detail names the origin that was sent and the setting
// that allows origins: the sender may be a program whose library sends an Origin
// unasked.
func RefusedOrigin(lines []string) error {
	if len(lines) > 1 {
		return notify.Errorf(notify.ErrOrigin, "there must be one Origin header at most")
	}
	sent, cut := strings.Join(lines, ""), ""
	if len(sent) > originShown {
		sent, cut = sent[:originShown], "…"
	}
	return notify.Errorf(notify.ErrOrigin, "the origin %s%s is not in BELLHOP_ALLOWED_ORIGINS: list it there, or send no Origin if this is no browser",
		strconv.QuoteToASCII(sent), cut)
}

// allowsAbove reports whether a domain above that of p is listed for its
// subdomains.
func (o Origins) allowsAbove(p origin) bool {
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

// parseOrigin reads scheme://host[:port] and nothing more. It is written out,
// since net/url takes much for a URL that no browser sends as an origin.
func parseOrigin(s string) (origin, error) {
	scheme, rest, ok := strings.Cut(s, "://")
	if !ok || !isScheme(scheme) {
		return origin{}, errors.New("it must be scheme://host or scheme://host:port")
	}
	if i := strings.IndexAny(rest, "/?#@\\"); i >= 0 {
		return origin{}, errors.New("it must end with the host or port: no path, query, fragment or user, not even a slash")
	}
	host, port, err := splitPort(rest)
	if err != nil {
		return origin{}, err
	}
	o := origin{scheme: lowerASCII(scheme), port: port}
	fold := foldHost
	if !isWeb(o.scheme) {
		fold = foldName
	}
	if o.host, err = fold(host); err != nil {
		return origin{}, err
	}
	if port == defaultPort(o.scheme) {
		o.port = 0
	}
	return o, nil
}

func isScheme(s string) bool { // RFC 3986, section 3.1
	for i := range len(s) {
		switch b := s[i]; {
		case isLetter(b):
		case i > 0 && (isDigit(b) || b == '+' || b == '-' || b == '.'):
		default:
			return false
		}
	}
	return s != ""
}

// splitPort takes the port off an authority; 0 if there is none.
func splitPort(s string) (host string, port uint16, err error) {
	i := strings.LastIndexByte(s, ':')
	if i < 0 || strings.HasSuffix(s, "]") {
		return s, 0, nil
	}
	digits := s[i+1:]
	n, err := strconv.ParseUint(digits, 10, 16)
	if err != nil || n == 0 || digits[0] == '0' {
		return "", 0, errors.New("its port must be a number from 1 to 65535")
	}
	return s[:i], uint16(n), nil
}

// isWeb reports whether the hosts of a scheme are domains and addresses. Those of
// other schemes are names that an app has chosen, or empty.
func isWeb(scheme string) bool { return defaultPort(scheme) != 0 }

func defaultPort(scheme string) uint16 {
	switch scheme {
	case "http", "ws":
		return 80
	case "https", "wss":
		return 443
	}
	return 0
}

// foldHost returns a domain in lower case, or an IPv6 address in brackets and
// its shortest form.
func foldHost(s string) (string, error) {
	if inner, ok := strings.CutPrefix(s, "["); ok {
		inner, ok = strings.CutSuffix(inner, "]")
		addr, err := netip.ParseAddr(inner)
		if !ok || err != nil || !addr.Is6() || addr.Zone() != "" {
			return "", errors.New("what is in brackets is not an IPv6 address")
		}
		return "[" + addr.String() + "]", nil
	}
	length := 0 // of the label so far
	for i := range len(s) {
		b := s[i]
		switch {
		case isLetter(b), isDigit(b), b == '-', b == '_':
			length++
		case b == '.' && length > 0:
			length = 0
		case b == '*':
			return "", errors.New("a * may only be the whole first label, as in https://*.example.com")
		case b >= 0x80:
			return "", errors.New("its host must be ASCII: write an international domain as browsers send it, xn--…")
		default:
			return "", errors.New("its host is not a domain or an address")
		}
	}
	if s == "" {
		return "", errors.New("it has no host")
	}
	return lowerASCII(s), nil
}

// foldName returns the host of a scheme that is not of the web in lower case. It
// may be empty, as in file://, or a dot, as in app://. .
func foldName(s string) (string, error) {
	for i := range len(s) {
		if b := s[i]; !isLetter(b) && !isDigit(b) && !strings.Contains("-._~", string(rune(b))) {
			return foldHost(s) // an IPv6 address, or the error that says which byte is wrong
		}
	}
	return lowerASCII(s), nil
}

// isDomain reports whether the host has the form of a domain or an address.
func (o origin) isDomain() bool {
	_, err := foldHost(o.host)
	return err == nil
}

// isAddress reports whether the host is an IP address and not a domain.
func (o origin) isAddress() bool {
	if strings.HasPrefix(o.host, "[") {
		return true
	}
	_, err := netip.ParseAddr(o.host)
	return err == nil
}

// mayBeOwned reports whether the host is below a top-level domain: whoever
// allows https://*.com allows every stranger's page. There are public suffixes
// of two labels too, which only a list could tell. localhost is one's own.
func (o origin) mayBeOwned() bool {
	host := strings.TrimSuffix(o.host, ".")
	return strings.Contains(host, ".") || host == "localhost"
}

func isLetter(b byte) bool { return 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z' }

func isDigit(b byte) bool { return '0' <= b && b <= '9' }

// lowerASCII folds ASCII letters alone: strings.ToLower would make a k of the
// Kelvin sign.
func lowerASCII(s string) string {
	for i := range len(s) {
		if 'A' <= s[i] && s[i] <= 'Z' {
			b := []byte(s)
			for j := range b {
				if 'A' <= b[j] && b[j] <= 'Z' {
					b[j] += 'a' - 'A'
				}
			}
			return string(b)
		}
	}
	return s
}
