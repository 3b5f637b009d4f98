package natsserver

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bellhop/bellhop/test/deploy"
)

// addAccounts writes the configuration of test/deploy/nats with further accounts into the
// directory of the servers. The rest is unchanged.
func (c *Cluster) addAccounts(t testing.TB, secrets string, n int) {
	t.Helper()
	var more strings.Builder
	for i := range n {
		seed, key, err := deploy.NewUser()
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(secrets, fmt.Sprintf("node-%d.nk", i+1))
		if err := os.WriteFile(file, seed, 0o600); err != nil {
			t.Fatal(err)
		}
		c.NodeFiles = append(c.NodeFiles, file)
		fmt.Fprintf(&more, "  BELLHOP_%d: { jetstream: enabled, users: [{ nkey: %s, permissions: $NODE_PERMISSIONS }] }\n", i+1, key)
	}
	const begin = "\naccounts: {\n"
	for _, name := range []string{"nats.conf", "users.conf"} {
		content, err := os.ReadFile(filepath.Join(deploy.Dir(), "nats", name))
		if err != nil {
			t.Fatal(err)
		}
		text := string(content)
		if name == "users.conf" {
			if !strings.Contains(text, begin) {
				t.Fatalf("%s has no accounts", name)
			}
			text = strings.Replace(text, begin, begin+more.String(), 1)
		}
		if err := os.WriteFile(filepath.Join(c.dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// Violations returns the lines of the logs in which servers say that a user was refused a subject.
func (c *Cluster) Violations(t testing.TB) (lines []string) {
	t.Helper()
	for _, s := range c.Servers {
		for line := range strings.Lines(s.Log(t)) {
			if strings.Contains(line, "Violation") {
				lines = append(lines, s.Name+": "+line)
			}
		}
	}
	return lines
}
