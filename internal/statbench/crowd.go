// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package statbench

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"syscall"

	"github.com/weir-io/weir/internal/bench"
	"github.com/weir-io/weir/internal/benchproc"
	"github.com/weir-io/weir/internal/procstat"
)

// processes measures the processes of a host that has many.
func (b *Bench) processes(ctx context.Context) (_ []bench.Row, err error) {
	here, err := countProcesses(procstat.Host())
	if err != nil {
		return nil, err
	}
	more := max(0, b.sizes.processes-here)
	// The shell's children sleep until their group ends with it.
	script := fmt.Sprintf("i=0; while [ $i -lt %d ]; do sleep 100000 & i=$((i+1)); done; echo all; wait", more)
	crowd, out, err := benchproc.Program{Name: "a crowd of processes", Command: []string{"sh", "-c", script}, Dir: b.Dir, Orphaned: syscall.SIGKILL}.StartPiped()
	if err != nil {
		return nil, err
	}
	defer func() {
		crowd.Kill()
		_ = crowd.Status() // it was killed; with it, its group
		err = errors.Join(err, out.Close())
	}()
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		return nil, crowd.Explain(err)
	}
	count, err := countProcesses(procstat.Host())
	if err != nil {
		return nil, err
	}
	crowded := *b
	crowded.sizes.messages = b.sizes.crowded
	crowded.sizes.warm = b.sizes.crowded / 10
	rows, err := crowded.message(ctx, fmt.Sprintf("%d processes", count), bench.Bar{Most: true, Must: 6000, Aim: 2500}, nil, "tasks")
	return rows, err
}

// countProcesses counts the processes of a host; proc is /proc.
func countProcesses(proc fs.FS) (n int, err error) {
	list, err := fs.ReadDir(proc, ".")
	for _, e := range list {
		if _, bad := strconv.ParseUint(e.Name(), 10, 32); bad == nil {
			n++
		}
	}
	return n, err
}
