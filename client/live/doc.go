// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// Package live reads trace sessions from a relay while they are recorded: it is
// the transport half of a viewer of the LTTng live protocol. It hands out
// metadata and packets as bytes and knows nothing of what they mean.
//
//	Dial ──▶ Client ──▶ Sessions      what the relay has
//	           └──────▶ Attach ──▶ Session ──▶ Next               every event
//	                                   └─────▶ Poll, Update, Wait  one stream at a time
//	Follow ──▶ Follower               a Session that outlives its connections
//
// It speaks the versions 2.4 to 2.15, which are those of lttng-relayd and of
// weir's own relay.
//
// # Order
//
// Events come in an order in which they can be used at once: a stream before
// what belongs to it, metadata before the packets that need it, the streams
// that an answer announces before what it says about its own stream, the
// packets of one stream as they were recorded. A packet that comes before the
// first metadata of its trace waits for that, but not for ever; inactivity that
// does is left out. Packets of different streams are in no order: merging by
// time needs the clock, which the metadata describes. For that a merger needs of
// each stream its next packet, a time up to which it is idle, or its end, and
// asks with [Session.Poll] those streams only whose word it waits for.
//
// # Errors
//
// A [*ConnError] means that the connection is gone, or was never there; after a
// [*lttng.ProtocolError] nothing that it brings can be trusted, and it is closed.
// A [*StatusError] is a refusal: it ends what was refused, and nothing else.
// Sentinels such as [ErrSessionGone] say what a refusal means.
//
// # Latency
//
// A relay never speaks unasked. After a question without an answer the next
// one follows after 1 ms, then 2 ms, and so on up to Config.PollInterval, 10 ms.
// Beside the packets, new streams are asked for every 100 ms, of relays below
// 2.15 every 10 ms, and further sessions of the name every second.
//
// # Concurrency
//
// A Client and its Sessions share one connection, on which one question is
// asked at a time: one goroutine uses them at a time. There are no goroutines
// of their own but one of a [Follower] that has lost its connection, until that
// is there again or the Follower is closed. [Client.Close] may be called at any
// time.
//
// # Limits
//
// Memory is bounded by Config: a batch of metadata, a packet, and the number of
// streams. Bytes that are announced are set aside in steps of 1 MiB, as they
// arrive. Above its limit, metadata or a list of streams ends the connection; a
// packet is reported as [PacketLost].
package live
