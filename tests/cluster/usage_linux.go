package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// Usage is what a process has computed, and what it holds.
type Usage struct {
	CPU time.Duration
	// Memory is what is resident, and Peak the most that ever was, in bytes.
	Memory, Peak int64
}

// The kernel counts in hundredths of a second, whatever it ticks with: see `man 5 proc`.
const tick = 10 * time.Millisecond

// Usage is what the process has used until now.
func (p *Process) Usage() (Usage, error) {
	var usage Usage
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.Pid()))
	if err != nil {
		return usage, err
	}
	// The name, in parentheses, may have spaces.
	_, after, _ := strings.Cut(string(stat), ") ")
	fields := strings.Fields(after)
	if len(fields) < 13 {
		return usage, fmt.Errorf("%s: /proc has another format: %s", p.Name, stat)
	}
	for _, field := range fields[11:13] {
		ticks, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return usage, err
		}
		usage.CPU += time.Duration(ticks) * tick
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.Pid()))
	if err != nil {
		return usage, err
	}
	for line := range strings.Lines(string(status)) {
		name, value, _ := strings.Cut(line, ":")
		kilobytes, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
		switch {
		case name == "VmRSS" && err == nil:
			usage.Memory = kilobytes << 10
		case name == "VmHWM" && err == nil:
			usage.Peak = kilobytes << 10
		}
	}
	return usage, nil
}
