// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package mirror

import (
	"errors"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/weir-io/weir/internal/feed/fstest"
	"github.com/weir-io/weir/internal/peer"
)

var others = flag.Duration("others", 500*time.Millisecond, "how long a storm of another program is")

// A mirror follows programs that were not made for weir. That it is equal, rsync says,
// too.
func TestMirrorIsEqualAfterOthersStorms(t *testing.T) {
	rsync := peer.Need(t, "rsync")
	for name := range fstest.Storms {
		for _, kind := range []string{"ext4", "tmpfs"} {
			t.Run(name+"/"+kind, func(t *testing.T) {
				m := newMirrored(t, kind)
				mi := m.start()
				done := fstest.Storm(t, name, m.src.Dir, *others)
				for running := true; running; {
					select {
					case <-done:
						running = false
					default:
						must(t, mi.Run(t.Context(), true))
					}
				}
				m.equal(mi)
				out, err := exec.Command(rsync, "-niaHAXc", "--delete", "--exclude=/.weir-mirror", "--exclude=/lost+found",
					m.src.Dir+"/", m.target+"/").CombinedOutput()
				// The root has the mirror's own directory in it, which changes its times.
				if left := strings.TrimPrefix(string(out), ".d..t...... ./\n"); err != nil || left != "" {
					t.Errorf("rsync would do: %v: %s", err, out)
				}
			})
		}
	}
}

// A target that is adopted keeps what only it has, until it is repaired. A name that both
// have stops the mirror, until it is told to take over what is there.
func TestAdopt(t *testing.T) {
	m := newMirrored(t, "tmpfs")
	m.sh("echo 1 > f")
	must(t, os.MkdirAll(m.target, 0o755), os.WriteFile(filepath.Join(m.target, "extra"), nil, 0o600))
	o := m.options()
	if mi, err := Open(t.Context(), o); err == nil {
		must(t, mi.Close())
		t.Fatal("target that is not empty: got no error")
	}
	o.Adopt = true
	mi := m.startWith(o)
	must(t, mi.Run(t.Context(), true))
	if _, err := os.Lstat(filepath.Join(m.target, "extra")); err != nil {
		t.Errorf("what is in the target only, adopted: %v", err)
	}
	must(t, mi.Repair(t.Context(), m.differences()))
	m.equal(mi)
	must(t, os.WriteFile(filepath.Join(m.target, "g"), []byte("mine"), 0o600))
	m.sh("echo 2 > g")
	if err := m.fails(mi); !errors.As(err, new(*ChangedError)) {
		t.Errorf("name that both have: got %v, want that the mirror stops", err)
	}
	m.stop()
	m.isStopped(o, "g")
	if b, err := os.ReadFile(filepath.Join(m.target, "g")); string(b) != "mine" || err != nil {
		t.Errorf("name that both have: got %q, %v, want what was there", b, err)
	}
	o.TakeOver = true
	m.equal(m.startWith(o))
}
