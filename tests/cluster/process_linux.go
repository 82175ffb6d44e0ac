package main

import (
	"os/exec"
	"runtime"
	"syscall"
)

// The kernel ends what was started when this program is killed, and has no chance to.
func endWithParent(attributes *syscall.SysProcAttr) { attributes.Pdeathsig = syscall.SIGKILL }

// "Parent" means the thread that has started the program, so all are started by one that lives on.
var starts = make(chan func())

func init() {
	go func() {
		runtime.LockOSThread()
		for start := range starts {
			start()
		}
	}()
}

func start(cmd *exec.Cmd) error {
	result := make(chan error)
	starts <- func() { result <- cmd.Start() }
	return <-result
}
