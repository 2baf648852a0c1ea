// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package journal

import (
	"syscall"
	"testing"
)

func TestObjectCutAnywhere(t *testing.T) {
	whole := (&Object{
		Type: syscall.S_IFREG, Mode: 0o4755, UID: 70000, GID: 9, Links: 300, RdevMajor: 8, RdevMinor: 1, Size: 1 << 40,
		Blocks: 1 << 30, Atime: 1e18, Mtime: -5, Ctime: 7, XattrHash: 1 << 63, Last: 99,
	}).append(nil)
	var o Object
	if err := o.parse(whole); err != nil {
		t.Fatal(err)
	}
	for n := range whole {
		// Without its last eight bytes it is an object without extended attributes.
		if err := o.parse(whole[:n]); (err == nil) != (n == len(whole)-8) {
			t.Errorf("%d of %d bytes: %v", n, len(whole), err)
		}
	}
}

func FuzzObject(f *testing.F) {
	f.Add((&Object{Mode: 0o644, Links: 1, Last: 7, XattrHash: 3}).append(nil))
	f.Add([]byte{objectForm})
	f.Fuzz(func(t *testing.T, b []byte) {
		var o, again Object
		if o.parse(b) != nil {
			return
		}
		if err := again.parse(o.append(nil)); err != nil || o != again {
			t.Errorf("%+v becomes %+v, %v", o, again, err)
		}
	})
}
