// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// Package journal keeps the journals of an agent: the records of each source, what
// the records say exists (objects, names), the feeds and how far each has been
// cancelled, and the serial of the last buffer of events that was taken over. All
// of it is one database, so that a batch is there as a whole or not at all.
//
// It must not know what records mean: to it they are bytes with an index.
package journal
