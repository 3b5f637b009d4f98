package cli_test

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/bellhop/bellhop/internal/auth"
	"github.com/bellhop/bellhop/internal/notify"
)

// TestNewKeyIsAccepted makes keys without a file: the standard error can be appended to one.
func TestNewKeyIsAccepted(t *testing.T) {
	one := bellhop(t, nil, "key", "new", "--name", "billing", "--scope", "notify:publish")
	one.want(t, 0, "- name: 'billing'\n")
	two := bellhop(t, nil, "key", "new", "--name", "ops", "--scope", "notify:publish,notify:broadcast", "--scope=notify:admin")
	two.want(t, 0, "- name: 'ops'\n")

	file := filepath.Join(t.TempDir(), "keys.yaml")
	if err := os.WriteFile(file, []byte(one.stderr+two.stderr), 0o600); err != nil {
		t.Fatal(err)
	}
	accepts(t, file, map[string]result{"key:billing": one, "key:ops": two})
}

// TestKeysInTheirFile follows the help of the commands: from no file to one without keys.
func TestKeysInTheirFile(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "keys.yaml")
	newKey := func(name string, scopes ...string) result {
		return bellhop(t, nil, append([]string{"key", "new", "--file", file, "--name", name, "--scope", "notify:publish"}, scopes...)...)
	}
	one := newKey("billing")
	one.want(t, 0)
	if err := os.Chmod(file, 0o640); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("keys.yaml", filepath.Join(dir, "link.yaml")); err == nil { // Windows may forbid it
		file = filepath.Join(dir, "link.yaml")
	}
	two := newKey("ops", "--scope", "notify:admin")
	two.want(t, 0)
	accepts(t, file, map[string]result{"key:billing": one, "key:ops": two})
	if info, err := os.Stat(file); err != nil || runtime.GOOS != "windows" && info.Mode() != 0o640 {
		t.Errorf("the file has the mode %v, %v", info.Mode(), err)
	}

	content := read(t, file)
	if again := newKey("ops"); again.stdout != "" {
		t.Errorf("a key was printed that the file does not have: %s", again.stdout)
	} else {
		again.want(t, 1, "keys.yaml", "the name ops is used twice")
	}
	newKey("two words").want(t, 2, "1 to 64")
	bellhop(t, nil, "key", "remove", "--file", file, "--name", "shop").want(t, 1, "keys.yaml", "no key with this name")
	bellhop(t, nil, "key", "remove", "--file", filepath.Join(dir, "none.yaml"), "--name", "ops").want(t, 1, "none.yaml")
	if now := read(t, file); now != content {
		t.Errorf("the file was changed: %s", now)
	}

	bellhop(t, nil, "key", "remove", "--file", file, "--name", "billing").want(t, 0)
	accepts(t, file, map[string]result{"key:ops": two})
	bellhop(t, nil, "key", "remove", "--file", file, "--name", "ops").want(t, 0)
	three := newKey("billing")
	accepts(t, file, map[string]result{"key:billing": three})

	if err := os.WriteFile(filepath.Join(dir, "keys.yaml.new"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	newKey("ops").want(t, 1, "another command changes the file")
	if err := os.Remove(filepath.Join(dir, "keys.yaml.new")); err != nil {
		t.Errorf("the file of the other command: %v", err)
	}
	if names, err := filepath.Glob(filepath.Join(dir, "*.yaml*")); err != nil || len(names) > 2 {
		t.Errorf("files are left: %q, %v", names, err)
	}
}

func read(t *testing.T, file string) string {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// accepts checks that a service with the file accepts these keys.
func accepts(t *testing.T, file string, keys map[string]result) {
	t.Helper()
	v, err := auth.New(t.Context(), auth.Options{Secrets: [][]byte{[]byte(secret)}, APIKeysFile: file})
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	for name, got := range keys {
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
