// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package mirror

import (
	"fmt"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/internal/feed/fstest"
)

// Access control lists stay on each file system, whatever that calls them besides, when a file
// is made equal once more, and go when they are removed.
func TestAccessControlLists(t *testing.T) {
	const list = "0sAgAAAAEABgD/////AgAGAOgDAAAEAAQA/////xAABgD/////IAAEAP////8="
	set := func(path, name string) string {
		return fmt.Sprintf("setfattr -n system.posix_acl_%s -v %s %s; ", name, list, path)
	}
	for _, from := range fstest.Kinds {
		for _, to := range fstest.Kinds {
			t.Run(from+"/"+to, func(t *testing.T) {
				m := newMirrored(t, from)
				m.onto(to)
				m.sh("echo 1 > f; mkdir -p d; " + set("f", "access") + set("d", "default") + set("d", "access"))
				mi := m.start()
				m.equal(mi)
				m.sh("echo 2 >> f; touch d/g; chmod 750 d")
				m.equal(mi)
				m.sh("setfattr -x system.posix_acl_access f; setfattr -x system.posix_acl_default d; chmod 640 f")
				m.equal(mi)
			})
		}
	}
}

// What btrfs keeps of a file, others do not take: that is no trouble of theirs.
func TestPropertiesOfBtrfs(t *testing.T) {
	for _, to := range []string{"ext4", "btrfs"} {
		m := newMirrored(t, "btrfs")
		m.onto(to)
		m.sh("echo 1 > f; setfattr -n btrfs.compression -v zstd f")
		mi := m.start()
		m.equal(mi)
		if len(mi.st.troubles.all) > 0 {
			t.Errorf("onto %s: got troubles %v", to, mi.st.troubles.all)
		}
		copied, err := nameXattrs(unix.AT_FDCWD, filepath.Join(m.target, "f"))
		if got := string(copied["btrfs.compression"]); err != nil || (got == "zstd") != (to == "btrfs") {
			t.Errorf("onto %s: compression of the copy: got %q, %v", to, got, err)
		}
		m.stop()
	}
}
