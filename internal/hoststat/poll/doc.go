// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// Package poll watches hosts: it asks the xmlsysd of each for a message now and
// then and keeps what the last ones told.
//
//	c, err := poll.New(poll.Config{Delay: time.Second})
//	c.SetTargets(targets)
//	go c.Run(ctx)
//	c.View(func(hosts []*poll.Host) { … hosts[0].Value(poll.Load1) … })
//
// # Engine
//
// One goroutine serves all hosts by an event loop; only names are resolved, and
// sessions by TLS held, by goroutines of their own. A host has no buffer while its
// messages come in one piece: they are read into one of the loop's and parsed in
// place. Each host is due once a period, at a phase that its name tells, in one of
// 5 slots of the period: hosts of a slot are asked together, so that a wake-up
// serves many.
//
// # States
//
//	connecting   no answer yet
//	up           answers in time
//	late         was due again before it answered; it is not asked twice
//	stale        has told nothing for three periods
//	down         there is no session, and the last attempt failed
//	denied       closed the connection twice before it said anything
//	badproto     said what is no message
//
// A session that is broken is begun anew after 1, 2, 4 … 60 s, give or take a
// fifth, at most 256 at a time.
//
// # Rates
//
// A rate is the growth of a counter by the time between two readings of its
// source, as the host's own clock has it. See [span] and [growth] for when there
// is none.
//
// # Concurrency
//
// The loop owns connections. What hosts have told is guarded by a lock of the
// cluster that the loop holds while it takes a message in, and View while its
// function runs. Methods of Host are for within View and the functions of Config.
package poll
