package main

import (
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// ownerCostChapter compares what Pods cost policy-server whose owner is read with those whose owner
// need not be.
func (b *Bench) ownerCostChapter() *Chapter {
	return &Chapter{
		Chapter: "What it costs to read owners", file: "ownercost.go",
		Apply:    []string{"examples/cluster/legacy-rbac.yaml"},
		Policies: []ChapterPolicy{{File: "examples/cluster/legacy.yaml"}},
		Scenarios: []Scenario{{
			ID:       "legacy-owners/cost",
			Scenario: "a legacy Pod, for which the owner is read, costs policy-server no more than four times what a careful one costs",
			Before:   []Step{{Run: "kubectl apply -f legacy-deployment.yaml"}},
			run:      func(run *Run) error { return run.ownerCost(300) },
		}},
	}
}

func (r *Run) ownerCost(count int) error {
	if output, err := r.command(&Step{Run: "kubectl apply -f careful-deployment.yaml && kubectl scale deployment careful --replicas=0"}); err != nil {
		return fmt.Errorf("%w\n%s", err, output)
	}
	careful, err := r.cpuOf("careful", count)
	if err != nil {
		return err
	}
	legacy, err := r.cpuOf("web", count)
	if err != nil {
		return err
	}
	r.note(fmt.Sprintf("%.2f ms of policy-server's CPU for a careful Pod, %.2f ms for a legacy one, whose owner is read", careful, legacy))
	if legacy > 4*careful {
		return fmt.Errorf("a legacy Pod costs %.2f ms, and a careful one %.2f ms", legacy, careful)
	}
	return nil
}

// cpuOf is the time, in milliseconds a Pod, that policy-server computes while a Deployment grows.
func (r *Run) cpuOf(deployment string, count int) (float64, error) {
	before, err := r.server.Process().Usage()
	if err != nil {
		return 0, err
	}
	if output, err := r.command(&Step{Run: fmt.Sprintf("kubectl scale deployment %s --replicas=%d", deployment, count)}); err != nil {
		return 0, fmt.Errorf("%w\n%s", err, output)
	}
	err = Eventually(r, time.Minute, func() error {
		found, err := r.Client.AppsV1().Deployments(r.Namespace).Get(r, deployment, metav1.GetOptions{})
		if err == nil && found.Status.Replicas != int32(count) {
			err = fmt.Errorf("%s has %d Pods", deployment, found.Status.Replicas)
		}
		return err
	})
	if err != nil {
		return 0, err
	}
	after, err := r.server.Process().Usage()
	return float64((after.CPU - before.CPU).Microseconds()) / 1000 / float64(count), err
}
