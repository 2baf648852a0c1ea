// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package daemon

import (
	"errors"
	"fmt"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// StartFileLimit returns the soft limit of open files (RLIMIT_NOFILE) this
// process was started with. getrlimit cannot tell: since Go 1.19 the run-time
// raises its own soft limit to one below the hard limit before any other code
// runs, remembers the old value in a private variable, and gives it back to the
// programs it starts.
//
// So when the present limit has that mark, a child is started under trace:
// it stops at its first instruction, before its own run-time could raise the
// limit again, its limit is read and it is killed. Where tracing is forbidden
// the present limit is returned with an error.
func StartFileLimit() (uint64, error) {
	var lim unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &lim); err != nil {
		return 0, fmt.Errorf("read limit of open files: %w", err)
	}
	if lim.Max == 0 || lim.Cur != lim.Max-1 {
		return lim.Cur, nil
	}
	given, err := childFileLimit()
	if err != nil {
		return lim.Cur, fmt.Errorf("soft limit of open files at the start is not known, taking %d: %w", lim.Cur, err)
	}
	return given, nil
}

func childFileLimit() (uint64, error) {
	// All requests to a traced process have to come from the thread that
	// started it.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	// The arguments do not matter unless tracing silently fails: then the
	// child must do nothing, least of all start a probe of its own.
	const self = "/proc/self/exe"
	pid, err := syscall.ForkExec(self, []string{"limit-probe", "--help"}, &syscall.ProcAttr{
		Sys: &syscall.SysProcAttr{Ptrace: true, Pdeathsig: syscall.SIGKILL},
	})
	if err != nil {
		return 0, err
	}
	status, err := waitFor(pid)
	if err != nil {
		return 0, err
	}
	if !status.Stopped() {
		return 0, fmt.Errorf("probe process did not stop, status %#x", uint32(status))
	}
	var lim unix.Rlimit
	limErr := unix.Prlimit(pid, unix.RLIMIT_NOFILE, nil, &lim)
	killErr := unix.Kill(pid, unix.SIGKILL)
	if killErr == nil {
		_, killErr = waitFor(pid)
	}
	return lim.Cur, errors.Join(limErr, killErr)
}

func waitFor(pid int) (status unix.WaitStatus, err error) {
	for {
		_, err = unix.Wait4(pid, &status, 0, nil)
		if err != unix.EINTR {
			return status, err
		}
	}
}
