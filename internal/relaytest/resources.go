// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package relaytest

import (
	"os"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"strings"
	"testing"

	"github.com/weir-io/weir/internal/peer"
	"github.com/weir-io/weir/internal/wait"
)

// Resources is what a process holds that a leak would make grow.
type Resources struct {
	goroutines int
	open       map[string]string // descriptor → what it is open on
}

// CountResources takes the present figures.
func CountResources(t testing.TB) Resources {
	t.Helper()
	return Resources{goroutines: runtime.NumGoroutine(), open: openDescriptors(t)}
}

// Check waits until the process holds no more than it did, and fails the test
// with what is left over if that does not happen.
func (r Resources) Check(t testing.TB) {
	t.Helper()
	defer func() {
		if left := r.extra(t); len(left) > 0 {
			t.Errorf("descriptors not closed:\n%s", strings.Join(left, "\n"))
		}
		if now := runtime.NumGoroutine(); now > r.goroutines {
			var b strings.Builder
			_ = pprof.Lookup("goroutine").WriteTo(&b, 1) // to memory: cannot fail
			t.Errorf("%d goroutines, want %d:\n%s", now, r.goroutines, &b)
		}
	}()
	wait.Until(t, "goroutines and descriptors are back", func() bool {
		return runtime.NumGoroutine() <= r.goroutines && len(r.extra(t)) == 0
	})
}

// extra lists the descriptors that are open now and were not, or not on the
// same file.
func (r Resources) extra(t testing.TB) []string {
	t.Helper()
	var left []string
	for fd, target := range openDescriptors(t) {
		if r.open[fd] != target {
			left = append(left, fd+" "+target)
		}
	}
	return left
}

func openDescriptors(t testing.TB) map[string]string {
	t.Helper()
	const dir = "/proc/self/fd"
	f, err := os.Open(dir)
	if err != nil {
		peer.Lack(t, "/proc to count descriptors: %v", err)
	}
	defer f.Close()
	names, err := f.Readdirnames(-1)
	if err != nil {
		t.Fatal(err)
	}
	open := make(map[string]string)
	for _, name := range names {
		target, err := os.Readlink(filepath.Join(dir, name))
		if err != nil || strings.HasSuffix(target, "/fd") && strings.HasPrefix(target, "/proc/") {
			continue // closed meanwhile, or the directory being read
		}
		open[name] = target
	}
	return open
}
