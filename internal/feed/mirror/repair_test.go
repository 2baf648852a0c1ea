// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package mirror

import (
	"os/exec"
	"testing"
)

// Whatever others have done to a target can be undone.
func TestRepair(t *testing.T) {
	for what, change := range map[string]string{
		"contents of the same times": "touch -r f ref; printf 9 | dd of=f conv=notrunc 2>/dev/null; touch -r ref f; rm ref",
		"another file":               "echo mine > new; mv new f",
		"another dir":                "mv d e; mkdir d; chmod 711 d",
		"removed":                    "rm -r d f",
		"something there":            "mkdir -p n/m; echo mine > n/m/x; ln -s x l",
		"links that are none":        "cp -p f g; mv g d/h; chmod 600 d/g",
		"kinds":                      "rm -r d f; mkdir f; echo mine > d",
	} {
		t.Run(what, func(t *testing.T) {
			m := newMirrored(t, "ext4")
			m.sh("printf 1 > f; mkdir -p d/sub; echo 2 > d/g; ln f d/h; echo 3 > d/sub/k")
			mi, n := m.open()
			defer n.Close()
			defer mi.Close()
			m.equal(mi)
			c := exec.Command("sh", "-ec", change)
			c.Dir = m.target
			out, err := c.CombinedOutput()
			if err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			d := m.differences()
			if len(d) == 0 {
				t.Fatal("change of the target is no difference")
			}
			must(t, mi.Repair(t.Context(), d))
			m.equal(mi)
			m.sh("mv d n; echo 4 >> f") // it goes on
			m.equal(mi)
		})
	}
}
