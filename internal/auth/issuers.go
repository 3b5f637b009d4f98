package auth

import (
	"context"
	"reflect"
	"slices"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/bellhop/bellhop/internal/watch"
)

// maxIssuers bounds the issuers file: each issuer is followed by a goroutine.
const maxIssuers = 100

// issuerEntry is an issuer as the issuers file has it.
type issuerEntry struct {
	issuer     string
	audiences  []string
	jwks       string
	algorithms []string
	userClaim  string
}

// issuersFile follows the issuers file. An issuer whose entry stays as it was
// keeps its keys; one that is new is asked for them before its first token is
// looked at; one that is gone is left after its last.
func issuersFile(o *Options) *watch.Source[map[string]*issuer] {
	var f *watch.Source[map[string]*issuer]
	s := sourceOptions[map[string]*issuer](o, "issuers", o.IssuersFile)
	s.Load = fileLoad(o.IssuersFile, func(ctx context.Context, data []byte) (map[string]*issuer, error) {
		return parseIssuers(ctx, data, o, f.Current())
	})
	s.Take = func(ctx context.Context, after map[string]*issuer) {
		before := f.Current()
		added, removed := without(after, before), without(before, after)
		fetch(ctx, added)
		for _, i := range added {
			i.follow(ctx)
		}
		f.Set(after)
		for _, i := range removed {
			i.leave()
		}
	}
	f = watch.New(s)
	return f
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

// parseIssuers returns the issuers in data by their names, with the keys that
// are in files, or every mistake in it. Those of old that did not change are
// taken over as they are.
func parseIssuers(ctx context.Context, data []byte, o *Options, old map[string]*issuer) (map[string]*issuer, error) {
	issuers := map[string]*issuer{}
	_, err := parseList(data, maxIssuers, []string{"issuer", "audiences", "jwks", "algorithms?", "user_claim?"}, func(e entry) issuerEntry {
		read := readIssuerEntry(e)
		switch {
		case issuers[read.issuer] != nil:
			e.mistake("the issuer is there twice")
		case o.hasKeys() && read.issuer == o.Issuer:
			e.mistake("the issuer is that of the settings, and must be set in one place")
		}
		i := old[read.issuer]
		if i == nil || !reflect.DeepEqual(i.entry, read) {
			i = startIssuer(ctx, e, o, read)
		}
		issuers[read.issuer] = i
		return read
	})
	return issuers, err
}

// startIssuer returns the issuer that read describes, its mistakes noted in e.
func startIssuer(ctx context.Context, e entry, o *Options, read issuerEntry) *issuer {
	own := *o
	own.Secrets, own.PublicKeyFile = nil, ""
	own.Issuer, own.JWKS, own.Algorithms = read.issuer, read.jwks, read.algorithms
	i, err := newIssuer(&own, read.audiences, read.userClaim)
	if err == nil && !e.wrong() {
		err = i.start(ctx)
	}
	if err != nil {
		e.mistake("%w", err)
	}
	i.entry = read
	return i
}

func readIssuerEntry(e entry) issuerEntry {
	read := issuerEntry{
		issuer:     e.text("issuer"),
		audiences:  e.texts("audiences"),
		jwks:       e.text("jwks"),
		algorithms: e.texts("algorithms"),
		userClaim:  e.text("user_claim"),
	}
	if read.issuer == Any {
		e.mistake("issuer must be one: any other may be that of the settings")
	}
	if len(read.audiences) > 1 && slices.Contains(read.audiences, Any) {
		e.mistake("audiences has * beside others: it stands alone, for any")
	}
	if err := checkAlgorithms(read.algorithms); err != nil {
		e.mistake("%w", err)
	} else if slices.ContainsFunc(read.algorithms, isHMAC) {
		e.mistake("algorithms has one for shared secrets, and the keys of a JWKS are public")
	}
	switch read.userClaim {
	case "":
		read.userClaim = defaultUserClaim
	case "iss", "aud", "exp", "nbf", "iat", "jti", "since", "scope", "scp", "topics":
		e.mistake("user_claim names a claim with another meaning")
	}
	return read
}

// issuerOf returns the issuer that t must be verified with: that of the file
// which t names, else that of the settings. What t names is not verified yet;
// whoever lies about it is refused for the signature.
func (v *Verifier) issuerOf(t *token) (*issuer, error) {
	if v.issuers == nil {
		return v.settings, nil
	}
	name := ""
	err := readObject(t.payload, func(member string, value jsontext.Value) (err error) {
		if member == "iss" {
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
