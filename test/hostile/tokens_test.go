package hostile

import (
	"crypto/hmac"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
)

func encode(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

// hs256 signs any header and claims with a secret. It does not use the service's own JWT
// library, because that could hide a mistake of the library.
func hs256(secret, header, claims string) string {
	signed := encode(header) + "." + encode(claims)
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(signed))
	return signed + "." + encode(string(mac.Sum(nil)))
}

const header = `{"alg":"HS256","typ":"JWT"}`

// claims returns the claims of a valid token, modified by change. A nil value removes a
// claim.
func claims(change map[string]any) string {
	all := map[string]any{
		"sub": "mallory", "iss": issuer, "aud": audience, "scope": "notify:publish",
		"exp": time.Now().Add(time.Hour).Unix(),
	}
	for name, v := range change {
		if all[name] = v; v == nil {
			delete(all, name)
		}
	}
	b, err := json.Marshal(all)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// spare returns a token whose signature differs only in the unused bits of its last
// base64 character.
func spare(token string) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	last := strings.IndexByte(alphabet, token[len(token)-1])
	return token[:len(token)-1] + alphabet[last^1:last^1+1]
}

// tokens returns cases of invalid tokens, and a few valid ones to show that only the
// defects are refused.
func tokens(t *testing.T, key *rsa.PrivateKey) []requestCase {
	t.Helper()
	now := time.Now()
	plain := claims(nil)
	whole := hs256(secret, header, plain)
	rs := func(header string) string {
		signed := encode(header) + "." + encode(plain)
		return signed + "." + encode(signRS256(t, key, signed))
	}
	const bad, none = "401 token-invalid", "401 unauthenticated"
	cases := []requestCase{
		{"valid", whole, valid},
		{"valid, of the public key", rs(`{"alg":"RS256"}`), valid},
		{"none", "", none},
		{"not a JWT", "admin", bad},
		{"two dots and nothing", "..", bad},
		{"two parts", strings.Join(strings.Split(whole, ".")[:2], "."), bad},
		{"four parts", whole + "." + encode("{}"), bad},
		{"five parts", "a.b.c.d.e", bad},
		{"no signature", strings.Join(strings.Split(whole, ".")[:2], ".") + ".", bad},
		{"signature of another secret", hs256(strings.Repeat("x", 32), header, plain), bad},
		{"truncated signature", whole[:len(whole)-2], bad},
		{"spare bits of the signature", spare(whole), bad},
		{"padded", whole + "=", bad},
		{"base64 that is not base64url", strings.Replace(whole, ".", "+.", 1), bad},
		{"header that is not base64", "!." + strings.SplitN(whole, ".", 2)[1], bad},
		{"12 KiB of zeros", encode(header) + "." + strings.Repeat("A", 12<<10) + ".AAAA", bad},
		{"9 KiB, valid signature", hs256(secret, header, claims(map[string]any{"x": strings.Repeat("x", 9<<10)})), bad},
		{"header that is not an object", hs256(secret, `["HS256"]`, plain), bad},
		{"claims that are not an object", hs256(secret, header, `"mallory"`), bad},
		{"claims with a BOM", hs256(secret, header, "\ufeff"+plain), bad},
		{"claims with trailing data", hs256(secret, header, plain+"{}"), bad},
		{"claims that are a token", hs256(secret, `{"alg":"HS256","cty":"JWT"}`, whole), bad},
		{"a sub that is an object", hs256(secret, header, claims(map[string]any{"sub": map[string]string{"sub": "control"}})), bad},
		{"deep header without a valid signature", encode(`{"alg":"HS256","x":`+strings.Repeat("[", 1000)+strings.Repeat("]", 1000)+`}`) + "." + encode(plain) + ".AAAA", bad},
	}
	for _, h := range []struct{ name, header string }{
		{"alg none", `{"alg":"none"}`},
		{"alg None", `{"alg":"None"}`},
		{"alg in lower case", `{"alg":"hs256"}`},
		{"alg absent", `{"typ":"JWT"}`},
		{"alg null", `{"alg":null}`},
		{"alg a list", `{"alg":["HS256"]}`},
		{"alg twice", `{"alg":"HS256","alg":"HS256"}`},
		{"alg of a longer hash", `{"alg":"HS512"}`},
		{"alg of another key", `{"alg":"RS256"}`},
		{"crit", `{"alg":"HS256","crit":["exp"]}`},
		{"crit empty", `{"alg":"HS256","crit":[]}`},
		{"b64 false", `{"alg":"HS256","b64":false}`},
		{"b64 false and crit", `{"alg":"HS256","b64":false,"crit":["b64"]}`},
		{"typ of an ID token", `{"alg":"HS256","typ":"id+jwt"}`},
		{"typ of a logout", `{"alg":"HS256","typ":"logout+jwt"}`},
		{"typ a number", `{"alg":"HS256","typ":1}`},
	} {
		cases = append(cases, requestCase{h.name, hs256(secret, h.header, plain), bad})
	}
	return append(append(cases, keyTokens(t, key, rs)...), claimTokens(plain, now)...)
}

// keyTokens returns tokens that try to choose the key that verifies them.
func keyTokens(t *testing.T, key *rsa.PrivateKey, rs func(header string) string) []requestCase {
	t.Helper()
	const bad = "401 token-invalid"
	public, plain := string(publicPEM(t, key)), claims(nil)
	const embedded = "the attacker's own key, in the token"
	jwk := fmt.Sprintf(`{"kty":"oct","k":%q}`, encode(embedded))
	return []requestCase{
		{"HMAC with the public key's file", hs256(public, `{"alg":"HS256"}`, plain), bad},
		{"HMAC with the public key's file without its end", hs256(strings.TrimSpace(public), `{"alg":"HS256"}`, plain), bad},
		{"HMAC with an empty key", hs256("", `{"alg":"HS256"}`, plain), bad},
		{"RSA as PSS", rs(`{"alg":"PS256"}`), bad},
		{"RSA as HMAC", rs(`{"alg":"HS256"}`), bad},
		{"jwk of its own", hs256(embedded, `{"alg":"HS256","jwk":`+jwk+`}`, plain), bad},
		{"jku of its own", hs256(embedded, `{"alg":"HS256","jku":"http://127.0.0.1:1/keys"}`, plain), bad},
		{"x5u of its own", hs256(embedded, `{"alg":"HS256","x5u":"http://127.0.0.1:1/chain"}`, plain), bad},
		{"x5c of its own", hs256(embedded, `{"alg":"HS256","x5c":["AAAA"]}`, plain), bad},
		{"kid that is a path, to an empty file", hs256("", `{"alg":"HS256","kid":"../../../../dev/null"}`, plain), bad},
		{"kid that is SQL", hs256("x", `{"alg":"HS256","kid":"' UNION SELECT 'x"}`, plain), bad},
		{"kid with a zero byte", hs256("x", `{"alg":"HS256","kid":"a\u0000b"}`, plain), bad},
		{"kid that is a number", hs256(secret, `{"alg":"HS256","kid":1}`, plain), bad},
	}
}

// claimTokens returns tokens with a valid signature and invalid claims.
func claimTokens(plain string, now time.Time) []requestCase {
	const bad = "401 token-invalid"
	null := json.RawMessage("null")
	many := make([]string, 101)
	for i := range many {
		many[i] = fmt.Sprint("topic.", i)
	}
	cases := []requestCase{
		{"sub twice", hs256(secret, header, strings.Replace(plain, "{", `{"sub":"control",`, 1)), bad},
		{"exp twice", hs256(secret, header, strings.Replace(plain, "{", `{"exp":1,`, 1)), bad},
		{"exp of 9e18", hs256(secret, header, strings.Replace(claims(map[string]any{"exp": nil}), "{", `{"exp":9e18,`, 1)), bad},
		{"exp of 1e999", hs256(secret, header, strings.Replace(claims(map[string]any{"exp": nil}), "{", `{"exp":1e999,`, 1)), bad},
	}
	for name, change := range map[string]map[string]any{
		"sub absent":            {"sub": nil},
		"sub empty":             {"sub": ""},
		"SUB":                   {"sub": nil, "SUB": "mallory"},
		"sub a number":          {"sub": 1},
		"sub a list":            {"sub": []string{"mallory"}},
		"sub with white space":  {"sub": "mallory control"},
		"sub with a line break": {"sub": "mallory\ncontrol"},
		"sub of 257 bytes":      {"sub": strings.Repeat("m", 257)},
		"exp absent":            {"exp": nil},
		"exp text":              {"exp": fmt.Sprint(now.Add(time.Hour).Unix())},
		"exp negative":          {"exp": -1},
		"exp too far":           {"exp": now.Add(32 * 24 * time.Hour).Unix()},
		"nbf in the future":     {"nbf": now.Add(time.Hour).Unix()},
		"iat in the future":     {"iat": now.Add(time.Hour).Unix()},
		"iss of another":        {"iss": "https://login.example.com.evil.example"},
		"iss absent":            {"iss": nil},
		"aud of another":        {"aud": []string{"bellhop-staging"}},
		"aud absent":            {"aud": nil},
		"sub a dot":             {"sub": "."},
		"sub two dots":          {"sub": ".."},
		"sub null":              {"sub": null},
		"iss null":              {"iss": null},
		"aud null":              {"aud": null},
		"exp null":              {"exp": null},
	} {
		cases = append(cases, requestCase{name, hs256(secret, header, claims(change)), bad})
	}
	// Invalid scopes and topics are ignored. They do not invalidate the token.
	for name, change := range map[string]map[string]any{
		"scope a number": {"scope": 1},
		"scope null":     {"scope": null},
		"scope a list":   {"scope": []any{"notify:admin", 1, null, []string{"notify:publish"}}},
	} {
		cases = append(cases, requestCase{name, hs256(secret, header, claims(change)), scopeless})
	}
	for name, change := range map[string]map[string]any{
		"topics null":      {"topics": null},
		"topics a number":  {"topics": 1},
		"topics of a star": {"topics": []string{"*.project", "a b", "."}},
		"101 topics":       {"topics": many},
		"other nulls":      {"nbf": null, "iat": null, "jti": null, "since": null, "scp": null},
	} {
		cases = append(cases, requestCase{name, hs256(secret, header, claims(change)), valid})
	}
	return append(cases,
		requestCase{"expired", hs256(secret, header, claims(map[string]any{"exp": now.Add(-time.Hour).Unix()})), "401 token-expired"},
		requestCase{"expired and of another issuer", hs256(secret, header, claims(map[string]any{"exp": now.Add(-time.Hour).Unix(), "iss": "x"})), bad},
		requestCase{"scopes that resemble the right one", hs256(secret, header, claims(map[string]any{"scope": "notify:publisher NOTIFY:PUBLISH"})), scopeless},
	)
}
