// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package mirror

import (
	"os"
	"strings"
	"testing"

	"github.com/weir-io/weir/internal/feed/fstest"
)

// Trees are deeper than directories are kept open: what is linked and moved from the depth
// of one into that of another comes there, and no descriptor is left open.
func TestDeepTrees(t *testing.T) {
	for _, depth := range []int{leastOpened/2 - 1, leastOpened + 3, 3 * leastOpened} {
		m := newMirrored(t, "ext4")
		a, b := "a"+strings.Repeat("/d", depth), "b"+strings.Repeat("/d", depth)
		m.sh("mkdir -p " + a + " " + b + "; echo 1 > " + a + "/f; echo 2 > " + b + "/g")
		mi := m.start()
		mi.dst.most = leastOpened
		m.equal(mi)
		before := descriptors(t)
		m.sh("ln " + a + "/f " + b + "/f; mv " + b + "/g " + a + "/h; mkdir " + b + "/e; echo 3 > " + b + "/e/i; mv " + a + "/h " + b + "/e/j; ln " + b + "/e/i " + a + "/k")
		m.equal(mi)
		if n := len(mi.dst.opened); n > 2*leastOpened+1 {
			t.Errorf("depth %d: %d directories are kept open, want %d at most", depth, n, 2*leastOpened+1)
		}
		mi.dst.forget()
		if n := descriptors(t); n > before {
			t.Errorf("depth %d: %d descriptors, before %d", depth, n, before)
		}
		m.stop()
	}
}

// A directory may lie deeper than the kernel has a path for.
func TestTreesWithoutPaths(t *testing.T) {
	for _, kind := range fstest.Kinds {
		t.Run(kind, func(t *testing.T) {
			m := newMirrored(t, kind)
			long := strings.Repeat("n", 250)
			down := func(script string) string {
				return "for i in $(seq 20); do mkdir -p " + long + "; cd -P " + long + " 2>/dev/null || cd " + long + "; done; " + script
			}
			m.sh(down("mkdir a b; echo 1 > a/f; ln a/f b/g; mkdir b/c"))
			mi := m.start()
			m.equal(mi)
			m.sh(down("mv a b/c; mkdir a; echo 2 > a/f; rm b/g"))
			m.equal(mi)
			m.sh("mv " + long + " top; mkdir other; mv top other")
			m.equal(mi)
			m.sh("mv other/top/" + long + " up; rm -r other")
			m.equal(mi)
		})
	}
}

// descriptors counts those of this process.
func descriptors(t *testing.T) int {
	t.Helper()
	all, err := os.ReadDir("/proc/self/fd")
	must(t, err)
	return len(all)
}
