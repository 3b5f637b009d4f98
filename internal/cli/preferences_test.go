package cli_test

import (
	"os"
	"path/filepath"
	"testing"
)

// Preferences that get prints can be set again, by the user or by an operator.
func TestPreferences(t *testing.T) {
	const kept = `{"rules":[{"type":"comment.*","level":"off"}]}`
	s := serve(t, answer{status: 200, body: kept}, answer{status: 200, body: kept}, answer{status: 200, body: `{"rules":[]}`},
		answer{status: 422, body: `{"type":"urn:bellhop:problem:invalid","detail":"d","errors":[{"pointer":"/rules/0/level","detail":"is required"}]}`})
	environ := []string{"BELLHOP_URL=" + s.URL, "BELLHOP_TOKEN=t"}
	printed := bellhop(t, environ, "preferences", "get")
	printed.want(t, 0, "{\n  \"rules\": [\n    {\n      \"type\": \"comment.*\",\n      \"level\": \"off\"\n    }\n  ]\n}\n")
	file := filepath.Join(t.TempDir(), "preferences.json")
	must(t, os.WriteFile(file, []byte(printed.stdout), 0o600))
	bellhop(t, environ, "preferences", "set", file).want(t, 0, "comment.*")
	bellhop(t, environ, "preferences", "set", "--user", "a/b", file).want(t, 0, `"rules": []`)
	bellhop(t, environ, "preferences", "set", file).want(t, 1, "422 invalid: d", "/rules/0/level is required")
	bellhop(t, environ, "preferences", "set", file+"x").want(t, 1, "read the preferences")
	for i, want := range []string{"GET /preferences", "PUT /preferences", "PUT /users/a/b/preferences", "PUT /preferences"} {
		if got := s.requests()[i]; got.path != want || i > 0 && got.body != printed.stdout {
			t.Errorf("request %d is %q with %q, want %q", i, got.path, got.body, want)
		}
	}
}
