// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// Package source says what the session daemon asks of those who record: of the
// kernel, and of everything else that becomes a domain of a session.
//
//	Source   one for each domain of the daemon
//	Trace    what a session records of a domain; one metadata text
//	Channel  rings with the same properties; one stream class
//	Stream   one ring, or a socket of finished packets; one data stream
//
// A source makes events and says what they are like. It does not move them: what
// it hands out goes to the session's consumer process, which reads a ring by
// the channel's table (see package kerneltrace), or takes whole packets from a
// socket. Sources that make packets have an [Outlet] for them.
package source
