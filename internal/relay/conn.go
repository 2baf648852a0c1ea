// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package relay

import (
	"fmt"
	"net/netip"
	"time"
)

// connKind is the port a connection came in by.
type connKind int

const (
	kindControl connKind = iota
	kindData
)

func (k connKind) String() string {
	if k == kindControl {
		return "control"
	}
	return "data"
}

// conn is what both kinds of connection have. It belongs to its worker.
type conn struct {
	worker *worker
	fd     int
	peer   netip.Addr
	kind   connKind
	since  time.Time // of the last message; at first of the accept
	valid  bool      // has sent a valid message
	closed bool

	// partial is a message that has not arrived whole. It grows with the
	// bytes received.
	partial []byte
}

// partialStep bounds how much memory an announced length alone can claim.
const partialStep = 64 << 10

// keep stores the beginning of a message of want bytes until the rest comes.
func (c *conn) keep(b []byte, want int) error {
	// Room for what comes next as well: a read into none looks like the end.
	if err := c.grow(want, min(want, len(b)+partialStep)); err != nil {
		return err
	}
	c.partial = append(c.partial, b...)
	return nil
}

// grow makes room for at least need and at most partialStep further bytes of a
// message of want bytes.
func (c *conn) grow(want, need int) error {
	room := min(max(need, partialStep), want-len(c.partial))
	if cap(c.partial)-len(c.partial) >= room {
		return nil
	}
	size := len(c.partial) + max(room, min(len(c.partial), want-len(c.partial)-room))
	more := int64(size - cap(c.partial))
	counters, limit := &c.worker.server.counters, c.worker.server.opts.MaxMemory
	if used := counters.PartialMemory.Add(more); limit > 0 && used > limit {
		counters.PartialMemory.Add(-more)
		counters.MemoryShort.Add(1)
		return fmt.Errorf("message of %d bytes: receive memory is limited to %d bytes in all", want, limit)
	}
	grown := make([]byte, len(c.partial), size)
	copy(grown, c.partial)
	c.partial = grown
	return nil
}

func (c *conn) freePartial() {
	if c.partial != nil {
		c.worker.server.counters.PartialMemory.Add(-int64(cap(c.partial)))
		c.partial = nil
	}
}
