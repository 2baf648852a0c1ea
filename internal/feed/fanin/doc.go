// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// Package fanin brings the records of many hosts together in NATS JetStream.
//
// Each journal has a stream, WEIR_<uuid>, with the subject weir.j.<uuid>. A message is
// a chunk: records in native form, each behind its length, 1000 or 512 KiB at most. Its
// headers say which indexes it has.
//
// # Exactly once
//
// The last message of a stream says where it is. A publisher reads that, skips what the
// stream has, and publishes with the sequence number that the stream must be at: a
// chunk whose acknowledgement was lost is found there, and no other publisher gets in
// between. The feed is cancelled when the server has acknowledged, which must be set to
// sync always, or acknowledged messages may be lost with its power.
//
// # Concurrency
//
// One goroutine uses a Publisher, one a Subscriber, which has one of its own for each
// stream.
//
//	Publisher   a feed that is published
//	Subscriber  streams that are merged by time
//	chunk       one message
package fanin
