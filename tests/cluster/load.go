package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	registration "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/yaml"
)

// load measures what the policy costs: docs/sizing.md says what the figures mean.
func load(ctx context.Context, arguments []string) error {
	l := &Load{}
	flags := flag.NewFlagSet("load", flag.ContinueOnError)
	programs := flags.String("programs", "target/cluster/bin", "the folder that the programs were built into")
	module := flags.String("module", "annotated-policy.wasm", "the module that policy-server runs")
	command := flags.String("command", "target/debug/container-security", "the command line")
	folder := flags.String("folder", "target/cluster/load", "the folder for the data and the logs of the run, which is emptied first")
	flags.StringVar(&l.accept, "accept", "target/cluster/accept.wasm", "a module that accepts everything")
	flags.StringVar(&l.official, "official", "", "a folder with Kubewarden's policies")
	flags.IntVar(&l.Rounds, "rounds", 8, "how often each variant takes its turn")
	flags.IntVar(&l.Pods, "pods", 120, "how many Pods all clients create in a turn; one client creates a quarter of that alone")
	flags.IntVar(&l.Clients, "clients", 8, "how many clients create Pods at the same time")
	page := flags.String("docs", "", "write the tables into this document")
	if err := flags.Parse(arguments); err != nil {
		return err
	}
	var err error
	if l.Bench, err = assemble(ctx, *programs, *folder, *module, *command); err != nil {
		return err
	}
	defer l.Recorder.Stop()
	if err := l.prepare(ctx); err != nil {
		return err
	}
	if err := l.run(ctx); err != nil {
		return err
	}
	if err := l.act(ctx); err != nil {
		return err
	}
	return l.report(*page)
}

// Load is a bench whose Pods are judged in several ways, which take turns.
type Load struct {
	*Bench
	Variants              []*Variant
	Actions               []*Action
	Rounds, Pods, Clients int
	accept, official      string
	client                kubernetes.Interface
	pod                   *corev1.Pod
	// reviewBytes is how long a question about one of the Pods is.
	reviewBytes int
	// What policy-server has computed for the actions, and what it was asked meanwhile.
	actionsUsed    Usage
	actionsReviews int
}

// Variant is one way to judge Pods.
type Variant struct {
	Name     string                   `json:"variant"`
	Group    bool                     `json:"group,omitempty"`
	Policies map[string]VariantPolicy `json:"policies,omitempty"`

	// Missing are modules that are not at hand.
	Missing []string `json:"-"`
	// Policies that are there, and the server that has them.
	resources []*PolicyResource
	server    *PolicyServer
	namespace string

	// ready is what the server had used when it was ready.
	ready, after Usage
	took         time.Duration
	turns        []turn
	paces        []pace
}

// VariantPolicy is a module and its settings.
type VariantPolicy struct {
	Module   string          `json:"module,omitempty"`
	Settings json.RawMessage `json:"settings,omitempty"`
}

// turn is what a variant was measured with once.
type turn struct {
	pods     int
	reviews  int
	together time.Duration
	// How long each creation took, by one client alone and by all of them.
	one, all []time.Duration
	// What policy-server and the API server have computed.
	policyServer, apiServer time.Duration
}

// isMeasured says whether there is something that judges, or whether nothing is meant to.
func (v *Variant) isMeasured() bool { return v.Policies == nil || v.resources != nil }

func (l *Load) prepare(ctx context.Context) error {
	for file, into := range map[string]any{"pod.yaml": &l.pod, "variants.yaml": &l.Variants, "actions.yaml": &l.Actions} {
		text, err := os.ReadFile(filepath.Join(l.Repository, "tests/cluster/load", file))
		if err != nil {
			return err
		}
		if err := yaml.UnmarshalStrict(text, into); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
	}
	config := rest.CopyConfig(l.Admin)
	config.QPS = -1
	// What Kubernetes' own controllers speak.
	config.ContentType = "application/vnd.kubernetes.protobuf"
	var err error
	if l.client, err = kubernetes.NewForConfig(config); err != nil {
		return err
	}
	for i, variant := range l.Variants {
		variant.namespace = fmt.Sprintf("load-%d", i)
		if err := l.CreateNamespace(ctx, variant.namespace, nil); err != nil {
			return err
		}
		if err := l.resources(variant); err != nil {
			return err
		}
		if variant.resources == nil {
			continue
		}
		if err := l.serve(ctx, variant); err != nil {
			return fmt.Errorf("%s: %w", variant.Name, err)
		}
	}
	return nil
}

// resources are the policies of a variant whose modules are at hand, for its namespace only.
func (l *Load) resources(variant *Variant) error {
	members := map[string]PolicySpec{}
	for name, written := range variant.Policies {
		module := l.Module
		switch written.Module {
		case "":
		case "accept":
			module = l.accept
		default:
			module = filepath.Join(l.official, written.Module)
			if _, err := os.Stat(module); l.official == "" || err != nil {
				variant.Missing = append(variant.Missing, name)
				continue
			}
		}
		module, err := filepath.Abs(module)
		if err != nil {
			return err
		}
		members[name] = PolicySpec{Module: module, Settings: written.Settings}
	}
	slices.Sort(variant.Missing)
	if variant.Group && len(members) > 0 {
		var calls []string
		groupMembers := map[string]PolicySpec{}
		for name, member := range members {
			function := strings.ReplaceAll(name, "-", "_")
			groupMembers[function] = member
			calls = append(calls, function+"()")
		}
		slices.Sort(calls)
		variant.resources = []*PolicyResource{l.resource("ClusterAdmissionPolicyGroup", variant, "group", PolicySpec{
			Policies: groupMembers, Expression: strings.Join(calls, " && "), Message: "a policy of the group says no",
		})}
		return nil
	}
	for name, member := range members {
		variant.resources = append(variant.resources, l.resource("ClusterAdmissionPolicy", variant, name, member))
	}
	return nil
}

func (l *Load) resource(kind string, variant *Variant, name string, spec PolicySpec) *PolicyResource {
	fail := registration.Fail
	spec.FailurePolicy = &fail
	spec.Rules = []registration.RuleWithOperations{{
		Operations: []registration.OperationType{registration.Create, registration.Update},
		Rule:       registration.Rule{APIGroups: []string{""}, APIVersions: []string{"v1"}, Resources: []string{"pods", "pods/ephemeralcontainers"}},
	}}
	spec.NamespaceSelector = &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{
		Key: "kubernetes.io/metadata.name", Operator: metav1.LabelSelectorOpIn, Values: []string{variant.namespace},
	}}}
	policy := &PolicyResource{Kind: kind, Spec: spec}
	policy.Metadata.Name = variant.namespace + "-" + name
	return policy
}

// serve gives the variant a server of its own, and its webhooks.
func (l *Load) serve(ctx context.Context, variant *Variant) error {
	// Each server has its own files.
	cluster := *l.Cluster
	cluster.Folder = filepath.Join(l.Folder, variant.namespace)
	cluster.Logs = filepath.Join(l.Logs, variant.namespace)
	if err := os.MkdirAll(cluster.Logs, 0o755); err != nil {
		return err
	}
	if err := os.MkdirAll(cluster.Folder, 0o755); err != nil {
		return err
	}
	begun := time.Now()
	var err error
	if variant.server, err = cluster.StartPolicyServer(ctx, l.Module, variant.resources); err != nil {
		return err
	}
	variant.took = time.Since(begun)
	if variant.ready, err = variant.server.Process().Usage(); err != nil {
		return err
	}
	fmt.Printf("%s: policy-server is ready after %.1f s\n", variant.Name, variant.took.Seconds())
	for _, policy := range variant.resources {
		var answer error
		isAsked := func() bool {
			if _, answer = l.create(ctx, variant.namespace, metav1.DryRunAll); answer != nil {
				return false
			}
			asked, err := l.asked(ctx, policy.ID())
			return err == nil && asked > 0
		}
		if err := l.Register(ctx, policy.Webhook(variant.server.URL(), l.CA.PEM), isAsked); err != nil {
			return errors.Join(err, answer)
		}
	}
	return nil
}

func (l *Load) create(ctx context.Context, namespace string, dryRun ...string) (time.Duration, error) {
	begun := time.Now()
	_, err := l.client.CoreV1().Pods(namespace).Create(ctx, l.pod, metav1.CreateOptions{DryRun: dryRun})
	return time.Since(begun), err
}

var requests = regexp.MustCompile(`(?m)^apiserver_admission_webhook_request_total\{code="(\d*)",name="([^"]*)\.kubewarden\.admission",[^}]*rejected="(\w+)"[^}]*\} (\S+)$`)

// asked is how often the API server has asked the policy, by its own count, and got a verdict that accepts.
func (l *Load) asked(ctx context.Context, policy string) (int, error) {
	metrics, err := l.client.Discovery().RESTClient().Get().AbsPath("/metrics").Do(ctx).Raw()
	if err != nil {
		return 0, err
	}
	count := 0
	for _, line := range requests.FindAllStringSubmatch(string(metrics), -1) {
		if line[1] != "200" || line[3] != "false" || line[2] != policy {
			continue
		}
		value, err := strconv.ParseFloat(line[4], 64)
		if err != nil {
			return 0, err
		}
		count += int(value)
	}
	return count, nil
}

// run lets the variants take turns, so that what else the machine does meets all of them. Each round
// begins with another one.
func (l *Load) run(ctx context.Context) error {
	var measured []*Variant
	for _, variant := range l.Variants {
		if variant.isMeasured() {
			measured = append(measured, variant)
		}
	}
	for round := range l.Rounds + 1 {
		for i := range measured {
			variant := measured[(round+i)%len(measured)]
			turn, err := l.turn(ctx, variant)
			if err != nil {
				return fmt.Errorf("%s: %w", variant.Name, err)
			}
			// In the first round connections are made and caches are filled.
			if round > 0 {
				variant.turns = append(variant.turns, turn)
			}
			fmt.Printf("round %d: %6.1f Pods a second with %s\n", round, turn.rate(), variant.Name)
		}
	}
	for _, rate := range paces {
		for _, variant := range []*Variant{l.withNone(), l.withPolicy()} {
			if err := l.atPace(ctx, variant, rate); err != nil {
				return fmt.Errorf("%s: %w", variant.Name, err)
			}
		}
	}
	for _, variant := range measured {
		if variant.server == nil {
			continue
		}
		var err error
		if variant.after, err = variant.server.Process().Usage(); err != nil {
			return err
		}
		variant.server.Stop()
		for _, policy := range variant.resources {
			if err := l.Unregister(ctx, policy.ID()); err != nil {
				return err
			}
		}
	}
	return nil
}

// The first three variants are those that the others are compared with.
func (l *Load) withNone() *Variant   { return l.Variants[0] }
func (l *Load) withAccept() *Variant { return l.Variants[1] }
func (l *Load) withPolicy() *Variant { return l.Variants[2] }

// paces are Pods a second, a little more than the storms of 100 and of 1,000 nodes have reviews.
var paces = []int{10, 60}

const paceTime = 20 * time.Second

// pace is what a variant was measured with at so many Pods a second.
type pace struct {
	rate         int
	took         []time.Duration
	policyServer time.Duration
}

// atPace creates Pods whether or not the earlier ones are there.
func (l *Load) atPace(ctx context.Context, variant *Variant, rate int) error {
	before, err := l.now(ctx, variant)
	if err != nil {
		return err
	}
	p := pace{rate: rate}
	var mutex sync.Mutex
	var problems []error
	var creations sync.WaitGroup
	ticks := time.NewTicker(time.Second / time.Duration(rate))
	defer ticks.Stop()
	for range rate * int(paceTime.Seconds()) {
		<-ticks.C
		creations.Go(func() {
			took, err := l.create(ctx, variant.namespace)
			mutex.Lock()
			defer mutex.Unlock()
			p.took = append(p.took, took)
			if err != nil {
				problems = append(problems, err)
			}
		})
	}
	creations.Wait()
	after, err := l.now(ctx, variant)
	p.policyServer = after.policyServer - before.policyServer
	variant.paces = append(variant.paces, p)
	return errors.Join(append(problems, err, l.clear(ctx, variant))...)
}

// clear removes the Pods.
func (l *Load) clear(ctx context.Context, variant *Variant) error {
	now := int64(0)
	return l.client.CoreV1().Pods(variant.namespace).DeleteCollection(ctx, metav1.DeleteOptions{GracePeriodSeconds: &now}, metav1.ListOptions{})
}

func (l *Load) turn(ctx context.Context, variant *Variant) (turn, error) {
	t := turn{}
	before, err := l.now(ctx, variant)
	if err != nil {
		return t, err
	}
	if t.one, _, err = l.creations(ctx, variant.namespace, 1, max(1, l.Pods/4)); err != nil {
		return t, err
	}
	if t.all, t.together, err = l.creations(ctx, variant.namespace, l.Clients, l.Pods); err != nil {
		return t, err
	}
	after, err := l.now(ctx, variant)
	if err != nil {
		return t, err
	}
	t.pods = len(t.one) + len(t.all)
	t.reviews = after.reviews - before.reviews
	t.policyServer = after.policyServer - before.policyServer
	t.apiServer = after.apiServer - before.apiServer
	if t.reviews != t.pods*len(variant.resources) {
		return t, fmt.Errorf("%d Pods were created, and %d policies were asked %d times", t.pods, len(variant.resources), t.reviews)
	}
	return t, l.clear(ctx, variant)
}

// moment is what was counted until then.
type moment struct {
	reviews                 int
	policyServer, apiServer time.Duration
}

func (l *Load) now(ctx context.Context, variant *Variant) (moment, error) {
	var m moment
	for _, policy := range variant.resources {
		asked, err := l.asked(ctx, policy.ID())
		if err != nil {
			return m, err
		}
		m.reviews += asked
	}
	if variant.server != nil {
		usage, err := variant.server.Process().Usage()
		if err != nil {
			return m, err
		}
		m.policyServer = usage.CPU
	}
	usage, err := l.apiServer.Usage()
	m.apiServer = usage.CPU
	return m, err
}

// creations is how long each takes, and all of them together.
func (l *Load) creations(ctx context.Context, namespace string, clients, pods int) ([]time.Duration, time.Duration, error) {
	var mutex sync.Mutex
	var took []time.Duration
	var problems []error
	left := make(chan struct{}, pods)
	for range pods {
		left <- struct{}{}
	}
	close(left)
	var workers sync.WaitGroup
	begun := time.Now()
	for range clients {
		workers.Go(func() {
			for range left {
				one, err := l.create(ctx, namespace)
				mutex.Lock()
				took = append(took, one)
				if err != nil {
					problems = append(problems, err)
				}
				mutex.Unlock()
				if err != nil {
					return
				}
			}
		})
	}
	workers.Wait()
	return took, time.Since(begun), errors.Join(problems...)
}

func (t *turn) rate() float64 { return float64(len(t.all)) / t.together.Seconds() }
