// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tracebench

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/internal/procstat"
)

const (
	endTimeout    = 20 * time.Second // until a process that was asked to end has
	startTimeout  = 20 * time.Second
	pollPeriod    = 5 * time.Millisecond // between two looks at what tells no one
	maxErrorBytes = 2000
)

// process is a program that runs.
type process struct {
	name string
	cmd  *exec.Cmd
	log  tail

	exited chan struct{}  // closed by the goroutine that waits
	err    error          // of Wait; valid after exited
	own    procstat.Clock // of its own threads, at its end; likewise
}

// start runs a program until it is asked to end. At the end of the bench, even
// one that is killed, it gets SIGTERM and so cleans up.
func start(dir string, stdin io.Reader, stdout io.Writer, argv ...string) (*process, error) {
	p := &process{name: argv[0], cmd: exec.Command(argv[0], argv[1:]...), exited: make(chan struct{})}
	p.cmd.Dir, p.cmd.Stdin, p.cmd.Stdout, p.cmd.Stderr = dir, stdin, stdout, &p.log
	if stdout == nil {
		p.cmd.Stdout = &p.log
	}
	p.cmd.Env = append(os.Environ(), "HOME="+dir, "LTTNG_HOME="+dir, "LTTNG_RUNDIR="+dir, "TZ=UTC")
	p.cmd.WaitDelay = endTimeout // for who has inherited its output
	// A terminal's Ctrl-C must reach the bench only, which ends all in order.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go p.wait() // until the process ends; end waits for it
	return p, nil
}

// wait waits for the end and reads, before the process is gone, what it ran.
func (p *process) wait() {
	awaitZombie(p.pid())
	p.own, _ = procstat.ReadClock(procstat.Host(), p.pid()) // else there is no figure
	p.kill()                                                // its children, which it should have ended
	p.err = p.cmd.Wait()
	close(p.exited)
}

func (p *process) pid() int { return p.cmd.Process.Pid }

// end asks a process to end, and sees to it.
func (p *process) end(how syscall.Signal) error {
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
	p.kill()
	<-p.exited
	return fmt.Errorf("end %s: still running after %v, killed", p.name, endTimeout)
}

// kill ends a process and all of its group, which is its own.
func (p *process) kill() { _ = unix.Kill(-p.pid(), unix.SIGKILL) } // there may be none left

// failed explains an error by the end of the process, if it has ended.
func (p *process) failed(err error) error {
	select {
	case <-p.exited:
		return fmt.Errorf("%s ended: %w: %w (%s)", p.name, cause(p.err), err, p.log.last())
	default:
		return fmt.Errorf("%s: %w (%s)", p.name, err, p.log.last())
	}
}

func cause(err error) error {
	if err == nil {
		return errors.New("exit status 0")
	}
	return err
}

// await returns when a condition holds, at the latest after a while.
func (p *process) await(ctx context.Context, what string, is func() bool) error {
	ctx, cancel := context.WithTimeoutCause(ctx, startTimeout, errors.New("waited in vain until "+what))
	defer cancel()
	t := time.NewTicker(pollPeriod)
	defer t.Stop()
	for !is() {
		select {
		case <-ctx.Done():
			return p.failed(context.Cause(ctx))
		case <-p.exited:
			return p.failed(errors.New("waited until " + what))
		case <-t.C:
		}
	}
	return nil
}

// tail keeps the last bytes of what a program says.
type tail struct {
	mu   sync.Mutex
	text []byte // guarded by mu
}

// Write implements [io.Writer].
func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, b...)
	t.text = t.text[max(0, len(t.text)-maxErrorBytes):]
	return len(b), nil
}

// last returns the last line.
func (t *tail) last() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	text := strings.TrimSpace(string(t.text))
	return text[strings.LastIndexByte(text, '\n')+1:]
}

// loading is a load in a process of its own.
type loading struct {
	p     *process
	in    io.WriteCloser
	lines *bufio.Scanner
	tids  []int
}

// startLoad starts a load and returns when it is ready.
func (b *Bench) startLoad(l Load) (*loading, error) {
	stdin, in, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer stdin.Close()
	out, stdout, err := os.Pipe()
	if err != nil {
		in.Close()
		return nil, err
	}
	defer stdout.Close()
	p, err := start(b.scratch, stdin, stdout, b.Weir, "bench", "load", "--kind", string(l.Kind),
		"--count", strconv.Itoa(l.Count), "--for", l.For.String(), "--rate", strconv.Itoa(l.Rate))
	if err != nil {
		in.Close()
		out.Close()
		return nil, err
	}
	p.name = "load"
	g := &loading{p: p, in: in, lines: bufio.NewScanner(out)}
	words, err := g.hear(sayReady)
	for _, w := range words {
		tid, aerr := strconv.Atoi(w)
		err = errors.Join(err, aerr)
		g.tids = append(g.tids, tid)
	}
	if err != nil {
		g.in.Close()
		_ = p.end(syscall.SIGKILL)
		return nil, err
	}
	return g, nil
}

// hear reads what the load says.
func (g *loading) hear(word string) ([]string, error) {
	if !g.lines.Scan() {
		<-g.p.exited
		return nil, g.p.failed(errors.Join(errors.New("it says nothing more"), g.lines.Err()))
	}
	words := strings.Fields(g.lines.Text())
	if len(words) == 0 || words[0] != word {
		return nil, fmt.Errorf("load: got %q, want %q", g.lines.Text(), word)
	}
	return words[1:], nil
}

// begin lets the load work.
func (g *loading) begin() error {
	_, err := io.WriteString(g.in, "\n")
	return err
}

// done waits until the load has worked, and returns how many rounds it did.
func (g *loading) done(ctx context.Context) (rounds int64, took time.Duration, err error) {
	defer context.AfterFunc(ctx, func() { _ = g.p.cmd.Process.Kill() })()
	words, err := g.hear(sayDone)
	if ctx.Err() != nil {
		return 0, 0, context.Cause(ctx)
	}
	if err != nil {
		return 0, 0, err
	}
	var ns int64
	if _, err := fmt.Sscan(strings.Join(words, " "), &rounds, &ns); err != nil {
		return 0, 0, fmt.Errorf("load: %q: %w", words, err)
	}
	return rounds, time.Duration(ns), nil
}

// run lets the load work until it is done.
func (g *loading) run(ctx context.Context) (int64, time.Duration, error) {
	if err := g.begin(); err != nil {
		return 0, 0, err
	}
	return g.done(ctx)
}

// stop ends a load that has no other end, and returns as done does.
func (g *loading) stop(ctx context.Context) (int64, time.Duration, error) {
	if err := g.in.Close(); err != nil {
		return 0, 0, err
	}
	return g.done(ctx)
}

// end ends the load's process.
func (g *loading) end() error {
	_ = g.in.Close() // stop may have
	select {
	case <-g.p.exited:
		return nil
	case <-time.After(time.Second):
		return g.p.end(syscall.SIGKILL)
	}
}
