package check

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/apiserver/pkg/registry/rest"
	"k8s.io/apiserver/pkg/warning"
	"k8s.io/kubernetes/pkg/api/legacyscheme"
	"k8s.io/kubernetes/pkg/apis/apps"
	_ "k8s.io/kubernetes/pkg/apis/apps/install" // adds its types and defaults to legacyscheme, like the next three
	"k8s.io/kubernetes/pkg/apis/core"
	_ "k8s.io/kubernetes/pkg/apis/core/install"
	"k8s.io/kubernetes/pkg/apis/networking"
	_ "k8s.io/kubernetes/pkg/apis/networking/install"
	"k8s.io/kubernetes/pkg/apis/policy"
	_ "k8s.io/kubernetes/pkg/apis/policy/install"
	"k8s.io/kubernetes/pkg/registry/apps/deployment"
	"k8s.io/kubernetes/pkg/registry/apps/statefulset"
	"k8s.io/kubernetes/pkg/registry/core/configmap"
	"k8s.io/kubernetes/pkg/registry/core/persistentvolumeclaim"
	"k8s.io/kubernetes/pkg/registry/core/pod"
	"k8s.io/kubernetes/pkg/registry/core/service"
	"k8s.io/kubernetes/pkg/registry/networking/ingress"
	"k8s.io/kubernetes/pkg/registry/networking/networkpolicy"
	"k8s.io/kubernetes/pkg/registry/policy/poddisruptionbudget"
	podsecurityapi "k8s.io/pod-security-admission/api"
	podsecurity "k8s.io/pod-security-admission/policy"
)

// manifests are the files that are checked.
func manifests() []string {
	return []string{"cluster.yaml", "standalone.yaml", "recover.yaml", "claim.yaml", "restore.yaml"}
}

func manifest(t *testing.T, file string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("..", "kubernetes", file))
	require.NoError(t, err)
	return string(content)
}

// strategy returns the rules by which the API server creates an object, nil if none of the
// manifests should have such an object.
func strategy(object runtime.Object) rest.RESTCreateStrategy {
	switch object.(type) {
	case *apps.Deployment:
		return deployment.Strategy
	case *apps.StatefulSet:
		return statefulset.Strategy
	case *core.ConfigMap:
		return configmap.Strategy
	case *core.PersistentVolumeClaim:
		return persistentvolumeclaim.Strategy
	case *core.Pod:
		return pod.Strategy
	case *core.Service:
		return service.Strategy
	case *networking.Ingress:
		return ingress.Strategy
	case *networking.NetworkPolicy:
		return networkpolicy.Strategy
	case *policy.PodDisruptionBudget:
		return poddisruptionbudget.Strategy
	}
	return nil
}

// warnings are those that a user would see.
type warnings []string

// AddWarning implements warning.Recorder.
func (w *warnings) AddWarning(_, text string) { *w = append(*w, text) }

// create does with a manifest what the API server does before it stores an object: it decodes
// strictly, sets the defaults, and validates. A warning is an error.
func create(content string) error {
	decoder := serializer.NewCodecFactory(legacyscheme.Scheme, serializer.EnableStrict).UniversalDecoder()
	var errs []error
	for document := range bytes.SplitSeq([]byte(content), []byte("\n---\n")) {
		object, kind, err := decoder.Decode(document, nil, nil)
		if err == nil {
			err = createOne(object, kind)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

func createOne(object runtime.Object, kind *schema.GroupVersionKind) error {
	rules := strategy(object)
	if rules == nil {
		return fmt.Errorf("%T is not expected", object)
	}
	accessor, err := meta.Accessor(object)
	if err != nil {
		return err
	}
	rest.FillObjectMetaSystemFields(accessor)
	var found warnings
	ctx := request.WithNamespace(context.Background(), "bellhop")
	ctx = request.WithRequestInfo(ctx, &request.RequestInfo{
		IsResourceRequest: true, Verb: "create", APIGroup: kind.Group, APIVersion: kind.Version, Resource: strings.ToLower(kind.Kind),
	})
	if s, ok := object.(*core.Service); ok && s.Spec.ClusterIP != "" { // the API server does this where it assigns addresses
		s.Spec.ClusterIPs = []string{s.Spec.ClusterIP}
	}
	err = rest.BeforeCreate(rules, warning.WithWarningRecorder(ctx, &found), object)
	for _, text := range found {
		err = errors.Join(err, errors.New(text))
	}
	return err
}

// The API server of Kubernetes accepts each object without a warning.
func TestKubernetesAcceptsTheManifests(t *testing.T) {
	for _, file := range manifests() {
		assert.NoError(t, create(manifest(t, file)), file)
	}
}

// Each mistake is found in every manifest in which it can be made.
func TestMistakesInManifestsAreFound(t *testing.T) {
	for name, c := range map[string]struct {
		old, new string
		report   string
	}{
		"unknown field":           {"      containers:\n", "      contaners: []\n      containers:\n", `unknown field "spec.template.spec.contaners"`},
		"field twice":             {"    spec:\n      automount", "    spec:\n      automountServiceAccountToken: false\n      automount", `"automountServiceAccountToken" already set`},
		"wrong type":              {"containerPort: 8080", `containerPort: "8080"`, "cannot unmarshal string"},
		"unknown version":         {"apiVersion: apps/v1\n", "apiVersion: apps/v2\n", "no kind"},
		"no selector":             {"  selector:\n    matchLabels: *labels\n  template", "  template", "spec.selector: Required value"},
		"another selector":        {"  selector:\n    matchLabels: *labels\n  template", "  selector:\n    matchLabels: {a: b}\n  template", "`selector` does not match template `labels`"},
		"label with a space":      {"&labels\n    app.kubernetes.io/name: bellhop", "&labels\n    app.kubernetes.io/name: bell hop", "a valid label must"},
		"invalid quantity":        {"cpu: 500m", "cpu: half", "quantities must match"},
		"request above the limit": {"memory: 1Gi\n            limits", "memory: 2Gi\n            limits", "must be less than or equal to memory limit"},
		"limit of nothing":        {"memory: 1Gi # bell", "memroy: 1Gi # bell", "must be a standard resource"},
		"probe of nothing":        {"httpGet:\n              path: /readyz\n              port: http\n", "initialDelaySeconds: 1\n", "must specify a handler type"},
		"probe with a long port":  {"path: /readyz\n              port: http", "path: /readyz\n              port: the-http-listener", "must be no more than 15 characters"},
		"negative period":         {"periodSeconds: 10", "periodSeconds: -10", "must be greater than or equal to 0"},
		"port twice":              {"containerPort: 8081", "containerPort: 8081\n            - name: http\n              containerPort: 8082", "Duplicate value"},
		"volume that is missing":  {"            - name: data\n              mountPath", "            - name: dta\n              mountPath", "volumeMounts[0].name: Not found"},
		"negative grace":          {"      terminationGracePeriodSeconds: ", "      terminationGracePeriodSeconds: -", "must be >= 0"},
		"privileged":              {"            allowPrivilegeEscalation: false", "            allowPrivilegeEscalation: false\n            privileged: true", "cannot set `allowPrivilegeEscalation` to false and `privileged` to true"},
		"access mode":             {"ReadWriteOnce", "ReadWriteTwice", "supported values"},
		"no storage":              {"storage: 20Gi", "storage: 0", "must be greater than zero"},
		"port out of range":       {"port: 80\n", "port: 80000\n", "must be between 1 and 65535"},
		"name with capitals":      {"kind: Service\nmetadata:\n  name: bellhop\n", "kind: Service\nmetadata:\n  name: Bellhop\n", "must consist of lower case"},
		"path type":               {"pathType: Prefix", "pathType: Start", "pathType: Unsupported value"},
		"relative path":           {"- path: /\n", "- path: app\n", "must be an absolute path"},
		"policy type":             {"policyTypes: [Ingress]", "policyTypes: [Inbound]", "policyTypes[0]: Unsupported value"},
		"budget of both":          {"maxUnavailable: 1", "maxUnavailable: 1\n  minAvailable: 1", "cannot be both set"},
		"strategy":                {"type: RollingUpdate", "type: Recreate", "updateStrategy"},
		"spread":                  {"whenUnsatisfiable: ScheduleAnyway", "whenUnsatisfiable: Maybe", "whenUnsatisfiable: Unsupported value"},
		"restart policy":          {"restartPolicy: Never", "restartPolicy: Once", "restartPolicy: Unsupported value"},
		"claim without a name":    {"claimName: data-bellhop-0", "readOnly: false", "claimName: Required value"},
		"data is no text":         {`BELLHOP_DRAIN_DELAY: "10"`, "BELLHOP_DRAIN_DELAY: 10", "cannot unmarshal number"},
	} {
		t.Run(name, func(t *testing.T) {
			made := 0
			for _, file := range manifests() {
				content := manifest(t, file)
				if !strings.Contains(content, c.old) {
					continue
				}
				made++
				err := create(strings.Replace(content, c.old, c.new, 1))
				assert.ErrorContains(t, err, c.report, file)
			}
			assert.Positive(t, made, "no manifest has %q", c.old)
		})
	}
}

// The pods are allowed in a namespace with the strictest of the Pod Security Standards.
func TestThePodsAreRestricted(t *testing.T) {
	evaluator, err := podsecurity.NewEvaluator(podsecurity.DefaultChecks(), nil)
	require.NoError(t, err)
	single, restore := only[*corev1.Pod](t, objects(t, "recover.yaml")), only[*corev1.Pod](t, objects(t, "restore.yaml"))
	for file, template := range map[string]corev1.PodTemplateSpec{
		"cluster.yaml":    only[*appsv1.StatefulSet](t, objects(t, "cluster.yaml")).Spec.Template,
		"standalone.yaml": only[*appsv1.Deployment](t, objects(t, "standalone.yaml")).Spec.Template,
		"recover.yaml":    {ObjectMeta: single.ObjectMeta, Spec: single.Spec},
		"restore.yaml":    {ObjectMeta: restore.ObjectMeta, Spec: restore.Spec},
	} {
		level := podsecurityapi.LevelVersion{Level: podsecurityapi.LevelRestricted, Version: podsecurityapi.LatestVersion()}
		for _, result := range evaluator.EvaluatePod(level, &template.ObjectMeta, &template.Spec) {
			assert.True(t, result.Allowed, "%s: %s: %s", file, result.ForbiddenReason, result.ForbiddenDetail)
		}
	}
}
