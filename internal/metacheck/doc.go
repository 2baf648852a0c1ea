// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// Package metacheck reads the metadata of every trace as it arrives, so that a
// producer's broken metadata is known while it is there to be asked, and so
// that the live server knows what the packets of a trace look like.
//
// It never stands in the way: bytes are stored as they came, and read here from
// their files afterwards.
//
// # Batches
//
// What has arrived is read in batches of whole declarations, as viewers get it.
// The first thing that is wrong ends the check of a trace: what follows may well
// be wrong because of it. A clear, a rotation or a reset begins a new check.
//
// # Concurrency
//
// The store's writers tell a [Checker] what has changed; that costs them a lock
// and a reference. One goroutine, which exists while there is work, does the
// rest, one trace after the other. A trace stands in its queue once.
//
// # Limits
//
// The metadata of one trace is checked up to Options.MaxBytes. What was declared
// stays in memory for as long as the trace can grow, Options.MaxTotal bytes of it
// for all traces together: a few bytes can declare many fields. Beyond, the
// check of a trace is given up, which is told like an error. A session keeps at
// most maxFaults of them.
package metacheck
