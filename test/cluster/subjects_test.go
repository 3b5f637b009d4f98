package cluster

import (
	"encoding/base64"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/auth"
	"github.com/bellhop/bellhop/test/natsserver"
)

// subjects are the only ones that may occur on the NATS servers, those of bellhop and those of the
// servers. The names of inboxes, consumers and objects in them are random, or "permission": nodes
// find out with that one what they may do.
var subjects = regexp.MustCompile(`^(` + strings.Join([]string{
	`bellhop\.BELLHOP\.journal`,
	`bellhop\.BELLHOP\.peers\.(beat|who|ephemeral|connections|counts|disconnect|permission\.\w{22})`,
	`_INBOX\.\w{22}(\.\w{1,22})?`,
	`\$JS\.API\.STREAM\.(INFO|CREATE|PURGE|MSG\.GET)\.(BELLHOP|OBJ_BELLHOP_CHECKPOINTS)`,
	`\$JS\.API\.CONSUMER\.(CREATE|INFO|DELETE|MSG\.NEXT)\.BELLHOP\.(\w{8}|permission)`,
	`(\$JS\.API\.DIRECT\.GET\.OBJ_BELLHOP_CHECKPOINTS\.)?\$O\.BELLHOP_CHECKPOINTS\.(C\.[A-Z2-7]{26}|C\.origin\.[0-9a-f]{32}|M\.[\w=-]{40,80}|[CM]\.permission)`,
	`\$JS\.API\.DIRECT\.GET\.OBJ_BELLHOP_CHECKPOINTS`,
	`\$JS\.ACK\.BELLHOP\.\w{8}(\.\d+){5}`,
	`\$JS\.EVENT\.ADVISORY\.API`,
	`\$JS\.EVENT\.ADVISORY\.STREAM\.(CREATED|UPDATED)\.(BELLHOP|OBJ_BELLHOP_CHECKPOINTS)`,
	`\$JS\.EVENT\.ADVISORY\.CONSUMER\.(CREATED|DELETED)\.BELLHOP\.\w{8}`,
}, "|") + `)$`)

// headers are the only ones that may occur, with their values. Those without a value have a subject.
var headers = map[string]*regexp.Regexp{
	"Nats-Msg-Id":                         regexp.MustCompile(`^([0-9a-f]{24}-\d+|[A-Z2-7]{26}(\.\w+)?)$`),
	"Nats-Expected-Stream":                regexp.MustCompile(`^((OBJ_)?BELLHOP(_CHECKPOINTS)?|none)$`),
	"Nats-Required-Api-Level":             regexp.MustCompile(`^none$`),
	"Nats-Expected-Last-Subject-Sequence": regexp.MustCompile(`^0$`),
	"Nats-Rollup":                         regexp.MustCompile(`^sub$`),
	"Nats-Stream":                         regexp.MustCompile(`^(OBJ_)?BELLHOP(_CHECKPOINTS)?$`),
	"Nats-Sequence":                       regexp.MustCompile(`^\d+$`),
	"Nats-Time-Stamp":                     regexp.MustCompile(`^[\d:.TZ-]{20,30}$`),
	"Nats-Subject":                        nil,
	"Nats-Pending-Messages":               regexp.MustCompile(`^\d+$`),
	"Nats-Pending-Bytes":                  regexp.MustCompile(`^\d+$`),
	"Nats-Last-Consumer":                  regexp.MustCompile(`^\d+$`),
	"Nats-Last-Stream":                    regexp.MustCompile(`^\d+$`),
	"Status":                              regexp.MustCompile(`^\d{3}$`),
	"Description":                         regexp.MustCompile(`^(Idle Heartbeat|Message Not Found|Request Timeout|No Messages)$`),
}

// wire has the messages that NATS servers have passed on.
type wire struct {
	mu       sync.Mutex
	messages []*nats.Msg
}

func record(t *testing.T, servers *natsserver.Cluster) *wire {
	t.Helper()
	w := &wire{}
	conn := servers.Connect(t)
	s, err := conn.Subscribe(">", func(m *nats.Msg) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.messages = append(w.messages, m)
	})
	require.NoError(t, err)
	require.NoError(t, s.SetPendingLimits(-1, -1))
	require.NoError(t, conn.Flush())
	return w
}

// carry returns the number of messages with a subject whose content has the marker.
func (w *wire) carry(subject string) (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, m := range w.messages {
		if m.Subject == "bellhop.BELLHOP."+subject && strings.Contains(string(m.Data), marker) {
			n++
		}
	}
	return n
}

// has reports whether there was a message with a subject that begins so.
func (w *wire) has(prefix string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.ContainsFunc(w.messages, func(m *nats.Msg) bool { return strings.HasPrefix(m.Subject, prefix) })
}

// faults returns the subjects and headers that may not occur.
func (w *wire) faults() (all []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, m := range w.messages {
		for _, subject := range []string{m.Subject, m.Reply} {
			if subject != "" && !isSubject(subject) {
				all = append(all, "subject "+subject)
			}
		}
		for name, values := range m.Header {
			form, known := headers[name]
			for _, value := range values {
				if !known || form == nil && !isSubject(value) || form != nil && !form.MatchString(value) {
					all = append(all, "header "+name+": "+value)
				}
			}
		}
	}
	return all
}

// isSubject reports whether a subject may occur. The name of an object, a position of the journal, is encoded in the subject.
func isSubject(s string) bool {
	if _, encoded, ok := strings.Cut(s, "$O.BELLHOP_CHECKPOINTS.M."); ok && encoded != "permission" {
		name, err := base64.URLEncoding.DecodeString(encoded)
		return err == nil && objectName.Match(name) && subjects.MatchString(s)
	}
	return subjects.MatchString(s)
}

var objectName = regexp.MustCompile(`^\d+\.[0-9a-f]{32}$`)

// No text of a caller becomes a subject or a header on the NATS servers, whatever it contains and wherever
// it was sent. It is in the content of messages only.
func TestNoTextOfACallerIsASubjectOrAHeader(t *testing.T) {
	t.Parallel()
	servers := natsserver.Start(t, natsserver.Options{Servers: 1})
	w := record(t, servers)
	key, entry, err := auth.NewAPIKey(marker, publisher())
	require.NoError(t, err)
	keys := filepath.Join(t.TempDir(), "keys.yaml")
	require.NoError(t, os.WriteFile(keys, []byte(entry), 0o600))
	c := &caller{t: t, key: key, called: map[string]bool{}}
	for _, name := range []string{"node-1", "node-2"} {
		cfg := settings(t, servers)
		cfg.Node, cfg.JWTSecret[0], cfg.JWTUserPrefix = name, secret, tenant
		cfg.APIKeysFile = keys
		c.nodes = append(c.nodes, start(t, cfg))
	}
	for _, n := range c.nodes {
		n.requireReady(t)
	}
	for i, text := range texts() {
		c.text, c.id, c.valid = text, text, i < validNames
		c.do()
	}
	require.Empty(t, c.missing(), "operations of openapi.yaml that are not called")
	require.Empty(t, w.faults())
	for _, subject := range []string{"journal", "peers.ephemeral", "peers.connections", "peers.counts", "peers.disconnect"} {
		require.Eventually(t, func() bool { return w.carry(subject) >= validNames }, timeout, 10*time.Millisecond, "%s does not have the text", subject)
	}
	require.Eventually(t, func() bool { return w.has("$O.BELLHOP_CHECKPOINTS.C.") }, timeout, 10*time.Millisecond, "no checkpoint was written")
	require.Empty(t, w.faults(), "of messages that came later")
}
