package cli_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// clusterAnswer serves GET /cluster.
func clusterAnswer(t *testing.T, status int, body string) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/cluster" {
			t.Errorf("requested %s", r.URL.Path)
		}
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}))
	t.Cleanup(s.Close)
	return s.URL
}

const twoNodes = `{"node":"a","message":7,"nodes":[
	{"name":"a","version":"v1.2.0","started":"2026-12-01T09:00:00Z","sequence":41,"lag_seconds":0,"connections":0,"ready":true,"hash":"2 agree, 0 contradict at sequence 40"},
	{"name":"b\u001b","version":"v1.2.0","started":"2026-12-01T09:00:00Z","sequence":39,"lag_seconds":2.5,"ready":%READY%,"hash":"unknown"}],
	"stream":{"name":"BELLHOP","identity":"0af1","leader":"nats-2","replicas":3,"current_replicas":2,"first_message":1,"last_message":7,"bytes":900},
	"checkpoint":{"message":5,"sequence":30,"node":"a","bytes":1708,"written":"2026-12-01T09:30:00Z"}}`

func TestClusterShowsNodes(t *testing.T) {
	url := clusterAnswer(t, 200, strings.Replace(twoNodes, "%READY%", "true", 1))
	got := bellhop(t, nil, "cluster", "--admin", url)
	got.want(t, 0, "a     v1.2.0   41        0s    0            yes    2 agree, 0 contradict at sequence 40",
		"39        2.5s  ?            yes",
		"journal: stream BELLHOP, messages 1 to 7, 900 bytes, leader nats-2, 2 of 3 replicas current, identity 0af1",
		"last checkpoint: sequence 30, written by a at 2026-12-01T09:30:00Z, 1708 bytes")
	if strings.ContainsRune(got.stdout, '\x1b') {
		t.Errorf("printed %q", got.stdout)
	}
	bellhop(t, nil, "cluster", "status", "--admin", url, "--json").want(t, 0, `"sequence":41`)
}

func TestClusterFailsIfANodeIsNotReady(t *testing.T) {
	url := clusterAnswer(t, 200, strings.Replace(twoNodes, "%READY%", `false,"reason":"this node is 2.5s behind the journal"`, 1))
	bellhop(t, nil, "cluster", "--admin", url).want(t, 1, "no: this node is 2.5s behind the journal", "1 of 2 nodes are not ready")
	bellhop(t, nil, "cluster", "--admin", url, "--json").want(t, 1, "1 of 2 nodes are not ready", `"sequence":39`)
	bellhop(t, nil, "cluster", "--admin", url, "--nodes", "1").want(t, 1, "1 of 2 nodes are not ready")
	alone := clusterAnswer(t, 404, `{"type":"urn:bellhop:problem:not-found","detail":"this node is not part of a cluster: BELLHOP_NATS_URL is not set"}`)
	bellhop(t, nil, "cluster", "--admin", alone).want(t, 1, "this node is not part of a cluster")
	bellhop(t, nil, "cluster", "--admin", "nats://x").want(t, 2, "the URL must be like")
}

// Without a number of nodes, lost ones are missed. With it, they are only listed.
func TestClusterMissesLostNodes(t *testing.T) {
	url := clusterAnswer(t, 200, strings.NewReplacer("%READY%", `false,"lost":true,"reason":"lost: not heard of since 10:00:00 UTC, for 12s"`,
		`"current_replicas":2`, `"current_replicas":3`).Replace(twoNodes))
	for _, wait := range [][]string{nil, {"--wait", "1s"}} {
		of := func(args ...string) result {
			return bellhop(t, nil, append(append([]string{"cluster", "--admin", url}, args...), wait...)...)
		}
		of().want(t, 1, "lost: not heard of since 10:00:00 UTC, for 12s", "1 of 2 nodes are not ready")
		of("--nodes", "1").want(t, 0, "lost: not heard of since 10:00:00 UTC, for 12s")
		of("--nodes", "2").want(t, 1, "1 nodes are ready instead of 2")
	}
	bellhop(t, nil, "cluster", "--admin", url, "--nodes", "-1").want(t, 2, "--nodes")
}
