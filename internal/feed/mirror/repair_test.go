// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package mirror

import (
	"os/exec"
	"testing"
)

// Whatever others have done to a target can be undone.
func TestRepair(t *testing.T) {
	m := newMirrored(t, "ext4")
	mi, n := m.open()
	defer n.Close()
	defer mi.Close()
	for _, tt := range []struct{ what, change string }{
		{"contents of the same times", "touch -r f ref; printf 9 | dd of=f conv=notrunc 2>/dev/null; touch -r ref f; rm ref"},
		{"another file", "echo mine > new; mv new f"},
		{"another dir", "mv d e; mkdir d; chmod 711 d"},
		{"removed", "rm -r d f"},
		{"something there", "mkdir -p n/m; echo mine > n/m/x; ln -s x l"},
		{"links that are none", "cp -p f g; mv g d/h; chmod 600 d/g"},
		{"kinds", "rm -r d f; mkdir f; echo mine > d"},
	} {
		m.sh("rm -rf d f n; printf 1 > f; mkdir -p d/sub; echo 2 > d/g; ln f d/h; echo 3 > d/sub/k")
		m.equal(mi)
		c := exec.Command("sh", "-ec", tt.change)
		c.Dir = m.target
		if out, err := c.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v: %s", tt.what, err, out)
		}
		d := m.differences()
		if len(d) == 0 {
			t.Fatalf("%s: change of the target is no difference", tt.what)
		}
		must(t, mi.Repair(t.Context(), d))
		if d := m.differences(); len(d) > 0 {
			t.Errorf("%s: got %v after a repair, want nothing", tt.what, d)
		}
		m.sh("mv d n; echo 4 >> f") // it goes on
		m.equal(mi)
	}
}
