// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package hoststat

import (
	"fmt"
	"testing"

	"github.com/weir-io/weir/xmlsysd"
)

// step is an element of a tape: proc/stat/cpu[0]/user with its text.
type step struct {
	path, text string
	leaf       bool
	time       xmlsysd.Stamp
}

// flat lists a tape, and checks what every tape must be: closed, and with nothing
// but elements below their parents.
func flat(t testing.TB, m *xmlsysd.Model, tape *xmlsysd.Tape) []step {
	t.Helper()
	var steps []step
	var open []string
	var nodes []xmlsysd.NodeID
	for _, e := range tape.Entries() {
		e := e
		if e.Kind == xmlsysd.CloseElement {
			if len(open) == 0 {
				t.Fatalf("closed more than was opened behind %v", steps)
			}
			open, nodes = open[:len(open)-1], nodes[:len(nodes)-1]
			continue
		}
		n := m.Node(e.Node)
		if len(nodes) > 0 && n.Parent != nodes[len(nodes)-1] {
			t.Fatalf("%s is in %s", n.Path, m.Node(nodes[len(nodes)-1]).Path)
		}
		path := n.Path
		if len(open) > 0 {
			path = open[len(open)-1] + "/" + n.Tag
		}
		for i := range tape.NumAttrs(&e) {
			path += fmt.Sprintf("[%s]", tape.Attr(&e, i))
		}
		if timed := e.Time != (xmlsysd.Stamp{}); timed != (n.Attrs&xmlsysd.AttrTime != 0) {
			t.Errorf("%s: has a time: %v", path, timed)
		}
		if e.Kind == xmlsysd.OpenElement {
			if n.Leaf {
				t.Errorf("%s: a leaf was opened", path)
			}
			open, nodes = append(open, path), append(nodes, e.Node)
			steps = append(steps, step{path: path, time: e.Time})
			continue
		}
		if !n.Leaf {
			t.Errorf("%s: has a text but is no leaf", path)
		}
		steps = append(steps, step{path, string(tape.Text(e.Text)), true, e.Time})
	}
	if len(open) > 0 {
		t.Fatalf("%s is not closed", open[len(open)-1])
	}
	return steps
}

// values are the leaves of a tape by path.
func values(t testing.TB, m *xmlsysd.Model, tape *xmlsysd.Tape) map[string]string {
	t.Helper()
	v := make(map[string]string)
	for _, x := range flat(t, m, tape) {
		if !x.leaf {
			continue
		}
		if _, twice := v[x.path]; twice {
			t.Errorf("%s comes twice", x.path)
		}
		v[x.path] = x.text
	}
	return v
}
