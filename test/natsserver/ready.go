package natsserver

import (
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// started is how long servers may take to elect a leader.
const started = 30 * time.Second

// WaitForLeader returns when the running servers answer and have a leader. If all servers run,
// it also waits until they can make a stream with a replica on each.
func (c *Cluster) WaitForLeader(t testing.TB) {
	t.Helper()
	deadline := time.Now().Add(started)
	running := 0
	for _, s := range c.Servers {
		for s.process != nil && !s.isReady(t, len(c.Servers)) {
			if time.Now().After(deadline) {
				t.Fatalf("%s is not ready:\n%s", s.Name, s.Log(t))
			}
			<-time.After(50 * time.Millisecond) // a server does not say when it has a leader
		}
		if s.process != nil {
			running++
		}
	}
	if running == len(c.Servers) {
		c.waitForStreams(t, deadline)
	}
}

// waitForStreams makes a stream and deletes it, until that succeeds: for a moment after an
// election, servers drop requests or count others as offline.
func (c *Cluster) waitForStreams(t testing.TB, deadline time.Time) {
	t.Helper()
	conn := c.Connect(t)
	defer conn.Close()
	js, err := jetstream.New(conn, jetstream.WithDefaultTimeout(time.Second))
	for err == nil {
		const name = "NATSSERVER_PROBE"
		_, failed := js.CreateStream(t.Context(), jetstream.StreamConfig{
			Name: name, Subjects: []string{"natsserver.probe"}, Storage: jetstream.MemoryStorage, Replicas: len(c.Servers),
		})
		if failed == nil {
			failed = js.DeleteStream(t.Context(), name)
		}
		if failed == nil {
			return
		}
		if err = failed; time.Now().Before(deadline) {
			err = nil
			<-time.After(50 * time.Millisecond)
		}
	}
	t.Fatalf("the servers cannot make a stream: %v", err)
}

// isReady reports whether s has JetStream, and in a cluster a leader.
func (s *Server) isReady(t testing.TB, servers int) bool {
	t.Helper()
	if s.get(t, "/healthz?js-enabled-only=true", nil) != nil {
		return false
	}
	var jsz struct {
		Meta struct {
			Leader string `json:"leader"`
			Size   int    `json:"cluster_size"`
		} `json:"meta_cluster"`
	}
	return servers == 1 || s.get(t, "/jsz", &jsz) == nil && jsz.Meta.Leader != "" && jsz.Meta.Size == servers
}

// get reads JSON from the monitoring port.
func (s *Server) get(t testing.TB, path string, into any) error {
	t.Helper()
	client := http.Client{Timeout: time.Second}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.Monitor+path, nil)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", path, resp.Status)
	}
	if into == nil {
		return nil
	}
	return json.NewDecoder(resp.Body).Decode(into)
}
