// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// Package relaybench loads an LTTng relay and measures what that costs: it is
// the engine of "weir bench relay".
//
// # What is measured
//
// A [Workload] is a number of relay sessions, streams in each, a packet size,
// a way to send indexes and a number of live viewers. One run starts a fresh
// relay process on free loopback ports with an empty output directory, opens
// all sessions, starts the clock, sends the packets round robin over the
// streams, and stops the clock when DATA_PENDING answers 0 for every stream.
// The relay's CPU time is what its threads and child processes ran between the
// two moments (with viewers: until these have everything), its memory the peak
// of its resident set, that of children apart. Runs of several relays
// alternate, so that a disturbance of the machine hits all of them; figures are
// medians.
//
// Synchronous indexes measure wake-ups more than work: on an idle machine with
// virtual CPUs each costs an exit from the idle state, and the same relay may
// reach a third of what it does on a busy one. Compare ratios of one run only.
//
// Beside throughput there are four scenarios: many streams at rest
// ([Bench.StreamsMemory]), many idle connections ([Bench.IdleConnections]),
// connections that announce payloads of 128 MiB ([Bench.Announce]), and many
// babeltrace2 on one session ([Bench.Crowd]).
//
// # The generator
//
// Generator and relay share the machine, so the generator spends as little as
// it can: blocking sockets without a poller, one vectored write per packet
// whose payload is shared by all streams but for 84 bytes, one goroutine per
// session, and pipelined indexes in batches, at most 128 KiB of packets behind
// their data. What it spent itself stands in each result, for the reader to
// judge.
//
// # Concurrency
//
// A [Bench] and a [Load] are used by one goroutine at a time. All goroutines
// they start have ended when the method that started them returns.
package relaybench
