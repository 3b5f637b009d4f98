package cli_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestACheckpointIsAskedForAndPrinted(t *testing.T) {
	answers := func(status int, body string) string {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			assert.Equal(t, "POST /cluster/checkpoint", r.Method+" "+r.URL.Path)
			w.WriteHeader(status)
			_, _ = w.Write([]byte(body))
		}))
		t.Cleanup(s.Close)
		return s.URL
	}
	written := answers(200, `{"message":5,"sequence":30,"node":"a","bytes":1708,"written":"2026-12-01T09:30:00Z"}`)
	bellhop(t, nil, "cluster", "checkpoint", "--admin", written).
		want(t, 0, "checkpoint written: sequence 30, written by a at 2026-12-01T09:30:00Z, 1708 bytes")
	alone := answers(404, `{"type":"urn:bellhop:problem:not-found","detail":"this node is not part of a cluster: BELLHOP_NATS_URL is not set"}`)
	bellhop(t, nil, "cluster", "checkpoint", "--admin", alone).want(t, 1, "this node is not part of a cluster")
	bellhop(t, nil, "cluster", "checkpoint", "--admin", "nats://x").want(t, 2, "the URL must be like")
}
