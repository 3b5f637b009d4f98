package natsserver

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// keyedUsers are the users of servers with the option Keyed: one with the key of NodeFile, and
// everybody else.
const keyedUsers = `
authorization {
  users: [
    { nkey: $NATS_NODE_KEY, permissions: { publish: { deny: [%[1]s] }, subscribe: { deny: [%[1]s] } } }
    { user: everybody, password: everybody }
  ]
}
no_auth_user: everybody
`

// writeUsers writes the users of a server. Subjects are refused to the one with the key.
func (s *Server) writeUsers(t testing.TB, refused ...string) {
	t.Helper()
	var quoted []string
	for _, subject := range refused { // one that begins with a dollar would be a variable
		quoted = append(quoted, strconv.Quote(subject))
	}
	text := fmt.Sprintf(keyedUsers, strings.Join(quoted, ", "))
	if err := os.WriteFile(filepath.Join(s.dir, "users.conf"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// Refuse refuses to the user with the key of NodeFile to publish and subscribe to the given
// subjects, and no others, from now on. The connections of the user stay open; they lose their
// subscriptions to these subjects, and do not get them back by themselves. The servers must have
// the option Keyed and be running.
func (c *Cluster) Refuse(t testing.TB, subjects ...string) {
	t.Helper()
	const done = "Reloaded server configuration"
	for _, s := range c.Servers {
		before := strings.Count(s.Log(t), done)
		s.writeUsers(t, subjects...)
		s.signal(t, syscall.SIGHUP)
		for deadline := time.Now().Add(started); strings.Count(s.Log(t), done) == before; {
			if time.Now().After(deadline) {
				t.Fatalf("%s has not read its configuration again:\n%s", s.Name, s.Log(t))
			}
			<-time.After(10 * time.Millisecond) // the server does not say it otherwise
		}
	}
}
