// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// Package live is the viewers' server: it lets any number of viewers read the
// live sessions of a [tracestore.Store] with the LTTng live protocol, version
// 2.15 and older.
//
// # Model
//
//	Server ── conn (one viewer)
//	            └─ attachment (one session it reads)
//	                 └─ viewerTrace
//	                      └─ viewerStream (a cursor in a stream or its metadata)
//
// All reading state is the connection's: the store's packet lists are shared
// and only grow, so viewers know nothing of each other. The end of a
// connection, or DETACH_SESSION, closes its cursors.
//
// # Concurrency
//
// One event loop serves all connections while Serve runs; everything but Stats
// and Viewers belongs to it. Its thread has a lower priority than those that
// receive: where processors are short, viewers wait and producers do not. A
// reply that the socket does not take at once waits with its connection, as a
// position in a file or a list rather than as bytes; until it is out, that
// connection's requests are not read. A slow viewer thus costs neither memory
// nor anybody's time.
//
// # Order of time
//
// Viewers merge streams by time and give up when a stream turns up whose
// packets are older than what they have shown. So while a stream exists that a
// viewer has not been told of, INACTIVE answers do not pass that stream's first
// event (they creep where nothing is known of it), and NEW_STREAM stands in
// the flags of every answer. A packet's answer carries the flag too: viewers ask
// for the streams before they use the packet. Streams that cannot be announced
// yet (not published, or of a trace whose metadata is missing) hold back
// packets as well, but no longer than Options.HoldNew.
//
// Viewers of minors below 15 may heed NEW_STREAM only in an answer that carries
// a packet. While all that such a viewer knows is idle, it gets one without
// events, made by Options.Layouts.
//
// # CTF 2
//
// Viewers of minors below 15 get the metadata of CTF 2 sessions as text of CTF
// 1.8. All of them share one translation of a trace, which grows in steps on
// the loop; a request that needs more of it is answered when it has come so far.
// A packet with what CTF 1.8 cannot express is refused.
//
// # Traces that end and go on
//
// A viewer forgets a trace with its metadata when all of its data streams have
// ended. Data streams that join such a trace later are announced as a new one:
// with another trace id, and with the metadata from its beginning.
//
// # Limits
//
// Connections are limited in all and by address. At a limit a new one takes the
// place of the oldest silent one: that has not sent CONNECT, or has taken
// nothing of its reply for Options.StallTimeout.
//
// An idle connection costs its descriptor and some 300 bytes. Received bytes
// are kept only for a request that is incomplete or waits for an earlier
// one's reply, at most inputSize of them. GET_PACKET has no upper length: what
// is sent lies in a file.
package live
