// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package benchproc

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/internal/procstat"
)

const (
	endTimeout   = 2 * time.Minute        // until a process that was asked to end has
	awaitTimeout = 20 * time.Second       // until what is awaited of it
	awaitPeriod  = 5 * time.Millisecond   // between two looks at what tells no one
	dyingMoment  = 300 * time.Millisecond // between a process's last deed and its end
)

// Process is a program that was started.
type Process struct {
	// Immutable after Start.
	name   string
	cmd    *exec.Cmd
	exited chan struct{} // closed by wait

	said Tail

	// Valid after exited.
	err   error          // of Wait
	clock procstat.Clock // of its own threads, at its end
}

// wait waits for the end and reads, before the process is gone, what it ran.
func (p *Process) wait() {
	awaitZombie(p.PID())
	p.clock, _ = procstat.ReadClock(procstat.Host(), p.PID()) // else there is no figure
	_ = unix.Kill(-p.PID(), unix.SIGKILL)                     // its group, which it should have ended
	p.err = p.cmd.Wait()
	close(p.exited)
}

// awaitZombie returns when a child process has ended and is still there.
func awaitZombie(pid int) {
	for {
		err := unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if err != unix.EINTR {
			return // without a child there is nothing to wait for
		}
	}
}

// PID returns the number of the process.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Alive reports whether the process runs.
func (p *Process) Alive() bool {
	select {
	case <-p.exited:
		return false
	default:
		return true
	}
}

// End asks a process to end, and sees to it. How it ended then tells
// [Process.Status]. One that has ended already is let be.
func (p *Process) End(how syscall.Signal) error {
	if err := p.cmd.Process.Signal(how); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("end %s: %w", p.name, err)
	}
	late := time.NewTimer(endTimeout)
	defer late.Stop()
	select {
	case <-p.exited:
		return nil
	case <-late.C:
	}
	p.Kill()
	<-p.exited
	return fmt.Errorf("end %s: still running after %v, killed", p.name, endTimeout)
}

// Stop ends a process with SIGTERM. It returns an error unless the process ended
// with exit status 0, then or before.
func (p *Process) Stop() error {
	if err := p.End(syscall.SIGTERM); err != nil {
		return err
	}
	return p.Status()
}

// Kill ends a process at once, without waiting.
func (p *Process) Kill() { _ = p.cmd.Process.Kill() } // it may have ended

// Status waits for the end and returns an error unless that was with exit status
// 0.
func (p *Process) Status() error {
	<-p.exited
	if p.err == nil {
		return nil
	}
	return fmt.Errorf("%s ended: %w%s", p.name, p.err, p.lastWords())
}

// Clock waits for the end and returns what the process's own threads had run.
func (p *Process) Clock() procstat.Clock {
	<-p.exited
	return p.clock
}

// FamilyCPU waits for the end and returns what the process and the children that
// it had waited for ran.
func (p *Process) FamilyCPU() time.Duration {
	<-p.exited
	return p.cmd.ProcessState.UserTime() + p.cmd.ProcessState.SystemTime()
}

// Explain adds to an error how the process ended, if it did: one that dies
// closes its connections a moment before it is gone.
func (p *Process) Explain(err error) error {
	late := time.NewTimer(dyingMoment)
	defer late.Stop()
	select {
	case <-p.exited:
	case <-late.C:
		return err
	}
	ended := p.err
	if ended == nil {
		ended = errors.New("exit status 0")
	}
	return fmt.Errorf("%s ended: %w%s: %w", p.name, ended, p.lastWords(), err)
}

// Await returns when a condition holds, at the latest after a while. What is
// awaited stands in the error.
func (p *Process) Await(ctx context.Context, what string, is func() bool) error {
	ctx, cancel := context.WithTimeoutCause(ctx, awaitTimeout, errors.New("waited in vain until "+what))
	defer cancel()
	t := time.NewTicker(awaitPeriod)
	defer t.Stop()
	for !is() {
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: %w%s", p.name, context.Cause(ctx), p.lastWords())
		case <-p.exited:
			return p.Explain(errors.New("waited until " + what))
		case <-t.C:
		}
	}
	return nil
}

// Pause lets time pass, up to the context's end.
func Pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-t.C:
		return nil
	}
}

// lastWords returns the last line that the process wrote, in parentheses.
func (p *Process) lastWords() string {
	if line := p.said.LastLine(); line != "" {
		return " (" + line + ")"
	}
	return ""
}
