package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"time"

	"sigs.k8s.io/yaml"
)

// Chapter is a file of scenarios/: policies, and what happens in a cluster that has them.
type Chapter struct {
	// Chapter is its title.
	Chapter string `json:"chapter"`
	// Why says what the scenarios have in common, where the title does not.
	Why string `json:"why,omitempty"`
	// Policies are registered after the `before` of all scenarios, and removed after the last.
	Policies []ChapterPolicy `json:"policies"`
	// Needs: "nodes" for Pods that become ready, "registry" for images.
	Needs []string `json:"needs,omitempty"`
	// Apply has manifests for the whole cluster, such as rights and definitions of kinds.
	Apply []string `json:"apply,omitempty"`
	// ControllersAreOneUser: kube-controller-manager runs without --use-service-account-credentials.
	ControllersAreOneUser bool `json:"controllersAreOneUser,omitempty"`
	// Direct lets the API server ask policy-server itself, and not the recorder before it.
	Direct bool `json:"direct,omitempty"`
	// APIServer has arguments that the API server is started with for the chapter.
	APIServer []string   `json:"apiServer,omitempty"`
	Scenarios []Scenario `json:"scenarios"`

	file string
}

// ChapterPolicy is a file of examples/cluster/, or one that is written out.
type ChapterPolicy struct {
	File     string          `json:"file,omitempty"`
	Resource *PolicyResource `json:"resource,omitempty"`
	// Settings takes the place of those of the file.
	Settings json.RawMessage `json:"settings,omitempty"`
	// Name takes the place of the name in the file.
	Name string `json:"name,omitempty"`
	// Mode takes the place of the one of the file.
	Mode string `json:"mode,omitempty"`
	// TimeoutSeconds takes the place of the one of the file.
	TimeoutSeconds *int32 `json:"timeoutSeconds,omitempty"`
	// NamespaceLabel lets the policy judge the namespaces only that are labelled judged-by: with it.
	NamespaceLabel string `json:"namespaceLabel,omitempty"`
	// Module is another one than this project's: a file in the folder of the run.
	Module string `json:"module,omitempty"`
	// Authority is whose certificates the API server trusts: "wrong" for nobody's.
	Authority string `json:"authority,omitempty"`
}

// Scenario is a story about a namespace of its own.
type Scenario struct {
	// ID names it in the output.
	ID string `json:"id"`
	// Scenario says what must happen.
	Scenario string `json:"scenario"`
	// Why says what goes wrong otherwise, where the sentence does not.
	Why string `json:"why,omitempty"`
	// Namespace is one that the manifests name; it is made like the others.
	Namespace string `json:"namespace,omitempty"`
	// Labels are those of the namespace.
	Labels map[string]string `json:"labels,omitempty"`
	// Before happens before the policies are registered.
	Before []Step `json:"before,omitempty"`
	Steps  []Step `json:"steps"`

	// run is what Go does in the place of steps.
	run func(*Run) error
}

// Step is one thing that is done, and what must come of it.
type Step struct {
	// Run is for bash, in the folder manifests/, with kubectl for the scenario's namespace.
	Run string `json:"run,omitempty"`
	// Apply is a manifest for `kubectl apply -f -`.
	Apply json.RawMessage `json:"apply,omitempty"`
	// PolicyServer: kill, start, freeze, thaw.
	PolicyServer string `json:"policyServer,omitempty"`
	// APIServer: restart.
	APIServer string `json:"apiServer,omitempty"`

	// Rejected is for lines of the rejection: the policy says no, and says this.
	Rejected []string `json:"rejected,omitempty"`
	// Fails is for what else is said when the command fails.
	Fails []string `json:"fails,omitempty"`
	// Says is for what is printed.
	Says []string `json:"says,omitempty"`
	// SaysNot is for what must not be printed.
	SaysNot []string `json:"saysNot,omitempty"`
	// Warns is for lines that begin with "Warning: ".
	Warns []string `json:"warns,omitempty"`
	// Asked is for questions that the API server must have asked, and the answers.
	Asked []Asked `json:"asked,omitempty"`
	// NotAsked: no policy has heard of it.
	NotAsked bool `json:"notAsked,omitempty"`
	// Within repeats the command until all of this is so: 30s.
	Within string `json:"within,omitempty"`
	// Holds repeats the command for so long, and all of this must be so each time.
	Holds string `json:"holds,omitempty"`
}

// Asked is a question to a policy; what is left out is not compared.
type Asked struct {
	Policy      string `json:"policy,omitempty"`
	Operation   string `json:"operation,omitempty"`
	Resource    string `json:"resource,omitempty"`
	SubResource string `json:"subResource,omitempty"`
	By          string `json:"by,omitempty"`
	DryRun      *bool  `json:"dryRun,omitempty"`
	// Answer is accepted or rejected.
	Answer string `json:"answer,omitempty"`
	// Says is for lines of the answer's message or warnings.
	Says []string `json:"says,omitempty"`
	// Excused is for the audit annotation excused-by.
	Excused string `json:"excused,omitempty"`
}

// ReadChapters reads all of a folder, in the order of the files' names.
func ReadChapters(folder string) ([]*Chapter, error) {
	files, err := filepath.Glob(filepath.Join(folder, "*.yaml"))
	if err != nil {
		return nil, err
	}
	sort.Strings(files)
	var chapters []*Chapter
	ids := map[string]string{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		chapter := &Chapter{file: filepath.Base(file)}
		if err := yaml.UnmarshalStrict(text, chapter); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		for _, scenario := range chapter.Scenarios {
			if other, twice := ids[scenario.ID]; twice || scenario.ID == "" || scenario.Scenario == "" {
				return nil, fmt.Errorf("%s: the scenario %q has no name of its own, or no sentence (%s)", file, scenario.ID, other)
			}
			ids[scenario.ID] = file
			for _, step := range append(scenario.Before, scenario.Steps...) {
				if err := step.check(); err != nil {
					return nil, fmt.Errorf("%s: %s: %w", file, scenario.ID, err)
				}
			}
			if len(scenario.Steps) == 0 {
				return nil, fmt.Errorf("%s: %s has no steps", file, scenario.ID)
			}
		}
		chapters = append(chapters, chapter)
	}
	return chapters, nil
}

func (s *Step) check() error {
	actions := 0
	for _, given := range []bool{s.Run != "", s.Apply != nil, s.PolicyServer != "", s.APIServer != ""} {
		if given {
			actions++
		}
	}
	if actions != 1 {
		return fmt.Errorf("a step does one thing, and this does %d", actions)
	}
	for _, duration := range []string{s.Within, s.Holds} {
		if duration == "" {
			continue
		}
		if _, err := time.ParseDuration(duration); err != nil {
			return err
		}
	}
	return nil
}

// name is for a namespace and a file.
func (s *Scenario) name() string {
	name := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			return r
		case r >= 'A' && r <= 'Z':
			return r - 'A' + 'a'
		}
		return '-'
	}, s.ID)
	return strings.Trim(name[:min(len(name), 60)], "-")
}
