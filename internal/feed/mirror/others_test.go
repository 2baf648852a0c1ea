// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package mirror

import (
	"flag"
	"os/exec"
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
				mi, n := m.open()
				defer n.Close()
				defer mi.Close()
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
