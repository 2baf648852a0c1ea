// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// Package feed owns the feeds of an agent: registered readers of the journals of
// file systems, each with its place, its filter and its limits.
//
//	Manager   sources, feeds, and what keeps them within bounds
//	feed      one registered reader; persistent, or as long as its consumer
//	Consumer  the one that reads a feed now
//
// # Promises
//
// A record stays until every feed that wants it has cancelled it, or is given up. A
// cancel is durable when it is answered. Delivery is in the order of indexes, at least
// once; a consumer that stores Through with the effect of a batch has each record
// exactly once. Where records are missing, a MARK gap stands in their place.
//
// # Locks
//
// Manager.mu guards the sets of sources and feeds; feed.mu guards one feed. Who needs
// both takes Manager.mu first. Neither is held while a consumer waits.
package feed
