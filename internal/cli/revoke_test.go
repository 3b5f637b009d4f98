package cli_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

func TestRevokeNamesAUserOrAToken(t *testing.T) {
	var got map[string]string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != "POST" || r.URL.Path != "/revocations" {
			t.Errorf("%s %s", r.Method, r.URL.Path)
		}
		got = map[string]string{}
		_ = json.NewDecoder(r.Body).Decode(&got)
		w.WriteHeader(http.StatusNoContent)
	}))
	defer s.Close()
	before := time.Now()
	run := func(args ...string) result {
		return bellhop(t, nil, append([]string{"revoke", "--url", s.URL, "--token", "t"}, args...)...)
	}
	run("ada").want(t, 0, "revoked")
	if at, err := time.Parse(time.RFC3339, got["issued_before"]); got["user"] != "ada" || err != nil || at.Before(before.Truncate(0)) || at.After(time.Now()) {
		t.Errorf("sent %v", got)
	}
	run("--jti", "5f").want(t, 0, "revoked")
	if !maps.Equal(got, map[string]string{"jti": "5f"}) {
		t.Errorf("sent %v", got)
	}
	run("--jti", "5f", "--issuer", "https://i").want(t, 0, "revoked")
	if !maps.Equal(got, map[string]string{"jti": "5f", "issuer": "https://i"}) {
		t.Errorf("sent %v", got)
	}
	run().want(t, 2, "name a user, or a token with --jti")
	run("ada", "--jti", "5f").want(t, 2, "name a user, or a token with --jti")
	run("ada", "--issuer", "i").want(t, 2, "--issuer is for a token")
}
