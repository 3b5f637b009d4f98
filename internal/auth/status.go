package auth

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/text"
	"github.com/bellhop/bellhop/internal/watch"
)

// maxMissing is the maximum number of issuers that an error of Ready names.
const maxMissing = 3

// IssuerStatus is the state of an issuer's keys.
type IssuerStatus struct {
	Issuer string // as configured, without credentials; * for any; unique
	Keys   int    // number of keys in force

	// Attempted is the time of the last attempt to load keys from any source. Loaded is
	// the time of the last success; with several sources, that of the source whose last
	// success is the oldest; zero if one was never loaded. Failures is the number of
	// failed attempts. Changed is the time of the last load that returned other keys. Of keys that are in
	// the settings themselves, Changed is the start or the reload since which they are in force, and the
	// other times are zero.
	Attempted, Loaded, Changed time.Time
	Failures                   uint64
}

// Issuers returns the status of each issuer that is configured now, sorted by name.
func (v *Verifier) Issuers() []IssuerStatus {
	var all []IssuerStatus
	for _, i := range v.everyIssuer() {
		all = append(all, i.status())
	}
	slices.SortFunc(all, func(a, b IssuerStatus) int { return cmp.Compare(a.Issuer, b.Issuer) })
	same := 0 // number of preceding issuers with the same label: credentials are hidden in it
	for i := 1; i < len(all); i++ {
		if same++; all[i].Issuer != all[i-same].Issuer {
			same = 0
			continue
		}
		all[i].Issuer = fmt.Sprintf("%s (%d)", all[i].Issuer, same+1)
	}
	return all
}

func (i *issuer) status() IssuerStatus {
	inline := i.secrets.Load()
	all := IssuerStatus{Issuer: i.label(), Keys: len(inline.keys)}
	if all.Keys > 0 {
		all.Changed = inline.since
	}
	for n, source := range i.sources {
		one := source.Status()
		all.Keys += len(source.Current())
		all.Failures += one.Failures
		if n == 0 || one.Loaded.Before(all.Loaded) {
			all.Loaded = one.Loaded
		}
		if one.Attempted.After(all.Attempted) {
			all.Attempted = one.Attempted
		}
		if one.Changed.After(all.Changed) {
			all.Changed = one.Changed
		}
	}
	return all
}

// Files returns the status of the configured files of issuers, API keys and webhooks, and
// one status for all files of token keys.
func (v *Verifier) Files() map[string]watch.Status {
	all := map[string]watch.Status{}
	if v.issuers != nil {
		all["issuers"] = v.issuers.Status()
	}
	if v.apiKeys != nil {
		all["api_keys"] = v.apiKeys.Status()
	}
	if v.webhooks != nil {
		all["webhooks"] = v.webhooks.Status()
	}
	for _, i := range v.everyIssuer() {
		for _, source := range i.sources {
			if source == i.remote {
				continue
			}
			one := source.Status()
			if before, some := all["token_keys"]; some {
				one = worse(before, one)
			}
			all["token_keys"] = one
		}
	}
	return all
}

// worse returns the combined status of two files: the error of either, and the older time of
// their last successful loads.
func worse(a, b watch.Status) watch.Status {
	if a.Err == nil {
		a.Err = b.Err
	}
	a.Failures += b.Failures
	a.Reloads += b.Reloads
	if b.Loaded.Before(a.Loaded) {
		a.Loaded = b.Loaded
	}
	if b.Attempted.After(a.Attempted) {
		a.Attempted = b.Attempted
	}
	return a
}

// label returns the issuer's name for people.
func (i *issuer) label() string {
	return strings.ToValidUTF8(text.HideURL(cmp.Or(i.terms.entry.Issuer, Any)), "\ufffd")
}

// Ready returns an error of kind ErrUnavailable, with the names of the missing issuers, until
// the keys of every configured issuer have been loaded once. From then on it always returns
// nil: an issuer that is added later and cannot be loaded is reported by the log and by
// Issuers, and does not affect the users of the others.
func (v *Verifier) Ready() error {
	if v.ready.Load() {
		return nil
	}
	var missing []string
	for _, i := range v.everyIssuer() {
		if !i.loaded() {
			missing = append(missing, i.missing())
		}
	}
	if len(missing) == 0 {
		v.ready.Store(true)
		return nil
	}
	slices.Sort(missing)
	names := strings.Join(missing[:min(maxMissing, len(missing))], ", ")
	if len(missing) > maxMissing {
		names += " and others"
	}
	return notify.Unavailable(notify.CauseKeys, "the keys of these issuers have not been loaded yet: %s", names)
}

// missing returns the name of the issuer for a text.
func (i *issuer) missing() string {
	if name := i.label(); name != Any {
		return name
	}
	return "that of the settings"
}

// recordLoaded records that all keys are loaded, if they are, before the set of issuers changes.
func (v *Verifier) recordLoaded() { _ = v.Ready() }

// loaded reports whether each source of the keys has been loaded at least once.
func (i *issuer) loaded() bool {
	for _, source := range i.sources {
		if !source.Loaded() {
			return false
		}
	}
	return true
}
