// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// Package rtlink is the door to the kernel's network interfaces: their links and
// addresses, from two dumps of its routing socket, and word of when these change.
//
// The files of /sys that tell the same are twenty-five an interface, and reading
// some of them waits for a lock that configuring a network card holds for seconds.
// A dump may wait for it too: it belongs into a goroutine that nobody waits for.
//
// # Concurrency
//
// A Watch has one goroutine that waits; Close may be called from another.
package rtlink
