// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package relay

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/weir-io/weir/internal/gate"
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
	seat   gate.Seat

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
	if err := c.reserve(int64(size-cap(c.partial)), want); err != nil {
		return err
	}
	grown := make([]byte, len(c.partial), size)
	copy(grown, c.partial)
	c.partial = grown
	return nil
}

// smallMessage is the size up to which a message is received whatever the
// memory: nearly all are that small.
const smallMessage = 16 << 10

// reserve takes memory for a message of want bytes. When there is none left
// the connection that holds most of it goes: others are not to suffer.
func (c *conn) reserve(more int64, want int) error {
	w := c.worker
	counters, limit := &w.server.counters, w.server.opts.MaxMemory
	counters.PartialMemory.Add(more)
	for limit > 0 && want > smallMessage && counters.PartialMemory.Load() > limit {
		counters.MemoryShort.Add(1)
		h := w.largest()
		if h == nil || h.base() == c {
			counters.PartialMemory.Add(-more)
			return fmt.Errorf("message of %d bytes: receive memory is limited to %d bytes in all", want, limit)
		}
		w.server.log.Warn("connection closed for the memory it holds", "peer", h.base().peer, "bytes", cap(h.base().partial))
		w.drop(h)
	}
	return nil
}

func (c *conn) freePartial() {
	if c.partial != nil {
		c.worker.server.counters.PartialMemory.Add(-int64(cap(c.partial)))
		c.partial = nil
	}
}
