package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// podSecurityChapter compares the policy with Pod Security Admission on generated pods: each is
// created, on dry run, in a namespace with one and in a namespace with the other.
func (b *Bench) podSecurityChapter(count int) *Chapter {
	return &Chapter{
		Chapter: "Pod Security Admission beside the policy, on generated pods", file: "podsecurity.go",
		Policies: []ChapterPolicy{{
			File: "examples/cluster/2-protect.yaml", Settings: json.RawMessage(`{}`), NamespaceLabel: "policy",
		}},
		Scenarios: []Scenario{{
			ID:       "pod-security/restricted",
			Scenario: "what Pod Security Admission rejects at the level restricted, settings {} reject by the same controls, and nothing else",
			Labels:   map[string]string{"judged-by": "policy"},
			run:      func(run *Run) error { return run.comparePods(count) },
		}},
	}
}

// The names of the controls that stand for the reasons of Pod Security Admission.
var controlOf = map[string]string{
	"allowPrivilegeEscalation != false": "privilegeEscalation",
	"forbidden AppArmor profile":        "appArmor",
	"forbidden AppArmor profiles":       "appArmor",
	"forbidden sysctls":                 "sysctls",
	"host namespaces":                   "hostNamespaces",
	"hostPath volumes":                  "volumes",
	"restricted volume types":           "volumes",
	"hostPort":                          "hostPorts",
	"hostProcess":                       "privileged",
	"privileged":                        "privileged",
	"non-default capabilities":          "capabilities",
	"unrestricted capabilities":         "capabilities",
	"probe or lifecycle host":           "hostProbes",
	"procMount":                         "procMount",
	"runAsNonRoot != true":              "rootUser",
	"runAsUser=0":                       "rootUser",
	"seLinuxOptions":                    "seLinux",
	"seccompProfile":                    "seccomp",
}

const podSecurityNamespace = "pod-security-admission"

func (r *Run) comparePods(count int) error {
	err := r.CreateNamespace(r, podSecurityNamespace, map[string]string{"pod-security.kubernetes.io/enforce": "restricted"})
	if err != nil {
		return err
	}
	defer func() {
		_ = r.Client.CoreV1().Namespaces().Delete(context.WithoutCancel(r), podSecurityNamespace, metav1.DeleteOptions{})
	}()
	var mutex sync.Mutex
	var problems []error
	outcomes := map[string]int{}
	seeds := make(chan int)
	var workers sync.WaitGroup
	for range 8 {
		workers.Go(func() {
			for seed := range seeds {
				outcome, err := r.comparePod(seed)
				mutex.Lock()
				outcomes[outcome]++
				if err != nil {
					problems = append(problems, fmt.Errorf("pod %d: %w", seed, err))
				}
				mutex.Unlock()
			}
		})
	}
	for seed := range count {
		if r.Err() != nil {
			break
		}
		seeds <- seed
	}
	close(seeds)
	workers.Wait()
	compared := outcomes["accepted"] + outcomes["rejected"]
	r.note(fmt.Sprintf("%d pods compared: both accept %d, and both reject %d by the same controls; %d more are no valid pods to the API server",
		compared, outcomes["accepted"], outcomes["rejected"], outcomes["invalid"]))
	if compared < 2000 || outcomes["accepted"] < compared/10 || outcomes["rejected"] < compared/10 {
		problems = append(problems, fmt.Errorf("that says too little: %v", outcomes))
	}
	if len(problems) > 5 {
		problems = append(problems[:5], fmt.Errorf("and %d more", len(problems)-5))
	}
	return errors.Join(problems...)
}

// comparePod says what both make of a pod, and fails where they do not agree.
func (r *Run) comparePod(seed int) (string, error) {
	pod := generatedPod(uint64(seed))
	pod["metadata"].(map[string]any)["name"] = fmt.Sprintf("pod-%d", seed)
	text, err := json.Marshal(pod)
	if err != nil {
		return "", err
	}
	byPolicy, err := r.verdict(r.Namespace, text, deniedByPolicy)
	if err != nil {
		return "", fmt.Errorf("%w\n%s", err, text)
	}
	byAdmission, err := r.verdict(podSecurityNamespace, text, deniedByAdmission)
	if err != nil {
		return "", fmt.Errorf("%w\n%s", err, text)
	}
	if !slices.Equal(byPolicy, byAdmission) {
		return "different", fmt.Errorf("the policy: %q, Pod Security Admission: %q\n%s", byPolicy, byAdmission, text)
	}
	switch {
	case slices.Equal(byPolicy, []string{"invalid"}):
		return "invalid", nil
	case len(byPolicy) > 0:
		return "rejected", nil
	default:
		return "accepted", nil
	}
}

// verdict is the controls that a pod is rejected by, in order.
func (r *Run) verdict(namespace string, pod []byte, denied func(message string) ([]string, bool)) ([]string, error) {
	err := r.Client.CoreV1().RESTClient().Post().Namespace(namespace).Resource("pods").
		Param("dryRun", "All").SetHeader("Content-Type", "application/json").Body(pod).Do(r).Error()
	if err == nil {
		return nil, nil
	}
	if apierrors.IsInvalid(err) {
		return []string{"invalid"}, nil
	}
	controls, ok := denied(err.Error())
	if !ok {
		return nil, err
	}
	slices.Sort(controls)
	return slices.Compact(controls), nil
}

var violation = regexp.MustCompile(`(?m)^- ([A-Za-z]+): `)

func deniedByPolicy(message string) (controls []string, ok bool) {
	for _, match := range violation.FindAllStringSubmatch(message, -1) {
		controls = append(controls, match[1])
	}
	return controls, controls != nil && strings.Contains(message, "denied the request")
}

var inParentheses = regexp.MustCompile(`\([^()]*\)`)

func deniedByAdmission(message string) (controls []string, ok bool) {
	_, reasons, found := strings.Cut(message, `violates PodSecurity "restricted:latest": `)
	for _, reason := range strings.Split(inParentheses.ReplaceAllString(reasons, ""), ",") {
		control, known := controlOf[strings.TrimSpace(reason)]
		if !known {
			return nil, false
		}
		controls = append(controls, control)
	}
	return controls, found
}
