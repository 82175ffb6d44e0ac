package main

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Action is something that an operator does, and what is asked because of it.
type Action struct {
	Name string `json:"action"`
	// Run is for bash, in the folder manifests/, with $PODS.
	Run string `json:"run"`

	// asked counts the questions by operation and resource, for each of actionSizes.
	asked [len(actionSizes)]map[string]int
}

// actionSizes are the numbers of Pods that each action is done with.
var actionSizes = [...]int{3, 30}

// act counts what is asked, with the policy for all kinds.
func (l *Load) act(ctx context.Context) error {
	if err := l.StartNodes(ctx, 5); err != nil {
		return err
	}
	chapter := &Chapter{Policies: []ChapterPolicy{{File: "examples/cluster/2-protect.yaml"}}}
	policies, err := l.policies(chapter)
	if err != nil {
		return err
	}
	if l.server, err = l.StartPolicyServer(ctx, l.Module, policies); err != nil {
		return err
	}
	defer l.server.Stop()
	l.Recorder.Forward(l.server.URL())
	var runs []*Run
	for _, pods := range actionSizes {
		scenario := &Scenario{ID: fmt.Sprintf("actions-%d", pods)}
		run, err := l.Bench.prepare(ctx, chapter, scenario)
		if err != nil {
			return err
		}
		run.environment = append(run.environment, fmt.Sprintf("PODS=%d", pods))
		runs = append(runs, run)
	}
	if err := l.register(ctx, chapter, &chapter.Policies[0], policies[0]); err != nil {
		return err
	}
	before, err := l.server.Process().Usage()
	if err != nil {
		return err
	}
	if err := l.measureReview(ctx, runs[0].Namespace); err != nil {
		return err
	}
	first := l.Recorder.Count()
	for size, run := range runs {
		for _, action := range l.Actions {
			if err := l.do(run, action, size); err != nil {
				return fmt.Errorf("%s: %w", action.Name, err)
			}
		}
	}
	l.actionsUsed, err = l.server.Process().Usage()
	l.actionsUsed.CPU -= before.CPU
	l.actionsReviews = l.Recorder.Count() - first
	return err
}

// measureReview asks about a Pod of the load, whatever the answer is.
func (l *Load) measureReview(ctx context.Context, namespace string) error {
	first := l.Recorder.Count()
	_, _ = l.create(ctx, namespace, metav1.DryRunAll)
	reviews := l.Recorder.Since(first, namespace)
	if len(reviews) != 1 {
		return fmt.Errorf("%d policies were asked about a Pod", len(reviews))
	}
	l.reviewBytes = len(reviews[0].Request)
	return nil
}

func (l *Load) do(run *Run, action *Action, size int) error {
	first := l.Recorder.Count()
	if output, err := run.command(&Step{Run: action.Run}); err != nil {
		return fmt.Errorf("%w\n%s", err, output)
	}
	// Controllers come to an end a little later than the command that waits for them.
	for count := -1; count != l.Recorder.Count(); {
		count = l.Recorder.Count()
		time.Sleep(3 * time.Second)
	}
	asked := map[string]int{}
	for _, review := range l.Recorder.Since(first, run.Namespace) {
		if review.Response == nil || !review.Response.Allowed {
			return fmt.Errorf("this was not accepted:\n%s", review.Request)
		}
		asked[string(review.request.Operation)+" "+review.request.Resource.Resource]++
	}
	action.asked[size] = asked
	fmt.Printf("%d Pods: %s: %v\n", actionSizes[size], action.Name, asked)
	return nil
}

// total is how many questions there were, about all kinds or about Pods only.
func total(asked map[string]int, onlyPods bool) int {
	sum := 0
	for what, count := range asked {
		if !onlyPods || strings.HasSuffix(what, " pods") {
			sum += count
		}
	}
	return sum
}

// inWords lists what was asked, the most frequent first.
func inWords(asked map[string]int) string {
	var parts []string
	for _, what := range slices.SortedFunc(maps.Keys(asked), func(a, b string) int {
		return cmp.Or(asked[b]-asked[a], strings.Compare(a, b))
	}) {
		parts = append(parts, fmt.Sprintf("%d %s", asked[what], what))
	}
	return strings.Join(parts, ", ")
}
