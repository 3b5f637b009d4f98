package auth_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/bellhop/bellhop/internal/auth"
	"github.com/bellhop/bellhop/internal/notify"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestVerifyAccepts(t *testing.T) {
	v := start(t, auth.Options{Secrets: [][]byte{secret()}})
	expires := noon().Add(time.Hour)
	ada := notify.Principal{User: "ada", Name: "user:ada", Expires: expires}
	scoped := func(scopes ...notify.Scope) notify.Principal {
		p := ada
		p.Scopes = scopes
		return p
	}
	hearing := func(topics ...notify.TopicPattern) notify.Principal {
		p := ada
		p.Topics = topics
		return p
	}
	tests := map[string]struct {
		header, claims string
		want           notify.Principal
	}{
		"the least":              {`{"alg":"HS256"}`, claimsWith(``), ada},
		"typ JWT":                {header, claimsWith(``), ada},
		"typ in lower case":      {`{"alg":"HS256","typ":"jwt"}`, claimsWith(``), ada},
		"typ at+jwt":             {`{"alg":"HS256","typ":"at+jwt"}`, claimsWith(``), ada},
		"typ as a media type":    {`{"alg":"HS256","typ":"application/at+JWT"}`, claimsWith(``), ada},
		"kid of no key":          {`{"alg":"HS256","kid":"7"}`, claimsWith(``), ada},
		"unknown members":        {`{"alg":"HS256","x":[{"y":null}]}`, claimsWith(`"name":{"a":[1,2]}`), ada},
		"white space":            {" {\"alg\" : \"HS256\"}\n", " " + claimsWith(``) + "\r\n", ada},
		"SUB and sub":            {header, claimsWith(`"SUB":"eve","Sub":"eve","EXP":0`), ada},
		"escapes in a name":      {header, fmt.Sprintf(`{"\u0073ub":"\u0061da","exp":%d}`, at(time.Hour)), ada},
		"exp with a fraction":    {header, fmt.Sprintf(`{"sub":"ada","exp":%d.5}`, at(time.Hour)), notify.Principal{User: "ada", Name: "user:ada", Expires: expires.Add(time.Second / 2)}},
		"exp with an exponent":   {header, fmt.Sprintf(`{"sub":"ada","exp":%de-1}`, at(time.Hour)*10), ada},
		"any issuer, audience":   {header, claimsWith(`"iss":"x","aud":["y","z"]`), ada},
		"nbf and iat within 30s": {header, claimsWith(fmt.Sprintf(`"nbf":%d,"iat":%d`, at(30*time.Second), at(30*time.Second))), ada},
		"scope":                  {header, claimsWith(`"scope":"openid notify:publish  notify:admin"`), scoped(notify.ScopePublish, notify.ScopeAdmin)},
		"scope as a list":        {header, claimsWith(`"scope":["notify:broadcast","email"]`), scoped(notify.ScopeBroadcast)},
		"scp":                    {header, claimsWith(`"scp":"notify:publish"`), scoped(notify.ScopePublish)},
		"scp as a list":          {header, claimsWith(`"scp":["notify:publish","notify:publish"]`), scoped(notify.ScopePublish)},
		"scope and scp":          {header, claimsWith(`"scope":"notify:admin","scp":["notify:publish"]`), scoped(notify.ScopeAdmin, notify.ScopePublish)},
		"a scope's prefix":       {header, claimsWith(`"scope":"notify notify:publish:x"`), ada},
		"a list with others":     {header, claimsWith(`"scp":[7,null,["notify:admin"],"notify:publish"]`), scoped(notify.ScopePublish)},
		"scopes of another kind": {header, claimsWith(`"scope":7,"scp":{"notify:admin":true}`), ada},
		"nulls":                  {header, claimsWith(`"iss":null,"aud":null,"nbf":null,"iat":null,"jti":null,"since":null,"scope":null,"scp":null,"topics":null`), ada},
		"topics as text":         {header, claimsWith(`"topics":"news project.*"`), hearing("news", "project.*")},
		"a list is not split":    {header, claimsWith(`"scope":["notify:publish notify:admin"]`), ada},
		"no topics":              {header, claimsWith(`"topics":[]`), ada},
		"topics":                 {header, claimsWith(`"topics":["news","project.7","project.*","ä.*","news"]`), hearing("news", "project.7", "project.*", "ä.*")},
		"as many topics as may":  {header, claimsWith(topicsClaim(auth.MaxTopics)), hearing(numbered(auth.MaxTopics)...)},
		"31 levels within":       {header, claimsWith(`"x":` + strings.Repeat("[", 31) + strings.Repeat("]", 31)), ada},
		"brackets in strings":    {header, claimsWith(`"x":"\\\"` + strings.Repeat("[{", 50) + `"`), ada},
		"since":                  {header, claimsWith(fmt.Sprintf(`"since":%d`, at(-time.Hour))), notify.Principal{User: "ada", Name: "user:ada", Expires: expires, Since: noon().Add(-time.Hour)}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := v.Verify(t.Context(), seal(test.header, test.claims))
			require.NoError(t, err)
			assert.True(t, test.want.Expires.Equal(got.Expires), "expires %v", got.Expires)
			assert.True(t, test.want.Since.Equal(got.Since), "since %v", got.Since)
			assert.Equal(t, test.want.Scopes, got.Scopes)
			assert.Equal(t, test.want.Topics, got.Topics)
			assert.Equal(t, test.want.User, got.User)
			assert.Equal(t, test.want.Name, got.Name)
		})
	}
}

func TestVerifyRefusesHeaders(t *testing.T) {
	v := start(t, auth.Options{Secrets: [][]byte{secret()}})
	tests := map[string]string{
		"crit":                     `{"alg":"HS256","crit":["x"],"x":1}`,
		"crit of nothing":          `{"alg":"HS256","crit":[]}`,
		"crit null":                `{"alg":"HS256","crit":null}`,
		"b64 false":                `{"alg":"HS256","b64":false}`,
		"b64 true":                 `{"alg":"HS256","b64":true}`,
		"typ of another purpose":   `{"alg":"HS256","typ":"logout+jwt"}`,
		"typ empty":                `{"alg":"HS256","typ":""}`,
		"typ no string":            `{"alg":"HS256","typ":null}`,
		"no alg":                   `{"typ":"JWT"}`,
		"alg none":                 `{"alg":"none"}`,
		"alg NONE":                 `{"alg":"NONE"}`,
		"alg in another case":      `{"alg":"hs256"}`,
		"ALG":                      `{"ALG":"HS256"}`,
		"alg no string":            `{"alg":["HS256"]}`,
		"alg of another key":       `{"alg":"RS256"}`,
		"alg not the secret's one": `{"alg":"HS512"}`,
		"alg twice":                `{"alg":"HS256","alg":"HS256"}`,
		"alg twice, escaped":       `{"alg":"HS256","\u0061lg":"HS256"}`,
		"twice inside":             `{"alg":"HS256","x":{"a":1,"a":2}}`,
		"kid no string":            `{"alg":"HS256","kid":7}`,
		"a list":                   `["alg"]`,
		"a string":                 `"HS256"`,
		"no JSON":                  `alg`,
		"empty object":             `{}`,
		"trailing data":            header + `{}`,
		"trailing comma":           `{"alg":"HS256",}`,
		"cut off":                  `{"alg":"HS256"`,
		"a comment":                `{"alg":"HS256"/**/}`,
		"BOM":                      "\ufeff" + header,
		"not UTF-8":                "{\"alg\":\"HS256\",\"x\":\"\xff\"}",
		"half a surrogate":         `{"alg":"HS256","x":"\ud800"}`,
		"too deep":                 `{"alg":"HS256","x":` + strings.Repeat("[", 32) + strings.Repeat("]", 32) + `}`,
		"control character":        "{\"alg\":\"HS256\",\"x\":\"\n\"}",
	}
	for name, header := range tests {
		t.Run(name, func(t *testing.T) {
			token := seal(header, claimsWith(``))
			_, err := v.Verify(t.Context(), token)
			requireKind(t, notify.ErrTokenInvalid, err, token)
		})
	}
}

func TestVerifyRefusesClaims(t *testing.T) {
	v := start(t, auth.Options{Secrets: [][]byte{secret()}})
	exp := fmt.Sprintf(`"exp":%d`, at(time.Hour))
	tests := map[string]string{
		"no sub":                `{` + exp + `}`,
		"SUB for sub":           `{"SUB":"ada",` + exp + `}`,
		"Kelvin sign and co":    `{"ſub":"ada",` + exp + `}`,
		"sub empty":             `{"sub":"",` + exp + `}`,
		"sub twice":             `{"sub":"eve","sub":"ada",` + exp + `}`,
		"sub a number":          `{"sub":7,` + exp + `}`,
		"sub null":              `{"sub":null,` + exp + `}`,
		"sub with a space":      `{"sub":"ada l",` + exp + `}`,
		"sub with a line end":   `{"sub":"ada\n",` + exp + `}`,
		"sub with a NUL":        `{"sub":"ada\u0000",` + exp + `}`,
		"sub too long":          `{"sub":"` + strings.Repeat("a", 257) + `",` + exp + `}`,
		"sub a dot":             `{"sub":".",` + exp + `}`,
		"sub two dots":          `{"sub":"..",` + exp + `}`,
		"sub not UTF-8":         "{\"sub\":\"\xff\"," + exp + `}`,
		"no exp":                `{"sub":"ada"}`,
		"EXP for exp":           `{"sub":"ada","EXP":` + fmt.Sprint(at(time.Hour)) + `}`,
		"exp null":              `{"sub":"ada","exp":null}`,
		"exp a string":          `{"sub":"ada","exp":"` + fmt.Sprint(at(time.Hour)) + `"}`,
		"exp 9e18":              `{"sub":"ada","exp":9e18}`,
		"exp 1e999":             `{"sub":"ada","exp":1e999}`,
		"exp negative":          `{"sub":"ada","exp":-1}`,
		"exp twice":             `{"sub":"ada",` + exp + `,` + exp + `}`,
		"exp over 31 days":      fmt.Sprintf(`{"sub":"ada","exp":%d}`, at(auth.MaxLifetime+notify.Leeway+time.Second)),
		"nbf in the future":     claimsWith(fmt.Sprintf(`"nbf":%d`, at(31*time.Second))),
		"nbf a string":          claimsWith(`"nbf":"0"`),
		"nbf out of range":      claimsWith(`"nbf":-9e18`),
		"iat in the future":     claimsWith(fmt.Sprintf(`"iat":%d`, at(31*time.Second))),
		"iat 31 days before":    fmt.Sprintf(`{"sub":"ada","exp":%d,"iat":%d}`, at(time.Hour), at(time.Hour-auth.MaxLifetime-notify.Leeway-time.Second)),
		"jti a number":          claimsWith(`"jti":7`),
		"jti too long":          claimsWith(`"jti":"` + strings.Repeat("j", 257) + `"`),
		"too deep":              claimsWith(`"x":` + strings.Repeat("[", 32) + strings.Repeat("]", 32)),
		"far too deep":          claimsWith(`"x":` + strings.Repeat(`{"a":`, 600) + "1" + strings.Repeat("}", 600)),
		"iss no string":         claimsWith(`"iss":["x"]`),
		"aud a number":          claimsWith(`"aud":1`),
		"aud a list of numbers": claimsWith(`"aud":["x",1]`),
		"since a string":        claimsWith(`"since":"2026-12-01"`),
		"since out of range":    claimsWith(`"since":1e300`),
		"a list":                `[]`,
		"null":                  `null`,
		"no JSON":               `sub`,
		"trailing data":         claimsWith(``) + `x`,
		"twice inside":          claimsWith(`"x":[{"a":1,"a":1}]`),
		"BOM":                   "\ufeff" + claimsWith(``),
		"not UTF-8":             claimsWith("\"x\":\"\xc3\""),
		"NaN":                   `{"sub":"ada","exp":NaN}`,
	}
	for name, claims := range tests {
		t.Run(name, func(t *testing.T) {
			token := seal(header, claims)
			_, err := v.Verify(t.Context(), token)
			requireKind(t, notify.ErrTokenInvalid, err, token)
		})
	}
}

func TestVerifyRefusesShapes(t *testing.T) {
	v := start(t, auth.Options{Secrets: [][]byte{secret()}})
	good := seal(header, claimsWith(``))
	parts := strings.Split(good, ".")
	last := good[len(good)-1]
	spare := string("AEIMQUYcgkosw048"[strings.IndexByte("AEIMQUYcgkosw048", last)]) // a MAC of 32 bytes leaves two bits
	require.Equal(t, string(last), spare)
	tests := map[string]string{
		"empty":                    "",
		"one part":                 parts[0],
		"two parts":                parts[0] + "." + parts[1],
		"four parts":               good + ".x",
		"a dot more":               good + ".",
		"only dots":                "..",
		"no signature":             parts[0] + "." + parts[1] + ".",
		"no claims":                parts[0] + ".." + parts[2],
		"padding":                  good + "=",
		"line end":                 good + "\n",
		"line end inside":          good[:9] + "\r\n" + good[9:],
		"space":                    " " + good,
		"base64, not base64url":    good[:len(good)-3] + "+/A",
		"not ASCII":                good + "é",
		"spare bits":               good[:len(good)-1] + string(last+1),
		"signature cut":            good[:len(good)-2],
		"another signature":        parts[0] + "." + parts[1] + "." + encode(strings.Repeat("x", 32)),
		"claims changed":           parts[0] + "." + encode(claimsWith(`"scope":"notify:admin"`)) + "." + parts[2],
		"too large":                seal(header, claimsWith(`"x":"`+strings.Repeat("x", auth.MaxTokenBytes)+`"`)),
		"far too large":            strings.Repeat("x", 8<<20),
		"an API key":               "bhk_0123456789abcdef",
		"alg none, unsigned":       encode(`{"alg":"none"}`) + "." + parts[1] + ".",
		"alg none, with something": encode(`{"alg":"none"}`) + "." + parts[1] + "." + parts[2],
	}
	for name, token := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := v.Verify(t.Context(), token)
			requireKind(t, notify.ErrTokenInvalid, err, token)
		})
	}

	t.Run("8 KiB pass", func(t *testing.T) {
		token := seal(header, claimsWith(`"x":"`+strings.Repeat("x", 6000)+`"`))
		require.Less(t, len(token), auth.MaxTokenBytes)
		_, err := v.Verify(t.Context(), token)
		require.NoError(t, err)
	})
}

func TestVerifyExpiry(t *testing.T) {
	now := noon()
	v := start(t, auth.Options{Secrets: [][]byte{secret()}, Now: func() time.Time { return now }, Issuer: "me"})
	token := seal(header, claimsWith(`"iss":"me"`))

	p, err := v.Verify(t.Context(), token)
	require.NoError(t, err)

	now = p.Expires.Add(notify.Leeway - 1)
	_, err = v.Verify(t.Context(), token)
	require.NoError(t, err, "a token is accepted for some time after its exp")

	now = p.Expires.Add(notify.Leeway)
	_, err = v.Verify(t.Context(), token)
	requireKind(t, notify.ErrTokenExpired, err, token)

	foreign := seal(header, claimsWith(`"iss":"another"`))
	_, err = v.Verify(t.Context(), foreign)
	requireKind(t, notify.ErrTokenInvalid, err, foreign)

	forged := token[:len(token)-9] + "AAAAAAAAA"
	_, err = v.Verify(t.Context(), forged)
	requireKind(t, notify.ErrTokenInvalid, err, forged)
}

func TestVerifyLifetime(t *testing.T) {
	v := start(t, auth.Options{Secrets: [][]byte{secret()}})
	_, err := v.Verify(t.Context(), seal(header, fmt.Sprintf(`{"sub":"ada","exp":%d}`, at(auth.MaxLifetime))))
	require.NoError(t, err)
}

func TestVerifyIssuerAndAudience(t *testing.T) {
	tests := map[string]struct {
		issuer, audience, claims string
		ok                       bool
	}{
		"right":                   {"me", "you", `"iss":"me","aud":"you"`, true},
		"one of many audiences":   {"me", "you", `"iss":"me","aud":["he","you"]`, true},
		"another issuer":          {"me", "you", `"iss":"he","aud":"you"`, false},
		"issuer in another case":  {"me", "you", `"iss":"Me","aud":"you"`, false},
		"no issuer":               {"me", "you", `"aud":"you"`, false},
		"ISS":                     {"me", "you", `"ISS":"me","aud":"you"`, false},
		"another audience":        {"me", "you", `"iss":"me","aud":"he"`, false},
		"no audience":             {"me", "you", `"iss":"me"`, false},
		"empty audiences":         {"me", "you", `"iss":"me","aud":[]`, false},
		"empty audience":          {"me", "you", `"iss":"me","aud":""`, false},
		"any":                     {"*", "*", ``, true},
		"any issuer":              {"*", "you", `"iss":"he","aud":"you"`, true},
		"a token for any matches": {"me", "you", `"iss":"*","aud":"*"`, false},
		"not asked for":           {"", "", `"iss":"he","aud":"they"`, true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			v := start(t, auth.Options{Secrets: [][]byte{secret()}, Issuer: test.issuer, Audience: test.audience})
			token := seal(header, claimsWith(test.claims))
			_, err := v.Verify(t.Context(), token)
			if test.ok {
				require.NoError(t, err)
				return
			}
			requireKind(t, notify.ErrTokenInvalid, err, token)
		})
	}
}

func TestSecretsRotate(t *testing.T) {
	before := bytes.Repeat([]byte("b"), auth.MinSecretBytes)
	v := start(t, auth.Options{Secrets: [][]byte{secret(), before}})
	for _, s := range [][]byte{secret(), before} {
		_, err := v.Verify(t.Context(), sign(t, "HS256", "", s))
		require.NoError(t, err)
	}
	_, err := v.Verify(t.Context(), sign(t, "HS256", "", bytes.Repeat([]byte("c"), 32)))
	require.ErrorIs(t, err, notify.ErrTokenInvalid)
}

func TestNewReportsMistakes(t *testing.T) {
	file := write(t, "key.pem", pemOf(t, keys(t).ec256))
	tests := map[string]struct {
		options auth.Options
		want    []string
	}{
		"no key":            {auth.Options{}, []string{"no key"}},
		"short secret":      {auth.Options{Secrets: [][]byte{secret(), secret()[1:]}}, []string{"secret 2", "31 bytes"}},
		"empty secret":      {auth.Options{Secrets: [][]byte{nil}}, []string{"secret 1"}},
		"no issuer":         {auth.Options{PublicKeyFile: file, Audience: "x"}, []string{"issuer"}},
		"no audience":       {auth.Options{JWKS: "https://issuer.example/keys", Issuer: "x"}, []string{"audience"}},
		"unknown algorithm": {auth.Options{Secrets: [][]byte{secret()}, Algorithms: []string{"none"}}, []string{`"none"`}},
		"no algorithm fits": {auth.Options{Secrets: [][]byte{secret()}, Algorithms: []string{"RS256"}}, []string{"secret 1"}},
		"no such files":     {auth.Options{PublicKeyFile: file + "x", JWKS: file + "y", Issuer: "*", Audience: "*"}, []string{file + "x", file + "y"}},
		"no host":           {auth.Options{JWKS: "https://", Issuer: "*", Audience: "*"}, []string{"JWKS"}},
		"no JWK Set":        {auth.Options{JWKS: file, Issuer: "*", Audience: "*"}, []string{"not a JWK Set"}},
		"several mistakes":  {auth.Options{Secrets: [][]byte{nil}, PublicKeyFile: file + "x", Algorithms: []string{"XY"}}, []string{"secret 1", file + "x", "issuer", "XY"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := auth.New(t.Context(), test.options)
			require.Error(t, err)
			for _, want := range test.want {
				assert.ErrorContains(t, err, want)
			}
			assert.NotContains(t, err.Error(), string(secret()[1:]))
		})
	}
}

func TestPrincipalInContext(t *testing.T) {
	_, ok := auth.PrincipalOf(t.Context())
	require.False(t, ok)
	ada := notify.Principal{User: "ada"}
	got, ok := auth.PrincipalOf(auth.WithPrincipal(t.Context(), ada))
	require.True(t, ok)
	require.Equal(t, ada, got)
}

// BenchmarkVerify checks one token repeatedly, which the cache holds, and more tokens in
// turn than the cache can hold.
func BenchmarkVerify(b *testing.B) {
	for name, tokens := range map[string]int{"cached": 1, "uncached": 50_000} {
		b.Run(name, func(b *testing.B) {
			v := start(b, auth.Options{Secrets: [][]byte{secret()}, Logger: slog.New(slog.DiscardHandler)})
			sealed := make([]string, tokens)
			for i := range sealed {
				sealed[i] = seal(header, claimsWith(fmt.Sprintf(`"scope":"notify:publish","iat":%d,"iss":"https://login.example.com/%d"`, at(0), i)))
			}
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if _, err := v.Verify(b.Context(), sealed[i%tokens]); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
