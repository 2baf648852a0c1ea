// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// Package relay is the producers' server: it accepts the control and data
// connections of LTTng session and consumer daemons and stores what they send
// through package tracestore.
//
// # Structure
//
// A Server has workers, each an event loop. A control connection stays with
// the worker that it was given to, and so does the session that it opens. A
// data connection says nothing about itself; its first packet names a stream,
// and the connection then moves to the worker of that stream's session. So one
// goroutine alone reads, writes and answers for a session: no lock is taken
// for a packet, and a producer that waits for each reply causes no hand-over.
//
// # Ownership
//
// A control connection owns its session, the session its data connections. An
// error in a command closes the control connection and aborts the session; an
// error on a data connection closes it and the session's streams. The end of
// either connection ends the session's streams, those that wait for announced
// data only when it has come, or cannot come any more.
//
// # Datagrams
//
// Packets may come by UDP instead of a data connection, for sessions that have
// asked for a token. The port of all hears the first datagram of a session and
// makes a socket for its source, which goes to the session's worker: there pieces
// are put together and complete packets stored in order, as if a connection had
// brought them. Their index comes when the producer has heard that they are
// complete.
//
// # Limits
//
// What a peer can make the relay keep is bounded: connections in all and by
// address, sessions, streams, the packets of a session whose other half has not
// come, packets in pieces by session and in all, and the memory of messages that
// have not arrived whole, which grows with the bytes received and not with those
// announced.
package relay
