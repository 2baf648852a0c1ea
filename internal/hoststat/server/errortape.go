// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"strconv"

	"github.com/weir-io/weir/internal/hoststat"
	"github.com/weir-io/weir/xmlsysd"
)

// errorTape returns system/errors of a message that is too long: what it had, if
// anything, and an entry for each section that was dropped.
func errorTape(m *xmlsysd.Model, have *xmlsysd.Tape, dropped []hoststat.Part) *xmlsysd.Tape {
	const at = "system/errors"
	entry := m.Must(at + "/error")
	t := new(xmlsysd.Tape)
	t.Open(m.Must(at), xmlsysd.Stamp{})
	count := 0
	if have != nil {
		count = copyErrors(t, have, entry)
	}
	for _, p := range dropped {
		t.Open(entry, xmlsysd.Stamp{}, strconv.AppendInt(nil, int64(count), 10))
		t.Leaf(m.Must(at+"/error/path"), []byte(m.Node(p.Node).Path))
		t.Leaf(m.Must(at+"/error/code"), []byte(xmlsysd.CodeLimit))
		t.Leaf(m.Must(at+"/error/text"), []byte("the message would be too long"))
		t.Close()
		count++
	}
	t.Close()
	return t
}

// copyErrors copies the entries of a tape of errors and returns how many.
func copyErrors(to, from *xmlsysd.Tape, entry xmlsysd.NodeID) (count int) {
	entries := from.Entries()
	depth := 0
	for i := range entries {
		switch e := &entries[i]; e.Kind {
		case xmlsysd.OpenElement:
			if depth++; depth == 1 {
				continue // the section's own element
			}
			to.Open(entry, xmlsysd.Stamp{}, from.Attr(e, 0))
			count++
		case xmlsysd.CloseElement:
			if depth--; depth > 0 {
				to.Close()
			}
		case xmlsysd.LeafElement:
			to.Leaf(e.Node, from.Text(e.Text))
		}
	}
	return count
}
