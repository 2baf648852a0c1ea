// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// Package epoll is the door to the kernel's readiness interface: an event
// loop for non-blocking sockets, with timers and calls posted from other
// goroutines.
//
// The relay serves thousands of mostly idle connections whose messages are
// small and whose cost is dominated by system calls and wake-ups. One loop
// per worker keeps both low: no goroutine and no buffer per connection, no
// hand-over between the goroutine that reads and the one that acts, and a
// whole batch of messages for one wake-up.
//
// # Concurrency
//
// All handlers, timers and posted functions of a Loop run on the goroutine
// that called Run, one at a time. Only Post and Stop may be called from
// elsewhere. A handler must not block: it delays every other one of its loop.
package epoll
