// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package metadata

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/weir-io/weir/ctf"
)

// bomb declares n event classes of 2^depth fields each in few bytes.
func bomb(depth, n int) []byte {
	var b strings.Builder
	b.WriteString("\x1e" + `{"type": "preamble", "version": 2}` + "\x1e" + `{"type": "data-stream-class"}`)
	b.WriteString("\x1e" + `{"type": "field-class-alias", "name": "a0", "field-class": {"type": "fixed-length-unsigned-integer", "length": 8, "byte-order": "little-endian"}}`)
	for i := range depth {
		fmt.Fprintf(&b, "\x1e"+`{"type": "field-class-alias", "name": "a%d", "field-class": {"type": "structure", "member-classes": [`+
			`{"name": "l", "field-class": "a%d"}, {"name": "r", "field-class": "a%d"}]}}`, i+1, i, i)
	}
	for i := range n {
		fmt.Fprintf(&b, "\x1e"+`{"type": "event-record-class", "id": %d, "payload-field-class": "a%d"}`, i, depth)
	}
	return []byte(b.String())
}

// The estimate is of the size of the memory.
func TestMeter(t *testing.T) {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	var p ctf.MetadataParser
	text := bomb(14, 8)
	if err := p.Parse(text); err != nil {
		t.Fatal(err)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	var m Meter
	estimate, used := m.Add(p.Trace()), int64(after.HeapAlloc)-int64(before.HeapAlloc)
	if estimate < used/2 || estimate > 3*used || estimate < 1000*int64(len(text)) {
		t.Errorf("%d bytes of text are taken to need %d, and need %d", len(text), estimate, used)
	}
	if n := m.Add(p.Trace()); n != 0 {
		t.Errorf("nothing new is taken to need %d", n)
	}
	if err := p.Parse([]byte("\x1e" + `{"type": "event-record-class", "id": 99}`)); err != nil {
		t.Fatal(err)
	}
	if n := m.Add(p.Trace()); n != classBytes {
		t.Errorf("an event class without fields is taken to need %d", n)
	}
	runtime.KeepAlive(&p)
}
