// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package mirror

import (
	"os"
	"strings"
	"testing"
)

// Trees are deeper than directories are kept open: what is linked and moved from the depth
// of one into that of another comes there, and no descriptor is left open.
func TestDeepTrees(t *testing.T) {
	for _, depth := range []int{maxOpened/2 - 1, maxOpened + 3, 3 * maxOpened} {
		m := newMirrored(t, "ext4")
		a, b := "a"+strings.Repeat("/d", depth), "b"+strings.Repeat("/d", depth)
		m.sh("mkdir -p " + a + " " + b + "; echo 1 > " + a + "/f; echo 2 > " + b + "/g")
		mi := m.start()
		m.equal(mi)
		before := descriptors(t)
		m.sh("ln " + a + "/f " + b + "/f; mv " + b + "/g " + a + "/h; mkdir " + b + "/e; echo 3 > " + b + "/e/i; mv " + a + "/h " + b + "/e/j; ln " + b + "/e/i " + a + "/k")
		m.equal(mi)
		if n := len(mi.dst.opened); n > 2*maxOpened+1 {
			t.Errorf("depth %d: %d directories are kept open, want %d at most", depth, n, 2*maxOpened+1)
		}
		mi.dst.forget()
		if n := descriptors(t); n > before {
			t.Errorf("depth %d: %d descriptors, before %d", depth, n, before)
		}
		m.stop()
	}
}

// descriptors counts those of this process.
func descriptors(t *testing.T) int {
	t.Helper()
	all, err := os.ReadDir("/proc/self/fd")
	must(t, err)
	return len(all)
}
