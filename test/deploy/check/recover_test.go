package check

import (
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
)

// The pod of recover.yaml is one of the StatefulSet, apart from what this test changes in the
// template: it runs one command with an operator's credentials, and has no probes, ports or place.
func TestThePodOfARecoveryIsOneOfTheNodes(t *testing.T) {
	set := only[*appsv1.StatefulSet](t, objects(t, "cluster.yaml"))
	pod := only[*corev1.Pod](t, objects(t, "recover.yaml"))
	node := set.Name + "-0"

	want := set.Spec.Template.Spec
	want.RestartPolicy, want.Affinity, want.TopologySpreadConstraints = corev1.RestartPolicyNever, nil, nil
	optional := true
	want.Volumes = append(want.Volumes,
		corev1.Volume{Name: "operator", VolumeSource: corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: "bellhop-operator", Optional: &optional}}},
		corev1.Volume{Name: "data", VolumeSource: corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "data-" + node}}},
	)
	require.Len(t, want.Containers, 1)
	c := &want.Containers[0]
	c.Ports, c.ReadinessProbe, c.LivenessProbe, c.StartupProbe = nil, nil, nil, nil
	c.Stdin, c.StdinOnce = true, true
	c.Args = []string{"cluster", "recover"}
	mount := corev1.VolumeMount{Name: "operator", MountPath: "/etc/bellhop/operator", ReadOnly: true}
	c.VolumeMounts = append(c.VolumeMounts, mount)
	c.Env = []corev1.EnvVar{
		{Name: "BELLHOP_NODE", Value: node},
		{Name: "BELLHOP_NATS_CREDENTIALS_FILE", Value: filepath.Join(mount.MountPath, "operator.nk")},
	}
	assert.Equal(t, want, pod.Spec)
	assert.Equal(t, set.Namespace, pod.Namespace)
	for key, value := range set.Spec.Selector.MatchLabels {
		assert.NotEqual(t, value, pod.Labels[key], "the Service and the disruption budget would select the pod")
	}
}

// The claim of claim.yaml is as the StatefulSet makes it for its first node.
func TestTheClaimIsThatOfTheFirstNode(t *testing.T) {
	set := only[*appsv1.StatefulSet](t, objects(t, "cluster.yaml"))
	claim := only[*corev1.PersistentVolumeClaim](t, objects(t, "claim.yaml"))
	require.Len(t, set.Spec.VolumeClaimTemplates, 1)
	template := set.Spec.VolumeClaimTemplates[0]
	assert.Equal(t, template.Name+"-"+set.Name+"-0", claim.Name)
	assert.Equal(t, set.Namespace, claim.Namespace)
	assert.Equal(t, set.Spec.Selector.MatchLabels, claim.Labels)
	assert.Equal(t, template.Spec, claim.Spec)
}

// The pod of restore.yaml is that of the Deployment, without what a restore does not use: settings, secrets, probes and ports.
// The volume that the guide makes of claim.yaml for it is that of the Deployment.
func TestThePodOfARestoreIsTheNode(t *testing.T) {
	alone := objects(t, "standalone.yaml")
	d, volume := only[*appsv1.Deployment](t, alone), only[*corev1.PersistentVolumeClaim](t, alone)
	pod, claim := only[*corev1.Pod](t, objects(t, "restore.yaml")), only[*corev1.PersistentVolumeClaim](t, objects(t, "claim.yaml"))

	want := d.Spec.Template.Spec
	want.RestartPolicy = corev1.RestartPolicyNever
	isData := func(name string) bool { return name == "data" }
	want.Volumes = slices.DeleteFunc(want.Volumes, func(v corev1.Volume) bool { return !isData(v.Name) })
	require.Len(t, want.Containers, 1)
	c := &want.Containers[0]
	c.VolumeMounts = slices.DeleteFunc(c.VolumeMounts, func(m corev1.VolumeMount) bool { return !isData(m.Name) })
	c.Env, c.Ports, c.ReadinessProbe, c.LivenessProbe, c.StartupProbe = nil, nil, nil, nil, nil
	c.Stdin, c.StdinOnce, c.Args = true, true, []string{"restore", "--from", "-"}
	assert.Equal(t, want, pod.Spec)
	assert.Equal(t, d.Namespace, pod.Namespace)
	for key, value := range d.Spec.Selector.MatchLabels {
		assert.NotEqual(t, value, pod.Labels[key], "the Service would select the pod")
	}
	assert.Equal(t, volume.Spec, claim.Spec)
}
