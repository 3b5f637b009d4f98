package auth_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/auth"
	"github.com/bellhop/bellhop/internal/notify"
)

// FuzzVerify verifies a header and claims with a valid signature. The same texts without a
// signature are refused.
func FuzzVerify(f *testing.F) {
	for _, claims := range []string{
		claimsWith(``), claimsWith(`"scope":["notify:admin"],"aud":["a"],"since":1.5e9,"topics":["a.*"]`),
		`{"sub":"eve","sub":"ada","exp":9e18}`, `{"SUB":"ada"}`, "\ufeff{}", `[]`,
	} {
		f.Add(header, claims)
	}
	f.Add(`{"alg":"none","crit":["x"]}`, "")
	f.Add(`{"alg":"HS256","kid":"\ud800"}`, claimsWith(`"x":{"a":[{}]}`))
	f.Add("eyJhbGciOiJIUzI1NiJ9.e30.c2ln", "..")
	f.Add(header, claimsWith(`"iat":1796126400,"jti":"7","x":`+strings.Repeat("[", 40)+strings.Repeat("]", 40)))
	f.Add(header, claimsWith(`"iat":1793000000,"jti":"`+strings.Repeat("j", 300)+`","\\\"[[":"[\\"`))

	v := start(f, auth.Options{Secrets: [][]byte{secret()}})
	f.Fuzz(func(t *testing.T, header, claims string) {
		for _, raw := range []string{header, claims, header + "." + claims} {
			_, err := v.Verify(t.Context(), raw)
			require.ErrorIs(t, err, notify.ErrTokenInvalid)
		}
		p, err := v.Verify(t.Context(), seal(header, claims))
		if err != nil {
			var known bool
			for _, kind := range []error{notify.ErrTokenInvalid, notify.ErrTokenExpired} {
				known = known || strings.HasPrefix(err.Error(), kind.Error())
			}
			require.True(t, known, "%v", err)
			return
		}
		_, err = notify.ParseUser(string(p.User))
		require.NoError(t, err)
		require.True(t, p.Expires.Add(notify.Leeway).After(noon()))
		require.False(t, p.Expires.After(noon().Add(auth.MaxLifetime+2*notify.Leeway)))
		require.LessOrEqual(t, len(p.TokenID), 256)
		require.True(t, p.Issued.IsZero() || p.Expires.Sub(p.Issued) <= auth.MaxLifetime+notify.Leeway)
		require.Less(t, depth(claims), 33)
		var read map[string]any
		require.NoError(t, json.Unmarshal([]byte(claims), &read))
		require.Equal(t, string(p.User), read["sub"])
	})
}

// depth returns the nesting depth of valid JSON.
func depth(text string) int {
	d := json.NewDecoder(strings.NewReader(text))
	now, most := 0, 0
	for {
		token, err := d.Token()
		if err != nil {
			return most
		}
		switch token {
		case json.Delim('{'), json.Delim('['):
			now++
			most = max(most, now)
		case json.Delim('}'), json.Delim(']'):
			now--
		}
	}
}

// FuzzWebhook verifies headers and a body. The reference library accepts every webhook that
// the Verifier accepts, and no other id and timestamp have the same signed bytes.
func FuzzWebhook(f *testing.F) {
	f.Add(vectorID, "1614265330", vectorSignature, vectorBody)
	f.Add(vectorID, "1614265330", otherSignature+" v2,x "+vectorSignature, vectorBody)
	f.Add(vectorID+".1614265330", "1614265330", "v1,", "")
	f.Add(`"7"`, "+1614265330", "v1,v1,  ,", "\xff")
	f.Add("", "01614265330", strings.Repeat("v1,x ", 20), "{}")
	v := start(f, atVector(f, hookEntry("shop", vectorSecret)))
	reference, err := standardwebhooks.NewWebhook(vectorSecret)
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, id, timestamp, signature, body string) {
		_, _, err := v.VerifyWebhook(signedHeader(id, timestamp, signature), []byte(body))
		if err == nil {
			require.NoError(t, reference.VerifyIgnoringTimestamp([]byte(body), signedHeader(id, timestamp, signature)))
		} else {
			require.True(t, errors.Is(err, notify.ErrTokenInvalid) || errors.Is(err, notify.ErrMalformed), "%v", err)
		}

		// With a valid signature, an accepted id and timestamp have the only allowed form.
		if n, err := strconv.ParseInt(timestamp, 10, 64); err == nil {
			signature = signHook(t, vectorSecret, id, n, body)
		}
		p, read, err := v.VerifyWebhook(signedHeader(id, timestamp, signature), []byte(body))
		if err != nil {
			require.Zero(t, p)
			require.Empty(t, read)
			return
		}
		require.Equal(t, id, read)
		require.Regexp(t, `^[ -\-/-~]{1,255}$`, id)
		require.Regexp(t, `^[1-9][0-9]{9}$`, timestamp)
	})
}

// FuzzBounds verifies claims with a valid signature of an issuer with bounds. The principal
// stays within the bounds for all claims.
func FuzzBounds(f *testing.F) {
	const entry = "- issuer: one\n  audiences: [bellhop]\n  clients: [spa]\n  user_claim: /user/id\n  user_prefix: 'acme:'\n" +
		"  scope_claims: [scp, /user/roles]\n  scope_prefix: bell/\n  scopes: [notify:publish]\n  topics_claim: /user/topics/0\n  topics: [acme.*, news]\n"
	v := startFile(f, entry+"  secret_file: "+write(f, "secret", secret())+"\n")
	frame := fmt.Sprintf(`"iss":"one","aud":"bellhop","azp":"spa","exp":%d`, at(time.Hour))
	for _, more := range []string{
		`"user":{"id":"ada","roles":["bell/notify:publish","notify:admin"],"topics":[["acme.7","bank.7","*",7,null]]}`,
		`"user":{"id":".","roles":"bell/notify:admin bell/bell/notify:publish","topics":["acme.* news acme news.*"]}`,
		`"user":{"id":null},"sub":"ada"`, `"user":["ada"]`, `"user":{"id":"a b"}`, `"user":{"id":"` + strings.Repeat("a", 252) + `"}`,
		`"user":{"id":"ada","topics":{"0":["news"]}},"client_id":"ios"`, `"user":{"id":"\ud800"}`, `"scp":{"a":1},"user":{"id":""}`,
	} {
		f.Add(more)
	}
	f.Fuzz(func(t *testing.T, more string) {
		p, err := v.Verify(t.Context(), seal(header, "{"+frame+","+more+"}"))
		if err != nil {
			require.ErrorIs(t, err, notify.ErrTokenInvalid)
			return
		}
		require.True(t, p.Bound().HasUser(p.User) && len(p.User) > len("acme:"), "%q", p.User)
		_, err = notify.ParseUser(string(p.User))
		require.NoError(t, err)
		for _, s := range p.Scopes {
			require.Equal(t, notify.ScopePublish, s)
		}
		require.LessOrEqual(t, len(p.Topics), auth.MaxTopics)
		for _, topic := range p.Topics {
			require.True(t, topic == "news" || strings.HasPrefix(string(topic), "acme."), "%q", topic)
		}
	})
}
