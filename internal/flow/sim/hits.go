// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"sync"
	"sync/atomic"

	"github.com/weir-io/weir/internal/flow/topology"
)

// Hits counts the flows that were traced for each request. It is safe for concurrent
// use, and never lets more flows through than a request's limit.
type Hits struct {
	m sync.Map // request ID to *atomic.Int64
}

// Count returns the flows that were traced for a request.
func (h *Hits) Count(request topology.ID) int64 { return h.counter(request).Load() }

// Reset forgets the flows of a request: it was enabled or disabled.
func (h *Hits) Reset(request topology.ID) { h.counter(request).Store(0) }

func (h *Hits) counter(request topology.ID) *atomic.Int64 {
	if n, ok := h.m.Load(request); ok {
		return n.(*atomic.Int64)
	}
	n, _ := h.m.LoadOrStore(request, new(atomic.Int64))
	return n.(*atomic.Int64)
}

// take counts one flow, unless the limit is reached.
func take(n *atomic.Int64, limit int64) bool {
	for {
		old := n.Load()
		if old >= limit {
			return false
		}
		if n.CompareAndSwap(old, old+1) {
			return true
		}
	}
}
