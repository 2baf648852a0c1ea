// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package fstest

import (
	"context"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/weir-io/weir/internal/peer"
)

// Storms are programs that were not made for weir and change a directory in many ways.
var Storms = map[string]func(tb testing.TB, dir string) []string{
	"stress-ng": func(tb testing.TB, dir string) []string {
		return []string{
			peer.Need(tb, "stress-ng"), "--temp-path", dir, "--quiet", "--oom-avoid",
			"--dir", "1", "--rename", "1", "--link", "1", "--symlink", "1", "--chmod", "1", "--xattr", "1",
			"--filename", "1", "--mknod", "1", "--utime", "1", "--fallocate", "1", "--fallocate-bytes", "1m",
		}
	},
	"dbench": func(tb testing.TB, dir string) []string {
		return []string{peer.Need(tb, "dbench"), "-D", dir, "-c", "/usr/share/dbench/client.txt", "-t", "600", "2"}
	},
}

// Storm runs one of Storms for a while, and kills it amid what it does, so that it removes
// nothing. The channel is closed at its end.
func Storm(tb testing.TB, name, dir string, last time.Duration) <-chan struct{} {
	tb.Helper()
	args := Storms[name](tb, dir)
	ctx, cancel := context.WithTimeout(context.Background(), last)
	c := exec.CommandContext(ctx, args[0], args[1:]...)
	c.Dir = dir
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	c.Cancel = func() error { return syscall.Kill(-c.Process.Pid, syscall.SIGKILL) }
	if err := c.Start(); err != nil {
		cancel()
		tb.Fatal(err)
	}
	done := make(chan struct{})
	go func() { // ends with the program, which is killed in time
		defer close(done)
		defer cancel()
		if err := c.Wait(); ctx.Err() == nil {
			tb.Errorf("%s ended by itself: %v", name, err)
		}
	}()
	tb.Cleanup(func() {
		cancel()
		<-done
	})
	return done
}
