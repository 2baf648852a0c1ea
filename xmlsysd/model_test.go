// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package xmlsysd

import "testing"

func TestTree(t *testing.T) {
	m := NewModel()
	legacy := 0
	for id := range m.Len() {
		n := m.Node(NodeID(id))
		if n.Leaf && n.Class == Legacy {
			legacy++
		}
		if got, ok := m.Find(n.Path); id > 0 && (!ok || got != NodeID(id)) {
			t.Errorf("%s: found %d, want %d", n.Path, got, id)
		}
	}
	// The 88 leaves of the sample have two interfaces, of 19 leaves each.
	if legacy != 88-19 {
		t.Errorf("%d kinds of leaves of 2002, want %d", legacy, 88-19)
	}
}

func TestNamed(t *testing.T) {
	m := NewModel()
	detail := m.Must("proc/meminfo/detail")
	for _, tt := range []struct{ key, want string }{
		{"Active(anon)", "Active_anon"},
		{"Active-anon", "Active_anon_2"},
		{"Active(anon)", "Active_anon"},
		{"1G", "_1G"},
		{"a..b__", "a_b"},
		{"é", ""},
		{"", ""},
	} {
		id, ok := m.Named(detail, tt.key, "bytes")
		if !ok {
			if tt.want != "" {
				t.Errorf("%q: no tag, want %q", tt.key, tt.want)
			}
			continue
		}
		if n := m.Node(id); n.Tag != tt.want || n.Path != "proc/meminfo/detail/"+tt.want || n.Class != Costly || n.Key != tt.key {
			t.Errorf("%q: %+v, want tag %q", tt.key, n, tt.want)
		}
	}
	if _, ok := m.Named(m.Must("proc/stat"), "x", ""); ok {
		t.Error("a child of an element whose children the kernel does not name")
	}
}
