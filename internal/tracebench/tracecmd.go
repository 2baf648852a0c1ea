// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tracebench

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/weir-io/weir/internal/benchproc"
	"github.com/weir-io/weir/internal/kernel/ftrace"
	"github.com/weir-io/weir/internal/kernel/tracefs"
	"github.com/weir-io/weir/internal/procstat"
)

// traceCmd is a trace-cmd that records in an instance of its own.
type traceCmd struct {
	p        *benchproc.Process
	name     string // of the instance
	fs       *tracefs.FS
	file     string // trace.dat
	begun    time.Duration
	children []int
}

// recorded is what a recorder has done.
type recorded struct {
	events, lost uint64
	cpu          time.Duration // of who drains and writes
	beside       time.Duration // of the agent, or of trace-cmd's main process
}

// traceCmdStarts is how often trace-cmd is started when it ends at once.
const traceCmdStarts = 5

// startTraceCmd starts trace-cmd, with or without its own threads in what it
// records, and returns when it records. It is tried again: trace-cmd lists the
// events and then writes to each, and gives up when somebody else has removed
// a probe of his in between.
func (b *Bench) startTraceCmd(ctx context.Context, events []string, ringBytes int, without bool) (t *traceCmd, err error) {
	for range traceCmdStarts {
		if t, err = b.tryTraceCmd(ctx, events, ringBytes, without); err == nil || ctx.Err() != nil {
			break
		}
	}
	return t, err
}

func (b *Bench) tryTraceCmd(ctx context.Context, events []string, ringBytes int, without bool) (_ *traceCmd, err error) {
	f, err := tracefs.Find()
	if err != nil {
		return nil, err
	}
	t := &traceCmd{name: instanceOf(os.Getpid()), fs: f}
	dir, err := os.MkdirTemp(b.scratch, "trace-cmd-")
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	t.file = filepath.Join(dir, "trace.dat")
	// Nothing is wanted of the function tracer, which some hosts forbid: -d. They
	// also forbid how it leaves out its own threads: that is done here.
	argv := []string{
		b.TraceCmd, "record", "-q", "-d", "--no-filter", "-o", t.file, "--compression", "none",
		"-B", t.name, "-C", "mono", "-b", strconv.Itoa(ringBytes >> 10),
	}
	for _, e := range events {
		argv = append(argv, "-e", e)
	}
	if t.p, err = (benchproc.Program{Name: "trace-cmd", Command: argv, Dir: dir}).Start(); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, t.close())
		}
	}()
	// It turns tracing on when all is set, and its recorders wait.
	err = t.p.Await(ctx, "it records", func() bool {
		t.children, _ = procstat.Children(procstat.Host(), t.p.PID())
		in, err := f.Instance(t.name)
		if err != nil {
			return false
		}
		on, err := in.Tracing()
		return err == nil && on && len(t.children) > 0 && t.enabled(in)
	})
	if err != nil {
		return nil, err
	}
	if without {
		if err := t.exclude(); err != nil {
			return nil, err
		}
	}
	t.begun, err = t.ran()
	return t, err
}

// exclude leaves trace-cmd's own threads out of what it records, as weir does.
func (t *traceCmd) exclude() error {
	in, err := t.fs.Instance(t.name)
	if err != nil {
		return err
	}
	return in.SetNotracePIDs(append([]int{t.p.PID()}, t.children...))
}

// enabled reports whether some event is.
func (t *traceCmd) enabled(in *tracefs.Instance) bool {
	text, err := os.ReadFile(filepath.Join(t.fs.Path(), "instances", t.name, "events", "enable"))
	return err == nil && strings.TrimSpace(string(text)) != "0"
}

// ran returns what the recorders have run.
func (t *traceCmd) ran() (time.Duration, error) {
	var sum time.Duration
	for _, pid := range t.children {
		c, err := procstat.ReadClock(procstat.Host(), pid)
		if err != nil {
			return 0, err
		}
		sum += c.Since(procstat.Clock{})
	}
	return sum, nil
}

// stop ends recording and returns what was recorded.
func (t *traceCmd) stop() (recorded, error) {
	var r recorded
	cpus, err := filepath.Glob(filepath.Join(t.fs.Path(), "instances", t.name, "per_cpu", "cpu*", "stats"))
	if err != nil || len(cpus) == 0 {
		return r, fmt.Errorf("counters of instance %s: %w", t.name, errors.Join(err, fs.ErrNotExist))
	}
	for _, name := range cpus {
		text, err := os.ReadFile(name)
		if err != nil {
			return r, err
		}
		s, err := ftrace.ParseStats(text)
		if err != nil {
			return r, err
		}
		r.events += s.Entries + s.Read
		r.lost += s.Overrun + s.Dropped
	}
	// That it cannot reset a function tracer that is forbidden makes it fail in
	// the end; what it wrote is complete then.
	if err := t.p.End(syscall.SIGINT); err != nil {
		return r, err
	}
	if _, err := os.Stat(t.file); err != nil {
		return r, t.p.Explain(err)
	}
	r.beside = t.p.Clock().Since(procstat.Clock{})
	r.cpu = t.p.FamilyCPU() - r.beside - t.begun
	return r, nil
}

// close removes what is left.
func (t *traceCmd) close() error {
	err := t.p.End(syscall.SIGINT)
	if in, ierr := t.fs.Instance(t.name); ierr == nil {
		ctx, cancel := context.WithTimeout(context.Background(), cleanupTimeout)
		defer cancel()
		err = errors.Join(err, in.Remove(ctx))
	}
	return errors.Join(err, t.fs.Close(), os.RemoveAll(filepath.Dir(t.file)))
}

// instanceOf is the instance that trace-cmd records in for a process of this program.
func instanceOf(pid int) string { return fmt.Sprintf("weirbench.%d", pid) }
