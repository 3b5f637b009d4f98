package deploy_test

import (
	"bytes"
	"errors"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/bellhop/bellhop/test/deploy"
	"github.com/bellhop/bellhop/test/logtext"
	"github.com/bellhop/bellhop/test/natsserver"
)

// podIP is the address of a pod. Nothing connects to it.
const podIP = "10.1.2.3"

// manifest is what decides the environment of a container in an object of Kubernetes.
type manifest struct {
	Kind string            `yaml:"kind"`
	Data map[string]string `yaml:"data"`
	Spec struct {
		Template struct {
			Spec struct {
				Containers []container `yaml:"containers"`
			} `yaml:"spec"`
		} `yaml:"template"`
	} `yaml:"spec"`
}

// container is a container of a pod, as far as the tests run it.
type container struct {
	Args []string `yaml:"args"`
	Env  []struct {
		Name      string `yaml:"name"`
		Value     string `yaml:"value"`
		ValueFrom struct {
			FieldRef struct {
				FieldPath string `yaml:"fieldPath"`
			} `yaml:"fieldRef"`
		} `yaml:"valueFrom"`
	} `yaml:"env"`
}

// podEnvironment returns the variables of the container in a pod with a name.
func podEnvironment(t *testing.T, file, pod string) map[string]string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(deploy.Dir(), "kubernetes", file))
	require.NoError(t, err)
	env := map[string]string{}
	fields := map[string]string{"metadata.name": pod, "status.podIP": podIP}
	containers := 0
	for objects := yaml.NewDecoder(bytes.NewReader(content)); ; {
		var m manifest
		err := objects.Decode(&m)
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		if m.Kind == "ConfigMap" {
			maps.Copy(env, m.Data)
		}
		for _, c := range m.Spec.Template.Spec.Containers {
			containers++
			require.Empty(t, c.Args, "the test passes none")
			for _, v := range c.Env { // the order matters: a later one may use earlier ones
				env[v.Name] = v.Value
				if field := v.ValueFrom.FieldRef.FieldPath; field != "" {
					require.Contains(t, fields, field)
					env[v.Name] = fields[field]
				}
				env[v.Name] = os.Expand(strings.NewReplacer("$(", "${", ")", "}").Replace(env[v.Name]), func(name string) string { return env[name] })
			}
		}
	}
	require.Equal(t, 1, containers)
	return env
}

// requireScraped asks for the metrics of a node as Prometheus does, which names a host.
func (n *node) requireScraped(t *testing.T, hosts ...string) {
	t.Helper()
	statuses := map[string]int{"10.9.9.9:8081": http.StatusMisdirectedRequest}
	for _, host := range hosts {
		statuses[host] = http.StatusOK
	}
	for host, status := range statuses {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, n.admin+"/metrics", http.NoBody)
		require.NoError(t, err)
		req.Host = host
		resp, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.Equal(t, status, resp.StatusCode, host)
	}
}

// Two nodes with the settings of kubernetes/cluster.yaml are one service, and Prometheus may ask each.
func TestTheNodesOnKubernetesAreOneService(t *testing.T) {
	servers := natsserver.Start(t, natsserver.Options{Servers: 3, Secure: true})
	secret := secretFile(t)
	var logs logtext.Log
	start := func(pod string) *node {
		return startNode(t, here(t, podEnvironment(t, "cluster.yaml", pod), servers, t.TempDir(), secret), &logs)
	}
	first := start("bellhop-0")
	waitForCheckpoint(t, servers)
	second := start("bellhop-1")
	first.publish(t, "one")
	second.publish(t, "two")
	first.requireInbox(t, "two", "one")
	second.requireInbox(t, "two", "one")
	first.requireScraped(t, podIP+":8081", "bellhop-0.bellhop-nodes.bellhop:8081", "bellhop-0.bellhop-nodes.bellhop.svc:8081")
	second.requireScraped(t, podIP+":8081", "bellhop-1.bellhop-nodes.bellhop:8081")
}

// A node with the settings of kubernetes/standalone.yaml serves alone.
func TestTheNodeOnKubernetesServesAlone(t *testing.T) {
	var logs logtext.Log
	n := startNode(t, here(t, podEnvironment(t, "standalone.yaml", "bellhop-5d4f"), nil, t.TempDir(), secretFile(t)), &logs)
	n.publish(t, "alone")
	n.requireInbox(t, "alone")
	n.requireScraped(t, podIP+":8081", "bellhop-admin.bellhop:8081", "bellhop-admin.bellhop.svc:8081")
}
