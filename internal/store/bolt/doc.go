// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// Package bolt is the store that a hub keeps itself: the tree in memory, and every
// persistent node of it in a file of bbolt, before which transactions are collected in a
// journal.
//
// # Durability
//
// A transaction is in the journal and synced before anyone can read what it changed.
// Transactions that come while the journal is synced wait and share the next sync. So
// one caller gets as many transactions a second as the disk syncs, and many callers
// together many times that. When the journal is full, its changes go into the file of
// bbolt. A crash leaves whole transactions only, among them every one that was
// answered; docs/design/0009-a-journal-before-the-control-store.md says why.
//
// Ephemeral nodes are in no file. None of a process outlives it.
//
// # Format
//
// Bucket "nodes" has a pair a node: its path, and 24 bytes of numbers in big-endian
// order with its data after them, see docs/format/control-store.md. Bucket "store" has
// the number of the last transaction and the version of the format. The journal has
// pairs of the same kind.
//
// # Concurrency
//
// Who submits a transaction while no other is being written writes it, with all that
// wait. There is no goroutine but the timers of sessions.
package bolt
