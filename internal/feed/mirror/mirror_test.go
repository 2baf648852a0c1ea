// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package mirror

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/internal/feed/fstest"
)

var (
	storms = flag.Int("storms", 1, "storms on each file system")
	tries  = flag.Int("tries", 1500, "operations that each worker of a storm tries")
)

func TestFirstCopy(t *testing.T) {
	m := newMirrored(t, "ext4")
	root := m.src.Dir
	must(t,
		os.MkdirAll(filepath.Join(root, "a/b"), 0o750),
		os.WriteFile(filepath.Join(root, "a/b/file"), []byte("hello"), 0o640),
		os.Link(filepath.Join(root, "a/b/file"), filepath.Join(root, "other")),
		os.Symlink("a/b", filepath.Join(root, "link")),
		unix.Mkfifo(filepath.Join(root, "fifo"), 0o600),
		unix.Mknod(filepath.Join(root, "null"), unix.S_IFCHR|0o666, int(unix.Mkdev(1, 3))),
		unix.Setxattr(filepath.Join(root, "a"), "user.note", []byte("x\x00y"), 0),
		os.Chown(filepath.Join(root, "a/b/file"), 12345, 54321),
		os.WriteFile(filepath.Join(root, "new\nline \xff"), nil, 0o600),
	)
	sparse, err := os.Create(filepath.Join(root, "sparse"))
	must(t, err, sparse.Truncate(64<<20))
	_, err = sparse.WriteAt([]byte("end"), 32<<20)
	must(t, err, sparse.Close())
	mi := m.start()
	m.equal(mi)
	var st unix.Stat_t
	must(t, unix.Stat(filepath.Join(m.target, "sparse"), &st))
	if st.Blocks*512 > 1<<20 {
		t.Errorf("copy of a sparse file: got %d bytes on disk", st.Blocks*512)
	}
}

func TestMirrorIsEqualAfterStorms(t *testing.T) {
	for _, kind := range fstest.Kinds {
		for seed := range *storms {
			t.Run(fmt.Sprintf("%s/%d", kind, seed), func(t *testing.T) {
				m := newMirrored(t, kind)
				mi := m.start()
				ctx, stop := context.WithCancel(t.Context())
				done := m.storm(uint64(seed), 1+seed%3, *tries)
				for running := true; running; {
					select {
					case <-done:
						running = false
					default:
						must(t, mi.Run(ctx, true))
					}
				}
				stop()
				m.equal(mi)
			})
		}
	}
}
