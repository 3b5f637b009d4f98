package deploy_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/bellhop/bellhop/internal/app"
	"github.com/bellhop/bellhop/internal/auth"
	"github.com/bellhop/bellhop/internal/config"
	"github.com/bellhop/bellhop/internal/journal"
	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/test/deploy"
	"github.com/bellhop/bellhop/test/logtext"
	"github.com/bellhop/bellhop/test/natsserver"
)

// Every setting in the example deployments exists.
func TestSettingsOfTheDeploymentsExist(t *testing.T) {
	var known []string
	for _, s := range config.Default().Settings() {
		known = append(known, s.Name)
	}
	names := regexp.MustCompile(`\bBELLHOP_[A-Z_]+`)
	for _, file := range []string{"compose.yaml", "kubernetes/cluster.yaml", "kubernetes/standalone.yaml", "kubernetes/recover.yaml"} {
		content, err := os.ReadFile(filepath.Join(deploy.Dir(), file))
		require.NoError(t, err)
		found := names.FindAllString(string(content), -1)
		require.NotEmpty(t, found)
		for _, name := range found {
			assert.True(t, slices.Contains(known, name), "%s: %s is no setting", file, name)
		}
	}
}

// environment returns the variables of a service of compose.yaml.
func environment(t *testing.T, service string) map[string]string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(deploy.Dir(), "compose.yaml"))
	require.NoError(t, err)
	var file struct {
		Services map[string]struct {
			Environment map[string]string `yaml:"environment"`
		} `yaml:"services"`
	}
	require.NoError(t, yaml.Unmarshal(content, &file))
	require.NotEmpty(t, file.Services[service].Environment)
	return file.Services[service].Environment
}

// node is a running node of the service.
type node struct {
	url, admin string
	stop       func()
}

// settings returns the settings of a node in compose.yaml, with the addresses and paths of this
// machine.
func settings(t *testing.T, servers *natsserver.Cluster, name, dir, secret string) map[string]string {
	t.Helper()
	return here(t, environment(t, name), servers, dir, secret)
}

// here replaces addresses and paths by those of this machine. servers is nil for a node without NATS.
func here(t *testing.T, env map[string]string, servers *natsserver.Cluster, dir, secret string) map[string]string {
	t.Helper()
	replaced := map[string]string{"BELLHOP_JWT_SECRET_FILE": secret}
	if servers != nil {
		replaced["BELLHOP_DRAIN_DELAY"] = "0"
		var monitors []string
		for _, s := range servers.Servers {
			monitors = append(monitors, s.Monitor)
		}
		replaced["BELLHOP_NATS_URL"], replaced["BELLHOP_NATS_MONITOR"] = servers.URL, strings.Join(monitors, ",")
		replaced["BELLHOP_NATS_CREDENTIALS_FILE"], replaced["BELLHOP_NATS_CA_FILE"] = servers.NodeFile, servers.CAFile
	}
	for variable, here := range replaced {
		require.Contains(t, env, variable)
		env[variable] = here
	}
	require.Equal(t, ":8081", env["BELLHOP_ADMIN_LISTEN"], "Prometheus cannot scrape the node from outside")
	env["BELLHOP_DATA_DIR"], env["BELLHOP_LISTEN"], env["BELLHOP_ADMIN_LISTEN"] = dir, "127.0.0.1:0", "127.0.0.1:0"
	return env
}

// startNode starts a node, and returns when it is ready.
func startNode(t *testing.T, env map[string]string, logs io.Writer) *node {
	t.Helper()
	var environ []string
	for variable, value := range env {
		environ = append(environ, variable+"="+value)
	}
	cfg, err := config.Load(config.Sources{Environ: environ, NeedKey: true})
	require.NoError(t, err)

	ctx, cancel := context.WithCancel(context.Background())
	listening := make(chan [2]net.Addr, 1)
	ended := make(chan error, 1)
	go func() {
		ended <- app.Run(ctx, cfg, app.Options{
			Logger:    slog.New(slog.NewTextHandler(logs, nil)),
			Listening: func(public, admin net.Addr) { listening <- [2]net.Addr{public, admin} },
		})
	}()
	stop := sync.OnceFunc(func() { cancel(); assert.NoError(t, <-ended) })
	t.Cleanup(stop)
	select {
	case addresses := <-listening:
		n := &node{"http://" + addresses[0].String(), "http://" + addresses[1].String(), stop}
		require.Eventually(t, func() bool {
			status, _ := n.request(t, http.MethodGet, "/readyz", "", "")
			return status == http.StatusOK
		},
			30*time.Second, 20*time.Millisecond)
		return n
	case <-time.After(60 * time.Second):
		t.Fatal("the node does not listen")
		return nil
	}
}

func (n *node) request(t *testing.T, method, path, token, body string) (status int, answer string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, n.url+path, strings.NewReader(body))
	require.NoError(t, err)
	req.Header.Set("Content-Type", "application/json")
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, string(b)
}

// secretFile returns a file with the secret of tokens.
func secretFile(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "jwt.secret")
	require.NoError(t, os.WriteFile(file, []byte(jwtSecret+"\n"), 0o600))
	return file
}

// waitForCheckpoint waits until there is a checkpoint.
func waitForCheckpoint(t *testing.T, servers *natsserver.Cluster) {
	t.Helper()
	checkpoints, err := journal.NewCheckpoints(servers.Connect(t), journal.CheckpointOptions{Stream: "BELLHOP", Replicas: 3, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		all, err := checkpoints.List(t.Context(), "")
		return err == nil && len(all) > 0
	}, 60*time.Second, 50*time.Millisecond)
}

// publish publishes a notification to ada.
func (n *node) publish(t *testing.T, title string) {
	t.Helper()
	status, answer := n.request(t, http.MethodPost, "/notify", signedToken(t), fmt.Sprintf(`{"to":{"users":["ada"]},"type":"deploy.done","title":%q}`, title))
	require.Equal(t, http.StatusAccepted, status, answer)
}

// requireInbox waits until the inbox of ada has notifications, the newest first.
func (n *node) requireInbox(t *testing.T, titles ...string) {
	t.Helper()
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		status, answer := n.request(t, http.MethodGet, "/inbox", signedToken(t), "")
		assert.Equal(c, http.StatusOK, status)
		var inbox struct{ Items []struct{ Title string } }
		assert.NoError(c, json.Unmarshal([]byte(answer), &inbox))
		var got []string
		for _, item := range inbox.Items {
			got = append(got, item.Title)
		}
		assert.Equal(c, titles, got)
	}, 20*time.Second, 20*time.Millisecond)
}

// Two nodes with the settings of compose.yaml are one service on three servers with the
// configuration beside it. The permissions of a node are enough for all that it does.
func TestTheComposedNodesAreOneService(t *testing.T) {
	servers := natsserver.Start(t, natsserver.Options{Servers: 3, Secure: true})
	secret := secretFile(t)
	var logs logtext.Log
	first := startNode(t, settings(t, servers, "bellhop-1", t.TempDir(), secret), &logs)
	waitForCheckpoint(t, servers)
	second := startNode(t, settings(t, servers, "bellhop-2", t.TempDir(), secret), &logs)
	first.publish(t, "one")
	second.publish(t, "two")
	first.requireInbox(t, "two", "one")
	second.requireInbox(t, "two", "one")
	first.requireScraped(t, "bellhop-1:8081")
	second.requireScraped(t, "bellhop-2:8081")
	status, answer := second.request(t, http.MethodGet, "/users/ada/connections", signedToken(t), "")
	require.Equal(t, http.StatusOK, status, answer)
	require.NotContains(t, logs.String(), "refused a subject")
}

// The steps of the operating guide from one node to several: nothing is lost, and the first
// node's store is the beginning of the cluster.
func TestFromOneNodeToTwo(t *testing.T) {
	servers := natsserver.Start(t, natsserver.Options{Servers: 3, Secure: true})
	secret, dir := secretFile(t), t.TempDir()
	alone := settings(t, servers, "bellhop-1", dir, secret)
	for variable := range alone {
		if strings.HasPrefix(variable, "BELLHOP_NATS_") {
			delete(alone, variable)
		}
	}
	var logs logtext.Log
	first := startNode(t, alone, &logs)
	first.publish(t, "alone")
	first.stop()

	first = startNode(t, settings(t, servers, "bellhop-1", dir, secret), &logs)
	first.requireInbox(t, "alone")
	waitForCheckpoint(t, servers)
	require.Contains(t, logs.String(), "checkpoint written") // which the guide names
	second := startNode(t, settings(t, servers, "bellhop-2", t.TempDir(), secret), &logs)
	second.publish(t, "together")
	first.requireInbox(t, "together", "alone")
	second.requireInbox(t, "together", "alone")
}

const jwtSecret = "a secret of the deployment's test"

// signedToken returns a token of ada that may do everything.
func signedToken(t *testing.T) string {
	t.Helper()
	token, err := auth.Sign([]byte(jwtSecret), auth.Claims{
		User: "ada", Scopes: []notify.Scope{notify.ScopePublish, notify.ScopeAdmin}, TTL: time.Hour,
	})
	require.NoError(t, err)
	return token
}
