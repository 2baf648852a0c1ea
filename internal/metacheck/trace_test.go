// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package metacheck

import (
	"errors"
	"testing"

	"github.com/weir-io/weir/ctf"
)

// Whatever fails on what was declared, the hub goes on.
func TestUnderstandSafely(t *testing.T) {
	for name, spoil := range map[string]func(*checkedTrace){
		"parser": func(c *checkedTrace) { c.parser = nil },
		"meter":  func(c *checkedTrace) { tr := c.parser.Trace(); tr.Streams = append(tr.Streams, nil) },
		"layouts": func(c *checkedTrace) {
			c.parser.Trace().Streams[0].PacketContext.Members[0].Class = nil
			c.layouts, c.classes = nil, 0
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := &checkedTrace{parser: new(ctf.MetadataParser)}
			if _, err := c.understand([]byte(traceT + clockT + streamT)); err != nil || c.layouts[3] == nil {
				t.Fatalf("understand = %v, layouts %v", err, c.layouts)
			}
			spoil(c)
			if _, err := c.understand([]byte(eventT)); !errors.Is(err, errPanic) {
				t.Errorf("understand = %v, want %v", err, errPanic)
			}
		})
	}
}
