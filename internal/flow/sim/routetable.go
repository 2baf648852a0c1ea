// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"cmp"
	"slices"

	"github.com/weir-io/weir/internal/flow/packet"
	"github.com/weir-io/weir/internal/flow/topology"
)

// routeTable finds the routes of a destination. The address space is cut where a
// prefix begins or ends; each piece knows the longest prefix that covers it, and each
// prefix the one around it. So a look-up is a search among the cuts.
type routeTable struct {
	starts   []packet.IPv4 // first addresses of the pieces, ascending; the first is 0
	prefixes []int32       // of each piece: its longest prefix, -1 for none
	nodes    []routeNode
}

// routeNode is the routes to a destination prefix.
type routeNode struct {
	first, last packet.IPv4
	bits        int
	parent      int32   // the next shorter prefix that covers this one, -1 for none
	routes      []route // by weight, then ID
}

// route is a compiled route.
type route struct {
	src     *topology.Route
	srcNet  packet.IPv4
	srcBits int
	kind    topology.RouteType
	port    *port
	gateway packet.IPv4
	weight  int
}

func (r *route) takes(src packet.IPv4) bool { return src.Mask(r.srcBits) == r.srcNet }

// newRouteTable makes a table of the routes of a router.
func newRouteTable(routes []*topology.Route, ports map[topology.ID]*port) routeTable {
	byPrefix := map[[2]uint32][]route{}
	for _, r := range routes {
		k := [2]uint32{uint32(packet.FromAddr(r.Dst.Addr()).Mask(bitsOf(r.Dst))), uint32(bitsOf(r.Dst))}
		srcBits := bitsOf(r.Src)
		byPrefix[k] = append(byPrefix[k], route{
			src: r, srcNet: packet.FromAddr(r.Src.Addr()).Mask(srcBits), srcBits: srcBits,
			kind: r.Type, port: ports[r.NextHopPort], gateway: packet.FromAddr(r.Gateway), weight: r.Weight,
		})
	}
	t := routeTable{}
	for k, rs := range byPrefix {
		slices.SortFunc(rs, func(a, b route) int {
			return cmp.Or(cmp.Compare(a.weight, b.weight), compareID(a.src.ID, b.src.ID))
		})
		first, bits := packet.IPv4(k[0]), int(k[1])
		t.nodes = append(t.nodes, routeNode{first: first, last: first.Last(bits), bits: bits, parent: -1, routes: rs})
	}
	slices.SortFunc(t.nodes, func(a, b routeNode) int {
		return cmp.Or(cmp.Compare(a.first, b.first), cmp.Compare(a.bits, b.bits))
	})
	t.cut()
	return t
}

// cut makes the pieces. Nodes come sorted, each behind those that cover it, so those
// that cover the present address are a stack.
func (t *routeTable) cut() {
	piece := func(start packet.IPv4, node int32) {
		if n := len(t.starts); n > 0 && t.starts[n-1] == start {
			t.prefixes[n-1] = node
			return
		}
		t.starts = append(t.starts, start)
		t.prefixes = append(t.prefixes, node)
	}
	piece(0, -1)
	var open []int32
	top := func() int32 {
		if len(open) == 0 {
			return -1
		}
		return open[len(open)-1]
	}
	closeBefore := func(at packet.IPv4, all bool) {
		for len(open) > 0 && (all || t.nodes[top()].last < at) {
			last := t.nodes[top()].last
			open = open[:len(open)-1]
			if last != packet.AllHosts {
				piece(last+1, top())
			}
		}
	}
	for i := range t.nodes {
		closeBefore(t.nodes[i].first, false)
		t.nodes[i].parent = top()
		open = append(open, int32(i))
		piece(t.nodes[i].first, int32(i))
	}
	closeBefore(0, true)
}

// lookup returns the routes of a packet that are equally good: those of the longest
// destination prefix that has one for the source, of the lowest weight. Of the
// candidates the chosen one is picked by hash.
func (t *routeTable) lookup(src, dst packet.IPv4, hash uint32) (chosen *route, candidates int) {
	for n := t.find(dst); n >= 0; n = t.nodes[n].parent {
		routes := t.nodes[n].routes
		first := -1
		for i := range routes {
			if first >= 0 && routes[i].weight != routes[first].weight {
				break
			}
			if routes[i].takes(src) {
				if first < 0 {
					first = i
				}
				candidates++
			}
		}
		if candidates == 0 {
			continue
		}
		return pick(routes[first:], src, hash%uint32(candidates)), candidates
	}
	return nil, 0
}

// pick returns the n-th route that takes a source.
func pick(routes []route, src packet.IPv4, n uint32) *route {
	for i := range routes {
		if !routes[i].takes(src) {
			continue
		}
		if n == 0 {
			return &routes[i]
		}
		n--
	}
	return nil
}

// find returns the longest prefix that covers an address.
func (t *routeTable) find(dst packet.IPv4) int32 {
	low, high := 0, len(t.starts)
	for high-low > 1 {
		mid := int(uint(low+high) / 2)
		if t.starts[mid] <= dst {
			low = mid
		} else {
			high = mid
		}
	}
	return t.prefixes[low]
}
