package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
)

// Recorded is a review as make test judges it again, natively and as WebAssembly: what the API server
// has asked, and what policy-server has answered.
type Recorded struct {
	Name     string          `json:"name"`
	Settings json.RawMessage `json:"settings"`
	Request  json.RawMessage `json:"request"`
	Accepted bool            `json:"accepted"`
	Message  string          `json:"message,omitempty"`
	Code     int32           `json:"code,omitempty"`
	Warnings []string        `json:"warnings,omitempty"`
}

// Records are the reviews that are worth keeping: one of each sort.
type Records struct {
	seen map[string]bool
	all  []Recorded
}

// The longest request that is kept.
const longest = 12_000

// Add keeps what is new among the reviews of a chapter. Left out are policies that ask the host, and
// those whose verdict policy-server has changed (groups, and policies that monitor).
func (r *Records) Add(chapter *Chapter, policies []*PolicyResource, reviews []Review) error {
	if r.seen == nil {
		r.seen = map[string]bool{}
	}
	for _, review := range reviews {
		i := slices.IndexFunc(policies, func(policy *PolicyResource) bool { return policy.ID() == review.Policy })
		if i < 0 || review.Response == nil || len(review.Request) > longest {
			continue
		}
		spec := &policies[i].Spec
		if spec.ContextAwareResources != nil || spec.Policies != nil || spec.Mode == "monitor" || spec.Module == "" ||
			strings.HasPrefix(spec.Module, "/") {
			continue
		}
		request := &review.request
		by := request.UserInfo.Username
		what := request.Resource.Resource
		if request.SubResource != "" {
			what += "/" + request.SubResource
		}
		answer := "accepted"
		if !review.Response.Allowed {
			answer = "rejected"
		}
		name := fmt.Sprintf("%s: %s %s by %s, %s", chapter.file, request.Operation, what, by[strings.LastIndex(by, ":")+1:], answer)
		// One dry run of a sort is enough, and one of each sort for the settings that judge it.
		sort := strings.TrimPrefix(name, chapter.file)
		if *request.DryRun {
			name += ", dry run"
			sort = "dry run" + sort
		} else {
			sort += string(spec.Settings)
		}
		if r.seen[sort] || strings.HasPrefix(request.Name, probe().GenerateName) {
			continue
		}
		r.seen[sort] = true
		recorded := Recorded{
			Name: name, Settings: spec.Settings, Accepted: review.Response.Allowed, Warnings: review.Response.Warnings,
		}
		if result := review.Response.Result; result != nil {
			recorded.Message, recorded.Code = result.Message, result.Code
		}
		var err error
		if recorded.Request, err = trimmed(review.Request); err != nil {
			return err
		}
		r.all = append(r.all, recorded)
	}
	return nil
}

// trimmed leaves out what says something of this machine only, and statuses.
func trimmed(request json.RawMessage) (json.RawMessage, error) {
	var fields map[string]any
	decoder := json.NewDecoder(bytes.NewReader(request))
	decoder.UseNumber()
	if err := decoder.Decode(&fields); err != nil {
		return nil, err
	}
	for _, key := range []string{"object", "oldObject"} {
		if object, ok := fields[key].(map[string]any); ok {
			delete(object, "status")
		}
	}
	if user, ok := fields["userInfo"].(map[string]any); ok {
		delete(user, "extra")
		delete(user, "uid")
	}
	return json.Marshal(fields)
}

// Write writes all, one a line.
func (r *Records) Write(file string) error {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	for _, recorded := range r.all {
		if err := encoder.Encode(recorded); err != nil {
			return err
		}
	}
	return os.WriteFile(file, text.Bytes(), 0o644)
}
