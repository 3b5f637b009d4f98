package auth

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"

	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/strict"
	"github.com/bellhop/bellhop/internal/watch"
)

// maxIssuers limits the issuers file, since each issuer has goroutines of its own.
const maxIssuers = 100

// issuersFile returns the source of the issuers file. An issuer keeps its keys if the keys in
// its entry have not changed. The keys of a new issuer are fetched before its tokens are
// accepted, and the goroutines of a removed issuer end after its tokens are refused.
func issuersFile(o *Options) *watch.Source[map[string]*issuer] {
	var f *watch.Source[map[string]*issuer]
	s := sourceOptions[map[string]*issuer](o, "issuers", o.IssuersFile)
	s.Load = fileLoad(o.IssuersFile, func(ctx context.Context, data []byte) (map[string]*issuer, error) {
		return parseIssuers(ctx, data, o, f.Current())
	})
	s.Take = func(ctx context.Context, after map[string]*issuer) {
		o.beforeChange()
		before := f.Current()
		added, removed := keyringsWithout(after, before), without(before, after)
		fetch(ctx, added)
		for _, keys := range added {
			keys.follow(ctx)
		}
		f.Set(after)
		withdraw(removed, after)
		if len(removed) > 0 {
			o.withdrawals.Add(1) // last: a reader of the new count must find the issuers withdrawn
		}
		for _, keys := range keyringsWithout(before, after) {
			keys.stopFollowing()
		}
	}
	f = watch.New(s)
	return f
}

// withdraw withdraws issuers that are no longer accepted, which ends their connections. If
// the entry of an issuer has only changed, its clients may reconnect, and their tokens are
// verified by the new entry.
func withdraw(removed []*issuer, after map[string]*issuer) {
	for _, i := range removed {
		why := notify.CloseRevoked
		if after[i.identity.Name] != nil {
			why = notify.CloseDisconnected
		}
		i.identity.Withdraw(why)
	}
}

// Withdrawals returns how many times issuers were withdrawn. It is incremented after they
// were withdrawn.
func (v *Verifier) Withdrawals() uint64 { return v.withdrawals.Load() }

// Issuer returns the issuer with a name whose tokens are accepted now, nil if
// there is none.
func (v *Verifier) Issuer(name string) *notify.Issuer {
	if v.issuers != nil {
		if i := v.issuers.Current()[name]; i != nil {
			return i.identity
		}
	}
	if v.settings != nil && v.settings.identity.Name == name {
		return v.settings.identity
	}
	return nil
}

// OnlyIssuer returns the issuer whose tokens are accepted, nil unless there is exactly one.
func (v *Verifier) OnlyIssuer() *notify.Issuer {
	all := v.everyIssuer()
	if len(all) != 1 {
		return nil
	}
	return all[0].identity
}

// without returns the issuers in all that are not in others.
func without(all, others map[string]*issuer) []*issuer {
	var rest []*issuer
	for name, i := range all {
		if others[name] != i {
			rest = append(rest, i)
		}
	}
	return rest
}

// keyringsWithout returns the keyrings of the issuers in all that the issuer of the same name
// in others does not have.
func keyringsWithout(all, others map[string]*issuer) []*keyring {
	var rest []*keyring
	for name, i := range all {
		if others[name] == nil || others[name].keyring != i.keyring {
			rest = append(rest, i.keyring)
		}
	}
	return rest
}

// parseIssuers returns the issuers in data by name, with their keys read from files, or
// every mistake in data. An issuer in old whose entry has not changed is reused.
func parseIssuers(ctx context.Context, data []byte, o *Options, old map[string]*issuer) (map[string]*issuer, error) {
	items, err := strict.List[issuerEntry](data, maxIssuers)
	errs := []error{err}
	issuers := map[string]*issuer{}
	var all prefixes
	if o.hasKeys() {
		all.add("the issuer of the settings (BELLHOP_JWT_USER_PREFIX)", settingsEntry(o))
	}
	for n := range items {
		item := &items[n]
		wrong := checkIssuer(item)
		e := &item.Value
		switch {
		case issuers[e.Issuer] != nil && e.Issuer != "":
			wrong = append(wrong, item.Wrong("the issuer is listed twice"))
		case o.hasKeys() && e.Issuer == o.Issuer:
			wrong = append(wrong, item.Wrong("the issuer is also the issuer of the settings: configure it in one place"))
		}
		i := old[e.Issuer]
		if i == nil || !reflect.DeepEqual(&i.terms.entry, e) {
			var err error
			if i, err = startIssuer(ctx, o, e, i, errors.Join(wrong...) == nil); err != nil {
				wrong = append(wrong, item.Wrong("%w", err))
			}
		}
		issuers[e.Issuer] = i
		all.add(fmt.Sprintf("line %d", item.Line), *e)
		errs = append(errs, wrong...)
	}
	return issuers, strict.Ordered(append(errs, all.check())...)
}

// startIssuer returns the issuer that e describes, and every mistake in e. old is the issuer
// with its previous entry, or nil. Its keyring is reused if the keys have not changed.
// Otherwise, if readKeys is set, the keys are read from their files.
func startIssuer(ctx context.Context, o *Options, e *issuerEntry, old *issuer, readKeys bool) (*issuer, error) {
	if old != nil && old.terms.entry.hasKeysOf(e) {
		return newIssuer(o, *e, old.keyring)
	}
	own := *o
	own.Secrets, own.SecretsFile = nil, e.SecretFile
	own.PublicKeyFile, own.JWKS, own.Algorithms = e.PublicKeyFile, e.JWKS, e.Algorithms
	keys, err := newKeyring(&own)
	if err == nil && readKeys {
		err = keys.start(ctx)
	}
	i, wrong := newIssuer(o, *e, keys)
	return i, errors.Join(err, wrong)
}

// checkIssuer sets the defaults of an entry and returns its mistakes.
func checkIssuer(item *strict.Item[issuerEntry]) []error {
	e := &item.Value
	e.hasPrefix = item.Has("user_prefix")
	e.setDefaults()
	wrong := []error{
		item.At("scopes", checkScopes(e.Scopes)), item.At("topics", e.readTopics(item.Has("topics"))), item.At("algorithms", CheckAlgorithms(e.Algorithms)),
	}
	check := func(bad bool, mistake string) {
		if bad {
			wrong = append(wrong, item.Wrong("%s", mistake))
		}
	}
	isAny := slices.Contains(e.Audiences, Any)
	check(e.Issuer == Any, "issuer must be the name of one issuer: only BELLHOP_JWT_ISSUER may be *")
	check(!item.Has("jwks") && !item.Has("public_key_file") && !item.Has("secret_file"), "the item has no key: set jwks, public_key_file or secret_file")
	check(isAny && len(e.Audiences) > 1, "audiences has * and other values: * accepts any audience and must be the only value")
	check(isAny && !item.Has("clients"), "clients is required if audiences is *: without it, tokens that the issuer made for other services would be accepted")
	check(slices.Contains(e.Clients, Any), "clients has *: list each client")
	check(slices.ContainsFunc(e.Algorithms, isHMAC) && !item.Has("secret_file"), "algorithms has an HMAC algorithm, which requires a secret_file")
	return wrong
}

// readTopics checks the topics of an entry. A single * allows all topics. If topics are not
// listed, an issuer without a user prefix may have all topics, and one with a prefix none.
func (e *issuerEntry) readTopics(listed bool) error {
	if !listed {
		e.anyTopic = e.UserPrefix == ""
		return nil
	}
	if slices.Equal(e.Topics, []notify.TopicPattern{Any}) {
		e.Topics, e.anyTopic = nil, true
		return nil
	}
	for _, t := range e.Topics {
		if _, err := notify.ParsePattern(string(t)); err != nil {
			return errors.New("topics must be names, or patterns such as project.*, or * alone for all")
		}
	}
	return nil
}

// prefixes compares the user prefixes of all issuers.
type prefixes struct {
	places  []string // where each entry is, for error messages
	entries []issuerEntry
}

func (p *prefixes) add(place string, e issuerEntry) {
	p.places, p.entries = append(p.places, place), append(p.entries, e)
}

// check returns an error unless either no user can belong to two issuers, or all issuers say
// explicitly that they share their users.
func (p *prefixes) check() error {
	if len(p.entries) < 2 {
		return nil
	}
	var errs []error
	for i := range p.entries {
		if !p.entries[i].hasPrefix {
			errs = append(errs, fmt.Errorf("%s: with more than one issuer, each needs a user prefix: either different prefixes, or none for all of them, which then share their users", p.places[i]))
			continue
		}
		for k := range p.entries[:i] {
			if why := overlap(&p.entries[i], &p.entries[k]); why != "" && p.entries[k].hasPrefix {
				errs = append(errs, fmt.Errorf("%s: the user prefix %s %s", p.places[i], why, p.places[k]))
			}
		}
	}
	return errors.Join(errs...)
}

// issuerOf returns the issuer whose keys must verify t: the issuer in the issuers file that the
// iss of t names, or else the issuer of the settings. The iss is not verified yet; if it is
// forged, the signature does not match.
func (v *Verifier) issuerOf(t *token) (*issuer, error) {
	if v.issuers == nil {
		return v.settings, nil
	}
	name := ""
	err := readObject(t.payload, func(member string, value strict.Value) (err error) {
		if member == "iss" && value.Kind() != 'n' {
			name, err = readString(member, value)
		}
		return err
	})
	if err != nil {
		return nil, claimsError(err)
	}
	if i := v.issuers.Current()[name]; i != nil {
		return i, nil
	}
	if v.settings == nil {
		return nil, invalidFor(notify.CauseIssuer, "the issuer (iss) of the token is not accepted here", "its iss is %s; the issuers file does not list it", shown(name))
	}
	return v.settings, nil
}
