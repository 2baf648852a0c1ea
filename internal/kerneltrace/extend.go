// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package kerneltrace

import "fmt"

// Extend declares the events that a table of another process, as MarshalBinary
// wrote it, has behind those of this one. Converters may run.
func (t *Table) Extend(b []byte) error {
	var longer Table
	if err := longer.UnmarshalBinary(b); err != nil {
		return err
	}
	have := t.Len()
	if have > len(longer.formats) {
		return fmt.Errorf("table of kernel events: got %d events, want at least the %d that there are", len(longer.formats), have)
	}
	for _, f := range longer.formats[have:] {
		if _, err := t.Declare(f); err != nil {
			return err
		}
	}
	return nil
}

// Empty hands a packet without events to the sink, unless one is open: viewers
// hear of a stream by its first packet.
func (c *Converter) Empty(now uint64) error {
	if c.pos > 0 {
		return nil
	}
	c.err = nil
	c.open(now)
	c.end(now)
	return c.err
}
