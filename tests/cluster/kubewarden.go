package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"time"

	registration "k8s.io/api/admissionregistration/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"
)

// PolicyServerNamespace is where Kubewarden runs. Policies of the cluster never judge it.
const PolicyServerNamespace = "kubewarden"

// PolicyResource is a resource of Kubewarden: one of the two kinds of policies, or of the two of
// groups.
type PolicyResource struct {
	APIVersion string            `json:"apiVersion"`
	Kind       string            `json:"kind"`
	Metadata   metav1.ObjectMeta `json:"metadata"`
	Spec       PolicySpec        `json:"spec"`
}

// PolicySpec has what the controller reads.
type PolicySpec struct {
	Module                string                            `json:"module,omitempty"`
	Mode                  string                            `json:"mode,omitempty"`
	Mutating              bool                              `json:"mutating"`
	Message               string                            `json:"message,omitempty"`
	Expression            string                            `json:"expression,omitempty"`
	Settings              json.RawMessage                   `json:"settings,omitempty"`
	ContextAwareResources json.RawMessage                   `json:"contextAwareResources,omitempty"`
	TimeoutEvalSeconds    *int32                            `json:"timeoutEvalSeconds,omitempty"`
	Policies              map[string]PolicySpec             `json:"policies,omitempty"`
	Rules                 []registration.RuleWithOperations `json:"rules,omitempty"`
	NamespaceSelector     *metav1.LabelSelector             `json:"namespaceSelector,omitempty"`
	ObjectSelector        *metav1.LabelSelector             `json:"objectSelector,omitempty"`
	MatchConditions       []registration.MatchCondition     `json:"matchConditions,omitempty"`
	MatchPolicy           *registration.MatchPolicyType     `json:"matchPolicy,omitempty"`
	FailurePolicy         *registration.FailurePolicyType   `json:"failurePolicy,omitempty"`
	TimeoutSeconds        *int32                            `json:"timeoutSeconds,omitempty"`
}

// ReadPolicy reads a file with one resource.
func ReadPolicy(path string) (*PolicyResource, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	policy := &PolicyResource{}
	if err := yaml.UnmarshalStrict(text, policy); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return policy, nil
}

// ID names the policy in policy-server and its webhook in the cluster.
func (p *PolicyResource) ID() string {
	switch p.Kind {
	case "AdmissionPolicy":
		return "namespaced-" + p.Metadata.Namespace + "-" + p.Metadata.Name
	case "AdmissionPolicyGroup":
		return "namespaced-group-" + p.Metadata.Namespace + "-" + p.Metadata.Name
	case "ClusterAdmissionPolicyGroup":
		return "clusterwide-group-" + p.Metadata.Name
	default:
		return "clusterwide-" + p.Metadata.Name
	}
}

func (p *PolicyResource) isOfCluster() bool {
	return p.Kind == "ClusterAdmissionPolicy" || p.Kind == "ClusterAdmissionPolicyGroup"
}

// Entry is what the controller writes for the policy into policies.yml. All of them run the same
// module, unless they name another file.
func (p *PolicyResource) Entry(module string) map[string]any {
	entry := entry(&p.Spec, module)
	entry["namespacedName"] = map[string]string{"namespace": p.Metadata.Namespace, "name": p.Metadata.Name}
	entry["policyMode"] = p.Spec.Mode
	if p.Spec.Mode == "" {
		entry["policyMode"] = "protect"
	}
	if p.Spec.Message != "" {
		entry["message"] = p.Spec.Message
	}
	if p.Spec.Policies != nil {
		members := map[string]any{}
		for name, member := range p.Spec.Policies {
			members[name] = p.withoutCluster(entryOfMember(&member, module))
		}
		return map[string]any{
			"namespacedName": entry["namespacedName"], "policyMode": entry["policyMode"],
			"policies": members, "expression": p.Spec.Expression, "message": p.Spec.Message,
		}
	}
	return p.withoutCluster(entry)
}

// withoutCluster leaves out what only policies of the cluster may ask for.
func (p *PolicyResource) withoutCluster(entry map[string]any) map[string]any {
	if !p.isOfCluster() {
		delete(entry, "contextAwareResources")
	}
	return entry
}

func entryOfMember(spec *PolicySpec, module string) map[string]any {
	entry := entry(spec, module)
	delete(entry, "allowedToMutate")
	return entry
}

func entry(spec *PolicySpec, module string) map[string]any {
	if filepath.IsAbs(spec.Module) {
		module = spec.Module
	}
	entry := map[string]any{
		"module": "file://" + module, "allowedToMutate": spec.Mutating, "hostCapabilities": []string{"*"},
	}
	if spec.Settings != nil {
		entry["settings"] = spec.Settings
	}
	if spec.ContextAwareResources != nil {
		entry["contextAwareResources"] = spec.ContextAwareResources
	}
	if spec.TimeoutEvalSeconds != nil {
		entry["timeoutEvalSeconds"] = spec.TimeoutEvalSeconds
	}
	return entry
}

// Webhook is what the controller writes for the policy: seen in
// internal/controller/policy_subreconciler_webhook.go of 1.36.0-beta.1. It leaves `matchLabels` of a
// policy of the cluster out. Only the address is another: no Service leads to this machine.
func (p *PolicyResource) Webhook(server string, ca []byte) *registration.ValidatingWebhookConfiguration {
	selector := &metav1.LabelSelector{
		MatchLabels: map[string]string{"kubernetes.io/metadata.name": p.Metadata.Namespace},
	}
	rules := p.Spec.Rules
	if p.isOfCluster() {
		selector = &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{
			Key: "kubernetes.io/metadata.name", Operator: metav1.LabelSelectorOpNotIn,
			Values: []string{PolicyServerNamespace},
		}}}
		if wanted := p.Spec.NamespaceSelector; wanted != nil {
			selector.MatchExpressions = append(selector.MatchExpressions, wanted.MatchExpressions...)
		}
	} else {
		scope := registration.NamespacedScope
		for i := range rules {
			rules[i].Scope = &scope
		}
	}
	seconds := int32(10)
	if p.Spec.TimeoutSeconds != nil {
		seconds = *p.Spec.TimeoutSeconds
	}
	address := server + "/validate/" + p.ID()
	none := registration.SideEffectClassNone
	webhook := &registration.ValidatingWebhookConfiguration{}
	webhook.Name = p.ID()
	webhook.Webhooks = []registration.ValidatingWebhook{{
		Name:                    p.ID() + ".kubewarden.admission",
		ClientConfig:            registration.WebhookClientConfig{URL: &address, CABundle: ca},
		Rules:                   rules,
		FailurePolicy:           p.Spec.FailurePolicy,
		MatchPolicy:             p.Spec.MatchPolicy,
		NamespaceSelector:       selector,
		ObjectSelector:          p.Spec.ObjectSelector,
		MatchConditions:         p.Spec.MatchConditions,
		SideEffects:             &none,
		TimeoutSeconds:          &seconds,
		AdmissionReviewVersions: []string{"v1"},
	}}
	return webhook
}

// PolicyServer is Kubewarden's server of policies, with TLS, and with the rights of its own service
// account where policies ask the API server.
type PolicyServer struct {
	cluster    *Cluster
	process    *Process
	port       int
	probe      int
	arguments  []string
	kubeconfig string
}

// StartPolicyServer starts it with these policies, which all run one module, and returns when it is
// ready. Registries that are named lack TLS.
func (c *Cluster) StartPolicyServer(
	ctx context.Context, module string, policies []*PolicyResource, insecureRegistries ...string,
) (*PolicyServer, error) {
	s := &PolicyServer{cluster: c}
	var err error
	if s.kubeconfig, err = c.ServiceAccountKubeconfig(ctx, PolicyServerNamespace, "policy-server"); err != nil {
		return nil, err
	}
	entries := map[string]any{}
	for _, policy := range policies {
		if _, twice := entries[policy.ID()]; twice {
			return nil, fmt.Errorf("two policies are %s", policy.ID())
		}
		entries[policy.ID()] = policy.Entry(module)
	}
	entriesFile, err := c.writeJSON("policies.yml", entries)
	if err != nil {
		return nil, err
	}
	sources, err := c.writeJSON("sources.yml", map[string]any{"insecure_sources": append([]string{}, insecureRegistries...)})
	if err != nil {
		return nil, err
	}
	pair, err := c.CA.Sign("policy-server", "policy-server")
	if err != nil {
		return nil, err
	}
	if s.port, err = FreePort(); err != nil {
		return nil, err
	}
	if s.probe, err = FreePort(); err != nil {
		return nil, err
	}
	s.arguments = []string{
		"--addr=127.0.0.1", "--port=" + strconv.Itoa(s.port), "--readiness-probe-port=" + strconv.Itoa(s.probe),
		"--cert-file=" + pair.Certificate, "--key-file=" + pair.Key,
		"--policies=" + entriesFile, "--sources-path=" + sources,
		"--policies-download-dir=" + filepath.Join(c.Folder, "modules"),
		"--sigstore-cache-dir=" + filepath.Join(c.Folder, "sigstore"),
		"--workers=2", "--log-no-color",
	}
	if err := os.MkdirAll(filepath.Join(c.Folder, "modules"), 0o755); err != nil {
		return nil, err
	}
	return s, s.Start(ctx)
}

func (c *Cluster) writeJSON(name string, value any) (string, error) {
	text, err := json.Marshal(value)
	if err != nil {
		return "", err
	}
	path := filepath.Join(c.Folder, name)
	return path, os.WriteFile(path, text, 0o600)
}

// Start starts it again, where it was.
func (s *PolicyServer) Start(ctx context.Context) error {
	process, err := StartProcess(s.cluster.Logs, "policy-server", []string{
		"KUBECONFIG=" + s.kubeconfig, "HOME=" + s.cluster.Folder, "DOCKER_CONFIG=" + s.cluster.Folder,
		// Errors that reach the policy would have a backtrace in them.
		"RUST_BACKTRACE=0", "RUST_LIB_BACKTRACE=0",
	}, s.cluster.Programs["policy-server"], s.arguments...)
	if err != nil {
		return err
	}
	s.process = process
	return process.Await(2*time.Minute, func() error {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url("http", s.probe)+"/readiness", nil)
		if err != nil {
			return err
		}
		answer, err := http.DefaultClient.Do(request)
		if err != nil {
			return err
		}
		defer answer.Body.Close()
		if answer.StatusCode != http.StatusOK {
			return fmt.Errorf("readiness: %s", answer.Status)
		}
		return nil
	})
}

// Process is the running server.
func (s *PolicyServer) Process() *Process { return s.process }

// URL is where it listens.
func (s *PolicyServer) URL() string { return url("https", s.port) }

// Stop ends it.
func (s *PolicyServer) Stop() {
	if s != nil {
		s.process.Stop()
	}
}

// Register makes the webhook of a policy, and returns when the API server asks it, where the
// probe tells whether it does.
func (c *Cluster) Register(ctx context.Context, webhook *registration.ValidatingWebhookConfiguration, isAsked func() bool) error {
	webhooks := c.Client.AdmissionregistrationV1().ValidatingWebhookConfigurations()
	if _, err := webhooks.Create(ctx, webhook, metav1.CreateOptions{}); err != nil {
		return err
	}
	return Eventually(ctx, 30*time.Second, func() error {
		if !isAsked() {
			return fmt.Errorf("the API server does not ask %s", webhook.Name)
		}
		return nil
	})
}

// Unregister removes the webhook of a policy.
func (c *Cluster) Unregister(ctx context.Context, id string) error {
	webhooks := c.Client.AdmissionregistrationV1().ValidatingWebhookConfigurations()
	err := webhooks.Delete(ctx, id, metav1.DeleteOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}
