package config

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/bellhop/bellhop/internal/text"
)

// noProxies is the value of trusted-proxies for a service without proxies. It differs
// from an unset value, which leaves open whether there are proxies.
const noProxies = "none"

// parse sets the field to the given value. The error does not hold a secret.
func (f field) parse(g given) error {
	values, err := f.values(g)
	if err != nil {
		return err
	}
	switch p := f.value.Addr().Interface().(type) {
	case *string:
		if allowed := f.tag.Get("oneof"); allowed != "" && !slices.Contains(strings.Split(allowed, ","), values[0]) {
			return fmt.Errorf("%q is not one of %s", values[0], strings.ReplaceAll(allowed, ",", ", "))
		}
		*p = values[0]
	case *[]string:
		*p = values
	case *[]Secret:
		return parseSecrets(p, values)
	case *[]netip.Prefix:
		return parseNetworks(p, values)
	case *slog.Level:
		return parseLevel(p, values[0])
	case *time.Duration:
		n, err := f.parseNumber(values[0])
		if err != nil {
			return err
		}
		*p = time.Duration(n) * time.Second
	default:
		n, err := f.parseNumber(values[0])
		if err != nil {
			return err
		}
		f.value.SetInt(n)
	}
	return nil
}

// values returns the items of a list, or one value, without the white space and the byte
// order mark around them. Quotes around a value are refused: a shell removes them, but
// the readers of some files of variables, such as docker's, do not.
func (f field) values(g given) ([]string, error) {
	check := text.Check
	if _, isSecret := f.value.Interface().([]Secret); isSecret {
		check = text.CheckSecret
	}
	values := slices.Clone(g.items)
	if values == nil {
		values = []string{text.Value(g.text)}
		if err := check(values[0]); err != nil { // before it is split at commas, which a key may contain
			return nil, err
		}
		if f.isList() {
			values = strings.Split(values[0], ",")
		}
	}
	if !f.isList() && g.items != nil {
		return nil, errors.New("must be one value, not a list")
	}
	for i := range values {
		if values[i] = text.Value(values[i]); values[i] == "" {
			return nil, errors.New("contains an empty item")
		}
		if err := check(values[i]); err != nil {
			return nil, err
		}
	}
	return values, nil
}

func parseSecrets(to *[]Secret, values []string) error {
	secrets := make([]Secret, len(values))
	for i, v := range values {
		if len(v) < text.MinSecretBytes {
			return fmt.Errorf("secret %d of %d has %d bytes; it must have %d or more", i+1, len(values), len(v), text.MinSecretBytes)
		}
		secrets[i] = Secret(v)
	}
	*to = secrets
	return nil
}

func parseNetworks(to *[]netip.Prefix, values []string) error {
	networks := []netip.Prefix{} // never nil, which means unset
	if len(values) == 1 && values[0] == noProxies {
		values = nil
	}
	for _, v := range values {
		p, err := netip.ParsePrefix(v)
		if err != nil {
			return fmt.Errorf("%q is not a network such as 10.0.0.0/8 or 10.0.0.1/32; the only other value is %s, alone", v, noProxies)
		}
		networks = append(networks, p.Masked())
	}
	*to = networks
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
