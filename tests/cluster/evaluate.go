package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// A row of examples/expected.yaml or examples/expected-in-a-cluster.yaml.
type expectation struct {
	Request  string `json:"request"`
	Settings string `json:"settings"`
	Policy   string `json:"policy"`
	Session  string `json:"session"`
	Verdict  string `json:"verdict"`
}

// exampleChapters has a scenario for each row of the examples' expectations: what the API server
// and policy-server make of the manifest must be what `evaluate` says of the file.
//
// Rows are left out whose request is no manifest, but an AdmissionRequest (scenarios make the same
// requests with kubectl), those that ask registries or scanners that do not exist, and those of kinds that the
// rules of 2-protect.yaml do not name (custom-workloads.yaml names them).
func (b *Bench) exampleChapters() ([]*Chapter, error) {
	bySettings, err := b.rows("expected.yaml")
	if err != nil {
		return nil, err
	}
	inCluster, err := b.rows("expected-in-a-cluster.yaml")
	if err != nil {
		return nil, err
	}
	chapter := &Chapter{
		Chapter: "The examples under each of examples/settings/: the cluster says what evaluate says", file: "expected.yaml",
	}
	for _, row := range bySettings {
		if row.Settings == "settings/supply-chain.yaml" || row.Settings == "settings/custom-workloads.yaml" {
			continue
		}
		name := stem(row.Settings)
		if !slices.ContainsFunc(chapter.Policies, func(p ChapterPolicy) bool { return p.Name == name }) {
			settings, err := b.settings(row.Settings)
			if err != nil {
				return nil, err
			}
			policy, err := ReadPolicy(filepath.Join(b.Repository, "examples/cluster/2-protect.yaml"))
			if err != nil {
				return nil, err
			}
			policy.Spec.NamespaceSelector = &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{
				{Key: "settings", Operator: metav1.LabelSelectorOpIn, Values: []string{name}},
			}}
			chapter.Policies = append(chapter.Policies, ChapterPolicy{Resource: policy, Name: name, Settings: settings})
		}
		chapter.Scenarios = append(chapter.Scenarios, Scenario{
			ID:       "evaluate/" + stem(row.Request) + "/" + name,
			Scenario: fmt.Sprintf("%s under %s is %s, on dry run and for real", row.Request, row.Settings, row.Verdict),
			Labels:   map[string]string{"settings": name},
			run: func(run *Run) error {
				return run.compare(row, "", "--settings-path", filepath.Join(b.Repository, "examples", row.Settings), b.Module)
			},
		})
	}
	chapters := []*Chapter{chapter}
	for _, row := range inCluster {
		last := chapters[len(chapters)-1]
		if last.file != row.Policy {
			last = &Chapter{
				Chapter: "The examples under examples/" + row.Policy, file: row.Policy,
				Policies: []ChapterPolicy{{File: filepath.Join("examples", row.Policy)}},
			}
			if row.Policy == "cluster/legacy.yaml" {
				last.Apply = []string{"examples/cluster/legacy-rbac.yaml"}
			}
			if row.Policy == "cluster/custom-workloads.yaml" {
				last.Apply = []string{"tests/cluster/manifests/rollout-crd.yaml", "tests/cluster/manifests/raycluster-crd.yaml"}
			}
			if strings.HasPrefix(row.Policy, "cluster/pod-security-") {
				last.APIServer = []string{"--disable-admission-plugins=PodSecurity"}
			}
			chapters = append(chapters, last)
		}
		object, err := b.example(row.Request)
		if err != nil {
			return nil, err
		}
		namespace := object.GetNamespace()
		if namespace == "" {
			namespace = "default"
		}
		last.Scenarios = append(last.Scenarios, Scenario{
			ID:        stem(row.Policy) + "/" + stem(row.Request),
			Scenario:  fmt.Sprintf("%s under %s is %s, on dry run and for real", row.Request, row.Policy, row.Verdict),
			Namespace: namespace, Labels: podSecurityLabels(row.Policy),
			run: func(run *Run) error {
				return run.compare(row, namespace, filepath.Join(b.Repository, "examples", row.Policy), "--module", b.Module)
			},
		})
	}
	return chapters, nil
}

// podSecurityLabels are those that the policies in the place of Pod Security Admission go by.
func podSecurityLabels(policy string) map[string]string {
	if level, found := strings.CutPrefix(stem(policy), "pod-security-"); found {
		if level == "warn" {
			return map[string]string{"pod-security.kubernetes.io/warn": "restricted"}
		}
		return map[string]string{"pod-security.kubernetes.io/enforce": level}
	}
	return nil
}

func (b *Bench) rows(file string) ([]expectation, error) {
	text, err := os.ReadFile(filepath.Join(b.Repository, "examples", file))
	if err != nil {
		return nil, err
	}
	var all []expectation
	if err := yaml.Unmarshal(text, &all); err != nil {
		return nil, err
	}
	return slices.DeleteFunc(all, func(row expectation) bool {
		return filepath.Ext(row.Request) == ".json" || row.Session != ""
	}), nil
}

func (b *Bench) settings(file string) (json.RawMessage, error) {
	text, err := os.ReadFile(filepath.Join(b.Repository, "examples", file))
	if err != nil {
		return nil, err
	}
	return yaml.YAMLToJSON(text)
}

func (b *Bench) example(file string) (*unstructured.Unstructured, error) {
	text, err := os.ReadFile(filepath.Join(b.Repository, "examples", file))
	if err != nil {
		return nil, err
	}
	object := &unstructured.Unstructured{}
	return object, yaml.Unmarshal(text, &object.Object)
}

func stem(file string) string { return strings.TrimSuffix(filepath.Base(file), filepath.Ext(file)) }

// What `evaluate --output json` says of a request.
type evaluated struct {
	Request struct {
		Kind struct {
			Kind string `json:"kind"`
		} `json:"kind"`
		Name string `json:"name"`
	} `json:"request"`
	Response struct {
		Accepted         bool              `json:"accepted"`
		Message          string            `json:"message"`
		Warnings         []string          `json:"warnings"`
		AuditAnnotations map[string]string `json:"auditAnnotations"`
	} `json:"response"`
}

// compare holds what the cluster makes of an example against what evaluate makes of it. Without a
// namespace the example is moved into the scenario's.
func (r *Run) compare(row expectation, namespace string, arguments ...string) error {
	object, err := r.example(row.Request)
	if err != nil {
		return err
	}
	if namespace == "" {
		object.SetNamespace("")
		namespace = r.Namespace
	}
	text, err := json.Marshal(object)
	if err != nil {
		return err
	}
	manifest := filepath.Join(r.Folder, r.Scenario.name()+".json")
	if err := os.WriteFile(manifest, text, 0o644); err != nil {
		return err
	}
	arguments = append([]string{"evaluate", "--namespace", namespace, "--request-path", manifest, "--output", "json"}, arguments...)
	var output, problems bytes.Buffer
	cmd := exec.CommandContext(r, r.Command, arguments...)
	cmd.Stdout, cmd.Stderr = &output, &problems
	// 1 is a rejection.
	_ = cmd.Run()
	var verdicts []evaluated
	if err := json.Unmarshal(output.Bytes(), &verdicts); err != nil || len(verdicts) != 1 {
		return fmt.Errorf("evaluate: %w\n%s%s", err, output.String(), problems.String())
	}
	for _, flag := range []string{"--dry-run=server ", ""} {
		if err := r.compareOnce(row, "kubectl apply "+flag+"-f "+manifest, &verdicts[0]); err != nil {
			return err
		}
	}
	return r.remove(object)
}

// remove makes room for the next row, where the namespace is one that rows share.
func (r *Run) remove(object *unstructured.Unstructured) error {
	_, err := r.command(&Step{Run: fmt.Sprintf("kubectl delete %s %s --ignore-not-found --wait=false", object.GetKind(), object.GetName())})
	return err
}

func (r *Run) compareOnce(row expectation, script string, expected *evaluated) error {
	first := r.Recorder.Count()
	output, failure := r.command(&Step{Run: script})
	problem := func(what string) error {
		return fmt.Errorf("%s:\n$ %s\n%s\nevaluate says:\n%s", what, script, output, expected.Response.Message)
	}
	isRejected := failure != nil
	if isRejected != (row.Verdict == "rejected") {
		return problem("this was to be " + row.Verdict)
	}
	reviews := slices.DeleteFunc(r.Recorder.Since(first, r.Namespace), func(review Review) bool {
		return review.request.UserInfo.Username != "kubernetes-admin"
	})
	if row.Verdict == "not asked" {
		if len(reviews) > 0 {
			return problem("a policy was asked")
		}
		return nil
	}
	if len(reviews) != 1 || reviews[0].Response == nil {
		return problem(fmt.Sprintf("%d questions were answered", len(reviews)))
	}
	response := reviews[0].Response
	if row.Verdict == "monitored" {
		// Its reasons go to the log of the policy server, and to nobody else.
		if !response.Allowed || response.Result != nil && response.Result.Message != "" {
			return problem("the answer says more than that it is accepted")
		}
		return nil
	}
	message := ""
	if response.Result != nil {
		message = response.Result.Message
	}
	if response.Allowed != expected.Response.Accepted {
		return problem("evaluate has another verdict")
	}
	if message != expected.Response.Message {
		return problem("policy-server has another message:\n" + message)
	}
	for _, warning := range expected.Response.Warnings {
		if slices.Contains(response.Warnings, warning) {
			continue
		}
		i := slices.IndexFunc(differences, func(d difference) bool { return strings.Contains(warning, d.warning) })
		if i < 0 || !strings.Contains(output, differences[i].instead) {
			return problem(fmt.Sprintf("policy-server does not warn: %s", warning))
		}
		r.note(fmt.Sprintf("evaluate warns of what the cluster does not: %s", differences[i].why))
	}
	for _, warning := range response.Warnings {
		if !slices.Contains(expected.Response.Warnings, warning) {
			return problem(fmt.Sprintf("evaluate does not warn: %s", warning))
		}
	}
	if !strings.Contains(output, message) {
		return problem("kubectl does not show the whole message")
	}
	for _, warning := range response.Warnings {
		if !strings.Contains(output, warning) {
			return problem("kubectl does not show the warning " + warning)
		}
	}
	return nil
}

// A difference that is meant: a warning of evaluate, and what the API server says instead.
type difference struct{ warning, instead, why string }

var differences = []difference{{
	warning: "which Kubernetes copies into it when the Pod is created",
	instead: `deprecated since v1.30; use the "appArmorProfile" field instead`,
	why:     "the API server has copied the annotation of AppArmor into the field before the policy is asked, and warns itself",
}}

// note is for the table, once.
func (r *Run) note(text string) {
	if !slices.Contains(r.Notes, text) {
		r.Notes = append(r.Notes, text)
	}
}
