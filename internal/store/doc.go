// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// Package store is the control state of a cluster: a tree of small nodes that change
// by all-or-nothing transactions, as ZooKeeper has it. Packages bolt and zookeeper
// keep it; package storetest holds what both promise.
//
// # Nodes
//
// A node has a path, data, a version that each Set increments, and children. An
// ephemeral node lives as long as the session that made it and has no children. A
// sequential node gets a number of ten digits at the end of its name, larger than
// those of all nodes that its parent ever had.
//
// # Transactions
//
// Multi applies its operations in order, each seeing those before it, or none of
// them: nobody ever sees a state between. An error that says ErrUnavailable, or that
// the context ended, leaves open whether the transaction was made, but never makes a
// part of it.
//
// # Watches
//
// A read takes a Watcher. It gets one event when what was read changes, and then no
// more until it reads again. An event is in the Watcher before any read of the same
// session can return what the event tells of. So who watches all that it reads has
// read one state of the tree when the reads are done and no event has come.
//
// A watch can fire without need, when two readers of a session watch one node.
//
// # Sessions
//
// A session that ends loses its ephemeral nodes and its watches: each of its Watchers
// gets SessionLost as its last event, Done is closed, and each call gives
// ErrSessionExpired.
//
// # Limits
//
// A transaction is smaller than MaxRequest, so that a ZooKeeper server with its usual
// settings takes it. Paths are those that ZooKeeper takes, see CheckPath.
package store
