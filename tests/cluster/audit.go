package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
)

// auditChapter runs Kubewarden's audit scanner over legacy workloads: its reports must say what
// evaluate says of the same objects.
func (b *Bench) auditChapter() *Chapter {
	const policy = "examples/cluster/legacy.yaml"
	return &Chapter{
		Chapter: "Kubewarden's audit scanner over legacy workloads", file: "audit.go",
		Apply:    []string{"tests/cluster/manifests/kubewarden.yaml", "examples/cluster/legacy-rbac.yaml"},
		Policies: []ChapterPolicy{{File: policy}},
		Scenarios: []Scenario{{
			ID:       "audit/legacy",
			Scenario: "the reports of the audit scanner say of each legacy object what evaluate says of it, whatever legacy excuses",
			Before: []Step{
				{Run: "kubectl apply -f legacy-deployment.yaml -f legacy-statefulset.yaml -f legacy-daemonset.yaml" +
					" -f legacy-job.yaml -f legacy-cronjob.yaml -f legacy-replicationcontroller.yaml -f legacy-pod.yaml -f careful-pod.yaml"},
				{Run: "test $(kubectl get replicasets,pods --output name | wc -l) -ge 5", Within: "30s"},
				// The resource of the policy itself, which nobody acts on: the controller does not run.
				{Run: "kubectl apply -f $REPOSITORY/" + policy, Within: "30s"},
				{Run: `kubectl patch clusteradmissionpolicy container-security --subresource status --type merge --patch '{"status": {"policyStatus": "active"}}'`},
			},
			run: func(run *Run) error { return run.audit(policy) },
		}},
	}
}

// A report of the audit scanner about one object.
type policyReport struct {
	Scope   struct{ Kind, Name string } `json:"scope"`
	Results []struct{ Policy, Result, Message string }
}

func (r *Run) audit(policy string) error {
	output, err := r.command(&Step{Run: "audit-scanner --namespace $NAMESPACE --policy-server-url $POLICY_SERVER --extra-ca $CA --loglevel debug"})
	if err != nil {
		return fmt.Errorf("audit-scanner: %w\n%s", err, output)
	}
	// The resource would be judged by others, too.
	defer func() { _, _ = r.command(&Step{Run: "kubectl delete clusteradmissionpolicy container-security"}) }()
	var reports struct{ Items []policyReport }
	if err := r.json(&reports, "kubectl get policyreports --output json"); err != nil {
		return err
	}
	var objects struct{ Items []json.RawMessage }
	if err := r.json(&objects, "kubectl get pods,replicationcontrollers,replicasets,deployments,statefulsets,daemonsets,jobs,cronjobs --output json"); err != nil {
		return err
	}
	failed := 0
	for _, object := range objects.Items {
		expected, err := r.evaluated(policy, object)
		if err != nil {
			return err
		}
		kind, name := expected.Request.Kind.Kind, expected.Request.Name
		i := slices.IndexFunc(reports.Items, func(report policyReport) bool {
			return report.Scope.Kind == kind && report.Scope.Name == name
		})
		if i < 0 || len(reports.Items[i].Results) != 1 {
			return fmt.Errorf("no report, or one of another form, is about %s %s:\n%s", kind, name, output)
		}
		result := reports.Items[i].Results[0]
		if isPassed := result.Result == "pass"; isPassed != expected.Response.Accepted ||
			withoutMaker(result.Message) != withoutMaker(expected.Response.Message) {
			return fmt.Errorf("the report on %s %s says %s:\n%s\nevaluate says:\n%s",
				kind, name, result.Result, result.Message, expected.Response.Message)
		}
		if result.Result == "fail" {
			failed++
		}
	}
	if failed < 8 || failed == len(objects.Items) {
		return fmt.Errorf("%d of %d objects violate, which says too little", failed, len(objects.Items))
	}
	r.note(fmt.Sprintf("%d objects, of which %d violate", len(objects.Items), failed))
	return nil
}

// Neither the audit scanner nor evaluate knows who made what a controller has made, and each says so in its way.
var maker = regexp.MustCompile(`\([A-Za-z]+ "[^"]*" excuses nothing: [^\n]*\):`)

func withoutMaker(message string) string { return maker.ReplaceAllString(message, ":") }

func (r *Run) json(value any, script string) error {
	output, err := r.command(&Step{Run: script})
	if err != nil {
		return fmt.Errorf("%s: %w\n%s", script, err, output)
	}
	return json.Unmarshal([]byte(output), value)
}

// evaluated is what evaluate says of the creation of an object.
func (r *Run) evaluated(policy string, object []byte) (*evaluated, error) {
	verdicts, err := r.evaluatedAll(policy, object)
	if err == nil && len(verdicts) != 1 {
		err = fmt.Errorf("evaluate has %d verdicts on one object", len(verdicts))
	}
	if err != nil {
		return nil, err
	}
	return &verdicts[0], nil
}

// evaluatedAll is the same for a list.
func (r *Run) evaluatedAll(policy string, objects []byte) ([]evaluated, error) {
	cmd := exec.CommandContext(r, r.Command, "evaluate", filepath.Join(r.Repository, policy),
		"--module", r.Module, "--request-path", "-", "--output", "json")
	cmd.Stdin = bytes.NewReader(objects)
	// 1 is a rejection.
	output, _ := cmd.Output()
	var verdicts []evaluated
	if err := json.Unmarshal(output, &verdicts); err != nil {
		return nil, fmt.Errorf("evaluate: %w\n%s", err, output)
	}
	return verdicts, nil
}
