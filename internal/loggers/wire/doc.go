// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// Package wire is the messages of the protocol of LTTng's agents, version 2.0: between a
// session daemon and the part of a Python or Java program that hands what loggers are
// told over to LTTng-UST. It does no I/O.
//
//	program → daemon   Registration, once
//	daemon → program   a command: List, Enable, Disable, Done, AddContext, RemoveContext
//	program → daemon   its answer: a Status; after that of List the names; none to Done
//
// All are in network byte order; docs/protocol/loggers.md has the table. What a program
// sends is read here alone: texts without end, counts that do not fit, and lengths
// beyond the limits are errors.
package wire
