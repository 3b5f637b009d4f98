package built

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// WithMistake builds a bellhop with a mistake in the code that changes the state: it counts the bytes of the store in
// another way. The state of a node that runs it differs from that of the others.
func WithMistake(t testing.TB) (binary string) {
	t.Helper()
	const right, wrong = "tx.chargeBytes(h.owner.content(), h.counted)", "tx.chargeBytes(h.owner.content(), h.counted+1)"
	_, here, _, _ := runtime.Caller(0)
	root, dir := filepath.Join(filepath.Dir(here), "..", ".."), t.TempDir()
	file := filepath.Join(root, "internal/store/histories.go")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(text), right); n != 1 {
		t.Fatalf("%s contains %q %d times", file, right, n)
	}
	edited, overlay := filepath.Join(dir, "histories.go"), filepath.Join(dir, "overlay.json")
	list, err := json.Marshal(map[string]any{"Replace": map[string]string{file: edited}})
	if err == nil {
		err = os.WriteFile(edited, []byte(strings.Replace(string(text), right, wrong, 1)), 0o600)
	}
	if err == nil {
		err = os.WriteFile(overlay, list, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	binary = filepath.Join(dir, "bellhop")
	build := exec.CommandContext(t.Context(), "go", "build", "-overlay", overlay, "-o", binary, "./cmd/bellhop")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build bellhop with a mistake: %v: %s", err, out)
	}
	return binary
}
