// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"sync"

	"github.com/weir-io/weir/internal/flow/packet"
	"github.com/weir-io/weir/internal/flow/topology"
)

// blockPorts is the number of ports that a host leases at once.
const blockPorts = 64

// Block is the ports of an address at a device that a host may hand out.
type Block struct {
	Device topology.ID
	Addr   packet.IPv4
	First  uint16
}

// Leases is a Leaser that leases ports by blocks, so that hosts need not ask each
// other for every connection. A port is given to many packets, as long as their
// destinations differ.
type Leases struct {
	acquire func(Block) LeaseResult // see NewLeases

	mu     sync.Mutex
	blocks map[Block]*block // guarded by mu
}

// block is who uses each port of a block.
type block struct {
	users [blockPorts]map[Destination]struct{}
}

// NewLeases returns a Leaser. Acquire gets blocks from who gives them to all hosts;
// Exhausted is that another has the block, and nil that there are no others. It is
// called under the lock of the Leases, so it must answer at once, Pending if need be.
func NewLeases(acquire func(Block) LeaseResult) *Leases {
	if acquire == nil {
		acquire = func(Block) LeaseResult { return Leased }
	}
	return &Leases{acquire: acquire, blocks: map[Block]*block{}}
}

// Lease implements Leaser. Blocks that are there come first.
func (l *Leases) Lease(device topology.ID, addr packet.IPv4, from, to uint16, dst Destination) (uint16, LeaseResult) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for first := blockOf(from); ; first += blockPorts {
		if b, ok := l.blocks[Block{device, addr, first}]; ok {
			if port, ok := b.take(first, from, to, dst); ok {
				return port, Leased
			}
		}
		if first == blockOf(to) {
			break
		}
	}
	for first := blockOf(from); ; first += blockPorts {
		k := Block{device, addr, first}
		if _, ok := l.blocks[k]; !ok {
			switch l.acquire(k) {
			case Pending:
				return 0, Pending
			case Leased:
				b := new(block)
				l.blocks[k] = b
				if port, ok := b.take(first, from, to, dst); ok {
					return port, Leased
				}
			case Exhausted:
			}
		}
		if first == blockOf(to) {
			return 0, Exhausted
		}
	}
}

func blockOf(port uint16) uint16 { return port / blockPorts * blockPorts }

// take finds the first port of the block, in a range, that no packet to dst has.
func (b *block) take(first, from, to uint16, dst Destination) (uint16, bool) {
	for i := range uint16(blockPorts) {
		port := first + i
		if port < from || port > to {
			continue
		}
		if _, used := b.users[i][dst]; used {
			continue
		}
		if b.users[i] == nil {
			b.users[i] = map[Destination]struct{}{}
		}
		b.users[i][dst] = struct{}{}
		return port, true
	}
	return 0, false
}

// Release implements Leaser.
func (l *Leases) Release(device topology.ID, b Binding, dst Destination) {
	l.mu.Lock()
	defer l.mu.Unlock()
	first := blockOf(b.Port)
	if held, ok := l.blocks[Block{device, b.Addr, first}]; ok {
		delete(held.users[b.Port-first], dst)
	}
}
