// Command cluster tries the policy on a real API server: see docs/cluster.md.
//
// It starts a control plane on the loopback address with policy-server as its webhook, runs the
// scenarios of scenarios/ and those of examples/, and ends with a table. As `cluster load` it measures
// what the policy costs: see docs/sizing.md.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	var err error
	if len(os.Args) > 1 && os.Args[1] == "load" {
		err = load(ctx, os.Args[2:])
	} else {
		err = run(ctx)
	}
	stop()
	StopAll()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	only := flag.String("only", "", "run the scenarios whose names match this regular expression")
	programs := flag.String("programs", "target/cluster/bin", "the folder that the programs were built into")
	module := flag.String("module", "annotated-policy.wasm", "the module that policy-server runs")
	command := flag.String("command", "target/debug/container-security", "the command line that has `evaluate`")
	folder := flag.String("folder", "target/cluster/run", "the folder for the data and the logs of the run, which is emptied first")
	record := flag.String("record", "", "write one review of each sort to this file, one a line")
	docs := flag.String("docs", "", "write the table into this document, if all scenarios were run and none failed")
	needs := flag.Bool("needs", false, "name the programs that are missing and that make cluster does not build, and do nothing")
	flag.Parse()
	if *needs {
		return Needs()
	}
	wanted, err := regexp.Compile(*only)
	if err != nil {
		return err
	}
	begun := time.Now()
	bench, err := assemble(ctx, *programs, *folder, *module, *command)
	if err != nil {
		return err
	}
	defer bench.Recorder.Stop()
	fmt.Printf("the control plane is ready after %.1f s; its logs are in %s\n", time.Since(begun).Seconds(), bench.Logs)

	chapters, err := bench.chapters(wanted)
	if err != nil {
		return err
	}
	var results []Result
	for _, chapter := range chapters {
		fmt.Printf("\n%s\n", chapter.Chapter)
		report := func(result Result) {
			results = append(results, result)
			fmt.Println(result.line())
			if result.Err != nil {
				fmt.Println(indent(result.Err.Error()))
			}
		}
		if err := bench.RunChapter(ctx, chapter, report); ctx.Err() != nil {
			return ctx.Err()
		} else if err != nil {
			report(Result{Chapter: chapter.Chapter, ID: chapter.file, Scenario: "the chapter cannot be run", Err: err})
		}
	}
	if *record != "" {
		if err := bench.records.Write(*record); err != nil {
			return err
		}
	}
	summary := summarize(bench.Programs, results, time.Since(begun))
	fmt.Print(summary.forPeople())
	if summary.failed > 0 {
		return fmt.Errorf("%d of %d scenarios failed", summary.failed, len(results))
	}
	if *docs != "" && *only == "" {
		return summary.writeInto(*docs)
	}
	return nil
}

// assemble empties the folder of the run, and starts what all scenarios share.
func assemble(ctx context.Context, built, folder, module, command string) (*Bench, error) {
	bench := &Bench{}
	for path, absolute := range map[string]*string{".": &bench.Repository, module: &bench.Module, command: &bench.Command} {
		var err error
		if *absolute, err = filepath.Abs(path); err != nil {
			return nil, err
		}
		if _, err := os.Stat(*absolute); err != nil {
			return nil, err
		}
	}
	programs, err := FindPrograms(built)
	if err != nil {
		return nil, err
	}
	if folder, err = filepath.Abs(folder); err != nil {
		return nil, err
	}
	if err := errors.Join(os.RemoveAll(folder), os.MkdirAll(folder, 0o755)); err != nil {
		return nil, err
	}
	if bench.Cluster, err = StartCluster(ctx, programs, folder); err != nil {
		return nil, err
	}
	if bench.wrong, err = NewAuthority(folder, "wrong-ca"); err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(folder, "trap.wasm"), trapModule(), 0o644); err != nil {
		return nil, err
	}
	bench.Recorder, err = NewRecorder(bench.CA)
	return bench, err
}

// chapters are all, with the scenarios that are wanted.
func (b *Bench) chapters(wanted *regexp.Regexp) ([]*Chapter, error) {
	all, err := ReadChapters(filepath.Join(b.Repository, "tests/cluster/scenarios"))
	if err != nil {
		return nil, err
	}
	examples, err := b.exampleChapters()
	if err != nil {
		return nil, err
	}
	// Chapters with nodes come last: there Pods are scheduled from then on.
	written := []*Chapter{b.podSecurityChapter(4000), b.unseenChapter(), b.ownerCostChapter(), b.auditChapter()}
	onNodes := slices.IndexFunc(all, func(chapter *Chapter) bool { return slices.Contains(chapter.Needs, "nodes") })
	all = slices.Concat(examples, all[:onNodes], written, []*Chapter{b.rolloutChapter()}, all[onNodes:])
	var chapters []*Chapter
	for _, chapter := range all {
		var scenarios []Scenario
		for _, scenario := range chapter.Scenarios {
			if wanted.MatchString(scenario.ID) {
				scenarios = append(scenarios, scenario)
			}
		}
		chapter.Scenarios = scenarios
		if scenarios != nil {
			chapters = append(chapters, chapter)
		}
	}
	if chapters == nil {
		return nil, fmt.Errorf("no scenario is called %s", wanted)
	}
	return chapters, nil
}

func (r *Result) line() string {
	verdict := "ok    "
	if r.Err != nil {
		verdict = "FAILED"
	}
	return fmt.Sprintf("  %s %5.1f s  %s: %s", verdict, r.Took.Seconds(), r.ID, r.Scenario)
}

func indent(text string) string { return "    " + strings.ReplaceAll(text, "\n", "\n    ") }
