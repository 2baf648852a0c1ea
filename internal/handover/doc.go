// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// Package handover carries orders and descriptors between the session daemon
// and its consumer processes.
//
// The two are joined by a pair of Unix sockets of type SOCK_SEQPACKET: one
// datagram is one message, at most MaxMessage bytes of JSON, with up to MaxFiles
// descriptors beside it. What is larger travels in a memory file (see Blob).
//
//	daemon → consumer   {"id":7,"op":"start","body":{…}}      an order
//	consumer → daemon   {"id":7,"body":{…}}                   its answer
//	                    {"id":7,"error":"…"}
//	consumer → daemon   {"op":"lost","body":{…}}              a notice
//
// The consumer takes one order after the other. An end of the stream means that
// the other process is gone. What the orders are is in orders.go: the vocabulary
// that both rooms share.
//
// # Concurrency
//
// A Conn may be written to by several goroutines and read by one. A Caller
// may be used by several.
package handover
