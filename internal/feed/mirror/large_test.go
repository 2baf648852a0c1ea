// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package mirror

import (
	"flag"
	"fmt"
	"testing"
)

var entries = flag.Int("entries", 3000, "entries of the large directory; 1000000 take minutes")

// A directory of very many entries is copied, moved and emptied; what is done lies on one
// batch or several.
func TestLargeDirectory(t *testing.T) {
	m := newMirrored(t, "tmpfs")
	m.sh(fmt.Sprintf("mkdir first; cd first; seq %d | xargs touch", *entries))
	mi, n := m.open()
	defer n.Close()
	defer mi.Close()
	m.equal(mi)
	if got := mi.count.created; got != uint64(*entries)+1 {
		t.Errorf("first copy: got %d objects made, want %d", got, *entries+1)
	}
	for _, script := range []string{
		"mkdir d; cd d; seq %d | xargs touch",
		"mv d e; cd e; seq 1 2 %d | xargs rm; mkdir sub; seq 2 4 %[1]d | xargs mv -t sub",
		"rm -r e; seq %d >/dev/null",
	} {
		m.sh(fmt.Sprintf(script, *entries))
		m.equal(mi)
	}
	left, err := mi.st.children(mi.src.topFID())
	if must(t, err); len(left) != 1 || len(mi.st.staged) > 0 {
		t.Errorf("at the end: got %v in the state, %d parked, want the first directory alone", left, len(mi.st.staged))
	}
}
