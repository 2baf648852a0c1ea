// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ctf2

import (
	"strings"
	"testing"
)

// stream joins fragments, the preamble first.
func stream(fragments ...string) []byte {
	all := append([]string{`{"type":"preamble","version":2}`}, fragments...)
	return []byte("\x1e" + strings.Join(all, "\n\x1e") + "\n")
}

func TestParseMinimal(t *testing.T) {
	trace, err := Parse(stream(`{"type":"data-stream-class"}`, `{"type":"event-record-class"}`))
	if err != nil {
		t.Fatal(err)
	}
	if s := trace.Stream(0); s == nil || s.Event(0) == nil || s.Trace != trace {
		t.Errorf("stream class %+v", s)
	}
}
