// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ustbench

import (
	"context"
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/weir-io/weir/internal/benchproc"
)

// Source of the program that is traced.
var (
	//go:embed program/load.c
	loadSource []byte
	//go:embed program/load.h
	loadHeader []byte
)

// eventName is the event that it emits.
const eventName = "weirbench:event"

// buildProgram compiles the program.
func buildProgram(ctx context.Context, dir string) (string, error) {
	path := filepath.Join(dir, "load")
	for name, text := range map[string][]byte{"load.c": loadSource, "load.h": loadHeader} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			return "", err
		}
	}
	cmd := exec.CommandContext(ctx, "gcc", "-O2", "-I.", "-o", path, "load.c", "-llttng-ust", "-ldl", "-lpthread")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("gcc: %w: %s", err, strings.TrimSpace(string(out)))
	}
	return path, nil
}

// isolated is a command in a mount namespace of its own, with empty directories where
// session daemons and programs meet. The bench's directory may be in one of them.
func (b *Bench) isolated(command ...string) []string {
	const prepare = `scratch=$1 && shift && unset LTTNG_RUNDIR &&
mount -t tmpfs none /run && mkdir -m 755 /run/lttng /run/scratch && mount --bind "$scratch" /run/scratch &&
mount -t tmpfs none /dev/shm && mkdir -p "$scratch" && mount --bind /run/scratch "$scratch" && exec "$@"`
	return append([]string{"unshare", "-m", "sh", "-c", prepare, "sh", b.scratch}, command...)
}

// beside is a command in the namespace of a process that isolated has begun.
func beside(p *benchproc.Process, command ...string) []string {
	enter := []string{"nsenter", "-t", strconv.Itoa(p.PID()), "-m", "sh", "-c", `unset LTTNG_RUNDIR && exec "$@"`, "sh"}
	return append(enter, command...)
}

// loading is the program, ready to emit.
type loading struct{ *benchproc.Load }

// startLoad starts the program beside a session daemon.
func (b *Bench) startLoad(daemon *benchproc.Process, dir string, l load) (loading, error) {
	g, _, err := benchproc.Program{
		Name: "load", Dir: dir,
		Command: beside(daemon, b.program, strconv.Itoa(l.threads), strconv.Itoa(l.events), strconv.Itoa(l.pause)),
	}.StartLoad("ready")
	return loading{g}, err
}

// run has it emit, and returns how long that took.
func (g loading) run(ctx context.Context) (time.Duration, error) {
	if err := g.Begin(); err != nil {
		return 0, err
	}
	text, err := g.Done(ctx, "done")
	if err != nil {
		return 0, err
	}
	ns, err := strconv.ParseInt(text, 10, 64)
	return time.Duration(ns), err
}
