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

// maxIssuers bounds the issuers file: each issuer is followed by a goroutine.
const maxIssuers = 100

// issuersFile follows the issuers file. An issuer keeps its keys while its entry says
// the same of them; one that is new is asked for them before its first token is
// looked at; one that is gone is left after its last.
func issuersFile(o *Options) *watch.Source[map[string]*issuer] {
	var f *watch.Source[map[string]*issuer]
	s := sourceOptions[map[string]*issuer](o, "issuers", o.IssuersFile)
	s.Load = fileLoad(o.IssuersFile, func(ctx context.Context, data []byte) (map[string]*issuer, error) {
		return parseIssuers(ctx, data, o, f.Current())
	})
	s.Take = func(ctx context.Context, after map[string]*issuer) {
		o.changing()
		before := f.Current()
		added, removed := keysWithout(after, before), without(before, after)
		fetch(ctx, added)
		for _, keys := range added {
			keys.follow(ctx)
		}
		f.Set(after)
		withdraw(removed, after)
		if len(removed) > 0 {
			o.withdrawals.Add(1) // last, so that a reader of the new count finds them withdrawn
		}
		for _, keys := range keysWithout(before, after) {
			keys.leave()
		}
	}
	f = watch.New(s)
	return f
}

// withdraw says of issuers that are not accepted any more how their connections end.
// Where the entry of one has changed they come back, to be judged by the new one.
func withdraw(removed []*issuer, after map[string]*issuer) {
	for _, i := range removed {
		why := notify.CloseRevoked
		if after[i.identity.Name] != nil {
			why = notify.CloseDisconnected
		}
		i.identity.Withdraw(why)
	}
}

// Withdrawals counts the times that issuers were withdrawn. Those were withdrawn
// before it is one more.
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

// OnlyIssuer returns the issuer whose tokens are accepted if there is only one,
// else nil.
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

// keysWithout returns the keys of issuers in all that are not those of others.
func keysWithout(all, others map[string]*issuer) []*keyring {
	var rest []*keyring
	for name, i := range all {
		if others[name] == nil || others[name].keyring != i.keyring {
			rest = append(rest, i.keyring)
		}
	}
	return rest
}

// issuerMembers are those of an entry of the issuers file.
var issuerMembers = []string{
	"issuer", "jwks?", "public_key_file?", "secret_file?", "algorithms?", "audiences", "clients?",
	"user_claim?", "user_prefix?", "scope_claims?", "scope_prefix?", "topics_claim?", "scopes?", "topics?",
}

// parseIssuers returns the issuers in data by their names, with the keys that
// are in files, or every mistake in it. Those of old that did not change are
// taken over as they are.
func parseIssuers(ctx context.Context, data []byte, o *Options, old map[string]*issuer) (map[string]*issuer, error) {
	issuers := map[string]*issuer{}
	var all prefixes
	if o.hasKeys() {
		all.add("the issuer of the settings (BELLHOP_JWT_USER_PREFIX)", settingsEntry(o))
	}
	_, err := parseList(data, maxIssuers, issuerMembers, func(e entry) issuerEntry {
		read := readIssuerEntry(e)
		switch {
		case issuers[read.issuer] != nil:
			e.mistake("the issuer is there twice")
		case o.hasKeys() && read.issuer == o.Issuer:
			e.mistake("the issuer is that of the settings, and must be set in one place")
		}
		i := old[read.issuer]
		if i == nil || !reflect.DeepEqual(i.terms.entry, read) {
			i = startIssuer(ctx, e, o, read, i)
		}
		issuers[read.issuer] = i
		all.add(fmt.Sprintf("line %d", e.line), read)
		return read
	})
	return issuers, errors.Join(err, all.check())
}

// startIssuer returns the issuer that read describes, its mistakes noted in e. old
// is what the issuer was before, or nil.
func startIssuer(ctx context.Context, e entry, o *Options, read issuerEntry, old *issuer) *issuer {
	var keys *keyring
	if old != nil && old.terms.entry.hasKeysOf(&read) {
		keys = old.keyring
	} else {
		keys = startKeys(ctx, e, o, read)
	}
	i, err := newIssuer(o, read, keys)
	if err != nil {
		e.mistake("%w", err)
	}
	return i
}

func startKeys(ctx context.Context, e entry, o *Options, read issuerEntry) *keyring {
	own := *o
	own.Secrets, own.SecretsFile = nil, read.secretFile
	own.PublicKeyFile, own.JWKS, own.Algorithms = read.publicKeyFile, read.jwks, read.algorithms
	keys, err := newKeyring(&own)
	if err == nil && !e.wrong() {
		err = keys.start(ctx)
	}
	if err != nil {
		e.mistake("%w", err)
	}
	return keys
}

func readIssuerEntry(e entry) issuerEntry {
	read := issuerEntry{
		issuer:        e.text("issuer"),
		jwks:          e.text("jwks"),
		publicKeyFile: e.text("public_key_file"),
		secretFile:    e.text("secret_file"),
		algorithms:    e.texts("algorithms"),
		audiences:     e.audiences(),
		clients:       e.texts("clients"),
		userClaim:     e.text("user_claim"),
		scopeClaims:   e.texts("scope_claims"),
		scopePrefix:   e.text("scope_prefix"),
		topicsClaim:   e.text("topics_claim"),
	}
	read.userPrefix, read.hasPrefix = e.optionalText("user_prefix")
	if e.has("scopes") {
		read.scopes = e.scopes()
	}
	read.setDefaults()
	read.topics, read.anyTopic = e.topics(read.userPrefix == "")
	checkIssuerEntry(e, &read)
	return read
}

func checkIssuerEntry(e entry, read *issuerEntry) {
	if read.issuer == Any {
		e.mistake("issuer must be one: any other may be that of the settings")
	}
	if e.members["jwks"] == nil && e.members["public_key_file"] == nil && e.members["secret_file"] == nil {
		e.mistake("it has no key: jwks, public_key_file or secret_file is needed")
	}
	isAny := slices.Contains(read.audiences, Any)
	if len(read.audiences) > 1 && isAny {
		e.mistake("audiences has * beside others: it stands alone, for any")
	}
	if isAny && len(read.clients) == 0 {
		e.mistake("clients is required where audiences is *: else tokens that the issuer gave to others would be accepted")
	}
	if slices.Contains(read.clients, Any) {
		e.mistake("clients has *, and must name each")
	}
	if err := CheckAlgorithms(read.algorithms); err != nil {
		e.mistake("%w", err)
	} else if slices.ContainsFunc(read.algorithms, isHMAC) && read.secretFile == "" {
		e.mistake("algorithms has one for shared secrets, and there is no secret_file")
	}
}

// prefixes are those of the users of all issuers.
type prefixes struct {
	places  []string // of entries, for people
	entries []issuerEntry
}

func (p *prefixes) add(place string, e issuerEntry) {
	p.places, p.entries = append(p.places, place), append(p.entries, e)
}

// check returns an error unless no user can be that of two issuers, or it was said
// of all that they share their users.
func (p *prefixes) check() error {
	if len(p.entries) < 2 {
		return nil
	}
	var errs []error
	for i := range p.entries {
		if !p.entries[i].hasPrefix {
			errs = append(errs, fmt.Errorf("%s: with more than one issuer a user prefix is required for each, or none for all, which then share their users", p.places[i]))
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

// issuerOf returns the issuer that t must be verified with: that of the file
// which t names, else that of the settings. What t names is not verified yet;
// whoever lies about it is refused for the signature.
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
		return nil, invalid("the token is of another issuer")
	}
	return v.settings, nil
}
