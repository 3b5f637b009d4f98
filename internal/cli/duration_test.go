package cli_test

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"
)

// TestFlagsAreDurationsAsSettingsAre signs tokens with lifetimes in each form.
func TestFlagsAreDurationsAsSettingsAre(t *testing.T) {
	environ := []string{"BELLHOP_JWT_SECRET=" + secret}
	for text, seconds := range map[string]int64{"30d": 30 * 86_400, "1h30m": 5_400, "90": 90, "1d12h": 36 * 3_600, "1.5h": 5_400} {
		got := bellhop(t, environ, "token", "--user", "ada", "--ttl", text)
		got.want(t, 0)
		payload, err := base64.RawURLEncoding.DecodeString(strings.Split(got.stdout+"..", ".")[1])
		if err != nil {
			t.Fatal(err)
		}
		var claims struct{ Iat, Exp int64 }
		if err := json.Unmarshal(payload, &claims); err != nil || claims.Exp-claims.Iat != seconds {
			t.Errorf("%s: %s, %v", text, payload, err)
		}
	}
	for _, text := range []string{"", "1w", "30 days", "d"} {
		bellhop(t, environ, "token", "--user", "ada", "--ttl", text).want(t, 2, "--ttl", "is neither a duration such as 30d")
	}
	bellhop(t, environ, "token", "--user", "ada", "--ttl", "999999999999d").want(t, 2, "31 days")
	bellhop(t, environ, "token", "--user", "ada", "--ttl=-1").want(t, 2, "31 days")
}
