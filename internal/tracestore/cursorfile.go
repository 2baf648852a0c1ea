// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tracestore

import "github.com/weir-io/weir/internal/fdpool"

// File returns what Data does or, before the first packet was taken, the file
// in which the cursor stands; nil when the stream has none. It stays open until
// the cursor moves on or is closed.
func (c *Cursor) File() *fdpool.File {
	if c.read != nil {
		return c.read.data
	}
	st := c.stream
	st.mu.Lock()
	defer st.mu.Unlock()
	if c.file == nil || c.file.gone.Load() {
		c.rewindLocked()
	}
	if c.file == nil {
		return nil
	}
	return c.file.data
}
