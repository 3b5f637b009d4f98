package config

import (
	"reflect"
	"slices"
)

// Change is the difference between two values of a setting.
type Change struct {
	Name        string // in the environment
	Before, Now string // as they are shown to people: secrets are hidden
}

// Reloaded returns a copy of c with those values of next that can change while the service
// runs, and these changes. pending has the others, which take effect at the next start. The
// limits per address depend on whether there are proxies, and are pending with those.
func (c *Config) Reloaded(next *Config) (merged *Config, changes, pending []Change) {
	merged = new(Config)
	*merged = *c
	merged.origins = map[string]Origin{}
	before, after, to := fieldsOf(c), fieldsOf(next), fieldsOf(merged)
	proxies := !reflect.DeepEqual(c.TrustedProxies, next.TrustedProxies)
	secrets := len(c.JWTSecret) > 0 && len(next.JWTSecret) > 0 // otherwise the issuer of the settings comes or goes
	for i, f := range before {
		from := c
		change := Change{Variable(f.name), f.show(), after[i].show()}
		isLive := f.tag.Get("reload") != "" && (secrets || f.name != "jwt-secret") &&
			(!proxies || !slices.Contains([]string{"connections-per-address", "handshakes-per-address"}, f.name))
		switch {
		case reflect.DeepEqual(f.value.Interface(), after[i].value.Interface()):
		case !isLive:
			pending = append(pending, change)
		default:
			changes = append(changes, change)
			to[i].value.Set(after[i].value)
			from = next
		}
		if origin, ok := from.origins[f.name]; ok {
			merged.origins[f.name] = origin
		}
	}
	return merged, changes, pending
}

// String returns the setting with both values, or its name alone if they are secret or long.
func (c Change) String() string {
	const most = 64
	if c.Before == c.Now || len(c.Before)+len(c.Now) > most {
		return c.Name
	}
	return c.Name + ": " + orEmpty(c.Before) + " to " + orEmpty(c.Now)
}

func orEmpty(value string) string {
	if value == "" {
		return "empty"
	}
	return value
}
