// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package hoststat

import "testing"

func TestIsRemote(t *testing.T) {
	for _, tt := range []struct {
		kind, device string
		want         bool
	}{
		{"ext4", "/dev/vda", false},
		{"nfs4", "srv:/a", true},
		{"cifs", "//srv/a", true},
		{"fuseblk", "/dev/sdb1", true},
		{"fuse.sshfs", "host:", true},
		{"tmpfs", "tmpfs", false},
		{"zfs", "pool/a", false},
		{"ceph", "1.2.3.4:/", true},
	} {
		if m := (mount{kind: tt.kind, device: tt.device}); m.isRemote() != tt.want {
			t.Errorf("%s of %s: remote %v, want %v", tt.kind, tt.device, m.isRemote(), tt.want)
		}
	}
}
