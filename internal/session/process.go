// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package session

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/internal/handover"
)

const (
	// killTimeout is how long a consumer process may take to end by itself.
	killTimeout = 5 * time.Second
	// lingerTimeout is how long one may take that was killed. It does so at once,
	// unless it waits in the kernel for a file system that does not answer: then it does
	// nothing more, but its descriptors stay open.
	lingerTimeout = 2 * time.Second
)

// errLingers reports a process that was killed and waits in the kernel.
var errLingers = errors.New("killed, but it waits in the kernel for a file system that does not answer")

// process is a consumer process. It has no privilege but to drain with priority,
// and only the descriptors that it is given.
type process struct {
	*handover.Caller

	cmd    *exec.Cmd
	log    *slog.Logger
	silent silence
	reaped chan struct{} // closed when it is gone and its output read
	ended  chan struct{} // closed then, or when it was killed and lingers: it does nothing more
	finish sync.Once
	err    error // valid after ended
}

// startProcess starts a consumer process. Notices come on a goroutine of its
// own.
func startProcess(s *Session, notice func(handover.Message)) (*process, error) {
	d := s.d
	mine, theirs, err := handover.Pair()
	if err != nil {
		return nil, err
	}
	defer theirs.Close()
	p := &process{log: s.log, reaped: make(chan struct{}), ended: make(chan struct{})}
	p.cmd = exec.Command(d.opts.Consumer[0], d.opts.Consumer[1:]...)
	p.cmd.Args[0] = "weir"
	p.cmd.ExtraFiles = []*os.File{theirs} // descriptor 3
	p.cmd.Env = []string{"GOTRACEBACK=single"}
	p.cmd.Dir = "/"
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if uid, gid := s.consumerIdentity(); uid != 0 {
		p.cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uid, Gid: gid}
		if d.opts.Realtime {
			p.cmd.SysProcAttr.AmbientCaps = []uintptr{unix.CAP_SYS_NICE}
		}
	}
	text, err := p.cmd.StderrPipe()
	if err != nil {
		mine.Close()
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		mine.Close()
		return nil, fmt.Errorf("start consumer process: %w", err)
	}
	p.Caller = handover.NewCaller(mine, notice)
	s.processes.Store(p, nil)
	go func() { // ends with the process, for which close waits
		p.wait(text)
		s.processes.Delete(p)
	}()
	return p, nil
}

// wait hands on what the process says and takes note of its end.
func (p *process) wait(text io.Reader) {
	for lines := bufio.NewScanner(text); lines.Scan(); {
		p.log.Info("consumer process says", "pid", p.pid(), "text", lines.Text())
	}
	err := p.cmd.Wait()
	close(p.reaped) // first: who sees the end must not take it for one that lingers
	p.over(err)
}

// over takes note of the end, of which nobody waits for more.
func (p *process) over(err error) {
	p.finish.Do(func() {
		p.err = err
		close(p.ended)
	})
}

// kill ends the process, whatever it does.
func (p *process) kill() {
	_ = p.cmd.Process.Kill() // it may have ended by now
	time.AfterFunc(lingerTimeout, func() { p.over(errLingers) })
}

// lingers reports whether the process, which has ended, still has its descriptors.
func (p *process) lingers() bool {
	select {
	case <-p.reaped:
		return false
	default:
		return true
	}
}

// pid is the process's number.
func (p *process) pid() int32 { return int32(p.cmd.Process.Pid) }

// close asks the process to end, by the end of its socket, and sees to it, at the
// end of ctx at the latest.
func (p *process) close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, killTimeout)
	defer cancel()
	asked := time.Now()
	_ = p.Caller.Close()
	select {
	case <-p.ended:
		return p.err
	case <-ctx.Done():
	}
	p.kill()
	<-p.ended
	if errors.Is(p.err, errLingers) {
		return fmt.Errorf("consumer process %d: %w", p.pid(), p.err)
	}
	return fmt.Errorf("consumer process %d did not end in %v: killed", p.pid(), since(asked))
}

// hello tells the process what it is for.
func (p *process) hello(ctx context.Context, h handover.Hello, spool *os.File) error {
	if spool == nil {
		return p.Call(ctx, handover.OpHello, h, nil)
	}
	return p.Call(ctx, handover.OpHello, h, nil, spool)
}
