// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// Package statbench measures what the statistics of a host cost that host: CPU
// time and latency of a message of weir's daemon, its memory, whether it grows,
// and what reading allocates.
//
// The daemon is a process of its own, read by one client at a time but for the
// memory. It shares no reads between messages (--min-interval 0): each message
// pays for all that it holds. The peer, prometheus-node-exporter, is scraped in turn
// with a daemon of weir's and is made to show the same. Scrapes that follow each other
// find caches warm and share what is read in the background; at the pace of Prometheus
// they do not, so that this is measured, too, beside a daemon that nobody asks.
//
// What many cost is measured as well: a host with a thousand processes, and a
// thousand hosts watched by "weir top" on a terminal. These are one daemon whose
// messages are handed to all ([fleet]).
//
// # Concurrency
//
// A measurement is one goroutine, but for the fleet's sessions, which its close waits
// for.
package statbench
