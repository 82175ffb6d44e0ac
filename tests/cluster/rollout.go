package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	admission "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// rolloutChapter watches a rollout of a thousand Pods.
func (b *Bench) rolloutChapter() *Chapter {
	return &Chapter{
		Chapter: "A rollout of 1,000 Pods on nodes", file: "rollout.go", Needs: []string{"nodes"},
		Policies: []ChapterPolicy{{File: "examples/cluster/2-protect.yaml"}},
		Scenarios: []Scenario{{
			ID:       "rollout/thousand",
			Scenario: "each Pod that exists was asked about once, none was lost, and all have the verdict of evaluate",
			run:      func(run *Run) error { return run.rollout(1000) },
		}},
	}
}

func (r *Run) rollout(count int) error {
	first := r.Recorder.Count()
	for _, script := range []string{
		"kubectl apply -f careful-deployment.yaml",
		fmt.Sprintf("kubectl scale deployment careful --replicas=%d", count),
	} {
		if output, err := r.command(&Step{Run: script}); err != nil {
			return fmt.Errorf("%s: %w\n%s", script, err, output)
		}
	}
	err := Eventually(r, 5*time.Minute, func() error {
		deployment, err := r.Client.AppsV1().Deployments(r.Namespace).Get(r, "careful", metav1.GetOptions{})
		if err != nil {
			return err
		}
		if deployment.Status.ReadyReplicas != int32(count) {
			return fmt.Errorf("%d of %d Pods are ready", deployment.Status.ReadyReplicas, count)
		}
		return nil
	})
	if err != nil {
		return err
	}
	asked := map[string]int{}
	var objects []json.RawMessage
	for _, review := range r.Recorder.Since(first, r.Namespace) {
		if review.request.Resource.Resource != "pods" || review.request.Operation != admission.Create {
			continue
		}
		if review.Response == nil || !review.Response.Allowed {
			return fmt.Errorf("the Pod %s has another verdict than the others: %+v", review.request.Name, review.Response)
		}
		asked[review.request.Name]++
		objects = append(objects, review.request.Object.Raw)
	}
	pods, err := r.Client.CoreV1().Pods(r.Namespace).List(r, metav1.ListOptions{})
	if err != nil {
		return err
	}
	for _, pod := range pods.Items {
		if asked[pod.Name] != 1 {
			return fmt.Errorf("the Pod %s was asked about %d times", pod.Name, asked[pod.Name])
		}
	}
	if len(pods.Items) != count || len(asked) != count {
		return fmt.Errorf("%d Pods are there, and %d were asked about", len(pods.Items), len(asked))
	}
	list, err := json.Marshal(map[string]any{"apiVersion": "v1", "kind": "List", "items": objects})
	if err != nil {
		return err
	}
	verdicts, err := r.evaluatedAll("examples/cluster/2-protect.yaml", list)
	if err != nil {
		return err
	}
	for _, verdict := range verdicts {
		if !verdict.Response.Accepted {
			return fmt.Errorf("evaluate rejects %s: %s", verdict.Request.Name, verdict.Response.Message)
		}
	}
	if len(verdicts) != count {
		return fmt.Errorf("evaluate has judged %d of %d Pods", len(verdicts), count)
	}
	return nil
}

// unseenChapter restarts the policy server under fire.
func (b *Bench) unseenChapter() *Chapter {
	return &Chapter{
		Chapter: "A policy server that restarts while Pods are created", file: "rollout.go", Direct: true,
		Policies: []ChapterPolicy{{File: "examples/cluster/2-protect.yaml"}},
		Scenarios: []Scenario{{
			ID:       "failure/unseen",
			Scenario: "of hundreds of careless Pods that are created while the policy server is killed and comes back, none is admitted",
			run:      func(run *Run) error { return run.unseen() },
		}},
	}
}

func (r *Run) unseen() error {
	stop := make(chan struct{})
	var mutex sync.Mutex
	var problems []error
	tried := 0
	var workers sync.WaitGroup
	for range 4 {
		workers.Go(func() {
			for {
				select {
				case <-stop:
					return
				case <-time.After(5 * time.Millisecond):
				}
				_, err := r.Client.CoreV1().Pods(r.Namespace).Create(r, probe(), metav1.CreateOptions{})
				mutex.Lock()
				tried++
				if err == nil {
					problems = append(problems, errors.New("a careless Pod was admitted"))
				}
				mutex.Unlock()
			}
		})
	}
	for range 2 {
		time.Sleep(time.Second)
		r.server.Process().Kill()
		time.Sleep(500 * time.Millisecond)
		if err := r.server.Start(r); err != nil {
			problems = append(problems, err)
			break
		}
	}
	time.Sleep(time.Second)
	close(stop)
	workers.Wait()
	r.note(fmt.Sprintf("%d careless Pods, and the policy server was killed twice", tried))
	if tried < 100 {
		problems = append(problems, fmt.Errorf("only %d Pods were created", tried))
	}
	return errors.Join(problems...)
}
