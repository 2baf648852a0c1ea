// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package feedbench

import (
	"context"
	"os"
	"os/exec"
	"runtime"
	"syscall"
)

// inside is set in the process that has the namespace.
const inside = "WEIR_BENCH_NAMESPACE"

// Namespace runs this program again, with the same arguments, in a namespace of mounts
// of its own, and reports true with how that ended. In that process, and without root,
// it reports false, and the caller goes on.
func Namespace(ctx context.Context) (ended bool, err error) {
	if os.Geteuid() != 0 || os.Getenv(inside) != "" {
		return false, nil
	}
	// The child is killed at the end of the thread that started it.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	c := exec.CommandContext(ctx, "/proc/self/exe", os.Args[1:]...)
	c.Args[0] = os.Args[0]
	c.Env = append(os.Environ(), inside+"=1")
	c.Stdin, c.Stdout, c.Stderr = os.Stdin, os.Stdout, os.Stderr
	c.Cancel = func() error { return c.Process.Signal(syscall.SIGTERM) }
	c.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	return true, c.Run()
}
