// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// Package convert writes traces anew: in the other version of the format, or
// less of them, such as the events of a second, of a filter, of some channels.
//
// # What stays
//
// A packet of the input is a packet of the output, also when no event of it is
// left, with its begin, its end and the members of its context. So each event
// keeps its context, and what tracers say that they lost is between the same
// times. Packets outside of the chosen time are left out, but for the two around
// a loss that reaches into it. The counters of lost events and of packets go on
// from what the first packet of the output says: a reader finds the losses that
// it would find in the input by the same choice, no others. One that reaches over
// the edge of the chosen time is told whole, as its count would be lost with a
// part of it. Events that were not chosen are no losses.
//
// Streams keep class, instance and channel, and all event classes stay declared
// with their ids. A rotated session, several directories with one uuid, becomes
// one trace in one directory.
//
// # Identity
//
// Readers take directories with the same uuid for one trace. A trace all of
// which was converted is the same recording and keeps its uuid: read together
// with the input, its packets are known to be there twice. A trace of which
// something was left out gets a uuid of its own, by the input's and by what was
// chosen. It begins with the same ten bytes, as readers order traces by their
// uuids where events have the same time.
//
// # Bytes
//
// Both versions of the format lay out data the same way, so that converting
// from one to the other is new metadata alone. Packets that are kept whole are
// copied, events too where all of their fields begin at bytes, as LTTng's do;
// other events are encoded anew.
//
// # Failures
//
// A bad packet ends its stream: what lies before it is converted. That, and the
// first error of writing, which ends all, are in the error that is returned.
// The output is built beside its place, in a directory .NAME.convert-NUMBER, and
// moved there when complete. What is left of a conversion that was killed goes
// with the next one to the same place: nobody has locked that directory.
//
// # Limits
//
// A packet is held in memory, at most 1 GiB.
package convert
