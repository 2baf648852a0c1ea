// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tail

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math"
	"os"
	"os/exec"
	"os/signal"
	"runtime/debug"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// guardName is what a guard is called in lists of processes. It must not look
// like the relay: scripts find and kill that by its name.
const guardName = "weir-guard"

// guardEnv marks the environment of a guard, and of whatever it may start. An
// executable that does not know how to be a guard would run as what it is, and
// start a guard of its own, without end.
const guardEnv = "WEIR_GUARD=1"

// guardPatience is how long Stop waits for a guard that has nothing to do.
const guardPatience = 2 * time.Second

// guardHeapPercent keeps a guard's heap near what it needs.
const guardHeapPercent = 10

// Guard is the process that repairs the files when this one dies.
type Guard struct {
	// Immutable after StartGuard.
	t    *Table
	cmd  *exec.Cmd
	done chan struct{} // closed when the process was waited for
	stop func() error  // runs once

	err error // of the process; written before done is closed
}

// StartGuard starts exe (which may be /proc/self/exe) with args and the table's
// path behind them; that process must call [GuardMain] with the path. It has a
// session of its own, no terminal, no open files and next to no environment.
// The caller must end it with Stop. On a nil Table it returns nil. A guard, or
// what a guard started, gets [ErrNested].
func (t *Table) StartGuard(exe string, args []string) (*Guard, error) {
	if t == nil {
		return nil, nil
	}
	name, value, _ := strings.Cut(guardEnv, "=")
	if os.Getenv(name) == value {
		return nil, fmt.Errorf("start guard of %s: %w", t.path, ErrNested)
	}
	// os/exec passes on what was opened elsewhere and is not marked close on
	// exec: sockets of whoever started us. A kernel that refuses costs nothing
	// but such a descriptor kept until the guard ends.
	_ = unix.CloseRange(3, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC)
	argv := append([]string{guardName}, args...)
	cmd := &exec.Cmd{
		Path:        exe,
		Args:        append(argv, t.path),
		Env:         []string{"GOMAXPROCS=1", guardEnv},
		Dir:         "/",
		SysProcAttr: &syscall.SysProcAttr{Setsid: true},
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start guard of %s: %w", t.path, err)
	}
	g := &Guard{t: t, cmd: cmd, done: make(chan struct{})}
	g.stop = sync.OnceValue(g.end)
	go g.wait() // ends with the process; Stop waits for it
	return g, nil
}

func (g *Guard) wait() {
	g.err = g.cmd.Wait()
	close(g.done)
}

// PID returns the number of the guard's process, 0 for a nil Guard.
func (g *Guard) PID() int {
	if g == nil {
		return 0
	}
	return g.cmd.Process.Pid
}

// Exited returns a channel that is closed when the process has ended: before
// Stop that means that the files are without a guard until the next start. It
// is nil for a nil Guard.
func (g *Guard) Exited() <-chan struct{} {
	if g == nil {
		return nil
	}
	return g.done
}

// Stop waits for the guard to end, which it does by itself once the table is
// closed. While the table is open, and after two seconds, it is killed instead:
// it has nothing to do then. The error is that of a guard that ended before, or
// in another way than it should.
func (g *Guard) Stop() error {
	if g == nil {
		return nil
	}
	return g.stop()
}

func (g *Guard) end() error {
	if !g.t.open() {
		select {
		case <-g.done:
		case <-time.After(guardPatience):
		}
	}
	killed := g.cmd.Process.Kill() == nil
	<-g.done
	if g.err == nil || killed {
		return nil
	}
	return fmt.Errorf("guard of %s: %w", g.t.path, g.err)
}

// GuardMain is the main function of a guard's process: it waits until the
// writer of the table at path ends, and repairs its files unless the table was
// closed in order. It returns the exit code: 0 when all is well, 1 when the
// table is left for the next start. Repairs are reported in a file beside the
// table, which [RecoverAll] takes.
func GuardMain(path string) int {
	// A service manager signals all processes of a service at once; the guard
	// is to see the relay's end.
	signal.Ignore(unix.SIGTERM, unix.SIGINT, unix.SIGHUP, unix.SIGQUIT, unix.SIGUSR1, unix.SIGUSR2)
	// The kernel took the name from the path of the executable. Without /proc
	// it stays so, to no harm but in lists.
	_ = os.WriteFile("/proc/self/comm", []byte(guardName), 0)
	debug.SetGCPercent(guardHeapPercent)
	debug.FreeOSMemory()
	if err := guard(path); err != nil {
		return 1
	}
	return 0
}

// guard waits for the table's lock and recovers the table.
func guard(path string) error {
	f, err := openTable(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // closed before we were ready
	}
	if err != nil {
		return err
	}
	defer f.Close()
	if err := lock(f, unix.LOCK_EX); err != nil {
		return fmt.Errorf("lock %s: %w", path, err)
	}
	rep, err := recoverLocked(f, slog.New(slog.DiscardHandler))
	return errors.Join(err, leaveReport(rep))
}
