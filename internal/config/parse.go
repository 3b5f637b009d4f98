package config

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/bellhop/bellhop/internal/text"
)

// noProxies is the value that says that there are no proxies, as opposed to
// nobody having said.
const noProxies = "none"

// parse sets f to what was given. The error does not hold a secret.
func parse(f field, g given) error {
	items, err := itemsOf(f, g)
	if err != nil {
		return err
	}
	switch p := f.value.Addr().Interface().(type) {
	case *string:
		if allowed := f.tag.Get("oneof"); allowed != "" && !slices.Contains(strings.Split(allowed, ","), items[0]) {
			return fmt.Errorf("%q is not one of %s", items[0], strings.ReplaceAll(allowed, ",", ", "))
		}
		*p = items[0]
	case *[]string:
		*p = items
	case *[]Secret:
		return parseSecrets(p, items)
	case *[]netip.Prefix:
		return parsePrefixes(p, items)
	case *slog.Level:
		return parseLevel(p, items[0])
	case *time.Duration:
		n, err := number(f, items[0], "a number of whole seconds")
		if err != nil {
			return err
		}
		*p = time.Duration(n) * time.Second
	case *int, *int64:
		n, err := number(f, items[0], "a whole number")
		if err != nil {
			return err
		}
		f.value.SetInt(n)
	default:
		return fmt.Errorf("has no parser for %T", p) // a mistake of ours, found by any test that sets it
	}
	return nil
}

// itemsOf returns one item, or several for a list, without the white space and
// the byte order mark around them. It refuses what no value has, such as quotes
// around it: a shell would have taken them away, but a file of variables or a
// unit of systemd may not.
func itemsOf(f field, g given) ([]string, error) {
	_, isSecret := f.value.Interface().([]Secret)
	items := slices.Clone(g.items)
	switch whole := text.Value(g.text); {
	case items != nil:
	case isSecret:
		if err := text.CheckSecret(whole); err != nil { // before commas cut it in pieces
			return nil, err
		}
		items = strings.Split(whole, ",")
	case f.list():
		items = strings.Split(whole, ",")
	default:
		items = []string{whole}
	}
	check := text.Check
	if isSecret {
		check = text.CheckSecret
	}
	for i := range items {
		items[i] = text.Value(items[i])
		if f.list() && items[i] == "" {
			return nil, errors.New("holds an empty item")
		}
		if err := check(items[i]); err != nil {
			return nil, err
		}
	}
	return items, nil
}

// number returns the number that text holds, within the bounds of f.
func number(f field, text, what string) (int64, error) {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%q is not %s", text, what)
	}
	if least := bound(f, "min", 0); n < least {
		return 0, fmt.Errorf("%d is less than %d", n, least)
	}
	if most := bound(f, "max", maxNumber); n > most {
		return 0, fmt.Errorf("%d is more than %d", n, most)
	}
	return n, nil
}

// maxNumber holds in a double and in a duration of microseconds: whoever means
// more has mistyped.
const maxNumber = 1 << 50

func bound(f field, tag string, otherwise int64) int64 {
	n, err := strconv.ParseInt(f.tag.Get(tag), 10, 64)
	if err != nil {
		return otherwise
	}
	return n
}

func parseSecrets(to *[]Secret, items []string) error {
	secrets := make([]Secret, len(items))
	for i, item := range items {
		if len(item) < minSecretBytes {
			return fmt.Errorf("secret %d of %d has %d bytes; it must have %d or more", i+1, len(items), len(item), minSecretBytes)
		}
		secrets[i] = Secret(item)
	}
	*to = secrets
	return nil
}

// minSecretBytes is what RFC 7518, section 3.2 asks of a key for HS256.
const minSecretBytes = 32

func parsePrefixes(to *[]netip.Prefix, items []string) error {
	if len(items) == 1 && items[0] == noProxies {
		*to = []netip.Prefix{}
		return nil
	}
	prefixes := make([]netip.Prefix, len(items))
	for i, item := range items {
		p, err := netip.ParsePrefix(item)
		if err != nil {
			return fmt.Errorf("%q is not a network such as 10.0.0.0/8, nor %s", item, noProxies)
		}
		prefixes[i] = p.Masked()
	}
	*to = prefixes
	return nil
}

func parseLevel(to *slog.Level, text string) error {
	for _, level := range []slog.Level{slog.LevelDebug, slog.LevelInfo, slog.LevelWarn, slog.LevelError} {
		if strings.EqualFold(text, level.String()) {
			*to = level
			return nil
		}
	}
	return fmt.Errorf("%q is not one of debug, info, warn, error", text)
}
