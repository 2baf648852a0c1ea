// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ustbench

import (
	"bufio"
	"context"
	_ "embed" // the program's source
	"errors"
	"fmt"
	"io"
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
type loading struct {
	p     *benchproc.Process
	in    io.WriteCloser
	out   io.Closer
	lines *bufio.Scanner
}

// startLoad starts the program beside a session daemon.
func (b *Bench) startLoad(daemon *benchproc.Process, dir string, l load) (*loading, error) {
	stdin, in, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer stdin.Close()
	p, out, err := benchproc.Program{
		Name: "load", Dir: dir, Stdin: stdin,
		Command: beside(daemon, b.program, strconv.Itoa(l.threads), strconv.Itoa(l.events), strconv.Itoa(l.pause)),
	}.StartPiped()
	if err != nil {
		in.Close()
		return nil, err
	}
	g := &loading{p: p, in: in, out: out, lines: bufio.NewScanner(out)}
	if _, err := g.hear("ready"); err != nil {
		g.end()
		return nil, err
	}
	return g, nil
}

// hear reads what the program says.
func (g *loading) hear(word string) (string, error) {
	if !g.lines.Scan() {
		return "", g.p.Explain(errors.Join(errors.New("load: says nothing more"), g.lines.Err()))
	}
	rest, ok := strings.CutPrefix(g.lines.Text(), word)
	if !ok {
		return "", fmt.Errorf("load: got %q, want %q", g.lines.Text(), word)
	}
	return strings.TrimSpace(rest), nil
}

// run has it emit, and returns how long that took.
func (g *loading) run(ctx context.Context) (time.Duration, error) {
	defer context.AfterFunc(ctx, g.p.Kill)()
	if _, err := io.WriteString(g.in, "\n"); err != nil {
		return 0, err
	}
	text, err := g.hear("done")
	if err != nil {
		return 0, errors.Join(err, context.Cause(ctx))
	}
	ns, err := strconv.ParseInt(text, 10, 64)
	return time.Duration(ns), err
}

// end ends the program, which is to end with its input.
func (g *loading) end() {
	_ = g.in.Close()
	defer g.out.Close()
	defer time.AfterFunc(10*time.Second, g.p.Kill).Stop()
	_ = g.p.Status() // one that is ended before its time may end in any way
}
