package cli_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
)

// later serves answers in turn, the last one again and again.
func later(t *testing.T, path string, answers ...func(http.ResponseWriter)) string {
	t.Helper()
	var asked atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != path {
			t.Errorf("requested %s", r.URL.Path)
		}
		answers[min(int(asked.Add(1)), len(answers))-1](w)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

func unready(w http.ResponseWriter) {
	w.WriteHeader(http.StatusServiceUnavailable)
	_, _ = w.Write([]byte(`{"type":"urn:bellhop:problem:unavailable","detail":"a checkpoint is restored"}`))
}

func says(body string) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) { _, _ = w.Write([]byte(body)) }
}

func TestHealthWaitsUntilTheServiceIsReady(t *testing.T) {
	url := later(t, "/readyz", unready, unready, says("ok"))
	got := bellhop(t, nil, "health", "--url", url, "--wait", "1m")
	got.want(t, 0, "ready", "waiting: not ready: 503 unavailable: a checkpoint is restored")
	if strings.Count(got.stderr, "waiting") != 1 {
		t.Errorf("a reason is repeated: %s", got.stderr)
	}
	bellhop(t, nil, "health", "--url", later(t, "/readyz", unready), "--wait", "1s").want(t, 1, "a checkpoint is restored")
}

func TestClusterWaitsUntilItIsComplete(t *testing.T) {
	complete := strings.NewReplacer("%READY%", "true", `"current_replicas":2`, `"current_replicas":3`).Replace(twoNodes)
	url := later(t, "/cluster", unready, says(strings.Replace(twoNodes, "%READY%", "false", 1)),
		says(strings.Replace(twoNodes, "%READY%", "true", 1)), says(complete))
	bellhop(t, nil, "cluster", "--admin", url, "--wait", "1m").want(t, 0, "waiting: 503 unavailable",
		"waiting: 1 of 2 nodes are not ready", "waiting: 2 of 3 replicas are current", "3 of 3 replicas current")
	url = later(t, "/cluster", says(strings.Replace(twoNodes, "%READY%", "true", 1)))
	bellhop(t, nil, "cluster", "--admin", url, "--wait", "1s").want(t, 1, "2 of 3 replicas are current")
}

// A node that stops answering during the wait has told what the cluster waits for.
func TestClusterShowsTheLastAnswerOfANode(t *testing.T) {
	url := func() string {
		return later(t, "/cluster", says(strings.Replace(twoNodes, "%READY%", "false", 1)), unready)
	}
	got := bellhop(t, nil, "cluster", "--admin", url(), "--wait", "1s")
	got.want(t, 1, "a checkpoint is restored", "the node has stopped answering; its last answer was:")
	if !strings.Contains(got.stdout, "NODE") || !strings.Contains(got.stdout, "2 of 3 replicas current") {
		t.Errorf("the last table is not shown: %q", got.stdout)
	}
	got = bellhop(t, nil, "cluster", "--admin", url(), "--wait", "1s", "--json")
	got.want(t, 1, "a checkpoint is restored", `"current_replicas":2`)
	got = bellhop(t, nil, "cluster", "--admin", later(t, "/cluster", unready), "--wait", "1s")
	got.want(t, 1, "a checkpoint is restored")
	if got.stdout != "" {
		t.Errorf("a table without an answer: %q", got.stdout)
	}
}
