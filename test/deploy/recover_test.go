package deploy_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/bellhop/bellhop/internal/cli"
	"github.com/bellhop/bellhop/test/deploy"
	"github.com/bellhop/bellhop/test/logtext"
	"github.com/bellhop/bellhop/test/natsserver"
)

// recoveryPod is the container of a pod that the guide makes of kubernetes/recover.yaml, or that of kubernetes/restore.yaml.
type recoveryPod struct {
	Spec struct {
		Containers []container `yaml:"containers"`
	} `yaml:"spec"`
}

// recoveryPods returns the containers that the operating guide makes of recover.yaml for a node, in
// its order.
func recoveryPods(t *testing.T, node string) (all []container) {
	t.Helper()
	guide, err := os.ReadFile(filepath.Join(deploy.Dir(), "..", "..", "cmd", "bellhop", "README.md"))
	require.NoError(t, err)
	for _, edit := range regexp.MustCompile(`(?m)^ *(sed .+ recover\.yaml) \| kubectl`).FindAllStringSubmatch(string(guide), -1) {
		edits := exec.CommandContext(t.Context(), "bash", "-c", edit[1])
		edits.Dir, edits.Env = filepath.Join(deploy.Dir(), "kubernetes"), append(os.Environ(), "NODE="+node)
		content, err := edits.Output()
		require.NoError(t, err)
		var pod recoveryPod
		require.NoError(t, yaml.Unmarshal(content, &pod))
		require.Len(t, pod.Spec.Containers, 1)
		all = append(all, pod.Spec.Containers[0])
	}
	return all
}

// run runs the command of a pod on a data directory, and returns its output.
func (c *container) run(t *testing.T, servers *natsserver.Cluster, dir, secret string) string {
	t.Helper()
	env := here(t, podEnvironment(t, "cluster.yaml", ""), servers, dir, secret)
	for _, v := range c.Env {
		env[v.Name] = v.Value
	}
	require.Equal(t, "/etc/bellhop/operator/operator.nk", env["BELLHOP_NATS_CREDENTIALS_FILE"])
	env["BELLHOP_NATS_CREDENTIALS_FILE"] = servers.OperatorFile
	var environ []string
	for variable, value := range env {
		environ = append(environ, variable+"="+value)
	}
	var out strings.Builder
	require.Zero(t, cli.Main(t.Context(), c.Args, environ, &out, &out), "%s: %s", c.Args, &out)
	return out.String()
}

// readStdin replaces the standard input by a file.
func readStdin(t *testing.T, path string) {
	t.Helper()
	f, err := os.Open(path)
	require.NoError(t, err)
	before := os.Stdin
	os.Stdin = f
	t.Cleanup(func() { os.Stdin = before; _ = f.Close() })
}

// Nodes on Kubernetes whose journal is lost go on from a backup, with the pods of the guide.
func TestTheJournalOnKubernetesIsRecovered(t *testing.T) {
	servers := natsserver.Start(t, natsserver.Options{Servers: 3, Secure: true})
	secret, data, backup := secretFile(t), t.TempDir(), filepath.Join(t.TempDir(), "backup.tar.zst")
	var logs logtext.Log
	start := func(dir string) *node {
		return startNode(t, here(t, podEnvironment(t, "cluster.yaml", "bellhop-1"), servers, dir, secret), &logs)
	}
	n := start(data)
	n.publish(t, "kept")
	var out strings.Builder
	require.Zero(t, cli.Main(t.Context(), []string{"backup", "--to", backup, "--admin", n.admin}, nil, &out, &out), "%s", &out)
	n.publish(t, "lost")
	n.stop()
	js, err := jetstream.New(servers.Connect(t))
	require.NoError(t, err)
	require.NoError(t, js.DeleteStream(t.Context(), "BELLHOP"))

	pods := recoveryPods(t, "bellhop-1")
	require.Len(t, pods, 3)
	shows, recovers, restores := pods[0], pods[1], pods[2]
	require.Equal(t, "bellhop-1", shows.Env[0].Value)
	require.Contains(t, shows.run(t, servers, data, secret), "Nothing was changed")
	restored := t.TempDir()
	readStdin(t, backup)
	require.Contains(t, restores.run(t, servers, restored, secret), "restored")
	require.Contains(t, recovers.run(t, servers, restored, secret), "recovered")
	start(restored).requireInbox(t, "kept")
}

// The node without NATS goes on from a backup, with the command of the pod for it.
func TestTheNodeAloneOnKubernetesIsRestored(t *testing.T) {
	secret, backup, restored := secretFile(t), filepath.Join(t.TempDir(), "backup.tar.zst"), t.TempDir()
	var logs logtext.Log
	start := func(dir string) *node {
		return startNode(t, here(t, podEnvironment(t, "standalone.yaml", "bellhop-5d4f"), nil, dir, secret), &logs)
	}
	n := start(t.TempDir())
	n.publish(t, "kept")
	var out strings.Builder
	require.Zero(t, cli.Main(t.Context(), []string{"backup", "--to", backup, "--admin", n.admin}, nil, &out, &out), "%s", &out)
	n.publish(t, "lost")
	n.stop()

	content, err := os.ReadFile(filepath.Join(deploy.Dir(), "kubernetes", "restore.yaml"))
	require.NoError(t, err)
	var pod recoveryPod
	require.NoError(t, yaml.Unmarshal(content, &pod))
	require.Len(t, pod.Spec.Containers, 1)
	require.Empty(t, pod.Spec.Containers[0].Env)
	readStdin(t, backup)
	require.Zero(t, cli.Main(t.Context(), pod.Spec.Containers[0].Args, []string{"BELLHOP_DATA_DIR=" + restored}, &out, &out), "%s", &out)
	start(restored).requireInbox(t, "kept")
}
