package main

import (
	"fmt"
	"os"
	"strings"
	"time"
)

// A summary is the end of the output: the chapters, what is worth knowing beside the verdicts, and
// which programs it was.
type summary struct {
	chapters      []string
	count, fails  map[string]int
	notes         []string
	versions      []string
	total, failed int
	took          time.Duration
}

func summarize(programs Programs, results []Result, took time.Duration) *summary {
	s := &summary{
		count: map[string]int{}, fails: map[string]int{}, versions: programs.Versions(), total: len(results), took: took,
	}
	for _, result := range results {
		if s.count[result.Chapter] == 0 {
			s.chapters = append(s.chapters, result.Chapter)
		}
		s.count[result.Chapter]++
		if result.Err != nil {
			s.fails[result.Chapter]++
			s.failed++
		}
		for _, note := range result.Notes {
			s.notes = append(s.notes, result.ID+": "+note)
		}
	}
	return s
}

func (s *summary) forPeople() string {
	var text strings.Builder
	fmt.Fprintf(&text, "\n%9s %6s  chapter\n", "scenarios", "failed")
	for _, chapter := range s.chapters {
		fmt.Fprintf(&text, "%9d %6d  %s\n", s.count[chapter], s.fails[chapter], chapter)
	}
	if s.notes != nil {
		fmt.Fprintf(&text, "\n%s\n", strings.Join(s.notes, "\n"))
	}
	fmt.Fprintf(&text, "\n%s\n", strings.Join(s.versions, "\n"))
	fmt.Fprintf(&text, "\n%d scenarios in %.0f s, %d failed\n", s.total, s.took.Seconds(), s.failed)
	return text.String()
}

// The table of a document stands between these lines.
const begin, end = "<!-- make cluster DOCS=1 -->\n", "<!-- end -->\n"

// writeInto puts the table into a document.
func (s *summary) writeInto(file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	before, rest, hasBegin := strings.Cut(string(text), begin)
	_, after, hasEnd := strings.Cut(rest, end)
	if !hasBegin || !hasEnd {
		return fmt.Errorf("%s has no place for the table", file)
	}
	var table strings.Builder
	table.WriteString("\n| Chapter | Scenarios |\n|---|--:|\n")
	for _, chapter := range s.chapters {
		fmt.Fprintf(&table, "| %s | %d |\n", chapter, s.count[chapter])
	}
	fmt.Fprintf(&table, "| **All**, in %.0f minutes on two cores | **%d** |\n\n", s.took.Minutes(), s.total)
	for _, note := range s.notes {
		fmt.Fprintf(&table, "- %s\n", note)
	}
	fmt.Fprintf(&table, "\n```text\n%s\n```\n\n", strings.Join(s.versions, "\n"))
	return os.WriteFile(file, []byte(before+begin+table.String()+end+after), 0o644)
}
