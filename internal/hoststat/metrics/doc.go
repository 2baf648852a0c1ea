// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// Package metrics shows what [hoststat.Engine] reads to Prometheus, in two views:
// weir's own names, and those of node_exporter, so that dashboards made for it work.
//
//	tape of a section ──walk──> a buffer for each family ──> headings and buffers
//
// A [plan] says, by node of the model, what an entry of a tape is: a sample of a
// family, a label of the samples that follow, or a text to keep until its element
// is closed. Families and nodes that the kernel names are added to it when they are
// first seen. Tapes are walked once, in their order; since a family's samples have
// to stand together, each family has a buffer. Nothing passes through XML or
// through floating point: numbers are the kernel's digits, with the point moved.
//
// A section that hangs is not shown, and weir_section_up is 0 for it.
//
// # Concurrency
//
// A view serves a few scrapes at a time and refuses more: each has a session of the
// engine and buffers, which later scrapes use again. Plans grow under a lock and are
// read as snapshots.
package metrics
