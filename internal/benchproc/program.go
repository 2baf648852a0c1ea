// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package benchproc

import (
	"cmp"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// outputDelay is how long an ended program's output is awaited from whoever has
// inherited it.
const outputDelay = 10 * time.Second

// Program says what is started.
type Program struct {
	Name     string         // in errors; "": that of the command
	Command  []string       // executable and arguments
	Dir      string         // where it runs; its home and what LTTng keeps there
	Stdin    io.Reader      // nil: nothing
	Stdout   io.Writer      // nil: its last words are kept, as those of standard error
	Orphaned syscall.Signal // what it gets if this process is killed; 0: SIGTERM
}

// Start starts a program. The caller has to end it.
func (p Program) Start() (*Process, error) {
	// A relative path is that of this process, not one in Dir.
	path, err := exec.LookPath(p.Command[0])
	if err != nil {
		return nil, err
	}
	if path, err = filepath.Abs(path); err != nil {
		return nil, err
	}
	r := &Process{name: cmp.Or(p.Name, p.Command[0]), cmd: exec.Command(path, p.Command[1:]...), exited: make(chan struct{})}
	r.cmd.Dir, r.cmd.Stdin, r.cmd.Stdout, r.cmd.Stderr = p.Dir, p.Stdin, p.Stdout, &r.said
	if p.Stdout == nil {
		r.cmd.Stdout = &r.said
	}
	r.cmd.Env = append(os.Environ(), "HOME="+p.Dir, "LTTNG_HOME="+p.Dir, "LTTNG_RUNDIR="+p.Dir,
		"LTTNG_RELAYD_HEALTH="+filepath.Join(p.Dir, "health"), "TZ=UTC")
	r.cmd.WaitDelay = outputDelay
	r.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: cmp.Or(p.Orphaned, syscall.SIGTERM)}
	if err := r.cmd.Start(); err != nil {
		return nil, err
	}
	go r.wait() // until the process ends; End and Status wait for it
	return r, nil
}

// StartPiped starts a program whose standard output is read from the file
// returned, which the caller closes. It ends with the program.
func (p Program) StartPiped() (*Process, *os.File, error) {
	out, in, err := os.Pipe()
	if err != nil {
		return nil, nil, err
	}
	defer in.Close()
	p.Stdout = in
	r, err := p.Start()
	if err != nil {
		out.Close()
		return nil, nil, err
	}
	return r, out, nil
}
