package main

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"time"
)

// report prints the tables, and writes them into the page between its marks.
func (l *Load) report(page string) error {
	parts := []struct{ name, text string }{
		{"load", l.conditions() + l.creationTable() + "\n" + l.costTable() + l.modules()},
		{"reviews", l.actionTable()},
		{"sizes", l.sizeTable()},
		{"paces", l.paceTable()},
	}
	for _, part := range parts {
		fmt.Printf("\n%s", part.text)
	}
	if page == "" {
		return nil
	}
	written, err := os.ReadFile(page)
	if err != nil {
		return err
	}
	text := string(written)
	for _, part := range parts {
		begin := "<!-- make cluster-load DOCS=1: " + part.name + " -->\n"
		before, rest, hasBegin := strings.Cut(text, begin)
		_, after, hasEnd := strings.Cut(rest, end)
		if !hasBegin || !hasEnd {
			return fmt.Errorf("%s has no place for the table of %s", page, part.name)
		}
		text = before + begin + "\n" + part.text + "\n" + end + after
	}
	return os.WriteFile(page, []byte(text), 0o644)
}

// conditions are what somebody needs to measure the same.
func (l *Load) conditions() string {
	versions := map[string]string{}
	for _, line := range l.Programs.Versions() {
		fields := strings.Fields(line)
		versions[fields[0]] = fields[1]
	}
	official := ""
	if l.official != "" {
		official = " OFFICIAL=..."
	}
	return fmt.Sprintf("`make cluster-load%s ROUNDS=%d PODS=%d` on %d cores, which all programs share; kube-apiserver %s, etcd %s,\n"+
		"policy-server %s with two workers. In each of %d rounds one client creates %d Pods, then %d clients create %d. A review\n"+
		"of such a Pod has %s bytes.\n\n",
		official, l.Rounds, l.Pods, runtime.NumCPU(), versions["kube-apiserver"], versions["etcd"], versions["policy-server"],
		l.Rounds, max(1, l.Pods/4), l.Clients, l.Pods, thousands(l.reviewBytes))
}

func (l *Load) creationTable() string {
	var b strings.Builder
	fmt.Fprintf(&b, "| judged by | policies | Pods a second, %d clients | × no webhook | p50 | p99 | p50, one client | p99 |\n", l.Clients)
	b.WriteString("|---|--:|--:|--:|--:|--:|--:|--:|\n")
	for _, variant := range l.Variants {
		if !variant.isMeasured() {
			continue
		}
		one, all := variant.pooled()
		fmt.Fprintf(&b, "| %s | %s | %.1f | %.2f | %s | %s | %s | %s |\n", variant.Name, variant.count(),
			median(each(variant.turns, func(t turn) float64 { return t.rate() })),
			l.against(variant, l.withNone(), func(t turn) float64 { return t.rate() }),
			milliseconds(percentile(all, 50)), milliseconds(percentile(all, 99)),
			milliseconds(percentile(one, 50)), milliseconds(percentile(one, 99)))
	}
	return b.String()
}

func (l *Load) costTable() string {
	var b strings.Builder
	b.WriteString("| judged by | CPU of policy-server a Pod | × accept-everything | a review | CPU of kube-apiserver a Pod | CPU of policy-server until it is ready | its memory then | at most |\n")
	b.WriteString("|---|--:|--:|--:|--:|--:|--:|--:|\n")
	for _, variant := range l.Variants {
		if !variant.isMeasured() {
			continue
		}
		apiServer := perPod(variant, func(t turn) time.Duration { return t.apiServer })
		if variant.server == nil {
			fmt.Fprintf(&b, "| %s | - | - | - | %.1f ms | - | - | - |\n", variant.Name, apiServer)
			continue
		}
		fmt.Fprintf(&b, "| %s | %.2f ms | %.2f | %.2f ms | %.1f ms | %.1f s | %s | %s |\n", variant.Name,
			perPod(variant, policyServer), l.against(variant, l.withAccept(), cpu), perReview(variant), apiServer,
			variant.ready.CPU.Seconds(), mebibytes(variant.ready.Memory), mebibytes(variant.after.Peak))
	}
	return b.String()
}

// modules are Kubewarden's that were at hand, and those that were not.
func (l *Load) modules() string {
	var measured, missing []string
	for _, variant := range l.Variants {
		for name, policy := range variant.Policies {
			if filepath.Ext(policy.Module) != ".wasm" {
				continue
			}
			if slices.Contains(variant.Missing, name) {
				missing = append(missing, name)
			} else {
				measured = append(measured, name+" "+versionOf(filepath.Join(l.official, policy.Module)))
			}
		}
	}
	text := ""
	if measured != nil {
		text += "\nKubewarden's policies are " + list(measured) + ".\n"
	}
	if missing != nil {
		text += "\nNot measured, because their modules were not at hand: " + list(missing) + ".\n"
	}
	return text
}

func list(names []string) string {
	slices.Sort(names)
	return strings.Join(slices.Compact(names), ", ")
}

var versionOfModule = regexp.MustCompile(`"io\.kubewarden\.policy\.version":"([^"]*)"`)

// versionOf reads the metadata in a module.
func versionOf(module string) string {
	text, err := os.ReadFile(module)
	if err != nil {
		return err.Error()
	}
	found := versionOfModule.FindSubmatch(text)
	if found == nil {
		return "(says no version)"
	}
	return string(found[1])
}

func (l *Load) actionTable() string {
	var b strings.Builder
	fmt.Fprintf(&b, "| action | %d Pods | %d Pods | %d Pods, Pods only | %d Pods, Pods only | what is asked, %d Pods |\n",
		actionSizes[0], actionSizes[1], actionSizes[0], actionSizes[1], actionSizes[1])
	b.WriteString("|---|--:|--:|--:|--:|---|\n")
	for _, action := range l.Actions {
		few, many := action.asked[0], action.asked[1]
		fmt.Fprintf(&b, "| %s | %d | %d | %d | %d | %s |\n", action.Name,
			total(few, false), total(many, false), total(few, true), total(many, true), inWords(many))
	}
	fmt.Fprintf(&b, "\npolicy-server computed %.2f ms for each of these %d reviews, on average.\n",
		float64(l.actionsUsed.CPU.Microseconds())/1000/float64(max(1, l.actionsReviews)), l.actionsReviews)
	return b.String()
}

// What the sizes rest on besides what is measured.
const (
	podsANode     = 30
	timesADay     = 2
	stormShare    = 3
	stormMinutes  = 10
	busyShare     = 3
	moduleMemory  = 64
	workersOfSize = 2
)

func (l *Load) sizeTable() string {
	policy := l.withPolicy()
	review := max(perReview(policy), float64(l.actionsUsed.CPU.Microseconds())/1000/float64(max(1, l.actionsReviews)))
	reviewsAPod := 0.0
	for _, action := range l.Actions {
		reviewsAPod = max(reviewsAPod, float64(total(action.asked[0], false))/float64(actionSizes[0]))
	}
	var b strings.Builder
	fmt.Fprintf(&b, "- %d Pods a node, which is what Kubernetes reckons with at 5,000 nodes;\n", podsANode)
	fmt.Fprintf(&b, "- each Pod is made again %d times a day, by rollouts and drains;\n", timesADay)
	fmt.Fprintf(&b, "- the storm: one Pod of %d, a zone, is made again within %d minutes;\n", stormShare, stormMinutes)
	fmt.Fprintf(&b, "- %.1f reviews for each Pod, the most of the table above, and %.2f ms for each, the more of the two figures above;\n", reviewsAPod, review)
	fmt.Fprintf(&b, "- in the storm a replica computes for one second of %d at most, and one alone can bear all of it, because the API\n"+
		"  server goes on using the connections that it has and does not spread its questions evenly.\n\n", busyShare)
	nodes := []int{100, 1000, 5000}
	row := func(name string, value func(pods, storm float64, nodes int) string) {
		fmt.Fprintf(&b, "| %s |", name)
		for _, count := range nodes {
			pods := float64(count * podsANode)
			fmt.Fprintf(&b, " %s |", value(pods, pods/stormShare/(stormMinutes*60)*reviewsAPod, count))
		}
		b.WriteString("\n")
	}
	b.WriteString("| nodes | 100 | 1,000 | 5,000, extrapolated |\n|---|--:|--:|--:|\n")
	row("Pods", func(pods, _ float64, _ int) string { return thousands(int(pods)) })
	row("reviews a second in the storm", func(_, storm float64, _ int) string { return fmt.Sprintf("%.0f", math.Ceil(storm)) })
	row("cores that are busy then", func(_, storm float64, _ int) string { return fmt.Sprintf("%.2f", storm*review/1000) })
	row("**replicas**", func(_, _ float64, count int) string {
		if count <= 100 {
			return "2"
		}
		return "3, one a zone"
	})
	row("**CPU request of each**", func(_, storm float64, _ int) string {
		return fmt.Sprintf("%.0fm", math.Ceil(max(100, storm*review*busyShare)/100)*100)
	})
	memory := math.Ceil(1.5*float64(policy.after.Peak)/(32<<20)) * 32
	row("**memory request of each**", func(float64, float64, int) string { return fmt.Sprintf("%.0fMi", memory) })
	row("**memory limit of each**", func(float64, float64, int) string {
		return fmt.Sprintf("%.0fMi", memory+moduleMemory*workersOfSize)
	})
	row("reviews a day", func(pods, _ float64, _ int) string { return thousands(int(pods * timesADay * reviewsAPod)) })
	row("CPU time a day", func(pods, _ float64, _ int) string {
		return duration(pods * timesADay * reviewsAPod * review / 1000)
	})
	row("CPU time of a scan by the audit scanner, Pods only", func(pods, _ float64, _ int) string { return duration(pods * review / 1000) })
	return b.String()
}

func (l *Load) paceTable() string {
	var b strings.Builder
	b.WriteString("| Pods a second | no webhook: p50 | p99 | this policy: p50 | p99 | cores of policy-server that are busy |\n|--:|--:|--:|--:|--:|--:|\n")
	for i, with := range l.withPolicy().paces {
		without := l.withNone().paces[i]
		fmt.Fprintf(&b, "| %d | %s | %s | %s | %s | %.2f |\n", with.rate,
			milliseconds(percentile(without.took, 50)), milliseconds(percentile(without.took, 99)),
			milliseconds(percentile(with.took, 50)), milliseconds(percentile(with.took, 99)),
			with.policyServer.Seconds()/paceTime.Seconds())
	}
	return b.String()
}

func (v *Variant) count() string {
	switch {
	case v.Policies == nil:
		return "-"
	case v.Group:
		return fmt.Sprintf("%d in 1", len(v.resources[0].Spec.Policies))
	default:
		return fmt.Sprint(len(v.resources))
	}
}

func (v *Variant) pooled() (one, all []time.Duration) {
	for _, turn := range v.turns {
		one, all = append(one, turn.one...), append(all, turn.all...)
	}
	return one, all
}

// against is the median of what each round says of two variants.
func (l *Load) against(variant, other *Variant, value func(turn) float64) float64 {
	var ratios []float64
	for round := range variant.turns {
		ratios = append(ratios, value(variant.turns[round])/value(other.turns[round]))
	}
	return median(ratios)
}

func policyServer(t turn) time.Duration { return t.policyServer }

func cpu(t turn) float64 { return t.policyServer.Seconds() / float64(t.pods) }

// perPod is in milliseconds.
func perPod(variant *Variant, used func(turn) time.Duration) float64 {
	var sum time.Duration
	pods := 0
	for _, turn := range variant.turns {
		sum, pods = sum+used(turn), pods+turn.pods
	}
	return float64(sum.Microseconds()) / 1000 / float64(pods)
}

func perReview(variant *Variant) float64 {
	return perPod(variant, policyServer) / float64(len(variant.resources))
}

func each(turns []turn, value func(turn) float64) []float64 {
	var values []float64
	for _, turn := range turns {
		values = append(values, value(turn))
	}
	return values
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	middle := len(sorted) / 2
	if len(sorted)%2 == 0 {
		return (sorted[middle-1] + sorted[middle]) / 2
	}
	return sorted[middle]
}

// percentile is the value that so many percent do not exceed.
func percentile(values []time.Duration, percent int) time.Duration {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[(len(sorted)*percent+99)/100-1]
}

func milliseconds(d time.Duration) string {
	return fmt.Sprintf("%.1f ms", float64(d.Microseconds())/1000)
}

func mebibytes(bytes int64) string { return fmt.Sprintf("%d MiB", bytes>>20) }

func duration(seconds float64) string {
	if seconds < 120 {
		return fmt.Sprintf("%.0f s", math.Ceil(seconds))
	}
	return fmt.Sprintf("%.0f min", math.Ceil(seconds/60))
}

func thousands(n int) string {
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%s,%03d", thousands(n/1000), n%1000)
}
