// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ustbench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/weir-io/weir/internal/benchproc"
	"github.com/weir-io/weir/internal/procstat"
)

// sessiond is LTTng's session daemon.
type sessiond struct {
	b   *Bench
	p   *benchproc.Process
	dir string
}

func (b *Bench) startSessiond(ctx context.Context) (recorder, error) {
	dir, err := os.MkdirTemp(b.scratch, "lttng-")
	if err != nil {
		return nil, err
	}
	s := &sessiond{b: b, dir: dir}
	s.p, err = benchproc.Program{Name: "lttng-sessiond", Dir: dir, Command: b.isolated(b.Sessiond, "--no-kernel")}.Start()
	if err != nil {
		return nil, err
	}
	err = s.p.Await(ctx, "it answers", func() bool { return s.lttng(ctx, "list") == nil })
	if err != nil {
		return nil, errors.Join(err, s.end())
	}
	return s, nil
}

func (s *sessiond) end() error { return s.p.End(syscall.SIGTERM) }

// lttng gives a command.
func (s *sessiond) lttng(ctx context.Context, args ...string) error {
	command := beside(s.p, append([]string{"lttng", "--no-sessiond"}, args...)...)
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Env = append(os.Environ(), "HOME="+s.dir, "LTTNG_HOME="+s.dir)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("lttng %s: %w: %s", args[0], err, strings.TrimSpace(string(out)))
	}
	return nil
}

func (s *sessiond) run(ctx context.Context, out string, l load) (t took, err error) {
	for _, args := range [][]string{
		{"create", session, "--output", out},
		{"enable-channel", "-u", "-s", session, "--subbuf-size", strconv.Itoa(subbufBytes), "--num-subbuf", strconv.Itoa(subbufCount), channel},
		{"enable-event", "-u", "-s", session, "-c", channel, eventName},
		{"start", session},
	} {
		if err := s.lttng(ctx, args...); err != nil {
			return t, err
		}
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTimeout)
		defer cancel()
		err = errors.Join(err, s.lttng(ctx, "destroy", session))
	}()
	consumer, err := s.consumer()
	if err != nil {
		return t, err
	}
	return s.b.measure(ctx, s.p, consumer, s.dir, l, func() error { return s.lttng(ctx, "stop", session) })
}

// consumer finds the process that reads rings.
func (s *sessiond) consumer() (int, error) {
	pids, err := procstat.Children(procstat.Host(), s.p.PID())
	if err != nil {
		return 0, err
	}
	for _, pid := range pids {
		if name, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "comm")); err == nil && strings.HasPrefix(string(name), "lttng-consumerd") {
			return pid, nil
		}
	}
	return 0, fmt.Errorf("lttng-sessiond has no consumer among its %d processes", len(pids))
}
