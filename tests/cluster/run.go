package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Bench is what the scenarios run on.
type Bench struct {
	*Cluster
	Recorder *Recorder
	// Repository is the folder of the project, Module the policy's module, and Command its command line.
	Repository, Module, Command string
	// Registry has images, once a chapter needs some.
	Registry *Registry

	records Records
	server  *PolicyServer
	// wrong is an authority that nobody's certificate is of.
	wrong *Authority
}

// Run is one scenario that runs.
type Run struct {
	*Bench
	context.Context
	Chapter   *Chapter
	Scenario  *Scenario
	Namespace string
	// Notes are differences that are no failures; the table lists them.
	Notes []string

	environment []string
	first       int
}

// Result is a line of the table.
type Result struct {
	Chapter, ID, Scenario string
	Took                  time.Duration
	Err                   error
	Notes                 []string
}

// RunChapter runs what has to happen before, registers the policies, and runs the scenarios. It
// reports each result as soon as there is one.
func (b *Bench) RunChapter(ctx context.Context, chapter *Chapter, report func(Result)) (failed error) {
	if slices.Contains(chapter.Needs, "nodes") {
		if err := b.StartNodes(ctx, 5); err != nil {
			return err
		}
	}
	var insecure []string
	if slices.Contains(chapter.Needs, "registry") {
		if err := b.startRegistry(ctx); err != nil {
			return err
		}
		insecure = append(insecure, b.Registry.Address())
	}
	if !slices.Equal(b.MoreArguments, chapter.APIServer) {
		b.MoreArguments = chapter.APIServer
		if err := b.RestartAPIServer(ctx); err != nil {
			return err
		}
	}
	if b.ControllersAreOneUser != chapter.ControllersAreOneUser {
		b.ControllersAreOneUser = chapter.ControllersAreOneUser
		if err := b.RestartControllers(ctx); err != nil {
			return err
		}
	}
	policies, err := b.policies(chapter)
	if err != nil {
		return err
	}
	var runs []*Run
	defer func() {
		// The namespaces are deleted without the policies, and not waited for.
		for _, run := range runs {
			if !isOfCluster(run.Namespace) {
				_ = b.Client.CoreV1().Namespaces().Delete(context.WithoutCancel(ctx), run.Namespace, metav1.DeleteOptions{})
			}
		}
	}()
	for _, manifest := range chapter.Apply {
		if err := b.applyToCluster(ctx, manifest); err != nil {
			return err
		}
	}
	failures := map[*Run]error{}
	for i := range chapter.Scenarios {
		run, err := b.prepare(ctx, chapter, &chapter.Scenarios[i])
		if err != nil {
			return err
		}
		runs = append(runs, run)
		failures[run] = run.steps(run.Scenario.Before)
	}
	b.server, err = b.StartPolicyServer(ctx, b.Module, policies, insecure...)
	if err != nil {
		return err
	}
	defer func() { b.server.Stop() }()
	b.Recorder.Forward(b.server.URL())
	defer func() {
		for _, policy := range policies {
			failed = errors.Join(failed, b.unregister(context.WithoutCancel(ctx), policy))
		}
	}()
	for i, policy := range policies {
		if err := b.register(ctx, chapter, &chapter.Policies[i], policy); err != nil {
			return fmt.Errorf("%w\n%s", err, b.server.Process().Tail(20))
		}
	}
	for _, run := range runs {
		begun := time.Now()
		run.first = b.Recorder.Count()
		err := failures[run]
		if err == nil && run.Scenario.run != nil {
			err = run.Scenario.run(run)
		} else if err == nil {
			err = run.steps(run.Scenario.Steps)
		}
		if err != nil {
			err = errors.Join(err, b.collect(run))
		}
		report(Result{
			Chapter: chapter.Chapter, ID: run.Scenario.ID, Scenario: run.Scenario.Scenario,
			Took: time.Since(begun), Err: err, Notes: run.Notes,
		})
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return b.records.Add(chapter, policies, b.Recorder.All())
}

// policies are the resources of the chapter, as the files have them but for what the chapter says.
func (b *Bench) policies(chapter *Chapter) ([]*PolicyResource, error) {
	var policies []*PolicyResource
	for _, written := range chapter.Policies {
		policy := written.Resource
		if policy == nil {
			var err error
			if policy, err = ReadPolicy(filepath.Join(b.Repository, written.File)); err != nil {
				return nil, err
			}
		}
		if written.Settings != nil {
			var err error
			if policy.Spec.Settings, err = b.Registry.ofRegistry(written.Settings); err != nil {
				return nil, err
			}
		}
		if written.Mode != "" {
			policy.Spec.Mode = written.Mode
		}
		if written.Name != "" {
			policy.Metadata.Name = written.Name
		}
		if written.TimeoutSeconds != nil {
			policy.Spec.TimeoutSeconds = written.TimeoutSeconds
		}
		if written.NamespaceLabel != "" {
			policy.Spec.NamespaceSelector = &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{
				{Key: "judged-by", Operator: metav1.LabelSelectorOpIn, Values: []string{written.NamespaceLabel}},
			}}
		}
		if written.Module != "" {
			policy.Spec.Module = filepath.Join(b.Folder, written.Module)
		}
		policies = append(policies, policy)
	}
	return policies, nil
}

func (b *Bench) register(
	ctx context.Context, chapter *Chapter, written *ChapterPolicy, policy *PolicyResource,
) error {
	address, ca := b.Recorder.URL(), b.CA.PEM
	if chapter.Direct {
		address = b.server.URL()
	}
	if written.Authority == "wrong" {
		ca = b.wrong.PEM
	}
	namespace, err := b.probeNamespace(ctx, policy)
	if err != nil {
		return err
	}
	return b.Register(ctx, policy.Webhook(address, ca), func() bool { return b.isAsked(ctx, namespace, policy.ID()) })
}

// probeNamespace is one that the policy judges, and stays.
func (b *Bench) probeNamespace(ctx context.Context, policy *PolicyResource) (string, error) {
	name, labels := "probe-"+policy.ID(), map[string]string{}
	if !policy.isOfCluster() {
		name = policy.Metadata.Namespace
	} else if selector := policy.Spec.NamespaceSelector; selector != nil {
		for _, expression := range selector.MatchExpressions {
			switch {
			case expression.Operator != metav1.LabelSelectorOpIn:
			case expression.Key == "kubernetes.io/metadata.name":
				name = expression.Values[0]
			default:
				labels[expression.Key] = expression.Values[0]
			}
		}
	}
	if isOfCluster(name) && name != "shop" {
		return name, nil
	}
	return name, Eventually(ctx, time.Minute, func() error { return b.CreateNamespace(ctx, name, labels) })
}

// isAsked tries a Pod that no policy accepts, and looks who says so.
func (b *Bench) isAsked(ctx context.Context, namespace, id string) bool {
	count := b.Recorder.Count()
	_, err := b.Client.CoreV1().Pods(namespace).Create(ctx, probe(), metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
	if err != nil && strings.Contains(err.Error(), `"`+id+`.kubewarden.admission"`) {
		return true
	}
	return slices.ContainsFunc(b.Recorder.Since(count, namespace), func(review Review) bool { return review.Policy == id })
}

// unregister removes the webhook of a policy, and returns when the API server asks it no more.
func (b *Bench) unregister(ctx context.Context, policy *PolicyResource) error {
	namespace, err := b.probeNamespace(ctx, policy)
	if err != nil {
		return err
	}
	if err := b.Unregister(ctx, policy.ID()); err != nil {
		return err
	}
	return Eventually(ctx, 30*time.Second, func() error {
		if b.isAsked(ctx, namespace, policy.ID()) {
			return fmt.Errorf("the API server still asks %s", policy.ID())
		}
		return nil
	})
}

func probe() *corev1.Pod {
	pod := &corev1.Pod{}
	pod.GenerateName = "probe-"
	isPrivileged := true
	pod.Spec = corev1.PodSpec{HostPID: true, Containers: []corev1.Container{{
		Name: "probe", Image: "docker.io/someone/probe:latest",
		SecurityContext: &corev1.SecurityContext{Privileged: &isPrivileged},
	}}}
	return pod
}

func (b *Bench) prepare(ctx context.Context, chapter *Chapter, scenario *Scenario) (*Run, error) {
	namespace := scenario.Namespace
	if namespace == "" {
		namespace = scenario.name()
	}
	create := func() error {
		if namespace == "kube-system" {
			return nil
		}
		return b.CreateNamespace(ctx, namespace, scenario.Labels)
	}
	// One of the same name may be on its way out.
	if err := Eventually(ctx, time.Minute, create); err != nil {
		return nil, err
	}
	kubeconfig, err := b.AdminKubeconfig("kubectl-"+scenario.name(), namespace)
	if err != nil {
		return nil, err
	}
	return &Run{
		Bench: b, Context: ctx, Chapter: chapter, Scenario: scenario, Namespace: namespace,
		environment: []string{"KUBECONFIG=" + kubeconfig, "NAMESPACE=" + namespace},
	}, nil
}

// isOfCluster says whether a namespace stays; shop is the one that the examples name.
func isOfCluster(namespace string) bool {
	return slices.Contains([]string{"default", "kube-system", PolicyServerNamespace, "shop"}, namespace)
}

// environment is for commands: kubectl and the policy's command line are on the PATH.
func (b *Bench) environment() []string {
	path := filepath.Dir(b.Programs["kubectl"]) + ":" + filepath.Dir(b.Command) + ":" + os.Getenv("PATH")
	return append(os.Environ(), "PATH="+path, "HOME="+b.Folder, "KUBECTL_KUBERC=false", "REPOSITORY="+b.Repository,
		"MODULE="+b.Module, "REGISTRY="+b.Registry.Address(), "AUDIT_LOG="+b.AuditLog(), "POLICY_SERVER_LOG="+filepath.Join(b.Logs, "policy-server.log"),
		"POLICY_SERVER="+b.server.url(), "CA="+b.CA.File)
}

func (s *PolicyServer) url() string {
	if s == nil {
		return ""
	}
	return s.URL()
}

func (b *Bench) applyToCluster(ctx context.Context, manifest string) error {
	kubeconfig, err := b.AdminKubeconfig("kubectl", "default")
	if err != nil {
		return err
	}
	// A definition takes a moment until its kind is there.
	return Eventually(ctx, 30*time.Second, func() error {
		cmd := exec.CommandContext(ctx, b.Programs["kubectl"], "apply", "--server-side", "-f", filepath.Join(b.Repository, manifest))
		cmd.Env = append(b.environment(), "KUBECONFIG="+kubeconfig)
		if output, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w\n%s", manifest, err, output)
		}
		return nil
	})
}

func (r *Run) steps(steps []Step) error {
	for i := range steps {
		if err := r.step(&steps[i]); err != nil {
			return fmt.Errorf("step %d: %w", i+1, err)
		}
	}
	return nil
}

func (r *Run) step(step *Step) error {
	try := func() error { return r.once(step) }
	if step.Holds != "" {
		limit, _ := time.ParseDuration(step.Holds)
		for deadline := time.Now().Add(limit); time.Now().Before(deadline); {
			if err := try(); err != nil {
				return err
			}
			time.Sleep(500 * time.Millisecond)
		}
		return nil
	}
	if step.Within == "" {
		r.first = r.Recorder.Count()
		return try()
	}
	limit, _ := time.ParseDuration(step.Within)
	return Eventually(r, limit, try)
}

// once does what the step says, and compares what comes of it.
func (r *Run) once(step *Step) error {
	switch {
	case step.PolicyServer != "":
		return r.policyServer(step.PolicyServer)
	case step.APIServer != "":
		return r.RestartAPIServer(r)
	}
	output, err := r.command(step)
	said := func(problem string, arguments ...any) error {
		return fmt.Errorf("%s\n%s\n%s", fmt.Sprintf(problem, arguments...), r.commandLine(step), output)
	}
	isRejected := strings.Contains(output, "denied the request")
	var exit *exec.ExitError
	switch {
	case err != nil && !errors.As(err, &exit):
		return err
	case step.Rejected != nil && (err == nil || !isRejected):
		return said("no policy has rejected this:")
	case step.Fails != nil && err == nil:
		return said("this was to fail:")
	case step.Rejected == nil && step.Fails == nil && err != nil:
		return said("this was to succeed:")
	}
	for _, text := range slices.Concat(step.Rejected, step.Fails, step.Says) {
		if !strings.Contains(output, r.expand(text)) {
			return said("nothing says %q:", r.expand(text))
		}
	}
	for _, text := range step.SaysNot {
		if strings.Contains(output, r.expand(text)) {
			return said("this says %q:", r.expand(text))
		}
	}
	for _, text := range step.Warns {
		if !slices.ContainsFunc(strings.Split(output, "\n"), func(line string) bool {
			return strings.HasPrefix(line, "Warning: ") && strings.Contains(line, r.expand(text))
		}) {
			return said("no warning says %q:", r.expand(text))
		}
	}
	return r.compareQuestions(step)
}

func (r *Run) compareQuestions(step *Step) error {
	reviews := r.Recorder.Since(r.first, r.Namespace)
	if step.NotAsked && len(reviews) > 0 {
		return fmt.Errorf("a policy was asked:\n%s", questions(reviews))
	}
	for _, asked := range step.Asked {
		if !slices.ContainsFunc(reviews, func(review Review) bool { return asked.is(&review) }) {
			wanted, _ := json.Marshal(asked)
			return fmt.Errorf("nobody was asked %s, but:\n%s", wanted, questions(reviews))
		}
	}
	return nil
}

func (a *Asked) is(review *Review) bool {
	request, response := &review.request, review.Response
	same := func(wanted, found string) bool { return wanted == "" || wanted == found }
	answer := "none"
	var said string
	if response != nil {
		answer = "rejected"
		if response.Allowed {
			answer = "accepted"
		}
		said = strings.Join(response.Warnings, "\n")
		if response.Result != nil {
			said += "\n" + response.Result.Message
		}
		if a.Excused != "" && !strings.Contains(response.AuditAnnotations["excused-by"], a.Excused) {
			return false
		}
	}
	for _, text := range a.Says {
		if !strings.Contains(said, text) {
			return false
		}
	}
	return same(a.Policy, review.Policy) && same(a.Operation, string(request.Operation)) &&
		same(a.Resource, request.Resource.Resource) && same(a.SubResource, request.SubResource) &&
		same(a.By, request.UserInfo.Username) && same(a.Answer, answer) &&
		(a.DryRun == nil || request.DryRun != nil && *a.DryRun == *request.DryRun)
}

func questions(reviews []Review) string {
	var lines []string
	for _, review := range reviews {
		request := &review.request
		line := fmt.Sprintf("  %s: %s %s/%s %q by %s", review.Policy, request.Operation,
			request.Resource.Resource, request.SubResource, request.Name, request.UserInfo.Username)
		if response := review.Response; response != nil {
			line += fmt.Sprintf(": %v", response.Allowed)
			if response.Result != nil && response.Result.Message != "" {
				line += "\n    " + strings.ReplaceAll(response.Result.Message, "\n", "\n    ")
			}
			for key, value := range response.AuditAnnotations {
				line += fmt.Sprintf("\n    %s = %s", key[strings.LastIndex(key, "/")+1:], value)
			}
		}
		lines = append(lines, line)
	}
	if lines == nil {
		return "  (nobody was asked anything)"
	}
	return strings.Join(lines, "\n")
}

func (r *Run) expand(text string) string {
	return strings.NewReplacer("$NAMESPACE", r.Namespace, "$REGISTRY", r.Registry.Address()).Replace(text)
}

func (r *Run) commandLine(step *Step) string {
	if step.Apply != nil {
		return "$ kubectl apply -f -"
	}
	return "$ " + strings.TrimSpace(step.Run)
}

// command is what the step runs, with all that it prints.
func (r *Run) command(step *Step) (string, error) {
	ctx, cancel := context.WithTimeout(r, 2*time.Minute)
	defer cancel()
	script := step.Run
	if step.Apply != nil {
		script = "kubectl apply -f -"
	}
	cmd := exec.CommandContext(ctx, "bash", "-euo", "pipefail", "-c", script)
	cmd.Dir = filepath.Join(r.Repository, "tests/cluster/manifests")
	cmd.Env = append(r.Bench.environment(), r.environment...)
	cmd.Stdin = strings.NewReader(r.expand(string(step.Apply)))
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	err := cmd.Run()
	return output.String(), err
}

func (r *Run) policyServer(what string) error {
	switch what {
	case "kill":
		r.server.Process().Kill()
		return nil
	case "start":
		return r.server.Start(r)
	case "freeze":
		return r.server.Process().Signal(syscall.SIGSTOP)
	case "thaw":
		return r.server.Process().Signal(syscall.SIGCONT)
	default:
		return fmt.Errorf("nobody knows how to %q a policy server", what)
	}
}

// collect keeps what tells why a scenario failed, and says where.
func (b *Bench) collect(run *Run) error {
	folder := filepath.Join(b.Logs, "failed-"+run.Scenario.name())
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	for name, script := range map[string]string{
		"objects.yaml": "kubectl get all,events -o yaml",
		"events.txt":   "kubectl get events --sort-by=.lastTimestamp",
		"webhooks":     "kubectl get validatingwebhookconfigurations -o yaml",
	} {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(run), 20*time.Second)
		cmd := exec.CommandContext(ctx, "bash", "-c", script)
		cmd.Env = append(b.environment(), run.environment...)
		output, _ := cmd.CombinedOutput()
		cancel()
		if err := os.WriteFile(filepath.Join(folder, name), output, 0o644); err != nil {
			return err
		}
	}
	asked := questions(b.Recorder.Since(0, run.Namespace))
	if err := os.WriteFile(filepath.Join(folder, "asked.txt"), []byte(asked), 0o644); err != nil {
		return err
	}
	return fmt.Errorf("what tells more is in %s", folder)
}
