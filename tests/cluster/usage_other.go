//go:build !linux

package main

import (
	"errors"
	"time"
)

// Usage is what a process has computed, and what it holds.
type Usage struct {
	CPU          time.Duration
	Memory, Peak int64
}

// Usage is what the process has used until now.
func (p *Process) Usage() (Usage, error) {
	return Usage{}, errors.New("the load is measured on Linux only, which says what a process uses")
}
