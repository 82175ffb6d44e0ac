package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// A program that runs beside this one, and ends no later.
type Process struct {
	Name string
	log  string
	cmd  *exec.Cmd
	done chan struct{}
}

// Everything that was started, for when the end comes early.
var started struct {
	sync.Mutex
	processes []*Process
}

// StartProcess runs a program with its output in a file of the folder. A program that is started
// again goes on in the same file.
func StartProcess(folder, name string, env []string, program string, args ...string) (*Process, error) {
	path := filepath.Join(folder, name+".log")
	log, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd := exec.Command(program, args...)
	cmd.Dir = folder
	cmd.Env = append(os.Environ(), env...)
	cmd.Stdout, cmd.Stderr = log, log
	// Its own group, so that ^C reaches this program only, which then stops the others in order.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	endWithParent(cmd.SysProcAttr)
	if err := start(cmd); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	process := &Process{Name: name, log: path, cmd: cmd, done: make(chan struct{})}
	go func() {
		_ = cmd.Wait()
		close(process.done)
	}()
	started.Lock()
	started.processes = append(started.processes, process)
	started.Unlock()
	return process, nil
}

// StopAll ends what still runs, the latest first.
func StopAll() {
	started.Lock()
	processes := started.processes
	started.processes = nil
	started.Unlock()
	for i := len(processes) - 1; i >= 0; i-- {
		processes[i].Stop()
	}
}

// Stop asks the program to end, and makes it.
func (p *Process) Stop() {
	if p == nil {
		return
	}
	// One that is frozen would not hear.
	_ = p.cmd.Process.Signal(syscall.SIGCONT)
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(5 * time.Second):
		p.Kill()
	}
}

// Kill ends the program at once.
func (p *Process) Kill() {
	if p == nil {
		return
	}
	_ = p.cmd.Process.Kill()
	<-p.done
}

// Signal is for what a scenario does to a program.
func (p *Process) Signal(signal syscall.Signal) error { return p.cmd.Process.Signal(signal) }

// CPU is the time that the program has computed, once it has ended.
func (p *Process) CPU() time.Duration {
	<-p.done
	return p.cmd.ProcessState.UserTime() + p.cmd.ProcessState.SystemTime()
}

// Pid is the number of the process.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// Await asks until the answer is nil, and fails when the program has ended or the time is up.
func (p *Process) Await(limit time.Duration, ready func() error) error {
	var last error
	for deadline := time.Now().Add(limit); time.Now().Before(deadline); {
		if last = ready(); last == nil {
			return nil
		}
		select {
		case <-p.done:
			return fmt.Errorf("%s has ended:\n%s", p.Name, p.Tail(20))
		case <-time.After(50 * time.Millisecond):
		}
	}
	return fmt.Errorf("%s is not ready after %v: %w\n%s", p.Name, limit, last, p.Tail(20))
}

// Tail is the end of what the program has written.
func (p *Process) Tail(lines int) string {
	text, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	all := strings.Split(strings.TrimRight(string(text), "\n"), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

// FreePort is one that nobody listens on.
func FreePort() (int, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port, nil
}
