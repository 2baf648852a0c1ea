// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// Package wire is the messages of the application tracing protocol of LTTng-UST, ABI 9
// and 10, in both directions. It does no I/O.
//
//	both sockets     program → daemon   Registration, once
//	command socket   daemon → program   Command, and what follows it
//	                 program → daemon   Reply, and a FieldInfo after some
//	notify socket    program → daemon   EventNotice, ChannelNotice, EnumNotice
//	                 daemon → program   EventAnswer, ChannelAnswer, EnumAnswer
//
// All are in the byte order of the host, which is little-endian here. Sizes are fixed;
// what varies follows a message and has its length in it. docs/protocol/ust.md has the
// table.
//
// # Limits
//
// Texts end at the first zero byte. A text without one, lengths beyond the limits
// below, and numbers that are none of an enumeration are errors.
package wire
