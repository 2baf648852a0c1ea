// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// Package hop passes producers' connections on to relays that they cannot reach
// themselves: the server of the WEIR-HOP/1 protocol, whose lines package lttng
// reads and writes.
//
// # Who may go where
//
// A hop connects nowhere unless a rule allows the next place of the chain.
// Names are resolved once, and what was checked is what is connected to. The
// places behind the next one are the next hop's to judge.
//
// # Concurrency
//
// A connection has a goroutine, once it is through a second one: one for each
// direction. [Server.Serve] waits for all of them. Counters may be read at any
// time.
//
// # Limits
//
// Connections in all and by address; a line of 4 KiB; 32 KiB of memory for each
// direction; 10 s until the chain is there.
package hop
