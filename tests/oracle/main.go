// Says what Pod Security Admission makes of pods.
//
//	go run .     a Pod as a line of JSON on stdin, a line of JSON on stdout, and so on
//
// The answer has, for each level, what is forbidden by version: a pair of the first version and the
// reasons, in order, wherever the reasons change. A Pod is decoded as the API server does it, keys in
// their case and without those that nobody knows.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
	sigsjson "sigs.k8s.io/json"
)

// The versions that the policy has: see Version in src/decode.rs.
const oldest, newest = 25, 37

func main() {
	if err := answer(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func answer(input io.Reader, output io.Writer) error {
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		return err
	}
	writer := bufio.NewWriter(output)
	lines := bufio.NewScanner(input)
	lines.Buffer(nil, 1<<24)
	for lines.Scan() {
		var pod corev1.Pod
		if err := sigsjson.UnmarshalCaseSensitivePreserveInts(lines.Bytes(), &pod); err != nil {
			return fmt.Errorf("%w: %s", err, lines.Bytes())
		}
		answer := map[string][][2]any{}
		for _, level := range []api.Level{api.LevelPrivileged, api.LevelBaseline, api.LevelRestricted} {
			runs, err := runs(evaluator, level, &pod)
			if err != nil {
				return err
			}
			answer[string(level)] = runs
		}
		line, err := json.Marshal(answer)
		if err != nil {
			return err
		}
		if _, err := writer.Write(append(line, '\n')); err != nil {
			return err
		}
	}
	if err := lines.Err(); err != nil {
		return err
	}
	return writer.Flush()
}

// What a level says of a pod, by version.
func runs(evaluator policy.Evaluator, level api.Level, pod *corev1.Pod) ([][2]any, error) {
	reasons := func(version api.Version) []string {
		reasons := []string{}
		lv := api.LevelVersion{Level: level, Version: version}
		for _, result := range evaluator.EvaluatePod(lv, &pod.ObjectMeta, &pod.Spec) {
			if !result.Allowed {
				reasons = append(reasons, result.ForbiddenReason)
			}
		}
		slices.Sort(reasons)
		return reasons
	}
	var runs [][2]any
	var last []string
	for minor := oldest; minor <= newest; minor++ {
		version := api.MajorMinorVersion(1, minor)
		if now := reasons(version); last == nil || !slices.Equal(now, last) {
			runs = append(runs, [2]any{version.String(), now})
			last = now
		}
	}
	if latest := reasons(api.LatestVersion()); !slices.Equal(latest, last) {
		return nil, fmt.Errorf("latest is %v, and v1.%d is %v", latest, newest, last)
	}
	return runs, nil
}
