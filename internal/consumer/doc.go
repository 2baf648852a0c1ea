// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// Package consumer is the consumer process: it reads what a session records of
// one domain, makes packets of it, and brings them to a directory or to a relay.
//
//	ring ──▶ drain (a thread each) ──▶ Converter ──▶ stream ──▶ output
//	                                                            ├ directory
//	                                                            └ spool ──▶ relay
//
// The process has no privilege and no state of its own: everything comes from the
// session daemon over the socket that it was started with (package handover), and
// it ends with that.
//
// # Ownership
//
// One goroutine, the engine, carries out orders. Each ring belongs to its drain's
// goroutine; while a drain is held, its stream belongs to the engine, which may
// give it another output. A relay output sends from its own goroutine. Counters
// are atomic, so that an account can be given at any time.
package consumer
