// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// Package sim says what a virtual network does with a packet.
//
// A Network is a snapshot of the topology, compiled once: chains hold rules with
// compiled conditions, routers hold their routes in order, ports point to their peers.
// A Context takes one frame through it, from the port where it entered to its outcome:
// the outputs with the headers that each copy has there, the frames that virtual
// devices made themselves, the tags by which the flow is found when an object changes.
//
// What is learned between packets is in a State: MAC addresses, ARP, connections,
// translations. The package does no I/O, reads no clock and has no randomness of its
// own; it is handed them.
//
// # Outcomes
//
// A simulation that lacks something, such as the MAC of a next hop, ends as NotYet.
// The caller sends what was generated (ARP requests), waits, and runs the same Context
// again: it starts from the port anew. One that meets a trace rule starts anew by
// itself, with records from the first step on.
//
// # Concurrency
//
// A Network does not change and is shared by all workers, as is a State. A Context
// belongs to one worker at a time. A simulation without records allocates nothing.
package sim
