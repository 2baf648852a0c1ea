// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// Package bolt is the store that a hub keeps itself: the tree in memory, and every
// persistent node of it in a file of bbolt.
//
// # Durability
//
// A transaction is in the file and synced before anyone can read what it changed.
// Transactions that come while the file is synced wait and share the next sync. So one
// caller gets as many transactions a second as the disk syncs, and many callers
// together many times that. A crash leaves whole transactions only, among them every
// one that was answered.
//
// Ephemeral nodes are not in the file. None of a process outlives it.
//
// # Format
//
// Bucket "nodes" has a pair a node: its path, and 24 bytes of numbers in big-endian
// order with its data after them, see docs/format/control-store.md. Bucket "store" has
// the number of the last transaction and the version of the format.
//
// # Concurrency
//
// Who submits a transaction while no other is being written writes it, with all that
// wait. There is no goroutine but the timers of sessions.
package bolt
