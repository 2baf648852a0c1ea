// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// Package feedbench measures feeds of file-system changes: how many records a second
// come to be durable, what that costs whom, how late they are, what a million files
// take, and whether anything is lost while workers are killed.
//
// The program under test is a process of its own: an agent with a state directory of
// the bench's. The changes are made by a third process ([Load]), whose CPU time is
// the cost to the workload; file systems are images in memory or tmpfs, in a mount
// namespace of the bench's own ([Namespace]), so that nothing stays behind. The state
// directory is where the plan says: a disk, if durability is to cost what it does.
//
// The peer is a NATS server whose stream syncs each write before it answers. It gets the
// records that the storm has made, one message a record.
//
// # Concurrency
//
// A measurement is one goroutine, but for consumers, which it waits for.
package feedbench
