package cli_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bellhop/bellhop/internal/auth"
	"github.com/bellhop/bellhop/internal/notify"
)

// TestNewKeyIsAccepted follows the help of the command: the standard error is
// the file of keys.
func TestNewKeyIsAccepted(t *testing.T) {
	one := bellhop(t, nil, "key", "new", "--name", "billing", "--scope", "notify:publish")
	one.want(t, 0, "- name: 'billing'\n")
	two := bellhop(t, nil, "key", "new", "--name", "ops", "--scope", "notify:publish,notify:broadcast", "--scope=notify:admin")
	two.want(t, 0, "- name: 'ops'\n")

	file := filepath.Join(t.TempDir(), "keys.yaml")
	if err := os.WriteFile(file, []byte(one.stderr+two.stderr), 0o600); err != nil {
		t.Fatal(err)
	}
	v, err := auth.New(t.Context(), auth.Options{Secrets: [][]byte{[]byte(secret)}, APIKeysFile: file})
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	for name, got := range map[string]result{"key:billing": one, "key:ops": two} {
		key := strings.TrimSuffix(got.stdout, "\n")
		if strings.ContainsAny(key, " \n") || strings.Contains(got.stderr, key) {
			t.Errorf("the key does not stand alone: %q, %q", got.stdout, got.stderr)
		}
		p, err := v.Verify(t.Context(), key)
		if err != nil || p.Name != name {
			t.Errorf("%s: %+v, %v", name, p, err)
		}
		if err := p.May(notify.ScopeAdmin); (err == nil) != (name == "key:ops") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestNewKeyMistakes(t *testing.T) {
	bellhop(t, nil, "key").want(t, 2, "new")
	bellhop(t, nil, "key", "new", "--scope", "notify:publish").want(t, 2, "--name")
	bellhop(t, nil, "key", "new", "--name", "billing").want(t, 2, "--scope")
	bellhop(t, nil, "key", "new", "--name", "billing", "--scope", "root").want(t, 2, "scope 1 is not one of notify:publish")
	got := bellhop(t, nil, "key", "new", "--name", "two words", "--scope", "notify:publish")
	got.want(t, 2, "1 to 64")
	if got.stdout != "" {
		t.Errorf("a key was printed: %s", got.stdout)
	}
}
