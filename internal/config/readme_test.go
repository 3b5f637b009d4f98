package config_test

import (
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/bellhop/bellhop/internal/config"
)

var update = flag.Bool("update", false, "write the table of settings into the README")

// TestReadmeListsSettings holds the README to the code. Run it with -update to
// write the table.
func TestReadmeListsSettings(t *testing.T) {
	const path, open, shut = "../../README.md", "<!-- settings -->\n", "<!-- /settings -->"
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := strings.Cut(string(text), open)
	table, after, closed := strings.Cut(rest, shut)
	if !found || !closed {
		t.Fatalf("README.md has no place for the settings: a line %q and later a line %q", strings.TrimSpace(open), shut)
	}
	if table == config.Markdown() {
		return
	}
	if !*update {
		t.Fatal("README.md has other settings than the code: run go test ./internal/config -update")
	}
	if err := os.WriteFile(path, []byte(before+open+config.Markdown()+shut+after), 0o644); err != nil {
		t.Fatal(err)
	}
}
