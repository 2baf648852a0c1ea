// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// Package server is the daemon of host statistics: it accepts connections and
// answers the commands of package xmlsysd with what package hoststat reads.
//
//	Access ───── whose connections are taken at all
//	Listen ───── sockets by address, refused where everybody could reach them
//	Server ───── accept loops, the number of sessions, the stop
//	session ──── one connection: its lines, its selection, its messages
//	lines ────── lines of bounded length from a stream
//	view ─────── a selection and the messages of it
//	push ─────── periodic messages
//
// # Concurrency
//
// A session is one goroutine, which reads a line, carries it out, and then reads
// the next: there is one message under way however many commands wait. Periodic
// messages are sent by the same goroutine, for which reading ends when one is
// due. What takes time in a message, the host's files, belongs to the engine's
// session and its worker.
//
// A stop closes the listeners and ends the wait of each session, which finishes
// the message that it is writing. A session that does not get rid of it within
// stopTimeout is cut off.
//
// # Limits
//
// Sessions, the length of a line and of a message, the time between two commands
// and the time that a write may take are bounded by [Options]. A session holds
// the buffers of its messages, which it gives back after a minute of silence.
package server
