// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// Package statbench measures what the statistics of a host cost that host: CPU
// time and latency of a message of weir's daemon, its memory, whether it grows,
// and what reading allocates.
//
// The daemon is a process of its own, read by one client at a time but for the
// memory. It shares no reads between messages (--min-interval 0): each message
// pays for all that it holds. Of the peer, prometheus-node-exporter, other pages
// are read by steps of their own.
//
// # Concurrency
//
// A measurement is one goroutine.
package statbench
