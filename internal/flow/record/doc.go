// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// Package record is what is written down of traced packets: a Scope says which packet
// is being simulated, handlers of slog put it into log lines, and a Record is an event
// on its way to the hub's archive or to a log service.
//
// # Log context
//
// The Scope travels in a context, so that a line has it as long as it is logged with
// the context of a traced packet, and no other line ever has it: there is nothing to be
// cleared.
//
// # Form
//
// A Record as JSON is one object: time (RFC 3339), level, msg, the keys of the Scope,
// and the members of the event. docs/format/flow-records.md shows it.
package record
