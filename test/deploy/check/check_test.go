// Package check reads the example deployments with the libraries of the tools that run them:
// Compose's, which checks its schema, and the validation of the API server of Kubernetes.
package check

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// drain is how long a stop of the service takes at most, without the delay before it.
const drain = 25 * time.Second

func compose(t *testing.T) *types.Project {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.CopyFS(dir, os.DirFS("..")))
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "keys"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "keys", "nkeys.env"), []byte("NATS_NODE_KEY=U1\nNATS_OPERATOR_KEY=U2\n"), 0o600))
	options, err := cli.NewProjectOptions([]string{filepath.Join(dir, "compose.yaml")}, cli.WithWorkingDirectory(dir))
	require.NoError(t, err)
	project, err := options.LoadProject(t.Context())
	require.NoError(t, err)
	return project
}

func TestTheComposeFileIsValid(t *testing.T) {
	p := compose(t)
	assert.Len(t, p.Services, 6)
	for name, s := range p.Services {
		assert.True(t, s.ReadOnly, name)
		assert.Equal(t, []string{"ALL"}, s.CapDrop, name)
		assert.NotZero(t, s.MemLimit, name)
		assert.NotNil(t, s.StopGracePeriod, name)
	}
	for _, config := range p.Configs {
		assert.FileExists(t, config.File)
	}
	for _, name := range []string{"nats-1", "nats-2", "nats-3"} {
		s := p.Services[name]
		assert.Equal(t, name, *s.Environment["NATS_NAME"])
		assert.Equal(t, "U1", *s.Environment["NATS_NODE_KEY"])
		assert.NotContains(t, s.Networks, "public")
		assert.Empty(t, s.Ports)
	}
	for _, name := range []string{"bellhop-1", "bellhop-2"} {
		s := p.Services[name]
		assert.Equal(t, name, *s.Environment["BELLHOP_NODE"])
		delay, err := strconv.Atoi(*s.Environment["BELLHOP_DRAIN_DELAY"])
		require.NoError(t, err)
		assert.GreaterOrEqual(t, time.Duration(*s.StopGracePeriod), drain+time.Duration(delay)*time.Second)
	}
}

// objects reads a manifest. A field that Kubernetes does not know is an error.
func objects(t *testing.T, file string) (all []runtime.Object) {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{appsv1.AddToScheme, corev1.AddToScheme, networkingv1.AddToScheme, policyv1.AddToScheme} {
		require.NoError(t, add(scheme))
	}
	decoder := serializer.NewCodecFactory(scheme, serializer.EnableStrict).UniversalDeserializer()
	content, err := os.ReadFile(filepath.Join("..", "kubernetes", file))
	require.NoError(t, err)
	for document := range bytes.SplitSeq(content, []byte("\n---\n")) {
		object, _, err := decoder.Decode(document, nil, nil)
		require.NoError(t, err, string(document))
		all = append(all, object)
	}
	return all
}

func only[T runtime.Object](t *testing.T, all []runtime.Object) (found T) {
	t.Helper()
	n := 0
	for _, object := range all {
		if o, ok := object.(T); ok {
			found, n = o, n+1
		}
	}
	require.Equal(t, 1, n)
	return found
}

// checkPod checks what the manifests have in common.
func checkPod(t *testing.T, pod corev1.PodSpec, delay time.Duration) {
	t.Helper()
	require.Len(t, pod.Containers, 1)
	c := pod.Containers[0]
	assert.GreaterOrEqual(t, time.Duration(*pod.TerminationGracePeriodSeconds)*time.Second, drain+delay)
	assert.True(t, *pod.SecurityContext.RunAsNonRoot)
	assert.False(t, *pod.AutomountServiceAccountToken)
	assert.True(t, *c.SecurityContext.ReadOnlyRootFilesystem)
	assert.False(t, c.Resources.Limits.Memory().IsZero())
	assert.False(t, c.Resources.Requests.Cpu().IsZero())
	ports := map[string]bool{}
	for _, port := range c.Ports {
		ports[port.Name] = true
	}
	assert.True(t, ports["admin"], "for Prometheus")
	for path, probe := range map[string]*corev1.Probe{"/readyz": c.ReadinessProbe, "/livez": c.LivenessProbe} {
		assert.Equal(t, path, probe.HTTPGet.Path)
		assert.True(t, ports[probe.HTTPGet.Port.String()])
	}
	assert.Equal(t, "/livez", c.StartupProbe.HTTPGet.Path)
	for _, mount := range c.VolumeMounts {
		assert.Contains(t, append(names(pod.Volumes), "data"), mount.Name)
	}
}

func names(volumes []corev1.Volume) (all []string) {
	for _, v := range volumes {
		all = append(all, v.Name)
	}
	return all
}

func TestTheManifestOfAClusterIsValid(t *testing.T) {
	all := objects(t, "cluster.yaml")
	set := only[*appsv1.StatefulSet](t, all)
	settings := only[*corev1.ConfigMap](t, all)
	delay, err := time.ParseDuration(settings.Data["BELLHOP_DRAIN_DELAY"] + "s")
	require.NoError(t, err)
	checkPod(t, set.Spec.Template.Spec, delay)
	assert.EqualValues(t, 3, *set.Spec.Replicas)
	assert.Equal(t, settings.Name, set.Spec.Template.Spec.Containers[0].EnvFrom[0].ConfigMapRef.Name)

	pods := labels.Set(set.Spec.Template.Labels)
	budget := only[*policyv1.PodDisruptionBudget](t, all)
	assert.Equal(t, intstr.FromInt32(1), *budget.Spec.MaxUnavailable)
	selectors := []map[string]string{set.Spec.Selector.MatchLabels, budget.Spec.Selector.MatchLabels}
	for _, term := range set.Spec.Template.Spec.Affinity.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution {
		assert.Equal(t, "kubernetes.io/hostname", term.TopologyKey)
		selectors = append(selectors, term.LabelSelector.MatchLabels)
	}
	services := map[string]bool{}
	for _, object := range all {
		if s, ok := object.(*corev1.Service); ok {
			services[s.Name] = true
			selectors = append(selectors, s.Spec.Selector)
		}
	}
	for _, s := range selectors {
		assert.NotEmpty(t, s)
		assert.True(t, labels.SelectorFromSet(s).Matches(pods), s)
	}
	assert.True(t, services[set.Spec.ServiceName])
	ingress := only[*networkingv1.Ingress](t, all)
	assert.True(t, services[ingress.Spec.Rules[0].HTTP.Paths[0].Backend.Service.Name])
}

func TestTheManifestOfOneNodeIsValid(t *testing.T) {
	all := objects(t, "standalone.yaml")
	d := only[*appsv1.Deployment](t, all)
	checkPod(t, d.Spec.Template.Spec, 0)
	assert.Equal(t, appsv1.RecreateDeploymentStrategyType, d.Spec.Strategy.Type, "one process at a time may use the volume")
	assert.EqualValues(t, 1, *d.Spec.Replicas)
	claim := only[*corev1.PersistentVolumeClaim](t, all)
	assert.Equal(t, claim.Name, d.Spec.Template.Spec.Volumes[0].PersistentVolumeClaim.ClaimName)
	for _, object := range all {
		if s, ok := object.(*corev1.Service); ok {
			assert.True(t, labels.SelectorFromSet(s.Spec.Selector).Matches(labels.Set(d.Spec.Template.Labels)), s.Name)
		}
	}
}
