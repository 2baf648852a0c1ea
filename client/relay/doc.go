// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// Package relay records trace sessions on a relay: it is the producer's side of
// the LTTng relay protocol, versions 2.1 to 2.15, and the counterpart of package
// live. It sends metadata and packets as bytes and does not look into them.
//
//	Dial ──▶ Session ──▶ CreateChunk, AddStreams ──▶ Stream ──▶ SendMetadata
//	            │                                       ├─────▶ SendPacket, Beacon
//	            │                                       └─────▶ Close
//	            ├──▶ Rotate, CloseChunk     parts of a recording
//	            ├──▶ Resume                 after a loss: on in the same files
//	            ├──▶ Drain, Close           everything has arrived; the end
//	            └──▶ Detach ──▶ Handle ──▶ Adopt    in another process
//
// A session has two connections: requests and their answers go over the control
// connection, packets over the data connection, where nothing is answered.
//
// # Packets
//
// [Stream.SendPacket] writes a packet to the data connection, and its index to
// the control connection without waiting for the answer: up to Options.Window
// answers may be outstanding. [Stream.Confirmed] tells how many of a stream's
// packets have their index accepted, [Stream.Stored] how many are known to have
// arrived as a whole.
//
// # Datagrams
//
// A data URL of scheme udp has packets go by UDP ([UDP]). A packet is copied, sent
// in pieces at a pace that the way takes, and kept until the relay says that it is
// complete, which a goroutine of the session asks for; then its index is posted. A
// packet that is not complete after two seconds, or for which the window has no
// room any more, is given up: it counts as confirmed and stored, and as
// [Stream.Lost]. Rotations, ends of streams and Detach wait for what is under way.
//
// # Errors
//
// A relay that gives a wrong, a short or no answer, or ends a connection, is
// lost for the session: both connections are closed, and every later call
// returns that first error, an [*Error]. There is no way back but another
// session, which weir's relays let go on where the lost one has stopped:
// [Session.Resume]. What the package itself refuses, such as a packet of no bytes, or a
// request that the relay is too old for ([errors.ErrUnsupported]), and a context
// that ends before anything was sent leave the session as it was. A context that ends in
// the middle of a packet, or while the relay's answer to a change is awaited,
// ends the session.
//
// [Dial] fails with a [*DialError] and leaves nothing open.
//
// # Relays
//
// Any relay of LTTng's protocol will do. Those of weir are asked for extensions
// of it, unless Options.Plain is set: they keep a lost session for its producer
// ([Session.Resumable]), and find out at once when the data connection ends at
// another relay ([ErrSplit]).
//
// # Concurrency
//
// All methods may be called by several goroutines at a time, but the packets of
// one stream are sent by one goroutine at a time. A session has two goroutines
// of its own, which read the two connections and end with them (by UDP one of them
// looks after what is under way instead); [Session.Close],
// [Session.Abort] and [Session.Detach] wait for their end. Turns and locks are
// taken in this order:
//
//  1. a place in the window: until the answer to the index is there
//  2. the turn of rounds: questions about streams, rotations and ends of streams,
//     until they are answered
//  3. the turn on the data connection: while a packet is written; a rotation, the
//     end of a stream and Detach keep it until they are answered
//  4. the turn on the control connection: while requests are written
//  5. the lock of datagrams under way, or Session.mu, never both: never while anything is read or written
//
// # Limits
//
// A session keeps the requests being written (at most one piece of metadata,
// 1 MiB) and what describes the outstanding answers; it copies no packets, but for
// those by UDP, of which UDP.Window bounds the bytes. An answer is at most 4 KiB
// long, about datagrams 17 KiB. SendPacket blocks while the relay does not take
// the packet, at most Options.StallTimeout without any progress.
package relay
